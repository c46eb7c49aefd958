// SPDX-License-Identifier: GPL-2.0
/*
 * One BPF object a group, loaded when the group is first asked for and kept.
 * A program that this kernel cannot load is left out, by its name in libbpf's
 * own words, and the object tried again without it.
 */
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <vexlab/probe_hist.h>
#include "blackbox.h"
#include "calls.h"
#include "kernel.h"
#include "ksyms.h"
#include "mount.skel.h"
#include "oops.skel.h"
#include "slab.skel.h"
#include "probes.h"
#include "probes_log.h"
#include "tracer.h"

#define RING_BYTES_DEFAULT	(4u << 20)
#define WAKE_BYTES_DEFAULT	(16u << 10)
#define PROGRAMS_MAX		96	/* of all groups together */

#define NO_FILESYSTEM	1		/* no name has such a character */

struct program {
	struct vx_probe_status status;
	struct bpf_link *link;
	uint32_t group;
	bool hooks_function;	/* fentry or fexit: its target is a function in BTF */
	bool left_out;		/* this kernel does not load it */
};

struct probes {
	struct probes_options options;
	struct mount_bpf *mount;
	struct slab_bpf *slab;
	struct tracer *tracer;
	struct oops_bpf *oops;		/* goes with the mount group, where kmod-probe is */
	struct blackbox box;
	struct vx_probe_status box_status;
	struct calls calls;
	struct vx_probe_status calls_status;
	struct ring_buffer *ring;
	struct program programs[PROGRAMS_MAX];
	size_t nprograms;
	uint32_t asked;
	uint32_t attached;
	bool tracer_ready;
	struct ksyms_past *past;	/* for what `tracer` has seen */
	uint64_t step;		/* as set last, for programs loaded later */
	uint64_t *step_at, *oops_step_at; /* where the loaded programs read it */
	int cpus;		/* possible ones: per-CPU maps have a value for each */
	struct vx_probe_status status[PROGRAMS_MAX + 2];
	size_t nstatus;
};

/* Without these there is no record at all; without others, less of one. */
static const char *const essential[] = {
	"mount_enter", "mount_exit", "type_found",
	"umount_enter", "umount_exit", "path_umount_enter", "cleanup_enter", "cleanup_exit",
	"slab_kmalloc", "slab_kfree", "slab_cache_alloc", "slab_cache_free",
	"alloc_kmalloc", "alloc_cache", "alloc_kfree", "alloc_cache_free", "alloc_free_bulk", "alloc_free_bulk_old",
};

static bool is_essential(const char *name)
{
	for (size_t i = 0; i < sizeof(essential) / sizeof(essential[0]); i++)
		if (!strcmp(essential[i], name))
			return true;
	return false;
}

int probes_create(const struct probes_options *options, struct probes **ret)
{
	struct probes *p;
	int cpus = libbpf_num_possible_cpus();

	if (cpus < 0)
		return cpus;
	p = calloc(1, sizeof(*p));
	if (!p)
		return -ENOMEM;
	p->options = *options;
	p->cpus = cpus;
	p->box.device = -1;
	p->calls.device = -1;
	if (!p->options.ring_bytes)
		p->options.ring_bytes = RING_BYTES_DEFAULT;
	if (!p->options.wake_bytes)
		p->options.wake_bytes = WAKE_BYTES_DEFAULT;
	*ret = p;
	return 0;
}

/*
 * Until 5.12 a program hooks its function once in its life, f3a95075549e ("bpf: Allow trampoline re-attach for tracing and lsm programs",
 * 5.13). There it stays, and has nothing to look at: no filesystem matches, no text is the module's.
 */
static bool stays(const struct program *prog)
{
	return prog->hooks_function && !kernel_at_least(5, 13);
}

