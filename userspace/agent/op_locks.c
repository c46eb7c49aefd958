// SPDX-License-Identifier: GPL-2.0
/*
 * What vexprobe.ko has recorded of locks (<vexlab/locks.h>), as lines that the host reads (detect/locks.h there): sites
 * and their figures, orders that may be part of a circle, locks that are still held. The descriptor stays open from the first of these steps
 * on: with it all of that ends.
 */
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <vexlab/blackbox.h>
#include <vexlab/locks.h>

#include "cleanup.h"
#include "lockorder.h"
#include "ops.h"

#define TEXT_MAX	(60u << 10)	/* of VX_STEP_OUTPUT_MAX */
#define SITES_TOLD	200u
#define EDGES_TOLD	64u
#define COST_ROUNDS	20000u

static int device = -1;

struct report {
	struct op_run *run;
	const struct vx_locks *locks;
	struct lockorder_classes *classes;
	size_t len;
	unsigned int cut;			/* lines that found no room */
	bool told[VX_LOCK_SITES];		/* with its stack */
};

int locks_device(void)
{
	if (device < 0)
		device = open("/dev/" VX_PROBE_DEVICE, O_RDWR | O_CLOEXEC);
	return device < 0 ? -errno : device;
}

static void say(struct report *r, const char *format, ...) __attribute__((format(printf, 2, 3)));
static void say(struct report *r, const char *format, ...)
{
	char line[512];
	va_list args;
	int n;

	va_start(args, format);
	n = vsnprintf(line, sizeof(line), format, args);
	va_end(args);
	if (n <= 0 || (size_t)n >= sizeof(line) || r->len + (size_t)n > TEXT_MAX) {
		r->cut++;
		return;
	}
	r->len += (size_t)n;
	op_say_bytes(r->run, line, (size_t)n);
}

/* ---- names ----------------------------------------------------------------------------------- */

/* Of a return address: the call may be the last instruction of its function. */
static bool find_symbol(uint64_t address, struct vx_symbol *ret)
{
	*ret = (struct vx_symbol){ .address = address - 1 };
	if (ioctl(device, VX_PROBE_SYMBOL, ret) || !ret->size)
		return false;
	ret->name[sizeof(ret->name) - 1] = '\0';
	return true;
}

static void say_frame(struct report *r, char tag, uint64_t address)
{
	struct vx_symbol symbol;
	const char *module;

	if (!find_symbol(address, &symbol)) {
		say(r, "%c 0x%llx\n", tag, (unsigned long long)address);
		return;
	}
	module = strchr(symbol.name, ' ') ?: "";
	say(r, "%c %.*s+0x%llx/0x%llx%s\n", tag, (int)strcspn(symbol.name, " "), symbol.name,
	    (unsigned long long)(address - symbol.start), (unsigned long long)symbol.size, module);
}

static bool is_ours(uint64_t address)
{
	struct vx_symbol symbol;

	return find_symbol(address, &symbol) && strstr(symbol.name, " [vexprobe]");
}

/* From the call at `site` outwards; if that is not on it, from what is not ours. */
static void say_stack(struct report *r, char tag, const __u64 *stack, uint64_t site)
{
	unsigned int first = 0, i;

	while (first < VX_LOCK_FRAMES && stack[first] && stack[first] != site)
		first++;
	if (first == VX_LOCK_FRAMES || !stack[first])
		for (first = 0; first < VX_LOCK_FRAMES && stack[first] && is_ours(stack[first]); first++)
			;
	for (i = first; i < VX_LOCK_FRAMES && stack[i]; i++)
		say_frame(r, tag, stack[i]);
}

/* ---- sites ------------------------------------------------------------------------------------- */

static int site_index(const struct vx_locks *locks, uint64_t address)
{
	/* The table is the kernel's own, with its hash; a linear search is quick enough for what is told. */
	for (unsigned int i = 0; i < VX_LOCK_SITES; i++)
		if (locks->sites[i].site == address && address)
			return (int)i;
	return -1;
}

/* Once each, before what refers to it. Its number is its place in the table. */
static void say_site(struct report *r, int i, bool stack)
{
	const struct vx_lock_site *s;

	if (i < 0 || r->told[i])
		return;
	s = &r->locks->sites[i];
	r->told[i] = true;
	say(r, "S %d %u %llu %llu %llu %llu %llu %llu %llu %llu %llu %u\n", i, s->kind, (unsigned long long)s->taken,
	    (unsigned long long)s->contended, (unsigned long long)s->wait_ns, (unsigned long long)s->wait_max_ns,
	    (unsigned long long)s->hold_ns, (unsigned long long)s->hold_max_ns,
	    (unsigned long long)s->hold_max_off_ns, (unsigned long long)s->long_holds,
	    (unsigned long long)s->long_max_ns, s->long_slept);
	if (stack || s->long_holds)
		say_stack(r, 'F', s->stack, s->site);
	else
		say_frame(r, 'F', s->site);
	if (s->long_holds)
		say_stack(r, 'L', s->long_stack, 0);
}

