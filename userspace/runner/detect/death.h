/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Deaths as kmod-probe tells them (VX_EVENT_OOPS): another source of the crash
 * that the console tells of. One crash counts once: where both speak, the
 * console's finding stands, and this is evidence for it.
 */
#ifndef VEXLAB_DEATH_H
#define VEXLAB_DEATH_H

#include <vexlab/event.h>

#include "finding.h"

/* The death and a finding are about the same crash when no more lies between them. */
#define DEATH_NEAR_NS	3000000000ull

struct death {
	struct vx_event_oops oops;
	guint64 realtime_ns;		/* of its arrival */
};

/* "die: Oops at foo+0x12/0x40 [bar], CPU 1, task mount/123". Caller frees. */
char *death_text(const struct vx_event_oops *oops);
/* Is this finding one of the console's (or another's) that tells of this death? */
gboolean death_explains(const struct death *death, const struct finding *finding);
/* The death in words, its registers and return addresses, as lines of the finding; its function if that has none. */
void death_add_to(const struct death *death, struct finding *finding);

#endif