static void detach(struct probes *p, uint32_t groups)
{
	if (groups & VX_PROBES_MOUNT && p->mount)
		memset(p->mount->bss->filter, NO_FILESYSTEM, sizeof(p->mount->bss->filter) - 1);
	for (size_t i = 0; i < p->nprograms; i++) {
		struct program *prog = &p->programs[i];

		if (!(prog->group & groups) || stays(prog))
			continue;
		bpf_link__destroy(prog->link);
		prog->link = NULL;
		prog->status.kind = VX_ATTACH_NOT;
	}
	p->attached &= ~groups;
}

void probes_destroy(struct probes *p)
{
	if (!p)
		return;
	for (size_t i = 0; i < p->nprograms; i++)
		bpf_link__destroy(p->programs[i].link);
	ring_buffer__free(p->ring);
	blackbox_close(&p->box);
	calls_close(&p->calls);
	oops_bpf__destroy(p->oops);
	tracer_destroy(p->tracer);
	ksyms_past_destroy(p->past);
	slab_bpf__destroy(p->slab);
	mount_bpf__destroy(p->mount);
	free(p);
}

/* --- loading ------------------------------------------------------------------ */

static struct program *find_program(struct probes *p, uint32_t group, const char *name)
{
	for (size_t i = 0; i < p->nprograms; i++)
		if (p->programs[i].group == group && !strcmp(p->programs[i].status.name, name))
			return &p->programs[i];
	return NULL;
}

static enum vx_attach_kind kind_of(const struct bpf_program *prog)
{
	switch (bpf_program__type(prog)) {
	case BPF_PROG_TYPE_TRACING:
		return VX_ATTACH_FENTRY;
	case BPF_PROG_TYPE_KPROBE:
		return VX_ATTACH_KPROBE;
	default:
		return VX_ATTACH_TRACEPOINT;
	}
}

/* "fentry/vfs_get_tree": what is behind the slash; NULL: run by request only. */
static const char *target_of(const struct bpf_program *prog)
{
	const char *slash = strchr(bpf_program__section_name(prog), '/');
	const char *here = tracer_target(bpf_program__name(prog));

	return here ? here : slash ? slash + 1 : NULL;
}

static int list_programs(struct probes *p, struct bpf_object *object, uint32_t group)
{
	struct bpf_program *bpf;

	bpf_object__for_each_program(bpf, object) {
		const char *target = target_of(bpf);
		struct program *prog;

		if (!target || !bpf_program__autoload(bpf) || find_program(p, group, bpf_program__name(bpf)))
			continue;
		if (p->nprograms == PROGRAMS_MAX)
			return -E2BIG;
		prog = &p->programs[p->nprograms++];
		prog->group = group;
		prog->hooks_function = !strncmp(bpf_program__section_name(bpf), "fe", 2);
		snprintf(prog->status.name, sizeof(prog->status.name), "%s", bpf_program__name(bpf));
		snprintf(prog->status.target, sizeof(prog->status.target), "%s", target);
	}
	return 0;
}

static void leave_out_known(struct probes *p, struct bpf_object *object, uint32_t group)
{
	struct bpf_program *bpf;
	struct program *prog;

	bpf_object__for_each_program(bpf, object) {
		prog = find_program(p, group, bpf_program__name(bpf));
		if (prog && prog->left_out)
			bpf_program__set_autoload(bpf, false);
	}
}

/*
 * libbpf stops at the first function that the kernel has not; knowing all at
 * once spares a load, which is mostly the reading of BTF, for each of them.
 */
static void leave_out_missing(struct probes *p, uint32_t group, const char *why, int err)
{
	struct btf *vmlinux = btf__load_vmlinux_btf();

	for (size_t i = 0; vmlinux && i < p->nprograms; i++) {
		struct program *prog = &p->programs[i];

		if (prog->group != group || prog->left_out || !prog->hooks_function ||
		    btf__find_by_name_kind(vmlinux, prog->status.target, BTF_KIND_FUNC) > 0)
			continue;
		prog->left_out = true;
		prog->status.err = err;
		snprintf(prog->status.why, sizeof(prog->status.why), "%s", why);
	}
	btf__free(vmlinux);
}

