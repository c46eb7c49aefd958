// SPDX-License-Identifier: GPL-2.0
/* What the guest's kernel holds, told by steps: what faultfs leaks is seen, what goes later is waited for. */
#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "accel.h"
#include "error.h"
#include "fsutil.h"
#include "leak_list.h"
#include "modbuild.h"
#include "resources.h"
#include "session.h"

#define DEVICE		"/dev/vdc"
#define TARGET		"/mnt/target"
#define MODULE		"/tmp/faultfs.ko"
#define CYCLES		30

static struct world {
	struct config config;
	struct guest_image *image;
	struct rundir *rundir;
	struct session_config session_config;
	struct session_sink sink;
	struct session *session;
	char *agent, *cachedir;
	guint64 step;
} world;

static void on_frame(void *ctx, const struct vx_frame *frame, const void *payload)
{
}

static void on_console(void *ctx, const void *data, gsize len)
{
	if (g_getenv("VEXLAB_TEST_CONSOLE"))
		fwrite(data, 1, len, stderr);
}

static void on_note(void *ctx, json_t *json)
{
	json_decref(json);
}

static void on_progress(void *ctx, const char *text)
{
}

/* The step's error; what it has to say is the caller's if asked for. */
static int step(enum vx_step_op op, gint64 number, char **output, const char *const *strings)
{
	const struct vx_req_step req = {
		.id = ++world.step, .op = op, .num = { number, op == VX_STEP_FILES ? 1000 : 0 },
		.deadline_ns = 20000000000ull,
	};
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	GError *error = NULL;

	if (!session_step(world.session, &req, strings, &res, &error))
		fail_msg("%s", error->message);
	if (g_getenv("VEXLAB_TEST_TIMES") && (op == VX_STEP_SETTLE || op == VX_STEP_RESOURCES))
		print_message("op %d: %.2f ms, CPU %.2f ms, value %d\n", op, (res.msg.end_ns - res.msg.start_ns) / 1e6,
			      res.msg.cpu_ns / 1e6, (int)res.msg.value);
	if (output)
		*output = g_steal_pointer(&res.output);
	return op == VX_STEP_EXEC && !res.msg.err ? (int)res.msg.value : res.msg.err;
}

#define STEP(op, number, ...) step(op, number, NULL, (const char *[]){ __VA_ARGS__, NULL })

static void must(int err)
{
	if (err)
		fail_msg("a step failed: %d", err);
}

static void load(const char *params)
{
	must(STEP(VX_STEP_INSMOD, 0, MODULE, params));
}

/* A mount, work, an unmount; and a mount that fails. */
static void cycle(void)
{
	must(STEP(VX_STEP_MOUNT, 0, DEVICE, TARGET, "faultfs", ""));
	must(STEP(VX_STEP_FILES, 3, TARGET));
	must(STEP(VX_STEP_MKDIR, 0755, TARGET "/directory"));
	must(STEP(VX_STEP_UMOUNT, 0, TARGET));
	assert_int_not_equal(STEP(VX_STEP_MOUNT, 0, DEVICE, TARGET, "faultfs", "no_such_option"), 0);
}

static struct resources *snapshot(void)
{
	g_autofree char *text = NULL;
	struct resources *r;

	must(STEP(VX_STEP_DROP_CACHES, 2, ""));
	must(STEP(VX_STEP_SETTLE, 0, ""));
	must(step(VX_STEP_RESOURCES, 0, &text, (const char *[]){ "faultfs", NULL }));
	if (g_getenv("VEXLAB_TEST_SNAPSHOTS")) {
		g_autofree char *path = g_strdup_printf("%s/%05u", g_getenv("VEXLAB_TEST_SNAPSHOTS"), (guint)world.step);

		g_file_set_contents(path, text, -1, NULL);
	}
	r = resources_parse(text, strlen(text));
	assert_true(r->n > 200);
	assert_int_equal(r->bad_lines, 0);
	assert_false(resources_has(r, "resources.cut"));
	return r;
}

