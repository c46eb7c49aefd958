// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "arrived.h"
#include "box.h"
#include "death.h"
#include "detect.h"
#include "error.h"
#include "event.h"
#include "frame.h"
#include "journal.h"
#include "linefile.h"
#include "metrics.h"
#include "record.h"
#include "report.h"

#define BOX_FILES_MAX	16u

struct journal {
	char *dir, *log_name;
	struct record *record;
	struct detect *detect;
	GPtrArray *findings;
	struct arrived *arrived;
	guint boxes;
	guint32 epoch;			/* of the last frame */
	struct linefile *log, *console, *performance, *crashes;
	gboolean console_midline;
	gboolean console_busy;		/* bytes have come, silence has not */
	const char *awaited;		/* on the console */
	GString *unsearched;		/* what may be its beginning */
	guint64 came_ns;
	guint idle_timer;
	struct log *events;
	struct thresholds thresholds;
	guint64 memory_kb;		/* in use in the guest at the last sample, 0: not known */
	GError *error;
};

static struct linefile *open_log(const char *dir, const char *name, GError **error)
{
	g_autofree char *path = g_build_filename(dir, name, NULL);

	return linefile_create(path, error);
}

struct journal *journal_open(const char *dir, const char *stamp, GError **error)
{
	struct journal *jn = g_new0(struct journal, 1);

	jn->log_name = g_strdup_printf("enhanced_vexfs_test_%s.log", stamp);
	jn->dir = g_strdup(dir);
	jn->thresholds = thresholds_from(NULL);
	jn->detect = detect_new();
	jn->arrived = arrived_new();
	jn->unsearched = g_string_new(NULL);
	jn->findings = g_ptr_array_new_with_free_func((GDestroyNotify)finding_free);
	jn->record = record_create(dir, error);
	if (!jn->record ||
	    !(jn->log = open_log(dir, jn->log_name, error)) ||
	    !(jn->console = open_log(dir, "vm_console.log", error)) ||
	    !(jn->performance = open_log(dir, "performance_events.jsonl", error)) ||
	    !(jn->crashes = open_log(dir, "crash_events.jsonl", error))) {
		journal_close(jn);
		return NULL;
	}
	return jn;
}

void journal_close(struct journal *jn)
{
	if (!jn)
		return;
	jn->console_busy = TRUE;
	if (jn->idle_timer)
		g_source_remove(jn->idle_timer);
	linefile_close(jn->log);
	linefile_close(jn->console);
	linefile_close(jn->performance);
	linefile_close(jn->crashes);
	record_close(jn->record);
	detect_free(jn->detect);
	arrived_free(jn->arrived);
	g_ptr_array_unref(jn->findings);
	g_string_free(jn->unsearched, TRUE);
	g_clear_error(&jn->error);
	g_free(jn->dir);
	g_free(jn->log_name);
	g_free(jn);
}

/* A piece or nothing of it; the first that does not fit is what the run ends of. */
static void append_text(struct journal *jn, struct linefile *file, const char *name, const GString *text)
{
	int err = linefile_append(file, text->str, text->len);
	g_autofree char *path = NULL;

	if (!err || jn->error)
		return;
	path = g_build_filename(jn->dir, name, NULL);
	vx_error_set_write(&jn->error, -err, path);
}

/* Takes over `json`. */
static void json_line(struct journal *jn, struct linefile *file, json_t *json, const char *name)
{
	g_autofree char *text = json_dumps(json, JSON_COMPACT);
	g_autoptr(GString) line = g_string_new(text);

	json_decref(json);
	if (text)
		append_text(jn, file, name, g_string_append_c(line, '\n'));
}

void journal_log(struct journal *jn, const char *format, ...)
{
	g_autofree char *text = NULL, *safe = NULL, *stamp = log_timestamp();
	g_autoptr(GString) line = g_string_new(NULL);
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	safe = report_printable(text);
	g_string_printf(line, "%s %s\n", stamp, safe);
	append_text(jn, jn->log, jn->log_name, line);
}

void journal_set_log(struct journal *jn, struct log *log)
{
	jn->events = log;
}

static void tell_finding(struct journal *jn, const struct finding *finding)
{
	const char *severity = severity_name(finding->severity), *class = finding_class_name(finding->class);

	journal_log(jn, "FINDING %s %s: %s", severity, class, finding->title);
	log_write(jn->events, finding->severity >= SEV_HIGH ? LOG_LEVEL_ERROR : LOG_LEVEL_WARNING, "finding",
		  json_pack("{s:s, s:s, s:s, s:s, s:I, s:I}", "event_type", class, "severity", severity, "description", finding->title,
			    "blame", blame_name(finding->blame), "step", (json_int_t)finding->step, "cycle", (json_int_t)finding->cycle),
		  "%s %s: %s", severity, class, finding->title);
}

