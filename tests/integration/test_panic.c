// SPDX-License-Identifier: GPL-2.0
/* Guests that panic: nothing that was recorded until then is lost, and each event is seen once. */
#include <gio/gio.h>
#include <stdlib.h>

#include "accel.h"
#include "box.h"
#include "fsutil.h"
#include "harness.h"
#include "journal.h"
#include "record.h"
#include "session.h"

#define MOUNTPOINT	"/mnt/target"
#define CYCLES		10

struct guest {
	struct config config;
	struct guest_image *image;
	struct rundir *rundir;
	char *cachedir, *dir;
	struct session *session;
	struct journal *journal;
	guint64 step;
	GString *console;
	gint64 panic_us, box_us;	/* the console told of it; the box was here */
	gsize box_bytes;
	struct vx_box head;
	enum vx_box_state state;
};

static struct guest guest;

static void on_frame(void *ctx, const struct vx_frame *frame, const void *payload)
{
	journal_frame(guest.journal, frame, payload);
}

static void on_console(void *ctx, const void *data, gsize len)
{
	g_string_append_len(guest.console, data, (gssize)len);
	if (!guest.panic_us && strstr(guest.console->str, "Kernel panic"))
		guest.panic_us = g_get_monotonic_time();
	journal_console(guest.journal, data, len);
}

static void on_box(void *ctx, GBytes *box)
{
	struct vx_box_reader reader;
	gsize len;
	gconstpointer data = g_bytes_get_data(box, &len);

	guest.box_us = g_get_monotonic_time();
	guest.box_bytes = len;
	guest.state = vx_box_open(data, len, &reader);
	guest.head = reader.head;
	journal_box(guest.journal, data, len);
}

static void on_note(void *ctx, json_t *json)
{
	journal_json(guest.journal, VX_REC_VM, json);
}

static void on_progress(void *ctx, const char *text)
{
}

static guint64 send_step(enum vx_step_op op, const char *const *strings, gint64 n0, gint64 n1,
			 struct step_result *res, GError **error)
{
	const struct vx_req_step req = {
		.id = ++guest.step, .op = op, .deadline_ns = 60000000000ull, .num = { n0, n1 },
	};

	journal_json(guest.journal, VX_REC_STEP_BEGIN, json_pack("{s:I, s:s, s:s, s:s, s:b}", "id",
		     (json_int_t)req.id, "name", "step", "kind", "other", "phase", "measure", "target", 1));
	return session_step(guest.session, &req, strings, res, error) ? req.id : 0;
}

static void must(enum vx_step_op op, const char *const *strings, gint64 n0, gint64 n1)
{
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	g_autoptr(GError) error = NULL;

	if (!send_step(op, strings, n0, n1, &res, &error))
		fail_msg("%s", error->message);
	if (res.msg.err || (op == VX_STEP_EXEC && res.msg.value))
		fail_msg("step %u: %s %s", op, g_strerror(-res.msg.err), res.output);
}

static void open_journal(const char *name)
{
	g_autoptr(GError) error = NULL;

	guest.dir = g_build_filename(test_dir, name, NULL);
	if (!fs_mkdir(guest.dir, 0755, &error) ||
	    !(guest.journal = journal_open(guest.dir, "test", &error)))
		fail_msg("%s", error->message);
	journal_json(guest.journal, VX_REC_RUN, json_pack("{s:s}", "target", "ext4"));
}

