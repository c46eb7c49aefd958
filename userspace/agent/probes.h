/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The BPF programs of the guest: loaded, attached, read. Errors are 0 or
 * -errno; nothing is printed. All calls belong to one thread, but for
 * probes_set_step(), which any thread may call at any time.
 *
 *	probes_create(...)				nothing in the kernel yet
 *	probes_set(p, VX_PROBES_MOUNT, "ext4", "")	loads (first time) and attaches
 *	poll(probes_ring_fd(p)); probes_consume(p)	events come to the callback
 *	probes_set(p, 0, "", "")			detaches, keeps what is loaded
 *	probes_destroy(p)
 */
#ifndef VEXLAB_PROBES_H
#define VEXLAB_PROBES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <vexlab/event.h>
#include <vexlab/hist.h>
#include <vexlab/request.h>

struct probes;
struct tracer;
struct calls;
struct ksyms_past;

/*
 * One record, `size` bytes as the kernel wrote them; valid only during the
 * call. A negative value stops probes_consume(), which returns it; the record
 * counts as taken.
 */
typedef int (*probes_event_fn)(void *arg, const struct vx_event *event, size_t size);

struct probes_options {
	size_t ring_bytes;	/* power of two, multiple of the page size; 0: 4 MiB */
	/*
	 * The ring wakes its reader each time this much more has come in, so
	 * the reader must also look by itself (probes_consume() every
	 * PROBES_POLL_MS). 1: at every record.
	 */
	size_t wake_bytes;	/* 0: 16 KiB */
	probes_event_fn event;
	void *arg;		/* given to `event` */
};

#define PROBES_POLL_MS		50
#define PROBES_MARKS_BATCH	512	/* marks emitted by one probes_marks() at most */

int probes_create(const struct probes_options *options, struct probes **ret);
void probes_destroy(struct probes *p);	/* NULL is fine; detaches and unloads */

/*
 * Attaches exactly `groups` (enum vx_probe_group; 0: none) for one filesystem
 * type ("": every one). Each program is tried on its own: 0 when the groups'
 * essential programs are attached, else -errno, and probes_status() has the
 * reasons either way. VX_PROBES_SLAB needs VX_PROBES_MOUNT.
 */
int probes_set(struct probes *p, uint32_t groups, const char *fstype, const char *module);
uint32_t probes_groups(const struct probes *p);	/* what is attached now */

/* Every program of the groups asked for last; owned by `p`, valid until the next probes_set(). */
size_t probes_status(struct probes *p, const struct vx_probe_status **ret);

/* The step that operations begun from now on are blamed on; 0: none. Any thread. */
void probes_set_step(struct probes *p, uint64_t step);

/*
 * VX_PROBES_ALLOC. Do the threads of this process, but for the main one, work on the target now? Modules may have come
 * or gone: their names are looked at while they can be.
 */
void probes_watch(struct probes *p, bool on);
void probes_modules_changed(struct probes *p);
/* Owned by `p`. -ENODATA: not attached. */
int probes_tracer(struct probes *p, struct tracer **ret, struct ksyms_past **past);
/* The wrappers' table; NULL: not on. */
const struct calls *probes_calls(const struct probes *p);

/* For poll(2), readable at a wake-up; -1 as long as nothing is loaded. */
int probes_ring_fd(const struct probes *p);
/* Calls back for every record there is; returns how many, or -errno. */
int probes_consume(struct probes *p);

/*
 * Emits up to `count` (<= PROBES_MARKS_BATCH) VX_EVENT_MARKs with this cookie
 * and returns how many found room, or -errno. Loads the programs if need be.
 * Consume between calls, and none is lost.
 */
int probes_marks(struct probes *p, uint32_t count, uint64_t cookie);

/*
 * Summed over CPUs since the last probes_reset(). `phase` VX_PHASE_TYPES: the
 * total. -ENODATA: no sample.
 */
int probes_hist(struct probes *p, enum vx_op op, unsigned int phase, struct vx_hist *ret);

/* Loss and emission, CPU by CPU; returns how many were written, <= `max`, or -errno. */
int probes_cpu_stats(struct probes *p, struct vx_cpu_stats *ret, size_t max);
size_t probes_ring_bytes(const struct probes *p);

/* Histograms and counters to zero; what is outstanding is forgotten. */
int probes_reset(struct probes *p);

#endif
