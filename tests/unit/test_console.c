// SPDX-License-Identifier: GPL-2.0
/* Console entries of a record to findings: whose step, whose fault, and what never counts. */
#include <glib.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "detect.h"
#include "error.h"
#include "score.h"

#define S 1000000000ull

#define WARN_AT(time, function, module) \
	"[" time "] WARNING: CPU: 0 PID: 1 at fs/a.c:88 " function "+0x4/0x9" module "\n" \
	"[" time "] RIP: 0010:" function "+0x4/0x9" module "\n[" time "] Call Trace:\n" \
	"[" time "]  vfs_a+0x1/0x2\n[" time "]  vfs_b+0x1/0x2\n[" time "] ---[ end trace 0 ]---\n"

struct bed {
	struct detect *detect;
	GPtrArray *findings;
};

static void feed(struct bed *bed, enum vx_frame_type type, const void *data, gsize len, guint64 ns)
{
	const struct rec_entry entry = {
		.stamp = { .realtime_ns = 1000 * S + ns, .monotonic_ns = ns },
		.frame = { .type = type, .length = (guint32)len }, .payload = data,
	};
	GPtrArray *found = detect_feed(bed->detect, &entry);
	guint i;

	for (i = 0; found && i < found->len; i++)
		g_ptr_array_add(bed->findings, g_ptr_array_index(found, i));
	if (found) {
		g_ptr_array_set_free_func(found, NULL);
		g_ptr_array_unref(found);
	}
}

static void text(struct bed *bed, enum vx_frame_type type, const char *s, guint64 ns)
{
	feed(bed, type, s, strlen(s), ns);
}

static void step(struct bed *bed, guint id, gboolean target, guint64 ns)
{
	g_autofree char *json = g_strdup_printf("{\"id\": %u, \"name\": \"mount\", \"kind\": \"mount\", "
						"\"cycle\": 1, \"target\": %s}", id,
						target ? "true" : "false");

	text(bed, VX_REC_STEP_BEGIN, json, ns);
}

/* The guest's clock runs 40 s behind the host's here. */
static void beat(struct bed *bed, guint64 ns)
{
	const struct vx_msg_heartbeat msg = { .monotonic_ns = ns - 40 * S };

	feed(bed, VX_MSG_HEARTBEAT, &msg, sizeof(msg), ns);
}

static void start(struct bed *bed, const char *run)
{
	bed->detect = detect_new();
	bed->findings = g_ptr_array_new_with_free_func((GDestroyNotify)finding_free);
	text(bed, VX_REC_RUN, run, 0);
	text(bed, VX_REC_VM, "{\"event\": \"ready\"}", 1);
	beat(bed, 100 * S);
}

static const struct finding *only(struct bed *bed)
{
	assert_int_equal(bed->findings->len, 1);
	return g_ptr_array_index(bed->findings, 0);
}

static void stop(struct bed *bed)
{
	detect_free(bed->detect);
	g_ptr_array_unref(bed->findings);
}

#define RUN "{\"target\": \"vexfs\", \"module\": \"vexfs\"}"

static void test_module_is_blamed_by_its_frames(void **state)
{
	struct bed bed;

	start(&bed, RUN);
	step(&bed, 7, TRUE, 101 * S);
	text(&bed, VX_REC_CONSOLE, WARN_AT("   61.500000", "vexfs_a", " [vexfs]"), 101 * S + S / 2);
	beat(&bed, 102 * S);
	assert_int_equal(only(&bed)->blame, BLAME_MODULE);
	assert_int_equal(only(&bed)->class, FINDING_WARNING);
	assert_int_equal(only(&bed)->step, 7);
	assert_string_equal(only(&bed)->title, "WARNING in vexfs_a");
	assert_string_equal(only(&bed)->function, "vexfs_a");
	assert_string_equal(only(&bed)->module, "vexfs");
	assert_string_equal(only(&bed)->kind, "warning");
	assert_int_equal(only(&bed)->kernel_ns, 61 * S + S / 2);
	assert_int_equal(only(&bed)->realtime_ns, 1101 * S + S / 2);
	stop(&bed);
}

