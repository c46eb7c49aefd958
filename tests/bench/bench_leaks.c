// SPDX-License-Identifier: GPL-2.0
/*
 * What it costs to know of a module's allocations: the module itself, and a
 * bystander. Two storms of kmalloc and kfree, in the target and outside it,
 * under each way to look on, in turn and on one guest; the same counted in
 * instructions, which no noise touches; and small files, on a filesystem that is the target.
 *
 *	bench_leaks AGENT TREE PEERS [storm|files|instructions|live]...
 *
 * PEERS: what peers.sh made, "" without them.
 */
#include "guest.h"
#include "bind.h"
#include "modbuild.h"

#define STORM_NS	"/sys/module/%s/parameters/pair_ps"
#define FAULTFS		"faultfs"
#define FILES		200u
#define FILES_DIR	"/run/files"

enum { TARGET, BYSTANDER, STORMS };
static const char *const modules[STORMS] = { "slabstorm", "slabstander" };

struct way {
	const char *name;
	gboolean bound;			/* the target's calls go by vexprobe.ko */
	guint32 groups;			/* enum vx_probe_group */
	const char *peer;		/* command that runs meanwhile; NULL: nothing */
	const char *goals[STORMS];	/* of the ratio to plain */
	GArray *ps[STORMS];
};

struct leaks {
	struct bench b;
	const char *tree, *peers;
	char *files[STORMS], *bound;	/* on the host, as all below */
	char *fs, *fs_bound, *mkfs;
};

static void say_nothing(void *ctx, const char *line)
{
}

/* `mkfs`: its source below `dir`, and where it is built. */
static char *build(struct leaks *l, const char *dir, const char *name, const char *mkfs, char **built_mkfs)
{
	g_autofree char *source = g_build_filename(l->tree, dir, NULL);
	g_autofree char *mkfs_source = mkfs ? g_build_filename(source, mkfs, NULL) : NULL;
	const struct modbuild_request req = {
		.module_dir = source, .headers = l->b.image->headers, .release = l->b.image->release,
		.cachedir = l->b.cachedir, .deadline_s = 300, .progress = say_nothing,
		.mkfs_source = mkfs_source,
	};
	GError *error = NULL;
	struct modbuild_result *built = modbuild_run(&req, NULL, &error);
	char *ret = NULL;
	guint i;

	if (!built)
		die(dir, error);
	for (i = 0; i < built->nmodules; i++)
		if (!strcmp(built->modules[i].info->name, name))
			ret = g_strdup(built->modules[i].path);
	if (mkfs)
		*built_mkfs = g_strdup(built->mkfs);
	modbuild_result_free(built);
	return ret;
}

static char *bind_file(struct leaks *l, const char *file, const char *probe, const char *name)
{
	char *ret = g_build_filename(rundir_path(l->b.rundir), name, NULL);
	GError *error = NULL;
	guint bound;

	if (!bind_calls(file, probe, ret, &bound, &error) || !bound)
		die("binding", error);
	return ret;
}

static void make_modules(struct leaks *l)
{
	g_autofree char *probe = build(l, "kmod-probe", "vexprobe", NULL, NULL);
	guint i;

	for (i = 0; i < STORMS; i++)
		l->files[i] = build(l, "tests/guest/slabstorm", modules[i], NULL, NULL);
	l->bound = bind_file(l, l->files[TARGET], probe, "bound.ko");
	l->fs = build(l, "tests/guest/faultfs", FAULTFS, "mkfs.faultfs.c", &l->mkfs);
	l->fs_bound = bind_file(l, l->fs, probe, "faultfs.ko");
}

static void insert(struct leaks *l, const char *file, const char *params)
{
	g_autofree char *base = g_path_get_basename(file);
	g_autofree char *remote = g_build_filename(session_workdir(l->b.session), base, NULL);
	const char *strings[] = { remote, params, NULL };
	GError *error = NULL;

	if (!session_put(l->b.session, file, remote, 0644, &error))
		die(base, error);
	step(&l->b, VX_STEP_INSMOD, strings, 0, 0);
}

