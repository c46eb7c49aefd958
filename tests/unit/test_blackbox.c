// SPDX-License-Identifier: GPL-2.0
/* From the file that a guest writes into the run's record: each box once, each event once, nothing believed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>
#include <glib.h>
#include <zlib.h>

#include "analysis.h"
#include "arrived.h"
#include "blackbox.h"
#include "event.h"
#include "frame.h"
#include "fsutil.h"
#include "journal.h"
#include "record.h"
#include <vexlab/blackbox.h>

static char *dir;

static int make_dir(void **state)
{
	dir = g_dir_make_tmp("vexlab-box-XXXXXX", NULL);
	return !dir;
}

static int drop_dir(void **state)
{
	fs_remove_at(AT_FDCWD, dir);
	g_free(dir);
	return 0;
}

static struct vx_event_fsop fsop(guint64 i)
{
	return (struct vx_event_fsop){
		.head = { .type = VX_EVENT_FSOP, .size = sizeof(struct vx_event_fsop), .ts = 1000 * i, .step = 7 },
		.op = VX_OP_MOUNT, .total_ns = i,
	};
}

/* Events `first`..`last`, newest first, as kmod-probe writes them. */
static GByteArray *box_of(guint first, guint last)
{
	GByteArray *box = g_byte_array_new();
	struct vx_box head = {
		.magic = VX_BOX_MAGIC, .version = VX_BOX_VERSION, .head_bytes = sizeof(head),
		.reason = VX_BOX_PANIC, .records = last - first + 1,
	};
	guint i;

	g_byte_array_append(box, (guint8 *)&head, sizeof(head));
	for (i = last; i >= first; i--) {
		const struct vx_event_fsop event = fsop(i);
		const struct vx_box_record record = { i, 0, sizeof(event) };

		g_byte_array_append(box, (guint8 *)&record, sizeof(record));
		g_byte_array_append(box, (guint8 *)&event, sizeof(event));
	}
	head.content_bytes = box->len - sizeof(head);
	head.content_crc = (guint32)crc32(0, box->data + sizeof(head), (uInt)head.content_bytes);
	head.crc = (guint32)crc32(0, (Bytef *)&head, sizeof(head));
	memcpy(box->data, &head, sizeof(head));
	return box;
}

/* ---- the file ------------------------------------------------------------------------------ */

static void test_taken_once(void **state)
{
	g_autoptr(GByteArray) box = box_of(1, 3);
	g_autofree char *path = g_build_filename(dir, "box", NULL);
	g_autoptr(GBytes) first = NULL;
	guint len = box->len;

	assert_null(blackbox_take(path));
	/* Shared memory goes on behind the box, with whatever was there. */
	g_byte_array_set_size(box, VX_BOX_SHMEM_BYTES);
	assert_true(g_file_set_contents(path, (char *)box->data, VX_BOX_SHMEM_BYTES, NULL));
	first = blackbox_take(path);
	assert_non_null(first);
	assert_int_equal(g_bytes_get_size(first), len);
	assert_memory_equal(g_bytes_get_data(first, NULL), box->data, len);
	assert_null(blackbox_take(path));
}

/* A guest writes any length it likes. */
static void test_hostile_length(void **state)
{
	static const guint64 lengths[] = { 0, 1, 1u << 20, VX_BOX_SHMEM_BYTES, G_MAXUINT32, G_MAXUINT64 - 800, G_MAXUINT64 };
	g_autofree char *path = g_build_filename(dir, "hostile", NULL);
	guint i;

	for (i = 0; i < G_N_ELEMENTS(lengths); i++) {
		struct vx_box head[2] = { { .magic = VX_BOX_MAGIC, .content_bytes = lengths[i] } };
		g_autoptr(GBytes) box = NULL;

		assert_true(g_file_set_contents(path, (char *)head, sizeof(head), NULL));
		box = blackbox_take(path);
		assert_non_null(box);
		assert_in_range(g_bytes_get_size(box), sizeof(head[0]), sizeof(head));
	}
}

static void test_no_box(void **state)
{
	g_autofree char *path = g_build_filename(dir, "none", NULL), *link = g_build_filename(dir, "link", NULL);
	struct vx_box head = { .magic = VX_BOX_MAGIC };

	assert_true(g_file_set_contents(path, "", 0, NULL));
	assert_null(blackbox_take(path));
	assert_true(g_file_set_contents(path, (char *)&head, sizeof(head) - 1, NULL));
	assert_null(blackbox_take(path));
	assert_true(g_file_set_contents(path, (char *)&head, sizeof(head), NULL));
	assert_int_equal(symlink(path, link), 0);
	assert_null(blackbox_take(link));
	assert_null(blackbox_take(dir));
}

/* ---- what has arrived ------------------------------------------------------------------------ */

static void test_arrived(void **state)
{
	VX_GUARD(arrived_free) struct arrived *arrived = arrived_new();
	struct vx_event_fsop event;
	guint64 i;

	for (i = 0; i < 100000; i++) {
		event = fsop(i);
		arrived_add(arrived, &event.head);
	}
	assert_true(arrived_has(arrived, &event.head));
	for (i = 100000 - 65536; i < 100000; i += 1000) {
		event = fsop(i);
		assert_true(arrived_has(arrived, &event.head));
	}
	event = fsop(100000 - 65536 - 1);
	assert_false(arrived_has(arrived, &event.head));	/* forgotten: more than any box holds */
	event = fsop(99999);
	event.head.cpu = 1;
	assert_false(arrived_has(arrived, &event.head));
	arrived_add(arrived, &event.head);
	assert_true(arrived_has(arrived, &event.head));
	event.head.step++;
	assert_false(arrived_has(arrived, &event.head));
}