/* True if the failure named a program that had not been left out yet. */
static bool leave_out_culprit(struct probes *p, uint32_t group, int err)
{
	char name[VX_NAME_LEN];
	struct program *prog;

	if (!probes_log_program(name, sizeof(name)))
		return false;
	prog = find_program(p, group, name);
	if (!prog || prog->left_out)
		return false;
	prog->left_out = true;
	prog->status.err = err;
	probes_log_reason(prog->status.why, sizeof(prog->status.why), err);
	if (err == -ESRCH)
		leave_out_missing(p, group, prog->status.why, err);
	return true;
}

static int size_flight(struct mount_bpf *mount, uint32_t cpus)
{
	uint32_t slots = blackbox_slots(cpus);
	int err = bpf_map__set_max_entries(mount->maps.flight, cpus * slots);

	mount->rodata->flight_slots = slots;
	return err ? err : bpf_map__set_max_entries(mount->maps.flight_heads, cpus);
}

static int open_mount(struct probes *p)
{
	int err = 0;

	p->mount = mount_bpf__open();
	if (!p->mount)
		return -errno;
	p->mount->rodata->wake_mask = p->options.wake_bytes - 1;
	/* Nobody to read it: then the programs do not write it either. */
	if (blackbox_present())
		err = size_flight(p->mount, (uint32_t)p->cpus);
	return err ? err : bpf_map__set_max_entries(p->mount->maps.ring, p->options.ring_bytes);
}

static int try_load_mount(struct probes *p)
{
	int err = open_mount(p);

	if (!err)
		err = list_programs(p, p->mount->obj, VX_PROBES_MOUNT);
	if (!err) {
		leave_out_known(p, p->mount->obj, VX_PROBES_MOUNT);
		err = mount_bpf__load(p->mount);
	}
	if (err) {
		mount_bpf__destroy(p->mount);
		p->mount = NULL;
	}
	return err;
}

static int try_load_slab(struct probes *p)
{
	static const char *const names[] = { "page_offset_base", "vmemmap_base" };
	uint64_t at[2];
	int err;

	p->slab = slab_bpf__open();
	if (!p->slab)
		return -errno;
	ksyms_variables(names, at, 2);
	p->slab->rodata->page_offset_base_at = at[0];
	p->slab->rodata->vmemmap_base_at = at[1];
	err = list_programs(p, p->slab->obj, VX_PROBES_SLAB);
	if (!err)
		err = bpf_map__reuse_fd(p->slab->maps.op_table, bpf_map__fd(p->mount->maps.data_ops));
	if (!err) {
		leave_out_known(p, p->slab->obj, VX_PROBES_SLAB);
		err = slab_bpf__load(p->slab);
	}
	if (err) {
		slab_bpf__destroy(p->slab);
		p->slab = NULL;
	}
	return err;
}

static int try_load_tracer(struct probes *p)
{
	struct bpf_object *object;
	int err = tracer_open(&p->tracer);

	if (err)
		return err;
	object = tracer_object(p->tracer);
	err = list_programs(p, object, VX_PROBES_ALLOC);
	if (!err) {
		leave_out_known(p, object, VX_PROBES_ALLOC);
		err = tracer_load(p->tracer);
	}
	if (err) {
		tracer_destroy(p->tracer);
		p->tracer = NULL;
	}
	return err;
}

/* The events of kmod-probe's notifiers go where the others go. */
static int share_maps(struct oops_bpf *oops, struct mount_bpf *mount)
{
	int err = bpf_map__reuse_fd(oops->maps.ring, bpf_map__fd(mount->maps.ring));

	if (!err)
		err = bpf_map__reuse_fd(oops->maps.cpu_stats, bpf_map__fd(mount->maps.cpu_stats));
	if (!err)
		err = bpf_map__reuse_fd(oops->maps.flight, bpf_map__fd(mount->maps.flight));
	if (!err)
		err = bpf_map__reuse_fd(oops->maps.flight_heads, bpf_map__fd(mount->maps.flight_heads));
	return err;
}