static void open_guest(const char *name, enum vm_box box, gboolean cold)
{
	const struct session_sink sink = {
		.frame = on_frame, .console = on_console, .box = on_box, .note = on_note,
		.progress = on_progress,
	};
	g_autofree char *why = NULL;
	const struct session_config config = {
		.config = &guest.config, .image = guest.image, .agent = g_getenv("VEXLAB_AGENT") ?: "build/vexlab-agent",
		.cachedir = guest.cachedir, .rundir = guest.rundir, .driver = &vm_libvirt,
		.accel = vm_probe_accel(guest.image->kernel, guest.cachedir, FALSE, &why),
		.probe_source = VX_TREE "/kmod-probe", .box = box, .cold = cold, .scratch_mib = 64,
	};
	struct vx_req_trace req = { .groups = VX_PROBES_MOUNT, .reset = 1, .fstype = "ext4" };
	const char *mkdir[] = { MOUNTPOINT, NULL };
	g_autoptr(GError) error = NULL;
	struct vx_msg_trace msg;

	open_journal(name);
	guest.console = g_string_new(NULL);
	guest.session = session_open(&config, &sink, &error);
	if (!guest.session || !session_trace(guest.session, &req, &msg, &error))
		fail_msg("%s", error->message);
	assert_int_equal(msg.err, 0);
	must(VX_STEP_EXEC, (const char *[]){ "mkfs.ext4", "-q", "-F", session_device(guest.session), NULL }, 0, 0);
	must(VX_STEP_MKDIR, mkdir, 0755, 0);
}

static int close_guest(void **state)
{
	session_close(guest.session);
	if (guest.journal)
		journal_close(guest.journal);
	if (guest.console)
		g_string_free(guest.console, TRUE);
	g_free(guest.dir);
	guest.session = NULL;
	guest.journal = NULL;
	guest.console = NULL;
	guest.dir = NULL;
	guest.panic_us = guest.box_us = 0;
	guest.box_bytes = 0;
	memset(&guest.head, 0, sizeof(guest.head));
	return 0;
}

/* A shell's script in the guest that is its end. The step's id. */
static guint64 die_of(const char *script)
{
	const char *strings[] = { "sh", "-c", script, NULL };
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	g_autoptr(GError) error = NULL;

	assert_int_equal(send_step(VX_STEP_EXEC, strings, 0, 0, &res, &error), 0);
	if (!g_error_matches(error, SESSION_ERROR, SESSION_LOST))
		fail_msg("the guest survived: %s", error->message);
	return guest.step;
}

/* What the record says of one step. */
struct seen {
	guint mounts, umounts, panics, dies;
	guint twice;			/* the same event again */
	guint by_box;			/* of all of them */
	struct vx_event_oops oops;
};

static void count(struct seen *seen, GHashTable *known, const struct vx_event *event, guint64 step)
{
	char *key;

	if (event->step != step)
		return;
	key = g_strdup_printf("%u %llu %u %u", event->type, (unsigned long long)event->ts, event->cpu, event->pid);
	seen->twice += !g_hash_table_add(known, key);
	if (event->type == VX_EVENT_FSOP) {
		seen->mounts += ((const struct vx_event_fsop *)event)->op == VX_OP_MOUNT;
		seen->umounts += ((const struct vx_event_fsop *)event)->op == VX_OP_UMOUNT;
	} else if (event->type == VX_EVENT_OOPS) {
		seen->oops = *(const struct vx_event_oops *)event;
		seen->panics += seen->oops.kind == VX_OOPS_PANIC;
		seen->dies += seen->oops.kind == VX_OOPS_DIE;
	}
}

static struct seen read_back(guint64 step)
{
	g_autoptr(GHashTable) known = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	VX_GUARD(rec_reader_close) struct rec_reader *reader = rec_reader_open(guest.dir, NULL);
	struct seen seen = { 0 };
	struct rec_entry entry;

	assert_non_null(reader);
	while (rec_reader_next(reader, &entry)) {
		const struct vx_event *event;
		struct vx_event_iter it;

		if (entry.frame.type != VX_MSG_EVENTS)
			continue;
		vx_event_iter_init(&it, entry.payload, entry.frame.length);
		while ((event = vx_event_iter_next(&it))) {
			seen.by_box += event->step == step && entry.frame.flags & VX_FRAME_FROM_BOX;
			count(&seen, known, event, step);
		}
	}
	assert_int_equal(rec_reader_torn(reader), 0);
	return seen;
}