static const struct vx_locks *sorted;	/* qsort() knows no context; one step at a time */

/* Long holds, then waiting, then holding. */
static int by_weight(const void *a, const void *b)
{
	const struct vx_lock_site *x = &sorted->sites[*(const int *)a], *y = &sorted->sites[*(const int *)b];

	if (x->long_holds != y->long_holds)
		return x->long_holds > y->long_holds ? -1 : 1;
	if (x->wait_ns != y->wait_ns)
		return x->wait_ns > y->wait_ns ? -1 : 1;
	return x->hold_ns > y->hold_ns ? -1 : x->hold_ns < y->hold_ns;
}

static void say_sites(struct report *r)
{
	int index[VX_LOCK_SITES] = { 0 };
	unsigned int n = 0, i;

	for (i = 0; i < VX_LOCK_SITES; i++)
		if (r->locks->sites[i].site)
			index[n++] = (int)i;
	sorted = r->locks;
	qsort(index, n, sizeof(*index), by_weight);
	for (i = 0; i < n && i < SITES_TOLD; i++)
		say_site(r, index[i], false);
}

/* ---- order --------------------------------------------------------------------------------------- */

static int make_classes(struct report *r)
{
	_cleanup_free_ struct lockorder_pair *pairs = calloc(VX_LOCK_PAIRS, sizeof(*pairs));
	size_t n = 0;

	for (unsigned int i = 0; pairs && i < VX_LOCK_PAIRS; i++)
		if (r->locks->pairs[i].key && r->locks->pairs[i].lock)
			pairs[n++] = (struct lockorder_pair){ r->locks->pairs[i].lock, r->locks->pairs[i].site };
	r->classes = pairs ? lockorder_classes_create(pairs, n) : NULL;
	return r->classes ? 0 : -ENOMEM;
}

static size_t gather_edges(const struct report *r, struct lockorder_edge *ret)
{
	size_t n = 0;

	for (unsigned int i = 0; i < VX_LOCK_EDGES; i++) {
		const struct vx_lock_edge *e = &r->locks->edges[i];

		if (!e->key || !e->count)
			continue;
		ret[n++] = (struct lockorder_edge){
			.outer = e->outer, .inner = e->inner, .user = i,
			.outer_class = lockorder_class(r->classes, e->outer),
			.inner_class = lockorder_class(r->classes, e->inner),
			.gate = e->flags & VX_EDGE_GATE_BROKEN ? 0 : e->gate,
			.writes_outer = e->flags & VX_EDGE_WRITES_OUTER,
			.writes_inner = e->flags & VX_EDGE_WRITES_INNER,
		};
	}
	return lockorder_prune(ret, n);
}

/* Locks get numbers: their addresses are nobody's business, and no two runs have the same. */
static unsigned int number_of(uint64_t lock, uint64_t *known, unsigned int *n)
{
	unsigned int i;

	for (i = 0; i < *n && known[i] != lock; i++)
		;
	if (i == *n)
		known[(*n)++] = lock;
	return i + 1;
}

static void say_edges(struct report *r, const struct lockorder_edge *edges, size_t n)
{
	uint64_t known[3 * EDGES_TOLD];
	unsigned int numbers = 0;

	for (size_t i = 0; i < n && i < EDGES_TOLD; i++) {
		const struct vx_lock_edge *e = &r->locks->edges[edges[i].user];
		const int outer = site_index(r->locks, e->outer_site), inner = site_index(r->locks, e->inner_site);
		const unsigned int a = number_of(e->outer, known, &numbers), b = number_of(e->inner, known, &numbers);

		if (outer < 0 || inner < 0)
			continue;
		say_site(r, outer, true);
		say_site(r, inner, true);
		say(r, "E %u %u %d %u %u %d %u %u %llu %u\n", a, edges[i].outer_class, outer, b, edges[i].inner_class,
		    inner, edges[i].gate ? number_of(edges[i].gate, known, &numbers) : 0,
		    edges[i].writes_outer | (unsigned int)edges[i].writes_inner << 1, (unsigned long long)e->count,
		    e->tid);
		say_stack(r, 'G', e->stack, e->inner_site);
	}
	if (n > EDGES_TOLD)
		r->cut += (unsigned int)(n - EDGES_TOLD);
}