/* What befell the guest: a word, and why where that is known. */
static void tell_guest(struct journal *jn, json_t *json)
{
	const char *event = json_string_value(json_object_get(json, "event"));
	const char *why = json_string_value(json_object_get(json, "why")), *lost = json_string_value(json_object_get(json, "lost"));

	if (event)
		log_write(jn->events, lost ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "guest", json_incref(json), "%s%s%s", event,
			  why || lost ? ": " : "", lost ? lost : why ? why : "");
}

static void keep_findings(struct journal *jn, GPtrArray *findings)
{
	guint i;

	if (!findings)
		return;
	for (i = 0; i < findings->len; i++) {
		struct finding *finding = g_ptr_array_index(findings, i);

		finding->found_ns = (guint64)g_get_real_time() * 1000;
		tell_finding(jn, finding);
		if (finding_concern(finding->class) != CONCERN_PERFORMANCE)
			json_line(jn, jn->crashes, finding_json(finding), "crash_events.jsonl");
		if (finding->violation)
			json_line(jn, jn->performance, report_violation(finding, jn->memory_kb), "performance_events.jsonl");
		journal_json(jn, VX_REC_FINDING, finding_json(finding));
		/* Its words are in the record; a run may have thousands of them. */
		g_ptr_array_set_size(finding->lines, 0);
		g_clear_pointer(&finding->violation, json_decref);
		g_ptr_array_add(jn->findings, finding);
	}
	g_ptr_array_set_free_func(findings, NULL);
	g_ptr_array_unref(findings);
}

static void take_events(struct journal *jn, const struct rec_entry *entry)
{
	struct vx_event_iter iter;
	const struct vx_event *event;

	vx_event_iter_init(&iter, entry->payload, entry->frame.length);
	while ((event = vx_event_iter_next(&iter))) {
		/* Marks are for benchmarks, and many; a box has none of them. */
		if (event->type != VX_EVENT_MARK)
			arrived_add(jn->arrived, event);
		if (event->type == VX_EVENT_FSOP)
			json_line(jn, jn->performance,
				  report_performance_event((const struct vx_event_fsop *)event, entry->stamp.realtime_ns,
							   &jn->thresholds, jn->memory_kb),
				  "performance_events.jsonl");
	}
}

void journal_frame(struct journal *jn, const struct vx_frame *frame, const void *payload)
{
	struct rec_entry entry;

	if (jn->error || !record_frame(jn->record, frame, payload, &entry, &jn->error))
		return;
	jn->epoch = frame->epoch;
	if (frame->type == VX_MSG_EVENTS)
		take_events(jn, &entry);
	else if (frame->type == VX_MSG_METRICS)
		jn->memory_kb = metrics_memory_of(&entry, jn->memory_kb);
	keep_findings(jn, detect_feed(jn->detect, &entry));
}

static void append_bytes(struct journal *jn, enum vx_frame_type type, const void *data, gsize len)
{
	struct rec_entry entry;

	if (jn->error || !record_bytes(jn->record, type, data, len, &entry, &jn->error))
		return;
	keep_findings(jn, detect_feed(jn->detect, &entry));
}

void journal_json(struct journal *jn, enum vx_frame_type type, json_t *json)
{
	g_autofree char *text = json_dumps(json, JSON_COMPACT);

	if (type == VX_REC_VM)
		tell_guest(jn, json);
	if (type == VX_REC_RUN)
		jn->thresholds = thresholds_from(json);
	json_decref(json);
	if (text)
		append_bytes(jn, type, text, strlen(text));
}

/* ---- the black box ---------------------------------------------------------------- */

static void keep_box(struct journal *jn, const guint8 *data, gsize len)
{
	const gsize room = VX_FRAME_PAYLOAD_MAX - sizeof(struct vx_rec_box);
	g_autofree guint8 *piece = g_malloc(VX_FRAME_PAYLOAD_MAX);
	struct vx_rec_box head = { .total = len };
	gsize n;

	for (; head.offset < len; head.offset += n) {
		n = MIN(len - head.offset, room);
		memcpy(piece, &head, sizeof(head));
		memcpy(piece + sizeof(head), data + head.offset, n);
		append_bytes(jn, VX_REC_BLACKBOX, piece, sizeof(head) + n);
	}
}

