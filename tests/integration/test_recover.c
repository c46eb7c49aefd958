// SPDX-License-Identifier: GPL-2.0
/*
 * After a crash: the user's handlers are asked as the manual says, attempts are
 * counted, and the control run tells whose fault it is.
 */
#include <glib/gstdio.h>
#include "harness.h"

static char *handlers;	/* folder of this test's handlers */
static char *said;	/* file that they write to */

static int set_up(void **state)
{
	if (make_test_dir(state))
		return -1;
	handlers = g_build_filename(test_dir, "handlers", NULL);
	said = g_build_filename(test_dir, "said", NULL);
	return g_mkdir(handlers, 0755);
}

static int tear_down(void **state)
{
	g_free(handlers);
	g_free(said);
	return drop_test_dir(state);
}

static void handler(const char *name, int mode, const char *script)
{
	g_autofree char *path = g_build_filename(handlers, name, NULL);
	g_autofree char *text = g_strdup_printf("#!/bin/sh\n{ echo \"%s:\"; env; echo; } >>'%s'\necho \"%s was here\"\n%s\n",
						name, said, name, script);

	assert_true(g_file_set_contents(path, text, -1, NULL));
	assert_int_equal(chmod(path, (mode_t)mode), 0);
}

static void forget_handlers(void)
{
	nftw(handlers, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	assert_int_equal(g_mkdir(handlers, 0755), 0);
	g_unlink(said);
}

#define RUN(fault, ...) run_vexlab("run", "-q", "--json", "--target", "faultfs", "--cycles", "3", "--module-params", \
				   "fault=" fault, __VA_ARGS__, NULL)

/* How many notes of that kind the run has. */
static guint notes(json_t *report, const char *event)
{
	json_t *list = json_object_get(report, "vm"), *note;
	guint n = 0;
	size_t i;

	json_array_foreach(list, i, note)
		n += !strcmp(word_at(note, "event"), event);
	return n;
}

static json_t *note_of(json_t *report, const char *event)
{
	json_t *list = json_object_get(report, "vm"), *note;
	size_t i;

	json_array_foreach(list, i, note)
		if (!strcmp(word_at(note, "event"), event))
			return note;
	fail_msg("there is no note %s", event);
	return NULL;
}

static void expect_said(const char *text, const char *line)
{
	g_auto(GStrv) lines = g_strsplit(text, "\n", -1);

	if (!g_strv_contains((const char *const *)lines, line))
		fail_msg("a handler did not see \"%s\":\n%s", line, text);
}

/* The one of the class goes before `any`; 3 is its failure and no answer, 10 ends the run. */
static void a_handler_of_the_class_is_asked(void **state)
{
	g_autofree char *text = NULL, *dir = NULL, *line = NULL;
	json_t *json;

	handler("Oops", 0755, "test \"$VEXLAB_ATTEMPT\" = 0 && exit 3\nexit 10");
	handler("any", 0755, "exit 10");
	{
		RAN r = RUN("oops@put", "--control", "none", "--handlers", handlers);

		expect_status(&r, 2);
		json = expect_json(&r);
	}
	assert_int_equal(notes(json, "handler"), 2);
	assert_int_equal(number_at(note_of(json, "handler"), "status"), 3);
	assert_int_equal(notes(json, "recovered"), 1);
	assert_string_equal(word_at(note_of(json, "given up"), "why"), "a recovery handler says so");
	assert_true(json_is_false(json_object_get(note_of(json, "given up"), "failed")));
	assert_int_equal(number_at(json, "crash_detection.summary.recovery_attempts"), 1);
	assert_int_equal(number_at(json, "crash_detection.summary.successful_recoveries"), 1);
	assert_true(g_file_get_contents(said, &text, NULL, NULL));
	assert_null(strstr(text, "any:"));
	dir = g_canonicalize_filename(word_at(json, "directory"), test_dir);
	line = g_strdup_printf("VEXLAB_RUN=%s", dir);
	expect_said(text, line);
	expect_said(text, "VEXLAB_TARGET=faultfs");
	expect_said(text, "VEXLAB_ATTEMPT=0");
	expect_said(text, "VEXLAB_ATTEMPT=1");
	expect_said(text, "VEXLAB_CYCLE=1");
	expect_said(text, "VEXLAB_FINDING=Oops");
	expect_said(text, "VEXLAB_SEVERITY=High");
	expect_said(text, "VEXLAB_TITLE=BUG: unable to handle kernel NULL pointer dereference in fault_oops");
	expect_said(text, "VEXLAB_LOST=");
	expect_said(text, "LC_ALL=C");
	json_decref(json);
}