static void take_out(struct leaks *l, const char *module)
{
	const char *strings[] = { module, NULL };

	step(&l->b, VX_STEP_RMMOD, strings, 0, 0);
}

/* ps of one pair. What the agent and its children do in a step is the target's; the bystander's reader is an orphan. */
static double storm(struct leaks *l, guint which)
{
	g_autofree char *path = g_strdup_printf(STORM_NS, modules[which]);
	g_autofree char *orphan = g_strdup_printf("rm -f /run/pair; (sh -c 'cat %s >/run/new; mv /run/new /run/pair' &); "
						  "while [ ! -e /run/pair ]; do sleep 0.02; done; cat /run/pair", path);
	const char *target[] = { path, NULL }, *bystander[] = { "/bin/sh", "-c", orphan, NULL };
	struct vx_req_step req = {
		.id = ++l->b.step, .op = which == TARGET ? VX_STEP_READ : VX_STEP_EXEC, .deadline_ns = 60000000000ull,
	};
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	GError *error = NULL;

	if (!session_step(l->b.session, &req, which == TARGET ? target : bystander, &res, &error))
		die("storm", error);
	if (res.msg.err)
		die(path, NULL);
	return strtod(res.output, NULL);
}

/* ---- peers ---------------------------------------------------------------------------------- */

#define PEERS_DIR	"/run/peers"
#define SHELL(command)	{ "/bin/sh", "-c", command, NULL }

#define MEMLEAK		"/usr/sbin/memleak-libbpf 3600"

/* What a user would write to see the same; by raw tracepoints, the cheapest that it has. */
#define BPFTRACE										\
	"/usr/bin/bpftrace -e 'rawtracepoint:kmalloc, rawtracepoint:kmem_cache_alloc "		\
	"{ @stack[arg1] = kstack; @bytes[arg1] = arg2; } "					\
	"rawtracepoint:kfree, rawtracepoint:kmem_cache_free { delete(@stack, arg1); delete(@bytes, arg1); }'"

static void bring_peers(struct leaks *l)
{
	const char *unpack[] = SHELL("set -e; mkdir -p " PEERS_DIR "; mount -t tmpfs -o size=2g none " PEERS_DIR
				     "; tar -C " PEERS_DIR " -xf /run/peers.tar; rm /run/peers.tar; cd " PEERS_DIR
				     "; for d in sys proc dev; do mkdir -p $d; mount --rbind /$d $d; done"
				     "; mountpoint -q sys/kernel/tracing || mount -t tracefs none sys/kernel/tracing");
	GError *error = NULL;

	if (!session_put(l->b.session, l->peers, "/run/peers.tar", 0600, &error))
		die("peers", error);
	step(&l->b, VX_STEP_EXEC, unpack, 0, 0);
}

/* It looks on when it has attached all that it will: its own words may wait in a buffer. */
#define WAIT_ATTACHED									\
	"p=$(cat " PEERS_DIR "/pid); was=0; same=0; while [ $same -lt 4 ]; do "		\
	"kill -0 $p || { cat " PEERS_DIR "/out; exit 1; }; "				\
	"n=$(ls -l /proc/$p/fd | grep -cE 'bpf_link|perf_event|raw_tracepoint'); "	\
	"if [ $n -gt 3 ] && [ $n = $was ]; then same=$((same + 1)); else same=0; fi; was=$n; sleep 0.5; done"

static void start_peer(struct leaks *l, const struct way *way)
{
	/* A session of its own, before the step ends and takes its process group along. */
	g_autofree char *command = g_strdup_printf(
		"cd " PEERS_DIR "; rm -f pid; cat >run <<'END'\necho $$ >pid; exec chroot . %s\nEND\n"
		"setsid sh run >out 2>&1 </dev/null & while [ ! -s pid ]; do sleep 0.05; done", way->peer);
	const char *start[] = SHELL(command), *wait[] = SHELL(WAIT_ATTACHED);

	step(&l->b, VX_STEP_EXEC, start, 0, 0);
	step(&l->b, VX_STEP_EXEC, wait, 0, 0);
}

