/* SPDX-License-Identifier: GPL-2.0 */
/* The flight map in the hands of kmod-probe (<vexlab/blackbox.h>), for as long as this process lives. */
#ifndef VEXLAB_AGENT_BLACKBOX_H
#define VEXLAB_AGENT_BLACKBOX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct blackbox {
	int device;		/* -1: not handed over */
	void *map;
	size_t bytes;
};

/* The module is loaded. */
bool blackbox_present(void);
/* Slots for each of `cpus` CPUs; fewer when there are many of them. A power of two. */
uint32_t blackbox_slots(uint32_t cpus);
/* Hands over the map of `map_fd`; 0 or -errno. */
int blackbox_open(struct blackbox *box, int map_fd, uint32_t cpus, uint32_t slots);
/* Safe if it was never opened but zeroed with `device` -1. */
void blackbox_close(struct blackbox *box);

#endif