/* Of all names that begin so: some are new each time. */
static gint64 sum_of(const struct resources *r, const char *prefix)
{
	gint64 sum = 0;
	guint i;

	for (i = 0; i < r->n; i++)
		if (g_str_has_prefix(r->items[i].name, prefix))
			sum += r->items[i].value;
	return sum;
}

/* Snapshots after each cycle with these leaks planted, the module still loaded. */
static void run_cycles(const char *params, struct resources **ret)
{
	guint i;

	load(params);
	for (i = 0; i < CYCLES; i++) {
		cycle();
		ret[i] = snapshot();
	}
}

static void free_cycles(struct resources **r)
{
	guint i;

	for (i = 0; i < CYCLES; i++)
		resources_free(r[i]);
}

/* What the first load brings along is there before; and a guest that has just woken up gives back pages for some seconds. */
static struct resources *untouched(void)
{
	guint i;

	load("");
	for (i = 0; i < 8; i++) {
		cycle();
		resources_free(snapshot());
	}
	must(STEP(VX_STEP_RMMOD, 0, "faultfs"));
	return snapshot();
}

enum is { LEAK, BUSY, LATE, KEPT };

static const struct {
	const char *kind, *resource;
	enum is is;
} leaks[] = {
#define X(kind, is, allocator, needs, resource) { #kind, resource, is },
	FAULTFS_LEAKS(X)
#undef X
};

/* "KIND@fill,...": all of them at once, but for the reference that keeps the module loaded. */
static char *all_that(enum is is, enum is or)
{
	g_autoptr(GString) text = g_string_new("leak=");
	guint i, n = 0;

	for (i = 0; i < G_N_ELEMENTS(leaks); i++) {
		if ((leaks[i].is != is && leaks[i].is != or) || !strcmp(leaks[i].kind, "modref") ||
		    (is == LEAK && !leaks[i].resource[0]))
			continue;
		g_string_append_printf(text, "%s%s@fill", n++ ? "," : "", leaks[i].kind);
	}
	assert_in_range(n, 1, LEAKS_MAX);
	return g_string_free(g_steal_pointer(&text), FALSE);
}

static void expect_growth(struct resources **r, const char *prefix)
{
	struct resource_judgement judgement;
	guint64 cycles[CYCLES];
	gint64 values[CYCLES];
	guint i;

	for (i = 0; i < CYCLES; i++) {
		cycles[i] = i + 1;
		values[i] = sum_of(r[i], prefix);
	}
	judgement = resource_judge(RESOURCE_GAUGE, cycles, values, CYCLES);
	print_message("%-28s %+.2f %s a cycle, p %.1e\n", prefix, judgement.per_cycle, resource_unit(prefix), judgement.p);
	if (judgement.verdict != RESOURCE_GROWS)
		fail_msg("%s: %s, from %d to %d", prefix, resource_verdict_name(judgement.verdict),
			 (int)judgement.first, (int)judgement.last);
	assert_true(judgement.per_cycle >= .9);
}

static void say_name(const struct resource_judgement *j, gpointer user)
{
	g_string_append_printf(user, "%s ", j->name);
}

static void say_growing(const struct resource_judgement *j, gpointer user)
{
	if (j->verdict == RESOURCE_GROWS)
		say_name(j, user);
}

/* All at once: each shows in the line that leak_list.h names. */
static void leaks_show_in_their_resources(void **state)
{
	VX_GUARD(resources_free) struct resources *before = untouched(), *after = NULL;
	g_autofree char *kinds = all_that(LEAK, LEAK), *params = g_strconcat(kinds, " leak_size=4096", NULL);
	g_autoptr(GString) left = g_string_new(NULL);
	struct resources *r[CYCLES];
	guint i;

	run_cycles(params, r);
	for (i = 0; i < G_N_ELEMENTS(leaks); i++)
		if (leaks[i].is == LEAK && leaks[i].resource[0] && strcmp(leaks[i].kind, "modref"))
			expect_growth(r, leaks[i].resource);
	free_cycles(r);
	must(STEP(VX_STEP_RMMOD, 0, "faultfs"));
	after = snapshot();
	assert_true(resources_compare(before, after, say_name, left) >= 4 * CYCLES);
	assert_non_null(strstr(left->str, "caches.faultfs_left_"));
	assert_non_null(strstr(left->str, "procfs.faultfs_left_"));
	assert_non_null(strstr(left->str, "sysfs.fs.faultfs_left_"));
	assert_non_null(strstr(left->str, "threads.faultfs_left"));
	assert_non_null(strstr(left->str, "threads.kworker/R-faultfs_left_"));
	assert_non_null(strstr(left->str, "vmalloc.unknown"));
}

