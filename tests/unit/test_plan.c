// SPDX-License-Identifier: GPL-2.0
/* Scenario files: what users write is understood, or refused with the line and the nearest right word. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "branches.h"
#include "error.h"
#include "finding.h"
#include "part.h"
#include "plan.h"

#define HEAD "name: x\ndescription: y\nsteps:\n"

static struct plan *parse(const char *text, GError **error)
{
	VX_GUARD(yamlfile_close) struct yamlfile *yf = yamlfile_parse("s.yaml", text, strlen(text), error);

	return yf ? plan_read(yf, "s.yaml", NULL, error) : NULL;
}

static struct plan *good(const char *text)
{
	g_autoptr(GError) error = NULL;
	struct plan *plan = parse(text, &error);

	if (!plan)
		fail_msg("refused: %s", error->message);
	return plan;
}

static void assert_refused(const char *text, const char *message)
{
	g_autoptr(GError) error = NULL;
	struct plan *plan = parse(text, &error);

	if (plan)
		fail_msg("accepted:\n%s", text);
	assert_true(g_error_matches(error, VX_ERROR, VX_ERROR_CONFIG));
	if (!g_str_has_prefix(error->message, message))
		fail_msg("it says\n%s\nand not\n%s", error->message, message);
}

static const struct plan_step *at(const struct plan *plan, guint i)
{
	assert_true(i < plan->steps->len);
	return plan->steps->pdata[i];
}

/* ---- what is understood --------------------------------------------------------------------- */

static void words_take_keys_a_value_or_nothing(void **state)
{
	VX_GUARD(plan_free) struct plan *plan = good(HEAD
		"  - mount\n"
		"  - mount: noatime\n"
		"  - mount: { read_only: yes, flags: [nosuid, nodev], api: fsmount }\n"
		"  - umount: [lazy, force]\n"
		"  - exec: [/bin/true, \"{mountpoint}/a\"]\n"
		"  - sleep: 1500ms\n");
	const struct plan_args *args = at(plan, 2)->args;

	assert_int_equal(plan->steps->len, 6);
	assert_int_equal(at(plan, 0)->word->action, PLAN_MOUNT);
	assert_string_equal(((struct plan_args *)at(plan, 1)->args)->options, "noatime");
	assert_true(args->read_only);
	assert_int_equal(args->api, PLAN_API_FSMOUNT);
	assert_int_equal(plan_mount_flags(args->flags), MS_NOSUID | MS_NODEV);
	assert_int_equal(plan_umount_flags(((struct plan_args *)at(plan, 3)->args)->flags), MNT_DETACH | MNT_FORCE);
	assert_int_equal(((struct plan_args *)at(plan, 5)->args)->time_ms, 1500);
	assert_int_equal(at(plan, 3)->line, 7);
}

static void blocks_nest(void **state)
{
	VX_GUARD(plan_free) struct plan *plan = good(HEAD
		"  - name: loop\n"
		"    repeat: 10\n"
		"    pause: 200ms..0ms\n"
		"    steps: [mount, umount]\n"
		"  - repeat:\n"
		"    for: 30s\n"
		"    steps:\n"
		"      - choose: 3\n"
		"        of: [mount, umount]\n"
		"  - shuffle: [sync, settle]\n"
		"    deadline: 1m\n");
	const struct plan_step *loop = at(plan, 0), *timed = at(plan, 1);

	assert_int_equal(loop->kind, PLAN_REPEAT);
	assert_int_equal(loop->times, 10);
	assert_int_equal(loop->pause_ms, 200);
	assert_int_equal(loop->last_pause_ms, 0);
	assert_int_equal(loop->steps->len, 2);
	assert_int_equal(timed->times, 0);
	assert_int_equal(timed->budget_ms, 30000);
	assert_int_equal(((struct plan_step *)timed->steps->pdata[0])->kind, PLAN_CHOOSE);
	assert_int_equal(at(plan, 2)->deadline_ms, 60000);
}

static void expectations_are_errors_statuses_and_findings(void **state)
{
	VX_GUARD(plan_free) struct plan *plan = good(HEAD
		"  - mkdir: /a\n    expect: EROFS\n"
		"  - mkdir: /a\n    expect: [EROFS, EACCES]\n"
		"  - exec: [/bin/false]\n    expect: 1\n"
		"  - mount:\n    expect: { finding: Oops, title: \"in fault_.*\" }\n"
		"  - mount:\n    expect: any\n");

	assert_int_equal(g_array_index(at(plan, 0)->expect.errors, int, 0), EROFS);
	assert_int_equal(at(plan, 1)->expect.errors->len, 2);
	assert_int_equal(at(plan, 2)->expect.status, 1);
	assert_string_equal(at(plan, 3)->expect.class, "Oops");
	assert_int_equal(at(plan, 4)->expect.result, PLAN_EXPECT_ANY);
}