static void stop_peer(struct leaks *l)
{
	const char *stop[] = SHELL("p=$(cat " PEERS_DIR "/pid); kill -KILL $p; while kill -0 $p 2>/dev/null; do sleep 0.05; done");

	step(&l->b, VX_STEP_EXEC, stop, 0, 0);
}

/* ---- storms ----------------------------------------------------------------------------------- */

static void trace_groups(struct leaks *l, guint32 groups, const char *module)
{
	struct vx_req_trace req = { .groups = groups, .reset = 1 };
	struct vx_msg_trace msg;
	GError *error = NULL;

	g_strlcpy(req.fstype, module, sizeof(req.fstype));
	g_strlcpy(req.module, module, sizeof(req.module));
	if (!session_trace(l->b.session, &req, &msg, &error))
		die("trace", error);
	if (msg.err)
		die(g_strerror(-msg.err), NULL);
}

static void one_way(struct leaks *l, struct way *way, guint times)
{
	guint i, which;

	trace_groups(l, way->groups, modules[TARGET]);
	insert(l, way->bound ? l->bound : l->files[TARGET], "");
	if (way->peer)
		start_peer(l, way);
	for (which = 0; which < STORMS; which++)
		storm(l, which);
	for (i = 0; i < times; i++)
		for (which = 0; which < STORMS; which++) {
			double ps = storm(l, which);

			g_array_append_val(way->ps[which], ps);
		}
	if (way->peer)
		stop_peer(l);
	take_out(l, modules[TARGET]);
	trace_groups(l, 0, modules[TARGET]);
}

static void show(const struct way *ways, guint n, const char *unit)
{
	guint i, which;

	for (which = 0; which < STORMS; which++)
		for (i = 0; i < n; i++) {
			g_autoptr(GArray) ns = g_array_new(FALSE, FALSE, sizeof(double));
			g_autofree char *what = g_strdup_printf("%s, pair: %s", which ? "bystander" : "module", ways[i].name);
			guint k;

			for (k = 0; k < ways[i].ps[which]->len; k++) {
				double each = g_array_index(ways[i].ps[which], double, k) / 1000;

				g_array_append_val(ns, each);
			}
			row(what, ns, unit, "");
		}
	for (i = 1; i < n; i++) {
		g_autofree char *cost = g_strdup_printf("module, times its own cost: %s", ways[i].name);
		g_autofree char *kept = g_strdup_printf("bystander, of its storm kept: %s", ways[i].name);

		one(cost, at(ways[i].ps[TARGET], .5) / at(ways[0].ps[TARGET], .5), "x", ways[i].goals[TARGET]);
		one(kept, at(ways[0].ps[BYSTANDER], .5) / at(ways[i].ps[BYSTANDER], .5), "", ways[i].goals[BYSTANDER]);
	}
}

/* The first is what the others are held against; the last, from OWN_WAYS on, are peers. */
#define OWN_WAYS	3u
static const struct way all_ways[] = {
	{ .name = "plain" },
	{ .name = "calls", .bound = TRUE, .groups = VX_PROBES_CALLS, .goals = { "<= 2", ">= 0.98" } },
	{ .name = "traced", .groups = VX_PROBES_ALLOC, .goals = { "", "" } },
	{ .name = "memleak", .peer = MEMLEAK, .goals = { "", "" } },
	{ .name = "bpftrace", .peer = BPFTRACE, .goals = { "", "" } },
};
#define WAYS		G_N_ELEMENTS(all_ways)

static guint ways_here(const struct leaks *l)
{
	return *l->peers ? WAYS : OWN_WAYS;
}

