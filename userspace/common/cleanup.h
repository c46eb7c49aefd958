/* SPDX-License-Identifier: GPL-2.0 */
/* Scope guards for code without GLib. A value is handed over by setting its variable to -1 or NULL. */
#ifndef VEXLAB_CLEANUP_H
#define VEXLAB_CLEANUP_H

#include <dirent.h>
#include <stdlib.h>
#include <unistd.h>

static inline void vx_close_p(int *fd)
{
	if (*fd >= 0)
		close(*fd);
}

static inline void vx_free_p(void *p)
{
	free(*(void **)p);
}

static inline void vx_closedir_p(DIR **dir)
{
	if (*dir)
		closedir(*dir);
}

#define _cleanup_close_	__attribute__((cleanup(vx_close_p)))
#define _cleanup_closedir_ __attribute__((cleanup(vx_closedir_p)))
#define _cleanup_free_	__attribute__((cleanup(vx_free_p)))

#endif
