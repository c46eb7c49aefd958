/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Files from the host, one at a time, chunk by chunk. A file appears under its
 * name only when it is whole; what is broken off leaves nothing behind.
 */
#ifndef VEXLAB_AGENT_PUT_H
#define VEXLAB_AGENT_PUT_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vexlab/request.h>

struct put {
	int fd;			/* -1: no transfer */
	uint32_t id;
	uint32_t failed;	/* transfer that has had its answer; its other chunks are ignored */
	bool any_failed;
	uint64_t size;		/* received so far */
	char path[PATH_MAX];
	char temp[PATH_MAX];
};

void put_init(struct put *put);
void put_deinit(struct put *put);

/*
 * Takes the payload of a VX_REQ_PUT. True: the transfer ended, well or not, and
 * *ret is the answer.
 */
bool put_chunk(struct put *put, const void *payload, size_t len, struct vx_msg_put *ret);

#endif