/* The title goes by convention, the finding by the target. */
static void test_stall_names_the_target_s_function(void **state)
{
	struct bed bed;

	start(&bed, RUN);
	step(&bed, 7, TRUE, 101 * S);
	text(&bed, VX_REC_CONSOLE, "[   61.500000] watchdog: BUG: soft lockup - CPU#1 stuck for 8s! [agent:112]\n"
	     "[   61.500001] RIP: 0010:vexfs_scan+0xb/0x10 [vexfs]\n[   61.500002] Call Trace:\n"
	     "[   61.500003]  vexfs_fill_super+0xba/0x190 [vexfs]\n[   61.500004]  path_mount+0x4b6/0xb90\n"
	     "[   61.500005]  __x64_sys_mount+0x119/0x150\n[   61.500006]  do_syscall_64+0x87/0x180\n",
	     101 * S + S / 2);
	beat(&bed, 104 * S);
	assert_string_equal(only(&bed)->title, "BUG: soft lockup in sys_mount");
	assert_string_equal(only(&bed)->function, "vexfs_scan");
	assert_string_equal(only(&bed)->module, "vexfs");
	assert_int_equal(only(&bed)->blame, BLAME_MODULE);
	stop(&bed);
}

static void test_kernel_is_blamed_for_its_own(void **state)
{
	struct bed bed;

	start(&bed, RUN);
	step(&bed, 7, TRUE, 101 * S);
	text(&bed, VX_REC_CONSOLE, "[   61.400000] Modules linked in: vexfs(OE)\n"
	     WARN_AT("   61.500000", "ext4_a", ""), 101 * S + S / 2);
	beat(&bed, 102 * S);
	assert_int_equal(only(&bed)->blame, BLAME_KERNEL);
	stop(&bed);
}

#define NULL_JUMP \
	"[   61.500000] BUG: kernel NULL pointer dereference, address: 0000000000000000\n" \
	"[   61.500001] #PF: supervisor instruction fetch in kernel mode\n" \
	"[   61.500002] Oops: Oops: 0010 [#1] PREEMPT SMP NOPTI\n[   61.500003] RIP: 0010:0x0\n" \
	"[   61.500004] Call Trace:\n[   61.500005]  <TASK>\n[   61.500006]  filemap_page_mkwrite+0x114/0x1b0\n" \
	"[   61.500007]  do_page_mkwrite+0x4a/0xa0\n[   61.500008]  do_fault+0x192/0x550\n" \
	"[   61.500009]  </TASK>\n[   61.500010] ---[ end trace 0000000000000000 ]---\n"

/* An operation that it does not fill in is the module's, though none of its frames is on the stack. */
static void test_null_call_is_the_targets(void **state)
{
	struct bed bed;

	start(&bed, RUN);
	step(&bed, 7, TRUE, 101 * S);
	text(&bed, VX_REC_CONSOLE, NULL_JUMP, 101 * S + S / 2);
	beat(&bed, 102 * S);
	assert_string_equal(only(&bed)->title,
			    "BUG: unable to handle kernel NULL pointer dereference in filemap_page_mkwrite");
	assert_string_equal(only(&bed)->function, "filemap_page_mkwrite");
	assert_int_equal(only(&bed)->blame, BLAME_MODULE);
	stop(&bed);

	/* But not while nothing of it is tried. */
	start(&bed, RUN);
	step(&bed, 7, FALSE, 101 * S);
	text(&bed, VX_REC_CONSOLE, NULL_JUMP, 101 * S + S / 2);
	beat(&bed, 102 * S);
	assert_int_equal(only(&bed)->blame, BLAME_KERNEL);
	stop(&bed);
}

/* The bytes came during step 8, but were printed during 7; or before there was any step. */
static void test_older_than_the_step(void **state)
{
	struct bed bed;

	start(&bed, RUN);
	step(&bed, 7, TRUE, 101 * S);
	text(&bed, VX_REC_CONSOLE, "[   69.990000] on time\n", 110 * S - 1);
	step(&bed, 8, TRUE, 110 * S);
	text(&bed, VX_REC_CONSOLE, WARN_AT("   63.000000", "vexfs_a", " [vexfs]"), 110 * S + 1);
	beat(&bed, 111 * S);
	assert_int_equal(only(&bed)->step, 7);
	stop(&bed);

	start(&bed, RUN);
	step(&bed, 7, TRUE, 101 * S);
	text(&bed, VX_REC_CONSOLE, "[   61.000000] on time\n", 101 * S);
	text(&bed, VX_REC_CONSOLE, WARN_AT("   13.000000", "vexfs_a", " [vexfs]"), 102 * S);
	beat(&bed, 103 * S);
	assert_int_equal(only(&bed)->step, 0);
	assert_int_equal(only(&bed)->blame, BLAME_ENVIRONMENT);
	stop(&bed);
}

