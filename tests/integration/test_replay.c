// SPDX-License-Identifier: GPL-2.0
/*
 * A crash, its evidence, and the same crash again. The filesystem is faultfs with a
 * line that writes through a null pointer, inlined, in its put_super.
 */
#include <glib/gstdio.h>
#include "harness.h"

#define TITLE "faultfs_put_super"
#define CALM	"	faults_strike(&fs->faults, FAULT_AT_PUT_SUPER);\n"
#define CRASH	"	trip();\n"
#define HEAD	"static void faultfs_put_super(struct super_block *sb)\n"
#define TRIP	"static int *volatile nothing;\nstatic inline void trip(void)\n{\n	*nothing = 1;\n}\n\n"

static char *replaced(const char *text, const char *from, const char *to)
{
	g_auto(GStrv) parts = g_strsplit(text, from, -1);

	assert_int_equal(g_strv_length(parts), 2);
	return g_strjoinv(to, parts);
}

static void copy_one(const char *from_dir, const char *name, const char *to_dir)
{
	g_autofree char *from = g_build_filename(from_dir, name, NULL), *to = g_build_filename(to_dir, name, NULL);
	g_autofree char *text = NULL;

	assert_true(g_file_get_contents(from, &text, NULL, NULL));
	assert_true(g_file_set_contents(to, text, -1, NULL));
}

static int line_of(const char *text, const char *words)
{
	const char *p, *at = strstr(text, words);
	int line = 1;

	assert_non_null(at);
	for (p = text; p < at; p++)
		line += *p == '\n';
	return line;
}

/* Returns the number of the line that crashes. */
static int make_source(void)
{
	static const char from[] = VX_TREE "/tests/guest/faultfs";
	g_autofree char *dir = g_build_filename(test_dir, "src", NULL), *path = NULL;
	g_autofree char *target = g_build_filename(test_dir, "crashfs.yaml", NULL);
	g_autofree char *text = NULL, *with_trip = NULL, *crashing = NULL, *yaml = NULL;
	g_autoptr(GDir) listing = g_dir_open(from, 0, NULL);
	const char *name;

	g_mkdir(dir, 0755);
	while ((name = g_dir_read_name(listing)))
		copy_one(from, name, dir);
	path = g_build_filename(dir, "super.c", NULL);
	assert_true(g_file_get_contents(path, &text, NULL, NULL));
	with_trip = replaced(text, HEAD, TRIP HEAD);
	crashing = replaced(with_trip, CALM, CRASH);
	assert_true(g_file_set_contents(path, crashing, -1, NULL));
	yaml = g_strdup_printf("name: crashfs\nmodule:\n  from: source\n  source: %s\nmkfs:\n  source: mkfs.faultfs.c\n"
			       "  argv: [\"{mkfs}\", -f, \"{device}\"]\ndevice_mib: 1\n", dir);
	assert_true(g_file_set_contents(target, yaml, -1, NULL));
	return line_of(crashing, "	*nothing = 1;\n");
}

/* The same source without the fault. */
static void mend_source(void)
{
	g_autofree char *path = g_build_filename(test_dir, "src", "super.c", NULL);
	g_autofree char *text = NULL, *mended = NULL;

	assert_true(g_file_get_contents(path, &text, NULL, NULL));
	mended = replaced(text, "	*nothing = 1;\n", "	barrier();\n");
	assert_true(g_file_set_contents(path, mended, -1, NULL));
}

static json_t *finding_with(json_t *report, const char *words)
{
	json_t *findings = json_object_get(report, "findings"), *finding;
	size_t i;

	json_array_foreach(findings, i, finding)
		if (strstr(word_at(finding, "description"), words))
			return finding;
	fail_msg("no finding tells of %s", words);
	return NULL;
}

static char *crashed_dir;	/* of the run that crashed */
static guint crash_number;	/* of its folder */

static void a_crash_leaves_its_evidence(void **state)
{
	const int line = make_source();
	g_autofree char *place = g_strdup_printf("src/super.c:%d", line), *stack = NULL, *steps = NULL;
	g_autofree char *console = NULL, *events = NULL, *folder = NULL;
	RAN r = run_vexlab("run", "-q", "--json", "--target", "./crashfs.yaml", "--cycles", "2", NULL);
	json_t *json, *finding, *list;

	expect_status(&r, 2);
	json = expect_json(&r);
	crashed_dir = g_canonicalize_filename(word_at(json, "directory"), test_dir);
	finding = finding_with(json, TITLE);
	assert_string_equal(word_at(finding, "event_type"), "Oops");
	assert_true(g_str_has_suffix(word_at(finding, "location"), place));
	folder = g_build_filename(crashed_dir, word_at(finding, "evidence"), NULL);
	crash_number = (guint)atoi(strrchr(word_at(finding, "evidence"), '/') + 1);
	stack = read_file(folder, "stack.txt");
	assert_non_null(strstr(stack, "in trip (inlined)"));
	assert_non_null(strstr(stack, "in faultfs_put_super"));
	console = read_file(folder, "console.txt");
	assert_non_null(strstr(console, "RIP: 0010:faultfs_put_super"));
	/* What the kernel's own tracing saw stands beside what it printed. */
	events = read_file(folder, "timeline.txt");
	assert_non_null(strstr(events, " bpf      mount of faultfs"));
	assert_non_null(strstr(events, " console  "));
	assert_non_null(strstr(events, "begins: umount"));
	steps = read_file(folder, "steps.json");
	list = json_loads(steps, 0, NULL);
	assert_int_equal(number_at(list, "step"), number_at(finding, "step"));
	assert_true(json_array_size(json_object_get(list, "actions")) > 5);
	json_decref(list);
	json_decref(json);
}

