// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "chronicle.h"
#include "event.h"

#define SAYS_MAX	200u

static void series_free(gpointer data)
{
	struct chron_series *series = data;

	g_free(series->name);
	g_array_unref(series->points);
	g_free(series);
}

static struct chronicle *chronicle_new(void)
{
	struct chronicle *chron = g_new0(struct chronicle, 1);

	chron->steps = g_array_new(FALSE, TRUE, sizeof(struct chron_step));
	chron->ops = g_array_new(FALSE, TRUE, sizeof(struct chron_op));
	chron->marks = g_array_new(FALSE, TRUE, sizeof(struct chron_mark));
	chron->series = g_ptr_array_new_with_free_func(series_free);
	chron->by_id = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
	chron->by_name = g_hash_table_new(g_str_hash, g_str_equal);
	chron->words = g_string_chunk_new(4096);
	chron->flow = g_new0(struct metrics_flow, 1);
	chron->host = g_new0(struct host_flow, 1);
	return chron;
}

void chronicle_free(struct chronicle *chron)
{
	if (!chron)
		return;
	g_array_unref(chron->steps);
	g_array_unref(chron->ops);
	g_array_unref(chron->marks);
	g_ptr_array_unref(chron->series);
	g_hash_table_unref(chron->by_id);
	g_hash_table_unref(chron->by_name);
	g_string_chunk_free(chron->words);
	g_free(chron->flow);
	g_free(chron->host);
	g_free(chron);
}

/* One copy of each word, however often it comes. */
static const char *word(struct chronicle *chron, const char *text)
{
	g_autofree char *valid = g_utf8_make_valid(text ? text : "", -1);

	return g_string_chunk_insert_const(chron->words, valid);
}

static const char *word_of(struct chronicle *chron, const json_t *json, const char *key)
{
	return word(chron, json_string_value(json_object_get(json, key)));
}

static struct chron_step *find_step(const struct chronicle *chron, guint64 id)
{
	const guint at = GPOINTER_TO_UINT(g_hash_table_lookup(chron->by_id, &id));

	return at ? &g_array_index(chron->steps, struct chron_step, at - 1) : NULL;
}

const struct chron_step *chronicle_step(const struct chronicle *chron, guint64 id)
{
	return find_step(chron, id);
}

gboolean chronicle_is_measured(const struct chronicle *chron, const struct chron_op *op)
{
	return op->step != CHRONICLE_NO_STEP &&
	       !strcmp(g_array_index(chron->steps, struct chron_step, op->step).phase, "measure");
}

gboolean chron_step_failed(const struct chron_step *step)
{
	if (step->may_fail)
		return FALSE;
	return !step->answered || step->err || (!strcmp(step->kind, "exec") && step->value);
}

/* ---- steps -------------------------------------------------------------------------------- */

static void note_begin(struct chronicle *chron, const struct rec_entry *entry)
{
	json_t *json = rec_entry_json(entry);
	guint64 *id = g_new(guint64, 1);
	struct chron_step step = {
		.id = (guint64)json_integer_value(json_object_get(json, "id")),
		.cycle = (guint64)json_integer_value(json_object_get(json, "cycle")),
		.begin_ns = entry->stamp.realtime_ns, .end_ns = entry->stamp.realtime_ns,
		.name = word_of(chron, json, "name"), .kind = word_of(chron, json, "kind"),
		.phase = word_of(chron, json, "phase"), .op = word_of(chron, json, "op"),
		.target = json_is_true(json_object_get(json, "target")),
		.may_fail = json_is_true(json_object_get(json, "may_fail")),
	};

	json_decref(json);
	*id = step.id;
	if (chron->steps->len >= CHRONICLE_STEPS_MAX) {
		chron->left_out++;
		g_free(id);
		return;
	}
	g_array_append_val(chron->steps, step);
	g_hash_table_insert(chron->by_id, id, GUINT_TO_POINTER(chron->steps->len));
}

/* The guest's stretch of time in the middle of the host's. */
static void place_call(struct chronicle *chron, struct chron_step *step)
{
	const guint64 whole = step->end_ns > step->begin_ns ? step->end_ns - step->begin_ns : 0;

	step->took_ns = MIN(step->took_ns, whole);
	step->call_ns = step->begin_ns + (whole - step->took_ns) / 2;
	chron->ahead_ns = (gint64)(step->call_ns - step->guest_ns);
}

static void note_answer(struct chronicle *chron, const struct rec_entry *entry)
{
	const char *output = (const char *)entry->payload + sizeof(struct vx_msg_step);
	struct chron_step *step;
	struct vx_msg_step msg;
	gsize len;

	if (entry->frame.length < sizeof(msg))
		return;
	memcpy(&msg, entry->payload, sizeof(msg));
	step = find_step(chron, msg.id);
	if (!step || step->answered)
		return;
	step->answered = TRUE;
	step->err = msg.err;
	step->value = msg.value;
	/* One that is late has ended before: where the next began. */
	if (step == &g_array_index(chron->steps, struct chron_step, chron->steps->len - 1))
		step->end_ns = MAX(step->begin_ns, entry->stamp.realtime_ns);
	step->guest_ns = msg.start_ns;
	step->took_ns = msg.end_ns > msg.start_ns ? msg.end_ns - msg.start_ns : 0;
	place_call(chron, step);
	len = entry->frame.length - sizeof(msg);
	if (chron_step_failed(step) && len) {
		g_autofree char *text = g_strndup(output, MIN(len, SAYS_MAX));

		text[strcspn(text, "\n")] = '\0';
		step->says = word(chron, text);
	}
}