static void tell(const char *how)
{
	print_message("%s: box of %zu bytes, %u events, written in %.1f ms, here %.1f ms after the console's first "
		      "words of the panic\n", how, guest.box_bytes, guest.head.records,
		      (double)guest.head.took_ns / 1e6,
		      guest.panic_us ? (double)(guest.box_us - guest.panic_us) / 1e3 : -1.0);
}

/* The agent is stopped, so that nothing of what follows comes over the channel. */
#define SCRIPT(cycles)								\
	"kill -STOP $PPID; i=0; while [ $i -lt " cycles " ]; do "		\
	"mount -t ext4 /dev/vdc " MOUNTPOINT " && umount " MOUNTPOINT "; i=$((i+1)); done; "	\
	"echo c >/proc/sysrq-trigger"

static void panic_loses_nothing(const char *name, enum vm_box box, gboolean cold)
{
	struct seen seen;
	guint64 step;

	open_guest(name, box, cold);
	step = die_of(SCRIPT("10"));
	tell(name);
	assert_int_equal(guest.state, VX_BOX_WHOLE);
	assert_int_equal(guest.head.reason, VX_BOX_PANIC);
	assert_int_equal(guest.head.torn, 0);
	assert_int_equal(guest.head.left_out, 0);
	seen = read_back(step);
	assert_int_equal(seen.mounts, CYCLES);
	assert_int_equal(seen.umounts, CYCLES);
	assert_int_equal(seen.panics, 1);
	assert_int_equal(seen.twice, 0);
	assert_int_equal(seen.by_box, 2 * CYCLES + 1);
	assert_non_null(strstr(seen.oops.message, "sysrq triggered crash"));
	assert_string_equal(seen.oops.function, "sysrq_handle_crash");
	assert_true(seen.oops.frames > 3);
}

static void test_panic_through_shared_memory(void **state)
{
	panic_loses_nothing("shmem", VM_BOX_SHMEM, FALSE);
}

static void test_panic_through_the_port(void **state)
{
	panic_loses_nothing("port", VM_BOX_PORT, TRUE);
}

/* What had come is not news; only the panic itself is. */
static void test_only_news_is_added(void **state)
{
	const char *mount[] = { "/dev/vdc", MOUNTPOINT, "ext4", "", NULL };
	const char *umount[] = { MOUNTPOINT, NULL };
	const char *crash[] = { "/proc/sysrq-trigger", "c", NULL };
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	g_autoptr(GError) error = NULL;
	struct seen seen;
	guint i;

	open_guest("news", VM_BOX_SHMEM, FALSE);
	for (i = 0; i < CYCLES; i++) {
		must(VX_STEP_MOUNT, mount, 0, VX_API_MOUNT);
		seen = read_back(guest.step);
		assert_int_equal(seen.mounts, 1);
		must(VX_STEP_UMOUNT, umount, 0, 0);
	}
	assert_int_equal(send_step(VX_STEP_WRITE, crash, 0, 0, &res, &error), 0);
	tell("news");
	assert_int_equal(guest.state, VX_BOX_WHOLE);
	assert_int_equal(guest.head.records, 2 * CYCLES + 1);
	seen = read_back(guest.step);
	assert_int_equal(seen.panics, 1);
	assert_int_equal(seen.by_box, 1);
	for (i = 1; i < guest.step; i++)
		assert_int_equal(read_back(i).by_box, 0);
}

/* Its map goes with the agent; the module says what it knows all the same. */
static void test_dead_agent(void **state)
{
	open_guest("dead-agent", VM_BOX_SHMEM, FALSE);
	die_of("trap '' HUP; kill -KILL $PPID; sleep 0.5; echo c >/proc/sysrq-trigger");
	assert_int_equal(guest.state, VX_BOX_WHOLE);
	assert_int_equal(guest.head.records, 0);
	assert_int_equal(guest.head.oops.kind, VX_OOPS_PANIC);
	assert_true(guest.head.text_bytes > 0);
}

