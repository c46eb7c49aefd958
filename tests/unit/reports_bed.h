/* SPDX-License-Identifier: GPL-2.0 */
/* Records made by code, for reports: of a guest that lies in every string that it can send. */
#ifndef VEXLAB_TEST_REPORTS_BED_H
#define VEXLAB_TEST_REPORTS_BED_H

#include <fcntl.h>
#include <string.h>
#include <vexlab/alloc.h>

#include "evidence.h"
#include "format.h"
#include "fsutil.h"
#include "record.h"

#define S	1000000000ull
#define MS	1000000ull

/* Markup of every notation, what ends it, control bytes, bytes that are no text, turned lines, non-characters. */
#define HOSTILE \
	"<script>alert(1)</script>\"'><img src=x onerror=alert(2)>]]>&amp;<!--" \
	"|`@team #1 # SKIP ${x} =cmd,\"q\"\n\r\033[2J\001\xff\xfe\xe2\x80\xae\xef\xbf\xbf\\"
/* The same as far as JSON can carry it. */
#define HOSTILE_JSON \
	"<script>alert(1)</script>\\\"'><img src=x onerror=alert(2)>]]>&amp;<!--" \
	"|`@team #1 # SKIP ${x} =cmd,\\n\\r\\u001b[2J\\u0001\xe2\x80\xae\xef\xbf\xbf\\\\"

struct bed {
	char *dir;
	struct record *record;
	guint64 guest_ns;	/* the guest's clock */
};

static inline void bed_open(struct bed *bed)
{
	*bed = (struct bed){ .dir = g_dir_make_tmp("vexlab-reports-XXXXXX", NULL), .guest_ns = 5 * S };
	bed->record = record_create(bed->dir, NULL);
	assert_non_null(bed->record);
}

static inline void bed_close(struct bed *bed)
{
	record_close(bed->record);
	fs_remove_at(AT_FDCWD, bed->dir);
	g_free(bed->dir);
}

static inline void bed_say(struct bed *bed, enum vx_frame_type type, const char *text)
{
	assert_true(record_bytes(bed->record, type, text, strlen(text), NULL, NULL));
}

static inline void bed_run(struct bed *bed, const char *target)
{
	g_autofree char *json = g_strdup_printf("{\"target\": \"%s\", \"module\": \"vexfs\", \"scenario\": \"mount-cycles\", "
						"\"stamp\": \"20260101T000000Z\", \"kernel\": \"%s\", \"cycles\": 3, \"seed\": 7, "
						"\"thresholds\": {\"operation_ms\": 30000}}", target, target);

	bed_say(bed, VX_REC_RUN, json);
	bed_say(bed, VX_REC_VM, "{\"event\": \"ready\"}");
}

static inline void bed_begin(struct bed *bed, guint id, const char *name, const char *phase, const char *op)
{
	g_autofree char *json = g_strdup_printf("{\"id\": %u, \"name\": \"%s\", \"kind\": \"%s\", \"phase\": \"%s\", \"cycle\": %u, "
						"\"target\": true, \"op\": \"%s\"}", id, name, op, phase, id, op);

	bed_say(bed, VX_REC_STEP_BEGIN, json);
}

/* A mount or unmount within the step, as BPF tells it, phases and all. */
static inline void bed_op(struct bed *bed, guint step, enum vx_op op, guint64 ns, int err)
{
	struct vx_event_fsop ev = {
		.head = { .type = VX_EVENT_FSOP, .size = sizeof(ev), .step = step, .pid = 7, .cpu = 1 },
		.op = op, .api = VX_API_MOUNT, .err = err, .start_ns = bed->guest_ns, .total_ns = ns, .span_ns = ns,
		.flags = VX_FSOP_SLAB_VALID | VX_FSOP_IO_VALID, .slab_bytes = 100 + step,
	};

	/* What fits there of it, and not terminated. */
	memcpy(ev.head.comm, "=<b>|`#\"\n\033,&'\xff>", sizeof(ev.head.comm));
	memcpy(ev.fstype, HOSTILE, sizeof(ev.fstype));
	ev.phase_ns[op == VX_OP_MOUNT ? VX_PHASE_FILL_SUPER : VX_PHASE_EVICT] = ns / 2;
	ev.phase_ns[VX_PHASE_OTHER] = ns - ns / 2;
	assert_true(record_bytes(bed->record, VX_MSG_EVENTS, &ev, sizeof(ev), NULL, NULL));
}

static inline void bed_answer(struct bed *bed, guint id, int err, guint64 took, const char *output)
{
	struct vx_msg_step msg = { .id = id, .err = err, .start_ns = bed->guest_ns, .end_ns = bed->guest_ns + took };
	g_autoptr(GByteArray) payload = g_byte_array_new();

	bed->guest_ns += took + 10 * MS;
	g_byte_array_append(payload, (const guint8 *)&msg, sizeof(msg));
	g_byte_array_append(payload, (const guint8 *)output, (guint)strlen(output));
	assert_true(record_bytes(bed->record, VX_MSG_STEP, payload->data, payload->len, NULL, NULL));
}