static void branches_have_names_and_times(void **state)
{
	VX_GUARD(plan_free) struct plan *plan = good(HEAD
		"  - parallel:\n"
		"      - [mount, umount]\n"
		"      - name: other\n        repeat: 50\n        steps: [sync]\n");
	const struct plan_step *other = at(plan, 0)->steps->pdata[1];

	assert_int_equal(at(plan, 0)->kind, PLAN_PARALLEL);
	assert_string_equal(other->name, "other");
	assert_int_equal(other->times, 50);
}

/* ---- what is refused ---------------------------------------------------------------------------- */

static void errors_name_line_and_word(void **state)
{
	assert_refused(HEAD "  - mount\n  - unmount\n", "s.yaml:5: unknown step \"unmount\" (did you mean \"umount\"?)");
	assert_refused(HEAD "  - mount: { optoins: x }\n", "s.yaml:4: unknown key \"mount.optoins\" (did you mean \"options\"?)");
	assert_refused(HEAD "  - umount: lazyly\n", "s.yaml:4: umount: \"lazyly\" is not a flag");
	assert_refused(HEAD "  - mkdir: \"{mountpiont}/a\"\n", "s.yaml:4: unknown variable \"mountpiont\" (did you mean \"mountpoint\"?)");
	assert_refused(HEAD "  - mkdir: /a\n    expect: EROFZ\n", "s.yaml:5: expect: \"EROFZ\" is none of ok, fails, any");
	assert_refused(HEAD "  - sleep: 10\n", "s.yaml:4: sleep: \"10\" is no time");
	assert_refused(HEAD "  - exec\n", "s.yaml:4: exec: the key \"argv\" is missing");
	assert_refused(HEAD "  - file-operation: teleport\n", "s.yaml:4: unknown file operation \"teleport\"");
	assert_refused("name: x\ndescription: y\nstep: [mount]\n", "s.yaml:3: unknown key \"step\"");
	assert_refused("name: x\ndescription: y\n", "s.yaml:1: the key \"steps\" is missing");
}

static void a_step_is_one_thing(void **state)
{
	assert_refused(HEAD "  - mount:\n    umount:\n", "s.yaml:5: a step is one thing: this is umount and, on line 4, mount");
	assert_refused(HEAD "  - name: nothing\n", "s.yaml:4: this step does not say what is to be done");
	assert_refused(HEAD "  - mount:\n    steps: [umount]\n", "s.yaml:5: steps: goes with repeat");
	assert_refused(HEAD "  - repeat: 2\n", "s.yaml:4: repeat: what?");
	assert_refused(HEAD "  - repeat:\n    steps: [mount]\n", "s.yaml:4: repeat: how often");
	assert_refused(HEAD "  - mount:\n    pause: 1s\n", "s.yaml:5: pause: goes with repeat");
	assert_refused(HEAD "  - mount:\n    when: { step: never }\n", "s.yaml:5: unknown step, none before this one has the name");
	assert_refused(HEAD "  - steps: [mount]\n    expect: EIO\n", "s.yaml:5: expect: an error is what one action answers");
	assert_refused(HEAD "  - parallel:\n      - [mount]\n      - [{ point: a }]\n", "s.yaml:6: parallel: \"point\" of line 6 cannot");
}

/* A few bytes that an alias makes endless. */
static void depth_and_number_are_bounded(void **state)
{
	g_autoptr(GString) many = g_string_new(HEAD);
	guint i;

	assert_refused(HEAD "  - &a\n    steps: [*a]\n", "s.yaml:");
	for (i = 0; i <= PLAN_STEPS_MAX; i++)
		g_string_append(many, "  - mount\n");
	assert_refused(many->str, "s.yaml:1004: the file has more than 1000 steps");
}

/* ---- the rest --------------------------------------------------------------------------------------- */

static void variables_are_filled_in(void **state)
{
	const char *const values[] = { "/dev/vdc", "/mnt", "7", "ext4", "ext4", "1", NULL };
	g_autofree char *text = plan_expand("{mountpoint}/{{a}-{cycle}", values);

	assert_string_equal(text, "/mnt/{a}-7");
}