static int say_order(struct report *r)
{
	_cleanup_free_ struct lockorder_edge *edges = calloc(VX_LOCK_EDGES, sizeof(*edges));
	int err = edges ? make_classes(r) : -ENOMEM;

	if (!err)
		say_edges(r, edges, gather_edges(r, edges));
	lockorder_classes_destroy(r->classes);
	return err;
}

/* ---- what is still held ------------------------------------------------------------------------------ */

/* It is in no system call any more: it is gone, or it is this very thread. */
static bool has_returned(const struct vx_lock_held *held)
{
	char path[64];

	if (held->tid == (uint32_t)syscall(SYS_gettid))
		return true;
	snprintf(path, sizeof(path), "/proc/%u/task/%u", held->tgid, held->tid);
	return held->tid && access(path, F_OK) && errno == ENOENT;
}

static void say_held(struct report *r)
{
	const struct vx_locks *locks = r->locks;

	for (unsigned int i = 0; i < locks->nheld && i < VX_LOCK_HELD_MAX; i++) {
		const int site = site_index(locks, locks->held[i].site);

		if (site < 0 || !has_returned(&locks->held[i]))
			continue;
		say_site(r, site, true);
		say(r, "H %d %u %llu\n", site, locks->held[i].tid, (unsigned long long)locks->held[i].held_ns);
	}
	for (unsigned int i = 0; i < locks->nforeign && i < VX_LOCK_HELD_MAX; i++) {
		const int site = site_index(locks, locks->foreign[i].site);

		/* A semaphore's reader may be let go by another: read-ahead and direct I/O are. */
		if (site < 0 || locks->foreign[i].kind != VX_LOCK_MUTEX)
			continue;
		say_site(r, site, true);
		say(r, "U %d %u %u\n", site, locks->foreign[i].tid, locks->foreign[i].by);
	}
}

/* ---- the steps ---------------------------------------------------------------------------------------- */

static int read_locks(struct op_run *run)
{
	_cleanup_free_ struct vx_locks *locks = malloc(sizeof(*locks));
	struct report r = { .run = run, .locks = locks };
	uint64_t to = (uint64_t)(uintptr_t)locks;
	const struct vx_lock_counts *c;
	int err;

	if (!locks)
		return -ENOMEM;
	if (ioctl(device, VX_PROBE_LOCKS_READ, &to))
		return -errno;
	c = &locks->counts;
	run->value = (int64_t)c->taken;
	say(&r, "C %llu %llu %llu %llu %llu %llu %llu %llu\n", (unsigned long long)c->taken,
	    (unsigned long long)c->released, (unsigned long long)c->unknown, (unsigned long long)c->sites_lost,
	    (unsigned long long)c->pairs_lost, (unsigned long long)c->edges_lost, (unsigned long long)c->holders_lost,
	    (unsigned long long)locks->missed);
	say_held(&r);
	err = say_order(&r);
	say_sites(&r);
	if (r.cut)
		say(&r, "X %u\n", r.cut);
	return err;
}

static int start_locks(uint32_t source, int64_t long_ns)
{
	struct vx_locks_start start = { .source = source, .long_ns = long_ns > 0 ? (uint64_t)long_ns : 0 };

	return ioctl(device, VX_PROBE_LOCKS_START, &start) ? -errno : 0;
}

static int measure(struct op_run *run)
{
	struct vx_locks_cost cost = { .rounds = COST_ROUNDS };

	if (ioctl(device, VX_PROBE_LOCKS_COST, &cost))
		return -errno;
	run->value = (int64_t)(cost.recorded_ns / COST_ROUNDS);
	op_say(run, "plain %llu off %llu recorded %llu nested %llu\n", (unsigned long long)cost.plain_ns / COST_ROUNDS,
	       (unsigned long long)cost.off_ns / COST_ROUNDS, (unsigned long long)cost.recorded_ns / COST_ROUNDS,
	       (unsigned long long)cost.nested_ns / COST_ROUNDS);
	return 0;
}

int op_locks(struct op_run *run)
{
	const __s64 *num = run->step.req.num;

	if (locks_device() < 0)
		return -errno;
	op_begin(run);
	switch (num[0]) {
	case VX_LOCKS_START:
		return op_end(run, num[1] > VX_LOCKS_OFF && num[1] < VX_LOCKS_SOURCES ?
				   start_locks((uint32_t)num[1], num[2]) : -EINVAL);
	case VX_LOCKS_READ:
		return op_end(run, read_locks(run));
	case VX_LOCKS_STOP:
		return op_end(run, start_locks(VX_LOCKS_OFF, 0));
	case VX_LOCKS_COST:
		return op_end(run, measure(run));
	}
	return op_end(run, -EINVAL);
}
