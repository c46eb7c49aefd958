// SPDX-License-Identifier: GPL-2.0
#include <stddef.h>

#include "file_ops.h"

#define ROW(name_, function_, group_, flags_, lacks_, what_)	\
	{ .name = name_, .group = group_, .what = what_, .flags = flags_ },

const struct vx_file_op vx_file_ops[] = { VX_FILE_OPS(ROW) { .name = NULL } };