static void releases_are_compared_by_number(void **state)
{
	assert_true(plan_kernel_is("6.12.9-cloud", ">=6.12"));
	assert_true(plan_kernel_is("6.12.9-cloud", "6.12"));
	assert_false(plan_kernel_is("6.9.1", ">= 6.12"));
	assert_true(plan_kernel_is("6.1.0-40", "<6.9"));
	assert_false(plan_kernel_is("6.12.9", ">6.12"));
}

static void branches_survive_packing(void **state)
{
	struct vx_inner inner = { .expect = VX_INNER_FAILS, .nerrors = 2, .errors = { EBUSY, EINVAL } }, back;
	uint64_t times;
	const char *name;
	char *text, *branch = vx_branch_pack(50, "a name");

	inner.step.req.op = VX_STEP_MOUNT;
	inner.step.req.num[0] = -3;
	inner.step.str[0] = "/dev/vdc";
	inner.step.str[1] = "";
	text = vx_inner_pack(&inner);
	assert_int_equal(vx_inner_unpack(text, &back), 0);
	assert_int_equal(back.step.req.op, VX_STEP_MOUNT);
	assert_int_equal(back.step.req.num[0], -3);
	assert_string_equal(back.step.str[0], "/dev/vdc");
	assert_string_equal(back.step.str[1], "");
	assert_null(back.step.str[2]);
	assert_true(vx_inner_is_as_expected(&back, -EINVAL));
	assert_false(vx_inner_is_as_expected(&back, 0));
	assert_int_equal(vx_branch_unpack(branch, &times, &name), 0);
	assert_int_equal(times, 50);
	assert_string_equal(name, "a name");
	inner.step.str[0] = "a\x1f" "b";
	assert_null(vx_inner_pack(&inner));
	vx_inner_clear(&back);
	assert_int_equal(vx_inner_unpack("5\x1f" "0", &back), -EINVAL);
	free(text);
	free(branch);
}

/* scenario/ knows no findings, so it has their names a second time. */
static void every_class_can_be_expected(void **state)
{
	enum finding_class class;

	for (class = 0; class < FINDING_CLASSES; class++) {
		g_autofree char *text = g_strdup_printf(HEAD "  - mount:\n    expect: %s\n", finding_class_name(class));

		/* Of these no step is the author. */
		if (class != FINDING_SLOW_OPERATION && class != FINDING_RECOVERY_FAILED)
			plan_free(good(text));
	}
}

static void assert_file_is_good(const char *path)
{
	g_autoptr(GError) error = NULL;

	if (!run_check_scenario(path, NULL, &error))
		fail_msg("%s", error->message);
}

static void built_in_files_are_good(void **state)
{
	g_autoptr(GDir) dir = g_dir_open(VX_TREE "/scenarios", 0, NULL);
	const char *entry;
	guint n = 0;

	assert_non_null(dir);
	while ((entry = g_dir_read_name(dir))) {
		g_autofree char *path = g_build_filename(VX_TREE "/scenarios", entry, NULL);

		if (!g_str_has_suffix(entry, ".yaml"))
			continue;
		assert_file_is_good(path);
		n++;
	}
	assert_true(n >= 5);
}

/* Each block of YAML on the page that is a whole file. */
static void examples_of_the_page_are_good(void **state)
{
	g_autofree char *page = NULL, *path = NULL;
	g_auto(GStrv) blocks = NULL;
	guint i, n = 0;
	int fd = g_file_open_tmp("vexlab-example-XXXXXX.yaml", &path, NULL);

	assert_true(fd >= 0);
	close(fd);
	assert_true(g_file_get_contents(VX_TREE "/docs/SCENARIOS.md", &page, NULL, NULL));
	blocks = g_strsplit(page, "```", -1);
	for (i = 1; blocks[i]; i += 2) {
		if (!g_str_has_prefix(blocks[i], "yaml\nname:"))
			continue;
		assert_true(g_file_set_contents(path, blocks[i] + 5, -1, NULL));
		assert_file_is_good(path);
		n++;
	}
	unlink(path);
	assert_true(n >= 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(words_take_keys_a_value_or_nothing),
		cmocka_unit_test(blocks_nest),
		cmocka_unit_test(expectations_are_errors_statuses_and_findings),
		cmocka_unit_test(branches_have_names_and_times),
		cmocka_unit_test(errors_name_line_and_word),
		cmocka_unit_test(a_step_is_one_thing),
		cmocka_unit_test(depth_and_number_are_bounded),
		cmocka_unit_test(variables_are_filled_in),
		cmocka_unit_test(releases_are_compared_by_number),
		cmocka_unit_test(branches_survive_packing),
		cmocka_unit_test(every_class_can_be_expected),
		cmocka_unit_test(built_in_files_are_good),
		cmocka_unit_test(examples_of_the_page_are_good),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