static gboolean wake(gpointer data)
{
	return G_SOURCE_CONTINUE;
}

/* Turns the main loop until the console has said it, or 10 s are over. */
static gboolean console_says(const char *words)
{
	const gint64 until = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;
	guint timer = g_timeout_add(20, wake, NULL);

	while (!strstr(guest.console->str, words) && g_get_monotonic_time() < until)
		g_main_context_iteration(NULL, TRUE);
	g_source_remove(timer);
	return strstr(guest.console->str, words) != NULL;
}

/* The box follows the NMI's last words, at the guest's own pace. */
static GBytes *box_within_10s(void)
{
	const gint64 until = g_get_monotonic_time() + 10 * G_USEC_PER_SEC;
	GBytes *box;

	while (!(box = vm_libvirt.take_box(session_vm(guest.session))) && g_get_monotonic_time() < until)
		g_usleep(10000);
	return box;
}

/* A guest that does not answer is asked where its CPUs are and who is blocked. It lives on. */
static void test_nmi(void **state)
{
	const char *sleeper[] = { "sh", "-c", "sleep 100 & dmesg -n 8", NULL };
	struct vx_box_reader reader;
	g_autoptr(GBytes) box = NULL;
	gsize len;

	open_guest("nmi", VM_BOX_SHMEM, FALSE);
	must(VX_STEP_EXEC, sleeper, 0, 0);
	g_string_truncate(guest.console, 0);
	assert_true(vm_libvirt.nmi(session_vm(guest.session), NULL));
	assert_true(console_says("tasks blocked"));
	assert_true(console_says("NMI: CPU 0 at "));
	assert_true(console_says("NMI: CPU 1 at "));
	assert_true(console_says("</NMI>"));
	box = box_within_10s();
	assert_non_null(box);
	assert_int_equal(vx_box_open(g_bytes_get_data(box, &len), g_bytes_get_size(box), &reader), VX_BOX_WHOLE);
	assert_int_equal(reader.head.reason, VX_BOX_NMI);
	assert_non_null(g_strstr_len(reader.text, reader.head.text_bytes, "NMI: CPU"));
	/* Had once. */
	assert_null(vm_libvirt.take_box(session_vm(guest.session)));
	must(VX_STEP_NOP, NULL, 0, 0);
}

/* ---- whole runs ------------------------------------------------------------------------ */

static const char *why_no_box(json_t *json)
{
	json_t *probes = json_object_get(json, "probes"), *probe;
	size_t i;

	json_array_foreach(probes, i, probe)
		if (!strcmp(json_string_value(json_object_get(probe, "program")), "black_box"))
			return strcmp(json_string_value(json_object_get(probe, "attached_by")), "not attached") ? "" :
			       json_string_value(json_object_get(probe, "reason"));
	fail_msg("the report has no probe black_box");
	return NULL;
}

/* Everything works, with less, and it is said. */
static void test_without_the_module(void **state)
{
	RAN r = run_vexlab("run", "--quiet", "--json", "--cold", "--cycles", "2", "--no-probe-module", NULL);
	json_t *json;

	expect_status(&r, 0);
	json = expect_json(&r);
	assert_non_null(strstr(why_no_box(json), "vexprobe is not loaded"));
	json_decref(json);
}

static void run_with_libdir(const char *libdir, ...)
{
	g_auto(GStrv) env = g_environ_setenv(g_get_environ(), "VEXLAB_LIBDIR", libdir, TRUE);
	va_list args;
	struct ran r;

	va_start(args, libdir);
	r = run_with_env(env, "run", args);
	va_end(args);
	expect_status(&r, 0);
	expect_says(&r, "vexprobe is not loaded");
	expect_says(&r, "does not build");
	ran_clear(&r);
}

