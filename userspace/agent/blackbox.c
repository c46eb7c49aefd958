// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>
#include <vexlab/blackbox.h>

#include "blackbox.h"

#define CPUS_IN_FULL	4u	/* more share what these would have: 12 MiB */
#define SLOTS_MIN	64u

bool blackbox_present(void)
{
	return !access(VX_PROBE_PATH, R_OK | W_OK);
}

uint32_t blackbox_slots(uint32_t cpus)
{
	uint32_t slots = VX_FLIGHT_SLOTS;

	while (slots > SLOTS_MIN && (uint64_t)slots * cpus > VX_FLIGHT_SLOTS * CPUS_IN_FULL)
		slots /= 2;
	return slots;
}

int blackbox_open(struct blackbox *box, int map_fd, uint32_t cpus, uint32_t slots)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	const size_t bytes = (size_t)cpus * slots * sizeof(struct vx_flight_slot);
	struct vx_probe_share req = { .cpus = cpus, .slots = slots };
	int err;

	box->bytes = (bytes + page - 1) / page * page;
	box->map = mmap(NULL, box->bytes, PROT_READ | PROT_WRITE, MAP_SHARED, map_fd, 0);
	if (box->map == MAP_FAILED) {
		err = -errno;
		box->map = NULL;
		return err;
	}
	req.address = (uint64_t)(uintptr_t)box->map;
	box->device = open(VX_PROBE_PATH, O_RDWR | O_CLOEXEC);
	err = box->device < 0 || ioctl(box->device, VX_PROBE_SHARE, &req) ? -errno : 0;
	if (err)
		blackbox_close(box);
	return err;
}

void blackbox_close(struct blackbox *box)
{
	if (box->device >= 0)
		close(box->device);
	if (box->map)
		munmap(box->map, box->bytes);
	box->device = -1;
	box->map = NULL;
}
