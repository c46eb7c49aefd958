/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is changed in an image, as text, so that it can stand in a step, be read, and be done again:
 *
 *	set AT HEX		these bytes
 *	xor AT HEX		these bits the other way round
 *	copy AT FROM LEN	what stands elsewhere
 *	swap AT FROM LEN
 *	crc32c AT FROM LEN	over LEN bytes, those of the sum itself taken as zeros; stored little endian
 *	crc32c-raw AT FROM LEN	the same without the inversion at the end (ext4)
 *
 * Numbers are decimal, of bytes from the image's beginning. Pure: host, agent and tests share it.
 */
#ifndef VEXLAB_IMAGE_PATCH_H
#define VEXLAB_IMAGE_PATCH_H

#include <stddef.h>
#include <stdint.h>

#define VX_PATCH_BYTES_MAX	64u		/* of set and xor */
#define VX_PATCH_LEN_MAX	(64u << 10)	/* of the others */

enum vx_patch_kind { VX_PATCH_SET, VX_PATCH_XOR, VX_PATCH_COPY, VX_PATCH_SWAP, VX_PATCH_CRC32C, VX_PATCH_CRC32C_RAW };

struct vx_patch {
	enum vx_patch_kind kind;
	uint64_t at, from;
	uint32_t len;
	unsigned char bytes[VX_PATCH_BYTES_MAX];
};

/* -EINVAL: no patch; -ERANGE: it reaches out of an image of `size` bytes. */
int vx_patch_parse(const char *text, uint64_t size, struct vx_patch *ret);
/* How many bytes at `at` it changes. */
uint32_t vx_patch_width(const struct vx_patch *patch);

struct vx_image {
	void *ctx;
	void (*read)(void *ctx, uint64_t at, void *buf, size_t len);
	void (*write)(void *ctx, uint64_t at, const void *buf, size_t len);
};
/* 0 or -ENOMEM. */
int vx_patch_apply(const struct vx_patch *patch, const struct vx_image *image);

/* Castagnoli's, reflected; `crc` goes in and comes out as it is: ~0 first, inverted last, by the caller. */
uint32_t vx_crc32c(uint32_t crc, const void *data, size_t len);

#endif