static int load_oops(struct probes *p)
{
	int err;

	p->oops = oops_bpf__open();
	if (!p->oops)
		return -errno;
	p->oops->rodata->flight_slots = p->mount->rodata->flight_slots;
	err = share_maps(p->oops, p->mount);
	if (!err)
		err = list_programs(p, p->oops->obj, VX_PROBES_MOUNT);
	if (!err)
		err = oops_bpf__load(p->oops);
	if (!err) {
		__atomic_store_n(&p->oops_step_at, (uint64_t *)&p->oops->bss->oops_step, __ATOMIC_SEQ_CST);
		return 0;
	}
	oops_bpf__destroy(p->oops);
	p->oops = NULL;
	return err;
}

/* What a panic will let through. A run does without, and is told. */
static void load_blackbox(struct probes *p)
{
	struct vx_probe_status *status = &p->box_status;
	int err = p->mount->rodata->flight_slots ? load_oops(p) : -ENODEV;

	if (!err)
		err = blackbox_open(&p->box, bpf_map__fd(p->mount->maps.flight), (uint32_t)p->cpus,
				    p->mount->rodata->flight_slots);
	*status = (struct vx_probe_status){ .name = "black_box", .target = "vexprobe", .err = err };
	status->kind = err ? VX_ATTACH_NOT : VX_ATTACH_TRACEPOINT;
	if (err == -ENODEV)
		snprintf(status->why, sizeof(status->why), "the module vexprobe is not loaded: a panic takes "
			 "along what has not been sent by then");
	else if (err == -ENXIO)
		snprintf(status->why, sizeof(status->why), "vexprobe finds no way out of this guest: neither shared "
			 "memory nor a port");
	else if (err)
		snprintf(status->why, sizeof(status->why), "%s", strerror(-err));
}

static int load(struct probes *p, uint32_t group)
{
	int (*try_load)(struct probes *) = group == VX_PROBES_SLAB ? try_load_slab :
					   group == VX_PROBES_ALLOC ? try_load_tracer : try_load_mount;
	int err;

	if (group == VX_PROBES_SLAB ? !!p->slab : group == VX_PROBES_ALLOC ? !!p->tracer : !!p->mount)
		return 0;
	do {
		probes_log_start();
		err = try_load(p);
	} while (err && leave_out_culprit(p, group, err));
	return err;
}

static int on_sample(void *arg, void *data, size_t size)
{
	struct probes *p = arg;
	const struct vx_event *event = data;

	if (size < sizeof(*event))
		return 0;
	return p->options.event(p->options.arg, event, size);
}

static int load_mount(struct probes *p)
{
	int err = load(p, VX_PROBES_MOUNT);

	if (err || p->ring)
		return err;
	p->ring = ring_buffer__new(bpf_map__fd(p->mount->maps.ring), on_sample, p, NULL);
	if (!p->ring)
		return -errno;
	load_blackbox(p);
	__atomic_store_n(&p->step_at, (uint64_t *)&p->mount->bss->step, __ATOMIC_SEQ_CST);
	probes_set_step(p, __atomic_load_n(&p->step, __ATOMIC_SEQ_CST));
	return 0;
}

/* --- attaching ---------------------------------------------------------------- */

static void clear_map(struct bpf_map *map)
{
	uint64_t key;	/* keys are 4 or 8 bytes */
	int fd = bpf_map__fd(map);

	while (!bpf_map_get_next_key(fd, NULL, &key))
		if (bpf_map_delete_elem(fd, &key))
			return;
}

static void zero_array(struct bpf_map *map)
{
	void *zero = calloc(1, bpf_map__value_size(map));

	for (uint32_t key = 0; zero && key < bpf_map__max_entries(map); key++)
		bpf_map_update_elem(bpf_map__fd(map), &key, zero, BPF_ANY);
	free(zero);
}

/* What an earlier attachment left half done would be taken for ours. */
static void forget_operations(struct probes *p)
{
	zero_array(p->mount->maps.data_ops);
	clear_map(p->mount->maps.held);
	memset(p->mount->bss->watched, 0, sizeof(p->mount->bss->watched));
	p->mount->bss->nr_held = 0;
}