static void bench_storm(struct leaks *l, gboolean icount)
{
	const guint blocks = icount ? 2 : 8, nways = ways_here(l);
	struct way ways[WAYS];
	guint i, k;

	memcpy(ways, all_ways, sizeof(ways));
	for (k = 0; k < nways; k++)
		for (i = 0; i < STORMS; i++)
			ways[k].ps[i] = g_array_new(FALSE, FALSE, sizeof(double));
	l->b.icount = icount;
	open_guest(&l->b, FALSE, 0);
	insert(l, l->files[BYSTANDER], "");
	if (*l->peers)
		bring_peers(l);
	for (i = 0; i < blocks; i++)
		for (k = 0; k < nways; k++) {
			struct way *way = &ways[(i + k) % nways];

			/* Peers take twenty times as long, and their figures are far from any goal. */
			if (!way->peer || i % 2 == 0)
				one_way(l, way, icount ? 3 : 5);
		}
	close_guest(&l->b);
	l->b.icount = FALSE;
	show(ways, nways, icount ? "insns" : "ns");
	for (k = 0; k < nways; k++)
		for (i = 0; i < STORMS; i++)
			g_array_unref(ways[k].ps[i]);
}

/* ---- small files --------------------------------------------------------------------------- */

/* Made, written, removed; on a filesystem in memory, where no device is waited for. */
static char *file_list(void)
{
	GString *text = g_string_new(NULL);
	guint i;

	for (i = 0; i < FILES; i++)
		g_string_append_printf(text, "create f%u\nwrite f%u off=0 len=1024\nunlink f%u\n", i, i, i);
	return g_string_free(text, FALSE);
}

static void make_place(struct leaks *l)
{
	const char *place[] = { "/bin/mkdir", "-p", FILES_DIR, NULL };
	g_autofree char *remote = g_build_filename(session_workdir(l->b.session), "mkfs", NULL);
	const char *mkfs[] = { remote, "-f", session_device(l->b.session), NULL };
	GError *error = NULL;

	if (!session_put(l->b.session, l->mkfs, remote, 0755, &error))
		die("mkfs", error);
	step(&l->b, VX_STEP_EXEC, place, 0, 0);
	step(&l->b, VX_STEP_EXEC, mkfs, 0, 0);
}

static void files_way(struct leaks *l, struct way *way, const char *list, guint times)
{
	const char *mount[] = { session_device(l->b.session), FILES_DIR, FAULTFS, "", NULL }, *umount[] = { FILES_DIR, NULL };
	const char *work[] = { FILES_DIR, "", list, "", NULL };
	guint i;

	trace_groups(l, way->groups, FAULTFS);
	insert(l, way->bound ? l->fs_bound : l->fs, "");
	if (way->peer)
		start_peer(l, way);
	step(&l->b, VX_STEP_MOUNT, mount, 0, VX_API_MOUNT);
	for (i = 0; i <= times; i++) {
		const double ns = step(&l->b, VX_STEP_ORACLE, work, VX_ORACLE_ALONE, 0), rate = 3.0 * FILES / ns * 1e9;

		if (i)
			g_array_append_val(way->ps[TARGET], rate);
	}
	step(&l->b, VX_STEP_UMOUNT, umount, 0, 0);
	if (way->peer)
		stop_peer(l);
	take_out(l, FAULTFS);
	trace_groups(l, 0, FAULTFS);
}

static void bench_files(struct leaks *l)
{
	g_autofree char *list = file_list();
	const guint blocks = 8, nways = ways_here(l);
	struct way ways[WAYS];
	guint i, k;

	memcpy(ways, all_ways, sizeof(ways));
	for (k = 0; k < nways; k++)
		ways[k].ps[TARGET] = g_array_new(FALSE, FALSE, sizeof(double));
	open_guest(&l->b, FALSE, 0);
	make_place(l);
	if (*l->peers)
		bring_peers(l);
	for (i = 0; i < blocks; i++)
		for (k = 0; k < nways; k++) {
			struct way *way = &ways[(i + k) % nways];

			if (!way->peer || i % 2 == 0)
				files_way(l, way, list, 5);
		}
	close_guest(&l->b);
	for (k = 0; k < nways; k++) {
		g_autofree char *what = g_strdup_printf("small files, operations: %s", ways[k].name);
		g_autofree char *kept = g_strdup_printf("small files, of them kept: %s", ways[k].name);

		row(what, ways[k].ps[TARGET], "1/s", "");
		if (k)
			one(kept, at(ways[k].ps[TARGET], .5) / at(ways[0].ps[TARGET], .5), "", "");
	}
	for (k = 0; k < nways; k++)
		g_array_unref(ways[k].ps[TARGET]);
}