static void flush_news(struct journal *jn, GByteArray *news)
{
	struct vx_frame frame = {
		.magic = VX_FRAME_MAGIC, .length = news->len, .type = VX_MSG_EVENTS,
		.flags = VX_FRAME_FROM_BOX, .epoch = jn->epoch,
	};

	if (!news->len)
		return;
	frame.crc = vx_frame_crc(&frame, news->data);
	journal_frame(jn, &frame, news->data);
	g_byte_array_set_size(news, 0);
}

static int by_age(gconstpointer a, gconstpointer b)
{
	const struct vx_event *x = *(struct vx_event *const *)a, *y = *(struct vx_event *const *)b;

	return x->ts < y->ts ? -1 : x->ts > y->ts;
}

/* What never came, oldest first, as if it had. */
static void keep_news(struct journal *jn, GPtrArray *news)
{
	g_autoptr(GByteArray) bytes = g_byte_array_new();
	guint i;

	g_ptr_array_sort(news, by_age);
	for (i = 0; i < news->len; i++) {
		const struct vx_event *event = news->pdata[i];

		if (bytes->len + event->size > VX_FRAME_PAYLOAD_MAX)
			flush_news(jn, bytes);
		g_byte_array_append(bytes, (const guint8 *)event, event->size);
	}
	flush_news(jn, bytes);
}

/* Before `bytes` is kept: the frames it makes count as arrived. */
static GPtrArray *find_news(struct journal *jn, struct vx_box_reader *reader, guint *held)
{
	GPtrArray *news = g_ptr_array_new_with_free_func(g_free);
	const struct vx_event *event;

	for (*held = 0; (event = vx_box_next(reader)); ++*held)
		if (!arrived_has(jn->arrived, event))
			g_ptr_array_add(news, g_memdup2(event, event->size));
	return news;
}

/* Of the words, the guest's are made safe where they are printed. */
static json_t *box_json(const struct vx_box_reader *reader, enum vx_box_state state, gsize bytes, guint held,
			guint news)
{
	const struct vx_box *head = &reader->head;
	g_autofree char *message = g_utf8_make_valid(reader->has_oops ? head->oops.message : "", -1);
	g_autofree char *function = g_utf8_make_valid(reader->has_oops ? head->oops.function : "", -1);

	return json_pack("{s:s, s:s, s:s, s:I, s:i, s:i, s:I, s:I, s:I, s:I, s:I, s:s, s:s}",
			 "event", "black box", "state", vx_box_state_name(state),
			 "reason", head->reason == VX_BOX_NMI ? "nmi" : "panic", "bytes", (json_int_t)bytes,
			 "events", (int)held, "news", (int)news, "bad", (json_int_t)reader->bad,
			 "torn", (json_int_t)head->torn, "left_out", (json_int_t)head->left_out,
			 "recorded", (json_int_t)head->recorded, "took_ns", (json_int_t)head->took_ns,
			 "message", message, "function", function);
}

static void add_words(GString *out, const struct vx_box *head)
{
	const struct death death = { .oops = head->oops };
	struct finding *words = finding_new(FINDING_OOPS, SEV_LOW, "");
	guint i;

	death_add_to(&death, words);
	for (i = 0; i < words->lines->len; i++) {
		g_autofree char *line = report_printable(words->lines->pdata[i]);

		g_string_append_printf(out, "%s\n", line);
	}
	finding_free(words);
}

static void add_log(GString *out, const char *text, gsize len)
{
	g_autofree char *copy = g_strndup(text, len);
	g_auto(GStrv) lines = g_strsplit(copy, "\n", -1);
	guint i;

	g_string_append(out, "\nThe end of the kernel's log, as the guest had it:\n");
	for (i = 0; lines[i]; i++) {
		g_autofree char *line = report_printable(lines[i]);

		g_string_append_printf(out, "%s\n", line);
	}
}

/* For people: a console may have been cut off, or never have been written to. */
static void write_words(struct journal *jn, const struct vx_box_reader *reader, enum vx_box_state state)
{
	g_autoptr(GString) out = g_string_new(NULL);
	g_autofree char *name = NULL;
	struct linefile *file;

	if (jn->boxes >= BOX_FILES_MAX)
		return;
	name = g_strdup_printf("black_box_%u.txt", ++jn->boxes);
	g_string_append_printf(out, "A black box, %s: what the guest wrote %s.\n\n", vx_box_state_name(state),
			       reader->head.reason == VX_BOX_NMI ? "when it was sent an NMI" : "as it panicked");
	if (reader->has_oops)
		add_words(out, &reader->head);
	if (state == VX_BOX_WHOLE)
		add_log(out, reader->text, reader->head.text_bytes);
	file = open_log(jn->dir, name, jn->error ? NULL : &jn->error);
	if (!file)
		return;
	append_text(jn, file, name, out);
	linefile_close(file);
}