/* The guest stood still for 5 s (a snapshot, a dump): its news stays news. */
static void test_paused_guest(void **state)
{
	struct bed bed;

	start(&bed, RUN);
	text(&bed, VX_REC_CONSOLE, "[   61.000000] on time\n", 101 * S);
	step(&bed, 7, TRUE, 110 * S);
	text(&bed, VX_REC_CONSOLE, "[   65.000000] 5 s late\n", 110 * S);
	feed(&bed, VX_MSG_HEARTBEAT, &(struct vx_msg_heartbeat){ .monotonic_ns = 66 * S },
	     sizeof(struct vx_msg_heartbeat), 111 * S);
	text(&bed, VX_REC_CONSOLE, WARN_AT("   66.500000", "vexfs_a", " [vexfs]"), 111 * S + S / 2);
	beat(&bed, 112 * S);
	assert_int_equal(only(&bed)->step, 7);
	stop(&bed);
}

/* It began before the step did: the stream tells, even without clocks. */
static void test_begun_before_the_step(void **state)
{
	static const char report[] = WARN_AT("   61.000000", "vexfs_a", " [vexfs]");
	struct bed bed;

	start(&bed, RUN);
	step(&bed, 7, TRUE, 101 * S);
	feed(&bed, VX_REC_CONSOLE, report, 90, 101 * S + 1000);
	step(&bed, 8, TRUE, 101 * S + 2000);
	feed(&bed, VX_REC_CONSOLE, report + 90, sizeof(report) - 1 - 90, 101 * S + 3000);
	beat(&bed, 102 * S);
	assert_int_equal(only(&bed)->step, 7);
	stop(&bed);
}

static void test_silence_completes(void **state)
{
	static const char report[] = WARN_AT("   61.000000", "vexfs_a", " [vexfs]");
	struct bed bed;
	GPtrArray *found;

	start(&bed, RUN);
	step(&bed, 7, TRUE, 101 * S);
	text(&bed, VX_REC_CONSOLE, report, 101 * S);
	assert_null(detect_idle(bed.detect, 101 * S + 1000000));
	found = detect_idle(bed.detect, 101 * S + (DETECT_QUIET_MS + 1) * 1000000);
	assert_non_null(found);
	assert_int_equal(found->len, 1);
	g_ptr_array_unref(found);
	stop(&bed);
}

static void test_panic_is_told_at_once(void **state)
{
	struct bed bed;

	start(&bed, RUN);
	step(&bed, 7, TRUE, 101 * S);
	text(&bed, VX_REC_CONSOLE, WARN_AT("   61.000000", "vexfs_a", " [vexfs]")
	     "[   61.000001] Kernel panic - not syncing: kernel: panic_on_warn set ...\n"
	     "[   61.000002] ---[ end Kernel panic - not syncing: kernel: panic_on_warn set ... ]---\n",
	     101 * S + S);
	assert_int_equal(only(&bed)->class, FINDING_PANIC);
	assert_int_equal(only(&bed)->severity, SEV_CRITICAL);
	assert_string_equal(only(&bed)->title, "WARNING in vexfs_a");
	assert_true(finding_hurts(only(&bed)));
	stop(&bed);
}

static void test_same_again_is_no_news(void **state)
{
	struct bed bed;
	guint i;

	start(&bed, RUN);
	step(&bed, 7, TRUE, 101 * S);
	for (i = 0; i < 5; i++)
		text(&bed, VX_REC_CONSOLE, WARN_AT("   61.000000", "vexfs_a", " [vexfs]"), 101 * S);
	step(&bed, 8, TRUE, 102 * S);
	text(&bed, VX_REC_CONSOLE, WARN_AT("   62.500000", "vexfs_a", " [vexfs]"), 102 * S + S / 2);
	beat(&bed, 103 * S);
	assert_int_equal(bed.findings->len, 2);
	stop(&bed);
}