static int attach_one(struct bpf_program *bpf, struct program *prog)
{
	int err;

	probes_log_start();
	prog->link = bpf_program__attach(bpf);
	if (!prog->link) {
		err = -errno;
		prog->status.err = err;
		probes_log_reason(prog->status.why, sizeof(prog->status.why), err);
		return err;
	}
	prog->status.err = 0;
	prog->status.why[0] = '\0';
	prog->status.kind = kind_of(bpf);
	return 0;
}

static int attach(struct probes *p, struct bpf_object *object, uint32_t group)
{
	struct bpf_program *bpf;
	struct program *prog;
	int err, first = 0;

	bpf_object__for_each_program(bpf, object) {
		prog = find_program(p, group, bpf_program__name(bpf));
		if (!prog || prog->link)
			continue;
		err = prog->left_out ? prog->status.err : attach_one(bpf, prog);
		if (err && !first && is_essential(prog->status.name))
			first = err;
	}
	if (first)
		detach(p, group);
	else
		p->attached |= group;
	return first;
}

static int set_filter(struct probes *p, const char *fstype)
{
	char name[VX_FSTYPE_LEN] = "";

	_Static_assert(sizeof(name) == sizeof(p->mount->bss->filter), "compared as words");
	memcpy(name, fstype, strnlen(fstype, sizeof(name) - 1));
	memcpy(p->mount->bss->filter, name, sizeof(name));
	return 0;
}

static int set_slab(struct probes *p, bool on)
{
	int err;

	if (!on) {
		p->mount->bss->slab_attached = 0;
		detach(p, VX_PROBES_SLAB);
		return 0;
	}
	err = load(p, VX_PROBES_SLAB);
	if (!err)
		err = attach(p, p->slab->obj, VX_PROBES_SLAB);
	p->mount->bss->slab_attached = !err;
	return err;
}

/* No program, but a way to know of the target all the same. */
static int set_calls(struct probes *p, bool on)
{
	struct vx_probe_status *status = &p->calls_status;
	int err = on ? calls_open(&p->calls) : 0;

	/* The mapping stays: a step's thread may be about to stamp it. */
	if (!on || err) {
		p->attached &= ~(uint32_t)VX_PROBES_CALLS;
		status->name[0] = '\0';
	} else {
		p->attached |= VX_PROBES_CALLS;
		calls_set_step(&p->calls, __atomic_load_n(&p->step, __ATOMIC_SEQ_CST));
	}
	if (!on)
		return 0;
	*status = (struct vx_probe_status){ .name = "calls", .target = "vexprobe", .err = err };
	status->kind = err ? VX_ATTACH_NOT : VX_ATTACH_TRACEPOINT;
	if (err)
		snprintf(status->why, sizeof(status->why), "%s", err == -ENOENT ? "the module vexprobe is not loaded" :
			 strerror(-err));
	return err;
}

/*
 * The programs find the module's text when it is loaded; of one that is there already, they are told. `anew`: our own
 * programs and trampolines have got names of their own, too.
 */
static void name_module(struct probes *p, const char *module, bool anew)
{
	uint64_t start = 0, end = 0;

	if (ksyms_past_update(p->past, tracer_generation(p->tracer), anew) || !*module ||
	    ksyms_past_range(p->past, module, &start, &end))
		start = end = 0;
	tracer_set_module(p->tracer, module, start, end - start);
}

/* Nothing is remembered from before: what was freed meanwhile is not known. */
static int set_tracer(struct probes *p, bool on, const char *module)
{
	bool was_on = p->attached & VX_PROBES_ALLOC;
	int err;

	if (!on) {
		detach(p, VX_PROBES_ALLOC);
		if (p->tracer)
			tracer_set_module(p->tracer, "", 0, 0);
		return 0;
	}
	err = load(p, VX_PROBES_ALLOC);
	if (!err && !p->past)
		err = ksyms_past_create(&p->past);
	if (!err && !was_on)
		err = tracer_reset(p->tracer);
	if (err)
		return err;
	__atomic_store_n(&p->tracer_ready, true, __ATOMIC_SEQ_CST);
	tracer_set_step(p->tracer, __atomic_load_n(&p->step, __ATOMIC_SEQ_CST));
	err = attach(p, tracer_object(p->tracer), VX_PROBES_ALLOC);
	if (!err)
		name_module(p, module, !was_on);
	return err;
}