void journal_box(struct journal *jn, const void *data, gsize len)
{
	struct vx_box_reader reader;
	enum vx_box_state state = vx_box_open(data, len, &reader);
	g_autoptr(GPtrArray) news = NULL;
	guint held = 0;

	if (state == VX_BOX_EMPTY)
		return;
	if (state != VX_BOX_FOREIGN)
		write_words(jn, &reader, state);
	news = find_news(jn, &reader, &held);
	keep_box(jn, data, len);
	journal_log(jn, "black box: %s, %zu bytes, %u events, %u of them had not come", vx_box_state_name(state),
		    len, held, news->len);
	journal_json(jn, VX_REC_VM, box_json(&reader, state, len, held, news->len));
	keep_news(jn, news);
}

/* Console bytes are the guest's: control bytes are made visible, so that the log is safe to print. */
static void console_text(struct journal *jn, const unsigned char *data, gsize len)
{
	g_autoptr(GString) out = g_string_sized_new(len + 64);
	char stamp[40];
	gsize i;

	for (i = 0; i < len; i++) {
		if (data[i] == '\r')
			continue;
		if (!jn->console_midline)
			g_string_append_printf(out, "%s ", stamp);
		jn->console_midline = data[i] != '\n';
		if (data[i] == '\n' || data[i] == '\t' || (data[i] >= 0x20 && data[i] < 0x7f))
			g_string_append_c(out, (char)data[i]);
		else
			g_string_append_printf(out, "\\x%02x", data[i]);
	}
	append_text(jn, jn->console, "vm_console.log", out);
}

static gboolean on_silent(gpointer ctx)
{
	struct journal *jn = ctx;

	jn->idle_timer = 0;
	keep_findings(jn, detect_idle(jn->detect, (guint64)g_get_monotonic_time() * 1000));
	return G_SOURCE_REMOVE;
}

/* A crash's report is complete when nothing follows it; a dead guest sends nothing that would tell. */
static gboolean on_quiet(gpointer ctx)
{
	struct journal *jn = ctx;

	on_silent(jn);
	jn->console_busy = FALSE;
	jn->idle_timer = g_timeout_add(DETECT_SILENT_MS, on_silent, jn);
	return G_SOURCE_REMOVE;
}

void journal_watch_for(struct journal *jn, const char *text)
{
	jn->awaited = text;
	jn->came_ns = 0;
	g_string_truncate(jn->unsearched, 0);
}

guint64 journal_came_ns(const struct journal *jn)
{
	return jn->came_ns;
}

static void search(struct journal *jn, const void *data, gsize len)
{
	const gsize keep = jn->awaited ? strlen(jn->awaited) - 1 : 0;
	GString *text = jn->unsearched;

	if (!jn->awaited || jn->came_ns)
		return;
	g_string_append_len(text, data, (gssize)len);
	if (memmem(text->str, text->len, jn->awaited, keep + 1))
		jn->came_ns = (guint64)g_get_real_time() * 1000;
	if (text->len > keep)
		g_string_erase(text, 0, (gssize)(text->len - keep));
}

void journal_console(struct journal *jn, const void *data, gsize len)
{
	search(jn, data, len);
	while (len) {
		gsize n = MIN(len, VX_FRAME_PAYLOAD_MAX);

		console_text(jn, data, n);
		append_bytes(jn, VX_REC_CONSOLE, data, n);
		data = (const char *)data + n;
		len -= n;
	}
	jn->console_busy = TRUE;
	if (jn->idle_timer)
		g_source_remove(jn->idle_timer);
	jn->idle_timer = g_timeout_add(DETECT_QUIET_MS + 1, on_quiet, jn);
}

gboolean journal_settled(const struct journal *jn)
{
	return !jn->console_busy;
}

void journal_finish(struct journal *jn)
{
	keep_findings(jn, detect_finish(jn->detect));
}

const GError *journal_error(const struct journal *jn)
{
	return jn->error;
}

const GPtrArray *journal_findings(const struct journal *jn)
{
	return jn->findings;
}

struct leaks *journal_leaks(const struct journal *jn)
{
	return detect_leaks(jn->detect);
}

const char *journal_dir(const struct journal *jn)
{
	return jn->dir;
}