/* ---- with many live ------------------------------------------------------------------------ */

/* One more way, with so many objects of the target outstanding all the while. */
static void with_live(struct leaks *l, const struct way *way, guint live)
{
	g_autoptr(GArray) pairs = g_array_new(FALSE, FALSE, sizeof(double));
	g_autofree char *params = g_strdup_printf("keep=%u", live);
	g_autofree char *pair = g_strdup_printf("%s, %u live: pair", way->name, live);
	g_autofree char *told = g_strdup_printf("%s, %u live: told in", way->name, live);
	struct vx_msg_allocs msg;
	GError *error = NULL;
	guint i;

	trace_groups(l, way->groups, modules[TARGET]);
	insert(l, way->bound ? l->bound : l->files[TARGET], params);
	storm(l, TARGET);
	for (i = 0; i < 9; i++) {
		double ns = storm(l, TARGET) / 1000;

		g_array_append_val(pairs, ns);
	}
	row(pair, pairs, "ns", "");
	if (way->groups) {
		if (!session_allocs(l->b.session, way->bound ? VX_ALLOCS_CALLS : VX_ALLOCS_TRACED, &msg, &error))
			die("allocs", error);
		if (msg.err || msg.objects < live || msg.overflows)
			fprintf(stderr, "bench: %s with %u live: error %d, %" G_GUINT64_FORMAT " objects, %" G_GUINT64_FORMAT
				" overflows\n", way->name, live, msg.err, (guint64)msg.objects, (guint64)msg.overflows);
		one(told, (double)msg.ns / 1e6, "ms", "");
	}
	take_out(l, modules[TARGET]);
	trace_groups(l, 0, modules[TARGET]);
}

static void bench_live(struct leaks *l)
{
	guint live, k;

	open_guest(&l->b, FALSE, 0);
	for (live = 1000; live <= 1000000; live *= 10)
		for (k = 0; k < OWN_WAYS; k++)
			with_live(l, &all_ways[k], live);
	close_guest(&l->b);
}

static void run_named(struct leaks *l, const char *name)
{
	if (!strcmp(name, "storm"))
		bench_storm(l, FALSE);
	else if (!strcmp(name, "files"))
		bench_files(l);
	else if (!strcmp(name, "instructions"))
		bench_storm(l, TRUE);
	else if (!strcmp(name, "live"))
		bench_live(l);
	else
		die(name, NULL);
}

int main(int argc, char **argv)
{
	static const char *const all[] = { "storm", "files", "instructions", "live" };
	struct leaks l = { 0 };
	char *probe;
	int i;

	if (argc < 4) {
		fprintf(stderr, "usage: bench_leaks AGENT TREE PEERS [storm|files|instructions|live]...\n");
		return EX_USAGE;
	}
	l.tree = argv[2];
	l.peers = argv[3];
	probe = g_build_filename(l.tree, "kmod-probe", NULL);
	l.b.probe_source = probe;
	bench_init(&l.b, argv[1]);
	make_modules(&l);
	head();
	if (argc == 4)
		for (i = 0; i < (int)G_N_ELEMENTS(all); i++)
			run_named(&l, all[i]);
	for (i = 4; i < argc; i++)
		run_named(&l, argv[i]);
	bench_clear(&l.b);
	for (i = 0; i < STORMS; i++)
		g_free(l.files[i]);
	g_free(l.bound);
	g_free(l.fs);
	g_free(l.fs_bound);
	g_free(l.mkfs);
	g_free(probe);
	return 0;
}