int probes_set(struct probes *p, uint32_t groups, const char *fstype, const char *module)
{
	int err;

	p->asked = groups;
	if (groups & ~(uint32_t)VX_PROBES_ALL || (groups & VX_PROBES_SLAB && !(groups & VX_PROBES_MOUNT)))
		return -EINVAL;
	err = set_calls(p, groups & VX_PROBES_CALLS);
	if (err)
		return err;
	if (!(groups & ~(uint32_t)VX_PROBES_CALLS)) {
		if (p->mount)
			set_slab(p, false);
		set_tracer(p, false, "");
		detach(p, VX_PROBES_ALL & ~(uint32_t)VX_PROBES_CALLS);
		return 0;
	}
	err = load_mount(p);
	if (err)
		return err;
	set_filter(p, fstype);
	if (!(p->attached & VX_PROBES_MOUNT)) {
		forget_operations(p);
		err = attach(p, p->mount->obj, VX_PROBES_MOUNT);
		if (err)
			return err;
		p->mount->bss->tail_attached = !!find_program(p, VX_PROBES_MOUNT, "tail_exit")->link;
		if (p->oops)
			attach(p, p->oops->obj, VX_PROBES_MOUNT);
	}
	err = set_slab(p, groups & VX_PROBES_SLAB);
	return err ? err : set_tracer(p, groups & VX_PROBES_ALLOC, module);
}

uint32_t probes_groups(const struct probes *p)
{
	return p->attached;
}

size_t probes_status(struct probes *p, const struct vx_probe_status **ret)
{
	p->nstatus = 0;
	for (size_t i = 0; i < p->nprograms; i++)
		if (p->programs[i].group & p->asked)
			p->status[p->nstatus++] = p->programs[i].status;
	if (p->asked && p->box_status.name[0])
		p->status[p->nstatus++] = p->box_status;
	if (p->calls_status.name[0])
		p->status[p->nstatus++] = p->calls_status;
	*ret = p->status;
	return p->nstatus;
}

/* --- running ------------------------------------------------------------------ */

void probes_set_step(struct probes *p, uint64_t step)
{
	uint64_t *at;

	__atomic_store_n(&p->step, step, __ATOMIC_SEQ_CST);
	at = __atomic_load_n(&p->step_at, __ATOMIC_SEQ_CST);
	if (at)
		__atomic_store_n(at, step, __ATOMIC_SEQ_CST);
	at = __atomic_load_n(&p->oops_step_at, __ATOMIC_SEQ_CST);
	if (at)
		__atomic_store_n(at, step, __ATOMIC_SEQ_CST);
	calls_set_step(&p->calls, step);
	if (__atomic_load_n(&p->tracer_ready, __ATOMIC_SEQ_CST))
		tracer_set_step(p->tracer, step);
}

void probes_watch(struct probes *p, bool on)
{
	if (p->tracer)
		tracer_watch(p->tracer, on);
}

void probes_modules_changed(struct probes *p)
{
	if (p->attached & VX_PROBES_ALLOC)
		ksyms_past_update(p->past, tracer_generation(p->tracer), false);
	if (p->attached & VX_PROBES_CALLS)
		calls_modules_changed(&p->calls);
}

const struct calls *probes_calls(const struct probes *p)
{
	return p->attached & VX_PROBES_CALLS ? &p->calls : NULL;
}

int probes_tracer(struct probes *p, struct tracer **ret, struct ksyms_past **past)
{
	if (!(p->attached & VX_PROBES_ALLOC))
		return -ENODATA;
	*ret = p->tracer;
	*past = p->past;
	return 0;
}

