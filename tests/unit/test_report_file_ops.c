// SPDX-License-Identifier: GPL-2.0
/* From a record of file operations to the table of them; and whom a control run leaves to be blamed. */
#include <glib.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#include "fsutil.h"
#include "report.h"

struct bed {
	char *dir;
	struct record *record;
};

static void add(struct bed *bed, enum vx_frame_type type, const char *text)
{
	assert_true(record_bytes(bed->record, type, text, strlen(text), NULL, NULL));
}

static void open_bed(struct bed *bed)
{
	bed->dir = g_dir_make_tmp("vexlab-file-ops-XXXXXX", NULL);
	bed->record = record_create(bed->dir, NULL);
	assert_non_null(bed->record);
	add(bed, VX_REC_RUN, "{\"target\": \"vexfs\", \"module\": \"vexfs\", \"scenario\": \"file-operations\"}");
	add(bed, VX_REC_VM, "{\"event\": \"ready\"}");
}

static struct analysis *close_bed(struct bed *bed)
{
	struct analysis *an;

	add(bed, VX_REC_END, "{\"lost\": false}");
	record_close(bed->record);
	an = analysis_read(bed->dir, NULL);
	assert_non_null(an);
	fs_remove_at(AT_FDCWD, bed->dir);
	g_free(bed->dir);
	return an;
}

static void begin(struct bed *bed, guint id, const char *name)
{
	g_autofree char *json = g_strdup_printf("{\"id\": %u, \"name\": \"%s\", \"kind\": \"fileop\", \"phase\": "
						"\"operations\", \"cycle\": 1, \"target\": true}", id, name);

	add(bed, VX_REC_STEP_BEGIN, json);
}

static void answer(struct bed *bed, guint id, int err, gint64 value, const char *text)
{
	const struct vx_msg_step msg = { .id = id, .err = err, .value = value };
	g_autoptr(GByteArray) payload = g_byte_array_new();

	g_byte_array_append(payload, (const guint8 *)&msg, sizeof(msg));
	g_byte_array_append(payload, (const guint8 *)text, (guint)strlen(text));
	assert_true(record_bytes(bed->record, VX_MSG_STEP, payload->data, payload->len, NULL, NULL));
}

static void note(struct bed *bed, const char *name, const char *outcome, const char *why, guint step)
{
	json_t *json = json_pack("{s:s, s:s, s:s, s:s, s:s?, s:i, s:i, s:f, s:i}", "event", "file operation",
				 "operation", name, "group", "data", "outcome", outcome, "why", why,
				 "first_step", (int)step, "last_step", (int)step, "ms", 1.5, "of", 5);
	g_autofree char *text = json_dumps(json, 0);

	add(bed, VX_REC_VM, text);
	json_decref(json);
}

#define OOPS \
	"[   61.500000] BUG: kernel NULL pointer dereference, address: 0000000000000000\n" \
	"[   61.500003] RIP: 0010:%s\n[   61.500004] Call Trace:\n[   61.500006]  vfs_a+0x114/0x1b0\n" \
	"[   61.500007]  vfs_b+0x4a/0xa0\n[   61.500010] ---[ end trace 0000000000000000 ]---\n"

static void crash(struct bed *bed, const char *at)
{
	g_autofree char *text = g_strdup_printf(OOPS, at);

	add(bed, VX_REC_CONSOLE, text);
}

static json_t *row(json_t *json, size_t i)
{
	return json_array_get(json_object_get(json, "operations"), i);
}

static const char *word(json_t *json, const char *key)
{
	return json_string_value(json_object_get(json, key));
}