/*
 * Freed by RCU, by works, by timers, by the kernel; a pool that fills. Beside them strings are leaked, in a cache of
 * smaller objects, so that it is known that it would be seen: six a cycle, as others use that cache too.
 */
static void what_goes_later_is_waited_for(void **state)
{
	VX_GUARD(resources_free) struct resources *before = untouched(), *after = NULL;
	VX_GUARD(resource_series_free) struct resource_series *series = resource_series_new();
	g_autofree char *kinds = all_that(LATE, KEPT), *params = g_strconcat(kinds, ",kstrdup@put,kstrdup@write,kstrdup@create,"
						       "kasprintf@put,kasprintf@write,kasprintf@create leak_size=8000", NULL);
	g_autoptr(GString) growing = g_string_new(NULL), left = g_string_new(NULL);
	struct resources *r[CYCLES];
	guint i;

	run_cycles(params, r);
	for (i = 0; i < CYCLES; i++)
		resource_series_add(series, i + 1, r[i]);
	resource_series_judge(series, say_growing, growing);
	free_cycles(r);
	must(STEP(VX_STEP_RMMOD, 0, "faultfs"));
	after = snapshot();
	resources_compare(before, after, say_name, left);
	assert_string_equal(left->str, "");
	assert_string_equal(growing->str, "slab.kmalloc-64 ");
	/* Some objects are KFENCE's, which are in no slab. */
	assert_true(resources_value(after, "slab.kmalloc-64") >= resources_value(before, "slab.kmalloc-64") + 3 * CYCLES);
	assert_in_range(resources_value(after, "slab.kmalloc-8k") + 1 - resources_value(before, "slab.kmalloc-8k"), 0, 2);
}

static int leaked(void)
{
	g_autofree char *text = NULL;

	must(step(VX_STEP_READ, 0, &text, (const char *[]){ "/sys/module/faultfs/parameters/leaked", NULL }));
	return atoi(text);
}

/* Insmod, mount, file work until it is full, umount, a mount that fails: six times. */
static int leaked_at(const char *place, const char *other)
{
	g_autofree char *params = g_strdup_printf("leak=kmalloc@%s,percpu@%s,lru@%s space_kib=256 %s", place, place, place,
						  other);
	int i, n;

	load(params);
	for (i = 0; i < 6; i++) {
		must(STEP(VX_STEP_MOUNT, 0, DEVICE, TARGET, "faultfs", ""));
		must(STEP(VX_STEP_FILES, 3, TARGET));
		assert_int_equal(STEP(VX_STEP_EXEC, 0, "dd", "if=/dev/zero", "of=" TARGET "/much", "bs=64k"), 1);
		must(STEP(VX_STEP_UMOUNT, 0, TARGET));
		assert_int_not_equal(STEP(VX_STEP_MOUNT, 0, DEVICE, TARGET, "faultfs", "no_such_option"), 0);
	}
	n = leaked();
	must(STEP(VX_STEP_RMMOD, 0, "faultfs"));
	return n;
}

/* One object of each kind in a cycle however often the place is passed; with leak_every=3, in each third. */
static void each_place_leaks_in_its_turn(void **state)
{
	static const char *const places[] = {
#define X(name, word, has, when) word,
		FAULTFS_PLACES(X)
#undef X
	};
	guint i;

	for (i = 0; i < G_N_ELEMENTS(places); i++)
		if (!strcmp(places[i], "init"))
			assert_int_equal(leaked_at("init", ""), 3);
		else
			assert_int_equal(leaked_at(places[i], ""), 6 * 3);
	assert_int_equal(leaked_at("write", "leak_every=3"), 2 * 3);
}