int probes_ring_fd(const struct probes *p)
{
	return p->ring ? ring_buffer__epoll_fd(p->ring) : -1;
}

int probes_consume(struct probes *p)
{
	return p->ring ? ring_buffer__consume(p->ring) : 0;
}

int probes_marks(struct probes *p, uint32_t count, uint64_t cookie)
{
	uint64_t args[2] = { count < PROBES_MARKS_BATCH ? count : PROBES_MARKS_BATCH, cookie };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = args, .ctx_size_in = sizeof(args));
	int err = load_mount(p);

	if (!err)
		err = bpf_prog_test_run_opts(bpf_program__fd(p->mount->progs.marks), &opts);
	return err ? err : (int)opts.retval;
}

/* --- reading ------------------------------------------------------------------ */

static void hist_sum(struct vx_hist *total, const struct vx_probe_hist *one, unsigned int row)
{
	const struct vx_probe_sum *sum = &one->sums[row];

	if (!sum->count)
		return;
	if (!total->count || sum->min_ns < total->min_ns)
		total->min_ns = sum->min_ns;
	if (sum->max_ns > total->max_ns)
		total->max_ns = sum->max_ns;
	total->count += sum->count;
	total->sum_ns += sum->sum_ns;
	for (unsigned int i = 0; i < VX_HIST_SLOTS; i++)
		total->slots[i] += one->slots[row][i];
}

int probes_hist(struct probes *p, enum vx_op op, unsigned int phase, struct vx_hist *ret)
{
	struct vx_hist total = { 0 };
	struct vx_probe_hist *percpu;
	uint32_t key = op;
	int err;

	if (op >= VX_OP_TYPES || phase > VX_PHASE_TYPES)
		return -EINVAL;
	if (!p->mount)
		return -ENODATA;
	percpu = calloc(p->cpus, sizeof(*percpu));
	if (!percpu)
		return -ENOMEM;
	err = bpf_map_lookup_elem(bpf_map__fd(p->mount->maps.hists), &key, percpu);
	for (int cpu = 0; !err && cpu < p->cpus; cpu++)
		hist_sum(&total, &percpu[cpu], phase);
	free(percpu);
	if (err)
		return err;
	if (!total.count)
		return -ENODATA;
	*ret = total;
	return 0;
}

int probes_cpu_stats(struct probes *p, struct vx_cpu_stats *ret, size_t max)
{
	size_t n = (size_t)p->cpus < max ? (size_t)p->cpus : max;
	struct vx_cpu_stats *percpu;
	uint32_t key = 0;
	int err = 0;

	percpu = calloc(p->cpus, sizeof(*percpu));
	if (!percpu)
		return -ENOMEM;
	if (p->mount)
		err = bpf_map_lookup_elem(bpf_map__fd(p->mount->maps.cpu_stats), &key, percpu);
	if (!err)
		memcpy(ret, percpu, n * sizeof(*ret));
	free(percpu);
	return err ? err : (int)n;
}

size_t probes_ring_bytes(const struct probes *p)
{
	return p->options.ring_bytes;
}

static int zero_percpu(const struct probes *p, const struct bpf_map *map)
{
	void *zero = calloc(p->cpus, bpf_map__value_size(map));
	int err = zero ? 0 : -ENOMEM;

	for (uint32_t key = 0; !err && key < bpf_map__max_entries(map); key++)
		err = bpf_map_update_elem(bpf_map__fd(map), &key, zero, BPF_ANY);
	free(zero);
	return err;
}

int probes_reset(struct probes *p)
{
	int err;

	if (p->attached & VX_PROBES_CALLS) {
		err = calls_clear(&p->calls);
		if (err)
			return err;
	}
	if (!p->mount)
		return 0;
	err = zero_percpu(p, p->mount->maps.hists);
	if (!err)
		err = zero_percpu(p, p->mount->maps.cpu_stats);
	return err || !p->tracer ? err : tracer_reset(p->tracer);
}
