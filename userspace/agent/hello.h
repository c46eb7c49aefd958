/* SPDX-License-Identifier: GPL-2.0 */
/* The greeting: who we are, where, and since when. */
#ifndef VEXLAB_AGENT_HELLO_H
#define VEXLAB_AGENT_HELLO_H

#include <stdbool.h>
#include <stdint.h>
#include "outbox.h"

struct hello {
	bool foreign;
	uint64_t features;		/* enum vx_feature */
	uint64_t start_boot_ns;		/* CLOCK_BOOTTIME when main() began */
	uint64_t ready_boot_ns;		/* ... when it was ready */
};

/* "VERSION BUILDID": what `vexlab-agent --version` says; static storage. */
const char *hello_version(void);
/* Once at start, before threads: what can be done here. */
void hello_probe(struct hello *hello);
void hello_send(const struct hello *hello, struct outbox *out);

#endif