/* ---- operations ------------------------------------------------------------------------------ */

/* `at_ns` still is the guest's clock. */
static void note_op(struct chronicle *chron, const struct vx_event_fsop *ev)
{
	const guint at = GPOINTER_TO_UINT(g_hash_table_lookup(chron->by_id, &ev->head.step));
	struct chron_op op = {
		.step_id = ev->head.step, .step = at ? at - 1 : CHRONICLE_NO_STEP, .at_ns = ev->start_ns,
		.total_ns = ev->total_ns, .offcpu_ns = ev->offcpu_ns, .blkio_wait_ns = ev->blkio_wait_ns,
		.io_read_bytes = ev->io_read_bytes, .io_write_bytes = ev->io_write_bytes, .slab_bytes = ev->slab_bytes,
		.io_reads = ev->io_reads, .io_writes = ev->io_writes, .slab_allocs = ev->slab_allocs,
		.slab_frees = ev->slab_frees, .cpu = ev->head.cpu, .pid = ev->head.pid, .err = ev->err,
		.flags = ev->flags, .op = ev->op, .api = ev->api,
		.comm = word(chron, ev->head.comm), .fstype = word(chron, ev->fstype),
	};

	memcpy(op.phase_ns, ev->phase_ns, sizeof(op.phase_ns));
	if (at)
		op.cycle = g_array_index(chron->steps, struct chron_step, at - 1).cycle;
	if (chron->ops->len < CHRONICLE_OPS_MAX)
		g_array_append_val(chron->ops, op);
	else
		chron->left_out++;
}

static void note_events(struct chronicle *chron, const struct rec_entry *entry)
{
	struct vx_event_iter iter;
	const struct vx_event *event;

	vx_event_iter_init(&iter, entry->payload, entry->frame.length);
	while ((event = vx_event_iter_next(&iter)))
		if (event->type == VX_EVENT_FSOP)
			note_op(chron, (const struct vx_event_fsop *)event);
}

/* Events may come before the answer of their step: only at the end is known where it lies. */
static void place_ops(struct chronicle *chron)
{
	guint i;

	for (i = 0; i < chron->ops->len; i++) {
		struct chron_op *op = &g_array_index(chron->ops, struct chron_op, i);
		const struct chron_step *step = op->step == CHRONICLE_NO_STEP ? NULL :
			&g_array_index(chron->steps, struct chron_step, op->step);
		guint64 at = op->at_ns + (guint64)chron->ahead_ns;

		if (step && step->answered) {
			at = step->call_ns + (op->at_ns > step->guest_ns ? op->at_ns - step->guest_ns : 0);
			at = MIN(at, step->end_ns);
		} else if (step) {
			at = step->begin_ns;
		}
		op->at_ns = CLAMP(at, chron->begin_ns, chron->end_ns);
	}
}

/* ---- turns -------------------------------------------------------------------------------------- */

static void note_mark(struct chronicle *chron, const struct rec_entry *entry)
{
	json_t *json = rec_entry_json(entry);
	const char *why = json_string_value(json_object_get(json, "why")) ?:
			  json_string_value(json_object_get(json, "cause")) ?:
			  json_string_value(json_object_get(json, "lost"));
	struct chron_mark mark = {
		.ns = entry->stamp.realtime_ns, .event = word_of(chron, json, "event"),
		.why = why ? word(chron, why) : NULL, .ms = json_number_value(json_object_get(json, "ms")),
	};

	json_decref(json);
	if (chron->marks->len < CHRONICLE_MARKS_MAX)
		g_array_append_val(chron->marks, mark);
	else
		chron->left_out++;
}

/* A step that was not answered lasts until the guest was given up, or the next one began. */
static void end_open_step(struct chronicle *chron, guint64 now)
{
	struct chron_step *last = chron->steps->len ?
		&g_array_index(chron->steps, struct chron_step, chron->steps->len - 1) : NULL;

	if (last && !last->answered && last->end_ns == last->begin_ns)
		last->end_ns = MAX(now, last->begin_ns);
}

static void note_entry(struct chronicle *chron, const struct rec_entry *entry)
{
	const guint64 now = entry->stamp.realtime_ns;

	if (!chron->begin_ns)
		chron->begin_ns = now;
	chron->end_ns = MAX(chron->end_ns, now);
	switch (entry->frame.type) {
	case VX_REC_STEP_BEGIN:
		end_open_step(chron, now);
		note_begin(chron, entry);
		break;
	case VX_MSG_STEP:
		note_answer(chron, entry);
		break;
	case VX_MSG_EVENTS:
		note_events(chron, entry);
		break;
	case VX_REC_VM:
		end_open_step(chron, now);
		note_mark(chron, entry);
		break;
	default:
		break;
	}
	chronicle_feed_series(chron, entry);
}

struct chronicle *chronicle_read(const char *dir, GError **error)
{
	VX_GUARD(rec_reader_close) struct rec_reader *reader = rec_reader_open(dir, error);
	struct chronicle *chron;
	struct rec_entry entry;

	if (!reader)
		return NULL;
	chron = chronicle_new();
	while (rec_reader_next(reader, &entry))
		note_entry(chron, &entry);
	end_open_step(chron, chron->end_ns);
	place_ops(chron);
	chronicle_sample_ops(chron);
	chronicle_end_series(chron);
	return chron;
}
