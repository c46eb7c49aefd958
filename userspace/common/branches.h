/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The strings of VX_STEP_PARALLEL (<vexlab/request.h>): a branch begins with one of vx_branch_pack(), and has one of
 * vx_inner_pack() for each of its steps. They are text, fields parted by a unit separator (0x1f), so that a record carries
 * them as it carries every step's strings.
 */
#ifndef VEXLAB_BRANCHES_H
#define VEXLAB_BRANCHES_H

#include <stdbool.h>
#include <stdint.h>
#include "wire.h"

#define VX_BRANCHES_MAX		16
#define VX_INNER_ERRORS_MAX	8
#define VX_BRANCH_SEPARATOR	'\x1f'

enum vx_inner_expect { VX_INNER_OK, VX_INNER_FAILS, VX_INNER_ANY };

struct vx_inner {
	struct vx_step step;		/* id and deadline are 0; strings point into `text` */
	enum vx_inner_expect expect;
	int errors[VX_INNER_ERRORS_MAX];	/* errno that it may fail with; FAILS without any: all */
	unsigned int nerrors;
	char *text;
};

/* Freed by the caller; NULL: no memory, or a string has a separator in it. */
char *vx_branch_pack(uint64_t times, const char *name);
char *vx_inner_pack(const struct vx_inner *inner);

bool vx_is_branch(const char *text);
/* 0 or -EINVAL. `name` points into `text`. */
int vx_branch_unpack(const char *text, uint64_t *times, const char **name);
/* 0, -EINVAL or -ENOMEM; vx_inner_clear() it after success. */
int vx_inner_unpack(const char *text, struct vx_inner *ret);
void vx_inner_clear(struct vx_inner *inner);
/* `err`: 0 or -errno. */
bool vx_inner_is_as_expected(const struct vx_inner *inner, int err);

#endif