static void the_crash_is_seen_again(void **state)
{
	g_autofree char *number = g_strdup_printf("%u", crash_number);
	RAN r = run_vexlab("replay", "-q", "--json", "--times", "3", crashed_dir, number, NULL);
	g_autofree char *report = NULL;
	json_t *json;

	expect_status(&r, 0);
	json = expect_json(&r);
	assert_int_equal(number_at(json, "attempts"), 3);
	assert_int_equal(number_at(json, "times_seen"), 3);
	assert_string_equal(word_at(json_array_get(json_object_get(json, "details"), 2), "step"), "umount");
	/* It is a run like any other. */
	report = read_file(word_at(json, "directory"), "comprehensive_report.json");
	assert_non_null(strstr(report, TITLE));
	json_decref(json);
}

/* What leads to a step is done once, then each attempt starts behind it. */
static void from_a_step_by_its_name(void **state)
{
	g_autofree char *number = g_strdup_printf("%u", crash_number);
	RAN r = run_vexlab("replay", "-q", "--json", "--times", "3", "--from", "mount", crashed_dir, number, NULL);
	RAN none = run_vexlab("replay", "--from", "mound", crashed_dir, number, NULL);
	json_t *json, *details, *steps;
	guint i;

	expect_status(&none, 64);
	expect_says(&none, "\"mount\"");
	expect_status(&r, 0);
	json = expect_json(&r);
	assert_int_equal(number_at(json, "times_seen"), 3);
	details = json_object_get(json, "details");
	steps = json_object_get(json_array_get(details, 0), "steps");
	assert_string_equal(word_at(json_array_get(steps, 0), "name"), "find the scratch disk");
	for (i = 1; i < 3; i++) {
		json_t *later = json_object_get(json_array_get(details, i), "steps");

		assert_true(json_array_size(later) < json_array_size(steps));
		assert_string_equal(word_at(json_array_get(later, 0), "name"), "file work");
		/* Numbered as in the whole list. */
		assert_int_equal(number_at(json_array_get(details, i), "after"), number_at(json_array_get(details, 0), "after"));
	}
	json_decref(json);
}

/* The kept module goes, the source is mended: what is built anew does not crash. */
static void a_mended_module_is_not_seen_again(void **state)
{
	g_autofree char *kept = g_build_filename(crashed_dir, "evidence", "modules", NULL);
	g_autofree char *record = NULL;
	g_autofree char *number = g_strdup_printf("%u", crash_number);
	g_autofree char *built = NULL;
	json_t *head;

	nftw(kept, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	record = read_file(crashed_dir, "comprehensive_report.json");
	head = json_loads(record, 0, NULL);
	built = g_strdup(json_string_value(json_object_get(json_array_get(json_object_get(json_object_get(
		json_object_get(head, "metrics"), "run"), "modules"), 0), "path")));
	json_decref(head);
	assert_int_equal(unlink(built), 0);
	mend_source();
	{
		RAN r = run_vexlab("replay", crashed_dir, number, NULL);

		expect_status(&r, 1);
		expect_says(&r, "building it anew");
		expect_says(&r, "not seen in");
	}
}

/* The first bytes and the kernel's own word are there; what reads it is not ours to test. */
static void a_dump_is_kept_with_the_first_crash(void **state)
{
	g_autofree char *dump = NULL;
	json_t *json, *finding;
	GMappedFile *map;

	make_source();
	{
		RAN r = run_vexlab("run", "-q", "--json", "--dump", "--target", "./crashfs.yaml", "--cycles", "2", NULL);

		expect_status(&r, 2);
		json = expect_json(&r);
	}
	finding = finding_with(json, TITLE);
	{
		g_autofree char *dir = g_canonicalize_filename(word_at(json, "directory"), test_dir);

		dump = g_build_filename(dir, word_at(finding, "evidence"), "memory.kdump", NULL);
	}
	map = g_mapped_file_new(dump, FALSE, NULL);
	if (!map)
		fail_msg("there is no %s", dump);
	assert_true(g_mapped_file_get_length(map) > 16u << 20);
	assert_memory_equal(g_mapped_file_get_contents(map), "KDUMP   ", 8);
	assert_non_null(memmem(g_mapped_file_get_contents(map), 64 << 10, "OSRELEASE=", 10));
	g_mapped_file_unref(map);
	json_decref(json);
}

static void what_cannot_be_tried_is_no_outcome(void **state)
{
	RAN none = run_vexlab("replay", crashed_dir, "77", NULL);
	RAN nowhere = run_vexlab("replay", "./nowhere", NULL);
	RAN nothing = run_vexlab("replay", "--times", "0", crashed_dir, NULL);

	expect_status(&none, 64);
	expect_says(&none, "no finding 77");
	expect_status(&nowhere, 69);
	expect_status(&nothing, 64);
	g_free(crashed_dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_crash_leaves_its_evidence),
		cmocka_unit_test(the_crash_is_seen_again),
		cmocka_unit_test(from_a_step_by_its_name),
		cmocka_unit_test(a_mended_module_is_not_seen_again),
		cmocka_unit_test(a_dump_is_kept_with_the_first_crash),
		cmocka_unit_test(what_cannot_be_tried_is_no_outcome),
	};

	return cmocka_run_group_tests(tests, make_test_dir, drop_test_dir);
}