static void what_cannot_leak_is_refused(void **state)
{
	static const char *const wrong[] = {
		"leak=kmalloc", "leak=kmalloc@", "leak=@fill", "leak=kmallocs@fill", "leak=kmalloc@filler", "leak=bh@init",
		"leak=busy_dentry@put", "leak_size=7", "leak_size=1048577", "leak_every=0",
		"leak=kmalloc@fill,nothing@fill",
	};
	guint i;

	for (i = 0; i < G_N_ELEMENTS(wrong); i++)
		assert_int_not_equal(STEP(VX_STEP_INSMOD, 0, MODULE, wrong[i]), 0);
}

static void one_file_is_one_object(void **state)
{
	struct resources *r[CYCLES];

	run_cycles("leak=file@fill", r);
	expect_growth(r, "slab.filp");
	free_cycles(r);
	must(STEP(VX_STEP_RMMOD, 0, "faultfs"));
}

/* It cannot be unloaded any more, so this comes last. */
static void reference_keeps_the_module(void **state)
{
	struct resources *r[CYCLES];

	run_cycles("leak=modref@create", r);
	expect_growth(r, "refs.faultfs");
	free_cycles(r);
	assert_int_not_equal(STEP(VX_STEP_RMMOD, 0, "faultfs"), 0);
}

static void build(void)
{
	const struct modbuild_request req = {
		.module_dir = VX_TREE "/tests/guest/faultfs", .headers = world.image->headers,
		.release = world.image->release, .mkfs_source = VX_TREE "/tests/guest/faultfs/mkfs.faultfs.c",
		.cachedir = world.cachedir,
	};
	VX_GUARD(modbuild_result_free) struct modbuild_result *built = NULL;
	GError *error = NULL;

	built = modbuild_run(&req, NULL, &error);
	if (!built || !session_put(world.session, built->modules[0].path, MODULE, 0644, &error) ||
	    !session_put(world.session, built->mkfs, "/tmp/mkfs.faultfs", 0755, &error))
		fail_msg("%s", error->message);
}

static int set_up(void **state)
{
	struct config_machine machine;
	g_autofree char *why = NULL;
	GError *error = NULL;

	world.sink = (struct session_sink){
		.frame = on_frame, .console = on_console, .note = on_note, .progress = on_progress,
	};
	config_init(&world.config);
	config_machine_probe(&machine);
	g_free(config_clamp_to_machine(&world.config, &machine));
	world.agent = g_canonicalize_filename("build/vexlab-agent", NULL);
	world.cachedir = fs_default_cachedir();
	world.image = guest_find(world.cachedir, NULL, &error);
	if (!world.image || !rundir_reap(NULL, NULL, &error) || !(world.rundir = rundir_create(NULL, &error)))
		fail_msg("%s", error->message);
	world.session_config = (struct session_config){
		.config = &world.config, .image = world.image, .agent = world.agent, .cachedir = world.cachedir,
		.rundir = world.rundir, .driver = &vm_libvirt, .scratch_mib = 64, .probe_source = VX_TREE "/kmod-probe",
		.accel = vm_probe_accel(world.image->kernel, world.cachedir, FALSE, &why),
	};
	world.session = session_open(&world.session_config, &world.sink, &error);
	if (!world.session)
		fail_msg("%s", error->message);
	build();
	must(STEP(VX_STEP_EXEC, 0, "/tmp/mkfs.faultfs", DEVICE));
	must(STEP(VX_STEP_MKDIR, 0755, TARGET));
	return 0;
}

static int tear_down(void **state)
{
	session_close(world.session);
	rundir_destroy(world.rundir);
	guest_free(world.image);
	g_free(world.agent);
	g_free(world.cachedir);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(leaks_show_in_their_resources),
		cmocka_unit_test(what_goes_later_is_waited_for),
		cmocka_unit_test(each_place_leaks_in_its_turn),
		cmocka_unit_test(what_cannot_leak_is_refused),
		cmocka_unit_test(one_file_is_one_object),
		cmocka_unit_test(reference_keeps_the_module),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