/* ---- the record -------------------------------------------------------------------------------- */

struct seen {
	guint events, flagged;		/* VX_EVENT_FSOP; of them, in frames that came by the box */
	guint64 ordered;		/* the latest's time, 0 when one was out of order */
	GByteArray *box;
	json_t *note;
};

static void look(struct seen *seen, const struct rec_entry *entry)
{
	const struct vx_event *event;
	struct vx_event_iter it;

	if (entry->frame.type == VX_REC_BLACKBOX) {
		struct vx_rec_box piece;

		memcpy(&piece, entry->payload, sizeof(piece));
		assert_int_equal(piece.offset, seen->box->len);
		g_byte_array_append(seen->box, (const guint8 *)entry->payload + sizeof(piece),
				    entry->frame.length - sizeof(piece));
	}
	if (entry->frame.type == VX_REC_VM)
		seen->note = rec_entry_json(entry);
	if (entry->frame.type != VX_MSG_EVENTS)
		return;
	vx_event_iter_init(&it, entry->payload, entry->frame.length);
	while ((event = vx_event_iter_next(&it))) {
		seen->events++;
		seen->flagged += entry->frame.flags == VX_FRAME_FROM_BOX;
		seen->ordered = event->ts > seen->ordered ? event->ts : 0;
	}
}

static struct seen read_record(const char *path)
{
	VX_GUARD(rec_reader_close) struct rec_reader *reader = rec_reader_open(path, NULL);
	struct seen seen = { .box = g_byte_array_new() };
	struct rec_entry entry;

	while (rec_reader_next(reader, &entry))
		look(&seen, &entry);
	assert_int_equal(rec_reader_torn(reader), 0);
	return seen;
}

static void send_events(struct journal *journal, guint first, guint last)
{
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	struct vx_frame frame;
	guint i;

	for (i = first; i <= last; i++) {
		const struct vx_event_fsop event = fsop(i);

		g_byte_array_append(bytes, (const guint8 *)&event, sizeof(event));
	}
	vx_frame_seal(&frame, VX_MSG_EVENTS, 1, 0, bytes->data, bytes->len);
	journal_frame(journal, &frame, bytes->data);
}

/* 3000 events: a box of more than one frame, its news too. */
static void test_each_event_once(void **state)
{
	g_autofree char *path = g_build_filename(dir, "run", NULL);
	g_autoptr(GByteArray) box = box_of(1, 3000);
	g_autofree char *words = NULL;
	VX_GUARD(analysis_free) struct analysis *an = NULL;
	struct journal *journal;
	struct seen seen;

	assert_true(fs_mkdir(path, 0755, NULL));
	journal = journal_open(path, "t", NULL);
	journal_json(journal, VX_REC_RUN, json_pack("{s:s}", "target", "ext4"));
	send_events(journal, 1, 100);
	journal_box(journal, box->data, box->len);
	assert_null(journal_error(journal));
	journal_close(journal);
	seen = read_record(path);
	assert_int_equal(seen.events, 3000);
	assert_int_equal(seen.flagged, 2900);
	assert_int_equal(seen.ordered, 3000 * 1000);
	assert_int_equal(seen.box->len, box->len);
	assert_memory_equal(seen.box->data, box->data, box->len);
	assert_int_equal(json_integer_value(json_object_get(seen.note, "news")), 2900);
	words = g_build_filename(path, "black_box_1.txt", NULL);
	assert_true(g_file_test(words, G_FILE_TEST_EXISTS));
	assert_string_equal(json_string_value(json_object_get(seen.note, "state")), "whole");
	json_decref(seen.note);
	g_byte_array_unref(seen.box);
	/* They have no number in the sequence: nothing is taken for lost. */
	an = analysis_read(path, NULL);
	assert_int_equal(an->frames_lost, 0);
}

static void test_rubbish(void **state)
{
	g_autofree char *path = g_build_filename(dir, "rubbish", NULL);
	g_autoptr(GByteArray) box = box_of(1, 20);
	struct journal *journal;
	struct seen seen;

	assert_true(fs_mkdir(path, 0755, NULL));
	journal = journal_open(path, "t", NULL);
	journal_json(journal, VX_REC_RUN, json_pack("{s:s}", "target", "ext4"));
	journal_box(journal, "nothing", 7);
	((struct vx_box *)box->data)->records = 21;
	journal_box(journal, box->data, box->len);
	journal_close(journal);
	seen = read_record(path);
	/* Kept as it is, for people; none of its events believed. */
	assert_int_equal(seen.box->len, box->len);
	assert_int_equal(seen.events, 0);
	assert_string_equal(json_string_value(json_object_get(seen.note, "state")), "of no known form");
	json_decref(seen.note);
	g_byte_array_unref(seen.box);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_taken_once),
		cmocka_unit_test(test_hostile_length),
		cmocka_unit_test(test_no_box),
		cmocka_unit_test(test_arrived),
		cmocka_unit_test(test_each_event_once),
		cmocka_unit_test(test_rubbish),
	};

	return cmocka_run_group_tests(tests, make_dir, drop_dir);
}
