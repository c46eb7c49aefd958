/* SPDX-License-Identifier: GPL-2.0 */
/* Which kernel this is, for the few things that cannot be asked for by what it has. */
#ifndef VEXLAB_AGENT_KERNEL_H
#define VEXLAB_AGENT_KERNEL_H

#include <stdbool.h>
#include <stdio.h>
#include <sys/utsname.h>

static inline bool kernel_at_least(unsigned int major, unsigned int minor)
{
	unsigned int ours = 0, our_minor = 0;
	struct utsname uts;

	uname(&uts);
	return sscanf(uts.release, "%u.%u", &ours, &our_minor) == 2 &&
	       (ours > major || (ours == major && our_minor >= minor));
}

#endif
