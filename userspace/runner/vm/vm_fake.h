/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest made of a script, for tests of what drives a VM. Everything it tells
 * comes from the main context, in the order it was asked for, like the real
 * one's. Put a `struct vm_fake_script` into vm_config.driver_data.
 */
#ifndef VEXLAB_VM_FAKE_H
#define VEXLAB_VM_FAKE_H

#include "vm.h"

enum vm_fake_fail {
	VM_FAKE_FAIL_CREATE	= 1 << 0,
	VM_FAKE_FAIL_BOOT	= 1 << 1,
	VM_FAKE_FAIL_SAVE	= 1 << 2,
	VM_FAKE_FAIL_RESTORE	= 1 << 3,
	VM_FAKE_FAIL_STANDBY	= 1 << 4,
	VM_FAKE_FAIL_WAKE	= 1 << 5,
};

struct vm_fake_script {
	const char *console;		/* said when it starts; NULL: nothing */
	/* The agent: called with what was written to the channel. May call vm_fake_*. NULL: nobody listens. */
	void (*agent)(struct vm *vm, GBytes *bytes, void *ctx);
	/* It starts: by boot (restored FALSE) or restore. NULL: nothing. */
	void (*started)(struct vm *vm, gboolean restored, void *ctx);
	void *ctx;
	/* -1, or a connected socket whose other end is the agent; taken over. Then `agent` is not called. */
	int channel_fd;
	unsigned int fail;		/* enum vm_fake_fail: these say VX_ERROR_UNAVAILABLE */
	GString *calls;			/* if not NULL: each call is noted, "boot;save;restore;..." */
};

void vm_fake_console(struct vm *vm, const void *data, gsize len);
void vm_fake_send(struct vm *vm, const void *data, gsize len);
/* After what was said before. */
void vm_fake_die(struct vm *vm, enum vm_gone why);
/* While held, writes are only counted in channel_pending(), then given to the agent. */
void vm_fake_hold(struct vm *vm, gboolean hold);

#endif