static inline void bed_step(struct bed *bed, guint id, enum vx_op op, const char *phase)
{
	const guint64 ns = 1000 + id % 7 * 300;

	bed_begin(bed, id, op == VX_OP_MOUNT ? "mount" : "umount", phase, op == VX_OP_MOUNT ? "mount" : "umount");
	bed_op(bed, id, op, ns, 0);
	bed_answer(bed, id, 0, ns + 200, "");
}

static inline void bed_cycles(struct bed *bed, guint from, guint n)
{
	guint i;

	for (i = 0; i < n; i++) {
		bed_step(bed, from + 2 * i, VX_OP_MOUNT, "measure");
		bed_step(bed, from + 2 * i + 1, VX_OP_UMOUNT, "measure");
	}
}

/* Its text has all of it too: where a name may stand, and in lines of their own. */
#define BED_OOPS \
	"[   61.000000] innocent " HOSTILE "\n" \
	"[   61.000001] BUG: kernel NULL pointer dereference, address: 0000000000000000\n" \
	"[   61.000002] RIP: 0010:vexfs_fill<script>+0x4/0x9 [vexfs]\n[   61.000003] Call Trace:\n" \
	"[   61.000004]  " HOSTILE "\n[   61.000005]  vexfs_a+0x1/0x2 [vexfs]\n" \
	"[   61.000006]  vfs_a+0x1/0x2\n[   61.000007]  vfs_b+0x1/0x2\n[   61.000008] ---[ end trace 0 ]---\n"

/* A step that the kernel dies in; the guest is brought back; another one fails with a hostile answer. */
static inline void bed_crash(struct bed *bed, guint id)
{
	bed_begin(bed, id, HOSTILE_JSON, HOSTILE_JSON, "mount");
	bed_say(bed, VX_REC_CONSOLE, BED_OOPS);
	bed_say(bed, VX_REC_VM, "{\"event\": \"lost\", \"lost\": \"" HOSTILE_JSON "\", \"cause\": \"panic\"}");
	bed_say(bed, VX_REC_VM, "{\"event\": \"recovery\", \"attempt\": 1, \"cause\": \"" HOSTILE_JSON "\"}");
	bed_say(bed, VX_REC_VM, "{\"event\": \"restored\", \"name\": \"ready\"}");
	bed_say(bed, VX_REC_VM, "{\"event\": \"recovered\", \"attempt\": 1, \"ms\": 0.01}");
	bed_begin(bed, id + 1, HOSTILE_JSON, "check", "files");
	bed_answer(bed, id + 1, -EIO, 1000, HOSTILE);
}

static inline void bed_outstanding(struct bed *bed, guint64 objects)
{
	const struct vx_msg_allocs msg = { .source = VX_ALLOCS_CALLS, .objects = objects, .bytes = objects * 64 };

	assert_true(record_bytes(bed->record, VX_MSG_ALLOCS, &msg, sizeof(msg), NULL, NULL));
}

/* A hunt as far as reports need one: checkpoints, snapshots, an end. */
static inline void bed_hunt(struct bed *bed, guint id)
{
	guint i;

	bed_say(bed, VX_REC_REQUEST, "{\"do\": \"leak\", \"event\": \"leak-round\", \"round\": 1, \"source\": \"calls\", \"why\": \"x\"}");
	for (i = 0; i < 5; i++) {
		g_autofree char *text = g_strdup_printf("memory.Slab %u\nslab.<script> %u\n" HOSTILE "\n", 1000 + i, i);

		bed_begin(bed, id + i, "resources after the unmount", "hunt", "resources");
		bed_answer(bed, id + i, 0, 1000, text);
		bed_say(bed, VX_REC_REQUEST, "{\"do\": \"leak\", \"event\": \"leak-checkpoint\", \"round\": 1, \"cycle\": 1, "
			"\"after\": \"unmount\", \"source\": \"calls\"}");
		bed_outstanding(bed, i * 3);
	}
	bed_say(bed, VX_REC_REQUEST, "{\"do\": \"leak\", \"event\": \"leak-verdict\", \"why\": \"" HOSTILE_JSON "\"}");
}

static inline void bed_end(struct bed *bed)
{
	bed_say(bed, VX_REC_END, "{\"lost\": false}");
}

/* In that format. Caller frees. */
static inline char *bed_report(struct bed *bed, const char *format)
{
	const struct report_format *chosen = report_format_find(format, NULL);
	VX_GUARD(analysis_free) struct analysis *an = analysis_read(bed->dir, NULL);
	g_autoptr(GError) error = NULL;
	struct verdict verdict;
	GString *text;

	assert_non_null(chosen);
	assert_non_null(an);
	score_verdict(an, &verdict);
	evidence_assign(bed->dir, an);
	text = report_format_make(chosen, bed->dir, an, &verdict, &error);
	if (!text)
		fail_msg("%s", error->message);
	/* A NUL would hide what is behind it. */
	assert_int_equal(strlen(text->str), text->len);
	return g_string_free(text, FALSE);
}

#endif