static void test_boot_is_no_crash_until_ready(void **state)
{
	static const char boot[] = "[   99.000000] x\nBooting the kernel.\n[    0.000000] Linux version 6.12\n";
	struct bed bed;

	start(&bed, RUN);
	text(&bed, VX_REC_VM, "{\"event\": \"lost\", \"lost\": \"QEMU died\"}", 101 * S);
	assert_int_equal(bed.findings->len, 1);		/* the guest detector's */
	text(&bed, VX_REC_CONSOLE, boot, 102 * S);
	text(&bed, VX_REC_VM, "{\"event\": \"ready\"}", 103 * S);
	assert_int_equal(bed.findings->len, 1);
	text(&bed, VX_REC_CONSOLE, boot, 104 * S);
	beat(&bed, 106 * S);
	assert_int_equal(bed.findings->len, 2);
	stop(&bed);
}

static void test_noise_never_counts(void **state)
{
	struct analysis an = { .steps = 1 };
	struct verdict verdict;
	struct bed bed;

	start(&bed, "{\"target\": \"vexfs\", \"module\": \"vexfs\", \"noise\": [\"^BUG: kernel NULL\", 5]}");
	step(&bed, 7, TRUE, 101 * S);
	text(&bed, VX_REC_CONSOLE, "[   61.000001] BUG: kernel NULL pointer dereference, address: 18\n"
	     "[   61.000003] RIP: 0010:vexfs_a+0x4/0x9 [vexfs]\n[   61.000004] ---[ end trace 0 ]---\n",
	     101 * S + S);
	beat(&bed, 103 * S);
	assert_int_equal(only(&bed)->class, FINDING_OOPS);
	assert_true(only(&bed)->noise);
	assert_false(finding_hurts(only(&bed)));
	an.findings = bed.findings;
	an.end = json_object();
	score_verdict(&an, &verdict);
	assert_int_equal(verdict.code, VERDICT_PASSED);
	assert_int_equal(verdict.noise, 1);
	assert_true(verdict.stability == 100);
	json_decref(an.end);
	stop(&bed);
}

static void test_noise_file(void **state)
{
	g_autofree char *path = g_strdup_printf("%s/vexlab-noise-%d", g_get_tmp_dir(), getpid());
	g_autoptr(GError) error = NULL;
	g_auto(GStrv) noise = NULL;

	assert_true(g_file_set_contents(path, "# known\n\n  ^WARNING in x  \nperf:\n", -1, NULL));
	noise = noise_load(path, &error);
	assert_non_null(noise);
	assert_int_equal(g_strv_length(noise), 2);
	assert_string_equal(noise[0], "^WARNING in x");
	assert_true(g_file_set_contents(path, "fine\n(\n", -1, NULL));
	assert_null(noise_load(path, &error));
	assert_true(g_error_matches(error, VX_ERROR, VX_ERROR_CONFIG));
	assert_non_null(strstr(error->message, ":2:"));
	unlink(path);
}

static void test_json(void **state)
{
	struct finding *finding = finding_new(FINDING_MEMORY, SEV_HIGH, "KASAN: a");
	json_t *json;

	finding->kernel_ns = 5;
	finding->function = g_strdup("f");
	finding->noise = TRUE;
	json = finding_json(finding);
	assert_non_null(json);
	assert_string_equal(json_string_value(json_object_get(json, "event_type")), "MemoryCorruption");
	assert_string_equal(json_string_value(json_object_get(json, "function")), "f");
	assert_true(json_is_null(json_object_get(json, "module")));
	assert_true(json_is_true(json_object_get(json, "noise")));
	assert_true(json_is_false(json_object_get(json, "corrupted")));
	assert_int_equal(json_integer_value(json_object_get(json, "kernel_ns")), 5);
	json_decref(json);
	finding_free(finding);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_module_is_blamed_by_its_frames),
		cmocka_unit_test(test_stall_names_the_target_s_function),
		cmocka_unit_test(test_kernel_is_blamed_for_its_own),
		cmocka_unit_test(test_null_call_is_the_targets),
		cmocka_unit_test(test_older_than_the_step),
		cmocka_unit_test(test_paused_guest),
		cmocka_unit_test(test_begun_before_the_step),
		cmocka_unit_test(test_silence_completes),
		cmocka_unit_test(test_panic_is_told_at_once),
		cmocka_unit_test(test_same_again_is_no_news),
		cmocka_unit_test(test_boot_is_no_crash_until_ready),
		cmocka_unit_test(test_noise_never_counts),
		cmocka_unit_test(test_noise_file),
		cmocka_unit_test(test_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