static void test_module_does_not_build(void **state)
{
	g_autofree char *dir = g_build_filename(test_dir, "lib", NULL);
	g_autofree char *probe = g_build_filename(dir, "kmod-probe", NULL);
	g_autofree char *kbuild = g_build_filename(probe, "Kbuild", NULL);
	g_autofree char *source = g_build_filename(probe, "broken.c", NULL);

	assert_true(fs_mkdir(probe, 0755, NULL));
	assert_true(g_file_set_contents(kbuild, "obj-m := broken.o\n", -1, NULL));
	assert_true(g_file_set_contents(source, "#error as it was told\n", -1, NULL));
	run_with_libdir(dir, "--quiet", "--cold", "--cycles", "2", NULL);
}

static guint lines_with(json_t *finding, const char *words)
{
	json_t *lines = json_object_get(finding, "kernel_messages"), *line;
	guint n = 0;
	size_t i;

	json_array_foreach(lines, i, line)
		n += strstr(json_string_value(line), words) != NULL;
	return n;
}

/* One crash counts once, with the evidence of both sources. */
static void crash_has_evidence(const char *fault, const char *class, const char *words)
{
	g_autofree char *params = g_strdup_printf("fault=%s", fault);
	RAN r = run_vexlab("run", "--quiet", "--json", "--target", "faultfs", "--cycles", "2", "--control", "none",
			   "--set", "recovery.attempts=0", "--module-params", params, NULL);
	json_t *json = expect_json(&r), *finding;
	guint crashes = 0;
	size_t i;

	json_array_foreach(json_object_get(json, "findings"), i, finding) {
		if (strcmp(json_string_value(json_object_get(finding, "event_type")), class))
			continue;
		crashes++;
		assert_int_equal(lines_with(finding, words), 1);
		assert_int_equal(lines_with(finding, "vexprobe: stack: ffffffff"), 1);
	}
	assert_int_equal(crashes, 1);
	assert_string_equal(why_no_box(json), "");
	json_decref(json);
}

static void test_evidence_of_an_oops(void **state)
{
	crash_has_evidence("oops@fill", "Oops", "vexprobe: die: Oops at fault_oops+0x");
}

static void test_evidence_of_a_panic(void **state)
{
	crash_has_evidence("panic@fill", "KernelPanic", "vexprobe: panic: faultfs: as it was told at fault_panic+0x");
}

static int set_up(void **state)
{
	struct config_machine machine;
	g_autoptr(GError) error = NULL;

	if (make_test_dir(state))
		return -1;
	config_init(&guest.config);
	config_machine_probe(&machine);
	g_free(config_clamp_to_machine(&guest.config, &machine));
	guest.config.memory_mib = 512;
	guest.config.vcpus = 2;
	guest.cachedir = fs_default_cachedir();
	guest.image = guest_find(guest.cachedir, NULL, &error);
	if (!guest.image || !rundir_reap(NULL, NULL, &error) || !(guest.rundir = rundir_create(NULL, &error))) {
		print_error("%s\n", error->message);
		return -1;
	}
	return 0;
}

static int tear_down(void **state)
{
	rundir_destroy(guest.rundir);
	guest_free(guest.image);
	g_free(guest.cachedir);
	return drop_test_dir(state);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(test_panic_through_shared_memory, close_guest),
		cmocka_unit_test_teardown(test_only_news_is_added, close_guest),
		cmocka_unit_test_teardown(test_dead_agent, close_guest),
		cmocka_unit_test_teardown(test_nmi, close_guest),
		cmocka_unit_test_teardown(test_panic_through_the_port, close_guest),
		cmocka_unit_test(test_without_the_module),
		cmocka_unit_test(test_module_does_not_build),
		cmocka_unit_test(test_evidence_of_an_oops),
		cmocka_unit_test(test_evidence_of_a_panic),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
