/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Damaged images. The device is ours (images_disk.c), a network block device whose other end is a thread of the agent: an
 * image is kept in memory, what is written goes beside it, and to be as it was costs nothing. It may have any size, and
 * tells what was read.
 */
#ifndef VEXLAB_AGENT_IMAGES_H
#define VEXLAB_AGENT_IMAGES_H

#include "image_patch.h"
#include "ops.h"

#define IMAGES_BYTES_MAX	(1ull << 30)
#define IMAGES_ROOM		(1ull << 20)	/* beyond the image: for devices that are larger than it */
#define IMAGES_READS_MAX	2048u

/* A device of `bytes` zeros, in place of the one before. `device`: its node. 0 or -errno; what was not to be had in *what. */
int images_disk_open(uint64_t bytes, char device[32], const char **what);
void images_disk_close(void);
/* The image is what the device holds now. */
void images_disk_keep(void);
/* The device holds the image, and nothing of it is in the kernel's cache; `bytes` long, 0: as it was opened. */
int images_disk_reset(uint64_t bytes);
/* 0: none is open. */
uint64_t images_disk_size(void);
const char *images_disk_device(void);
struct vx_image images_disk_image(void);
/* After a change by images_disk_image(): the kernel has to read it again. */
int images_disk_forget(void);

struct images_read {
	uint64_t at;
	uint32_t len;
};
/* What has been read since images_disk_reset(), in order; returns how many. */
unsigned int images_disk_reads(struct images_read *ret, unsigned int max);

/* images_tree.c: makes what an image is to have; uses what a mounted one has: reads, writes, creates, removes all over. */
int images_fill(struct op_run *run, const char *dir);
/* At most so many of its entries. Calls made and calls refused; ends early when the step is cancelled. */
void images_use(struct op_run *run, const char *dir, unsigned int most, unsigned int *calls, unsigned int *refused);

#endif