static void counts_and_rows(void **state)
{
	struct bed bed;
	struct analysis *an;
	g_autofree char *text = NULL;
	json_t *json;

	open_bed(&bed);
	begin(&bed, 1, "write");
	answer(&bed, 1, 0, 0, "");
	note(&bed, "write", "done", NULL, 1);
	begin(&bed, 2, "punch-hole");
	answer(&bed, 2, 0, VX_FILE_UNSUPPORTED, "fallocate: Operation not supported\n");
	note(&bed, "punch-hole", "unsupported", "fallocate: \033[2J", 2);
	begin(&bed, 3, "append");
	answer(&bed, 3, -EBADMSG, VX_FILE_CORRUPT, "wrong content read back\nbyte 1\n");
	note(&bed, "append", "failed", "wrong content read back", 3);
	begin(&bed, 4, "rename");
	crash(&bed, "vexfs_rename+0x1/0x2 [vexfs]");
	answer(&bed, 4, -EOWNERDEAD, 0, "");
	/* The console told of it after the note was made. */
	note(&bed, "rename", "failed", NULL, 4);
	an = close_bed(&bed);
	json = report_file_operations(an);
	assert_int_equal(json_integer_value(json_object_get(json, "wanted")), 5);
	assert_int_equal(json_integer_value(json_object_get(json, "done")), 1);
	assert_int_equal(json_integer_value(json_object_get(json, "unsupported")), 1);
	assert_int_equal(json_integer_value(json_object_get(json, "failed")), 1);
	assert_int_equal(json_integer_value(json_object_get(json, "crashed")), 1);
	assert_string_equal(word(row(json, 2), "outcome"), "failed");
	assert_string_equal(json_string_value(json_array_get(json_object_get(row(json, 2), "findings"), 0)),
			    "append: wrong content read back");
	assert_string_equal(word(row(json, 3), "outcome"), "crashed");
	text = report_file_operations_text(an);
	assert_non_null(strstr(text, "file operations  5: 1 done, 1 unsupported, 1 failed, 1 crashed\n"));
	assert_non_null(strstr(text, "fallocate: \\x1b[2J"));
	assert_null(strstr(text, "write"));
	json_decref(json);
	analysis_free(an);
}

static void other_records_have_none(void **state)
{
	struct bed bed;
	struct analysis *an;

	open_bed(&bed);
	an = close_bed(&bed);
	assert_null(report_file_operations(an));
	assert_null(report_file_operations_text(an));
	analysis_free(an);
}

/* The kernel's own function, and a control run that met it, did not meet it, or could not judge. */
static enum blame blame_after(const char *control)
{
	struct bed bed;
	struct analysis *an;
	enum blame blame;

	open_bed(&bed);
	begin(&bed, 1, "write");
	crash(&bed, "vfs_c+0x1/0x2");
	answer(&bed, 1, -EOWNERDEAD, 0, "");
	add(&bed, VX_REC_VM, control);
	an = close_bed(&bed);
	assert_int_equal(an->findings->len, 1);
	blame = ((const struct finding *)g_ptr_array_index(an->findings, 0))->blame;
	analysis_free(an);
	return blame;
}

#define TITLE "BUG: unable to handle kernel NULL pointer dereference in vfs_c"

static void control_run_settles_the_blame(void **state)
{
	assert_int_equal(blame_after("{\"event\": \"none\"}"), BLAME_KERNEL);
	assert_int_equal(blame_after("{\"event\": \"control\", \"why\": null, \"findings\": []}"), BLAME_MODULE);
	assert_int_equal(blame_after("{\"event\": \"control\", \"why\": \"no disk\", \"findings\": []}"), BLAME_KERNEL);
	assert_int_equal(blame_after("{\"event\": \"control\", \"why\": null, \"findings\": [{\"event_type\": \"Oops\", "
				     "\"description\": \"" TITLE "\"}]}"), BLAME_ENVIRONMENT);
}

/* An operation that merely failed needed no recovery: it is the crash's. */
static void recovery_is_for_the_crash(void **state)
{
	const struct finding *finding;
	struct bed bed;
	struct analysis *an;
	guint i;

	open_bed(&bed);
	begin(&bed, 1, "append");
	answer(&bed, 1, -EIO, 0, "write: Input/output error\n");
	begin(&bed, 2, "write");
	crash(&bed, "vexfs_write+0x1/0x2 [vexfs]");
	answer(&bed, 2, -EOWNERDEAD, 0, "");
	add(&bed, VX_REC_VM, "{\"event\": \"recovery\", \"attempt\": 1, \"cause\": \"x\"}");
	add(&bed, VX_REC_VM, "{\"event\": \"recovered\", \"attempt\": 1, \"ms\": 60.0}");
	an = close_bed(&bed);
	assert_int_equal(an->findings->len, 2);
	for (i = 0; i < 2; i++) {
		finding = g_ptr_array_index(an->findings, i);
		assert_int_equal(finding->recovery_attempted, finding->class == FINDING_OOPS);
		assert_int_equal(finding->recovery_successful, finding->class == FINDING_OOPS);
	}
	analysis_free(an);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(counts_and_rows),
		cmocka_unit_test(other_records_have_none),
		cmocka_unit_test(control_run_settles_the_blame),
		cmocka_unit_test(recovery_is_for_the_crash),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