/* `any` for what has none; one that may not be executed is none. A lost guest is told as one. */
static void else_the_one_for_any(void **state)
{
	g_autofree char *text = NULL;
	json_t *json;

	forget_handlers();
	handler("GuestLost", 0644, "exit 10");
	handler("Oops", 0755, "exit 10");
	handler("any", 0755, "exit 0");
	{
		RAN r = RUN("triple@put", "--control", "none", "--handlers", handlers, "--set", "recovery.attempts=1");

		expect_status(&r, 4);
		assert_null(strstr(r.out, "RecoveryFailure"));
		json = expect_json(&r);
	}
	assert_true(g_file_get_contents(said, &text, NULL, NULL));
	assert_null(strstr(text, "Oops:"));
	assert_null(strstr(text, "GuestLost:"));
	expect_said(text, "VEXLAB_FINDING=GuestLost");
	expect_said(text, "VEXLAB_SEVERITY=Critical");
	assert_non_null(strstr(text, "VEXLAB_LOST=it reset itself"));
	/* One attempt was allowed and made; the second crash ends the run, which is no failed recovery. */
	assert_int_equal(notes(json, "recovery"), 1);
	assert_int_equal(notes(json, "recovered"), 1);
	assert_non_null(strstr(word_at(note_of(json, "given up"), "why"), "recovery.attempts"));
	json_decref(json);
}

static void not_when_it_is_switched_off(void **state)
{
	RAN r = RUN("oops@put", "--control", "none", "--set", "recovery.auto=no");
	json_t *json;

	expect_status(&r, 2);
	json = expect_json(&r);
	assert_int_equal(notes(json, "recovery"), 0);
	assert_non_null(strstr(word_at(note_of(json, "given up"), "why"), "recovery.auto"));
	assert_int_equal(number_at(json, "crash_detection.summary.recovery_attempts"), 0);
	json_decref(json);
}

/* It has a guest and a folder of its own, and does not know of the module's crash. */
static void a_control_run_finds_nothing(void **state)
{
	RAN r = RUN("oops@put", "--set", "recovery.attempts=0");
	g_autofree char *control = NULL;
	json_t *json, *note;

	expect_status(&r, 2);
	json = expect_json(&r);
	note = note_of(json, "control");
	assert_string_equal(word_at(note, "target"), "ext4");
	assert_int_equal(json_array_size(json_object_get(note, "findings")), 0);
	control = read_file(word_at(note, "dir"), "comprehensive_report.json");
	assert_non_null(strstr(control, "\"test_result\": \"passed\""));
	assert_non_null(strstr(word_at(note, "dir"), "/control/"));
	json_decref(json);
}

/* What a good filesystem does as well is the environment's: here, being slower than a millisecond. */
static void what_it_finds_too_is_the_environments(void **state)
{
	RAN r = run_vexlab("run", "-q", "--json", "--target", "faultfs", "--cycles", "2", "--mount-options",
			   "fill_sleep_ms=5", "--set", "thresholds.operation_ms=1", NULL);
	RAN alone = run_vexlab("run", "-q", "--target", "faultfs", "--cycles", "2", "--mount-options",
			       "fill_sleep_ms=5", "--set", "thresholds.operation_ms=1", "--control", "none", NULL);
	json_t *json, *one;
	size_t i;

	expect_status(&alone, 3);
	json = expect_json(&r);
	assert_true(json_array_size(json_object_get(note_of(json, "control"), "findings")) > 0);
	json_array_foreach(json_object_get(json, "findings"), i, one)
		if (!strcmp(word_at(one, "description"), "mount above its threshold"))
			assert_string_equal(word_at(one, "blame"), "environment");
	json_decref(json);
}

static struct ran run_in(char **env, const char *first, ...)
{
	va_list args;
	struct ran r;

	va_start(args, first);
	r = run_with_env(env, first, args);
	va_end(args);
	return r;
}

/* QEMU is no more when the guest is to be put back: everything seen so far is told, and exit 4. */
static void recovery_that_fails(void **state)
{
	g_autofree char *bin = g_build_filename(test_dir, "bin", NULL), *fake = g_build_filename(bin, "qemu-system-x86_64", NULL);
	g_autofree char *real = g_find_program_in_path("qemu-system-x86_64");
	g_autofree char *path = g_strdup_printf("%s:%s", bin, g_getenv("PATH"));
	g_autofree char *script = g_strdup_printf("rm '%s' && printf '#!/bin/sh\\nexit 1\\n' >'%s' && chmod 755 '%s'", fake, fake, fake);
	g_auto(GStrv) env = g_environ_setenv(g_get_environ(), "PATH", path, TRUE);
	json_t *json;

	assert_int_equal(g_mkdir(bin, 0755), 0);
	assert_int_equal(symlink(real, fake), 0);
	forget_handlers();
	handler("Oops", 0755, script);
	{
		RAN r = run_in(env, "run", "-q", "--json", "--cold", "--target", "faultfs", "--cycles", "3", "--control", "none",
			       "--module-params", "fault=oops@put", "--handlers", handlers, NULL);

		expect_status(&r, 4);
		json = expect_json(&r);
	}
	assert_int_equal(notes(json, "recovery failed"), 3);
	assert_int_equal(notes(json, "recovered"), 0);
	assert_true(json_is_true(json_object_get(note_of(json, "given up"), "failed")));
	assert_int_equal(number_at(json, "crash_detection.summary.recovery_attempts"), 3);
	json_decref(json);
	forget_handlers();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_handler_of_the_class_is_asked),
		cmocka_unit_test(else_the_one_for_any),
		cmocka_unit_test(not_when_it_is_switched_off),
		cmocka_unit_test(a_control_run_finds_nothing),
		cmocka_unit_test(what_it_finds_too_is_the_environments),
		cmocka_unit_test(recovery_that_fails),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
