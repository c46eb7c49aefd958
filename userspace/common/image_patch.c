// SPDX-License-Identifier: GPL-2.0
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "image_patch.h"

#define POLYNOMIAL	0x82f63b78u
#define CRC_BYTES	4u

static const char *const words[] = {
	[VX_PATCH_SET] = "set", [VX_PATCH_XOR] = "xor", [VX_PATCH_COPY] = "copy", [VX_PATCH_SWAP] = "swap",
	[VX_PATCH_CRC32C] = "crc32c", [VX_PATCH_CRC32C_RAW] = "crc32c-raw",
};
#define NWORDS (sizeof(words) / sizeof(words[0]))

uint32_t vx_crc32c(uint32_t crc, const void *data, size_t len)
{
	const unsigned char *p = data;
	int bit;

	while (len--)
		for (crc ^= *p++, bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? POLYNOMIAL : 0);
	return crc;
}

/* ---- text ------------------------------------------------------------------------------------- */

static int kind_of(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < NWORDS; i++)
		if (strlen(words[i]) == len && !memcmp(words[i], text, len))
			return (int)i;
	return -EINVAL;
}

/* A blank, then a decimal number. */
static int number(const char **p, uint64_t max, uint64_t *ret)
{
	char *end;

	if (**p != ' ' || !isdigit((unsigned char)(*p)[1]))
		return -EINVAL;
	errno = 0;
	*ret = strtoull(*p + 1, &end, 10);
	if (errno || *ret > max)
		return -ERANGE;
	*p = end;
	return 0;
}

static int digit(char c)
{
	return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

static int hex(const char **p, struct vx_patch *patch)
{
	const char *s = *p + 1;

	if (**p != ' ')
		return -EINVAL;
	for (patch->len = 0; digit(s[0]) >= 0 && digit(s[1]) >= 0; s += 2) {
		if (patch->len == VX_PATCH_BYTES_MAX)
			return -ERANGE;
		patch->bytes[patch->len++] = (unsigned char)(digit(s[0]) << 4 | digit(s[1]));
	}
	*p = s;
	return patch->len ? 0 : -EINVAL;
}

static int range(const char **p, uint64_t size, struct vx_patch *patch)
{
	uint64_t len = 0;
	int err = number(p, size, &patch->from);

	if (!err)
		err = number(p, VX_PATCH_LEN_MAX, &len);
	if (!err && (!len || patch->from + len > size))
		err = -ERANGE;
	patch->len = (uint32_t)len;
	return err;
}

uint32_t vx_patch_width(const struct vx_patch *patch)
{
	return patch->kind >= VX_PATCH_CRC32C ? CRC_BYTES : patch->len;
}

int vx_patch_parse(const char *text, uint64_t size, struct vx_patch *ret)
{
	size_t word = strcspn(text, " ");
	const char *p = text + word;
	struct vx_patch patch = { 0 };
	int kind = kind_of(text, word), err;

	if (kind < 0)
		return kind;
	patch.kind = (enum vx_patch_kind)kind;
	err = number(&p, size, &patch.at);
	if (!err)
		err = patch.kind <= VX_PATCH_XOR ? hex(&p, &patch) : range(&p, size, &patch);
	if (err)
		return err;
	if (*p)
		return -EINVAL;
	if (patch.at + vx_patch_width(&patch) > size)
		return -ERANGE;
	*ret = patch;
	return 0;
}

/* ---- doing it --------------------------------------------------------------------------------- */

static void checksum(const struct vx_patch *patch, const struct vx_image *image, unsigned char *buf)
{
	unsigned char sum[CRC_BYTES];
	uint32_t crc;
	uint64_t i;

	image->read(image->ctx, patch->from, buf, patch->len);
	for (i = patch->at; i < patch->at + CRC_BYTES; i++)
		if (i >= patch->from && i < patch->from + patch->len)
			buf[i - patch->from] = 0;
	crc = vx_crc32c(~0u, buf, patch->len);
	if (patch->kind == VX_PATCH_CRC32C)
		crc = ~crc;
	for (i = 0; i < CRC_BYTES; i++)
		sum[i] = (unsigned char)(crc >> 8 * i);
	image->write(image->ctx, patch->at, sum, sizeof(sum));
}

static void move(const struct vx_patch *patch, const struct vx_image *image, unsigned char *buf)
{
	unsigned char *there = buf, *here = buf + patch->len;

	image->read(image->ctx, patch->from, there, patch->len);
	image->read(image->ctx, patch->at, here, patch->len);
	image->write(image->ctx, patch->at, there, patch->len);
	if (patch->kind == VX_PATCH_SWAP)
		image->write(image->ctx, patch->from, here, patch->len);
}

int vx_patch_apply(const struct vx_patch *patch, const struct vx_image *image)
{
	unsigned char bytes[VX_PATCH_BYTES_MAX], *buf;
	uint32_t i;

	if (patch->kind == VX_PATCH_SET) {
		image->write(image->ctx, patch->at, patch->bytes, patch->len);
		return 0;
	}
	if (patch->kind == VX_PATCH_XOR) {
		image->read(image->ctx, patch->at, bytes, patch->len);
		for (i = 0; i < patch->len; i++)
			bytes[i] ^= patch->bytes[i];
		image->write(image->ctx, patch->at, bytes, patch->len);
		return 0;
	}
	buf = malloc((size_t)patch->len * 2);
	if (!buf)
		return -ENOMEM;
	if (patch->kind == VX_PATCH_COPY || patch->kind == VX_PATCH_SWAP)
		move(patch, image, buf);
	else
		checksum(patch, image, buf);
	free(buf);
	return 0;
}
