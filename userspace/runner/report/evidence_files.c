// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "evidence_priv.h"
#include "fsutil.h"
#include "report.h"
#include "steplist.h"
#include "timeline.h"

#define CONTEXT_LINES	30u	/* of the console, before the report */

/* What is gathered while the record is read once for all folders. */
struct gathering {
	const char *dir;
	GPtrArray *findings;		/* const struct finding *, those with a folder */
	struct timeline *timeline;
	struct steplist *steps;
	struct symbolizer *symbolizer;
	gboolean *steps_written;
	json_t *dump;			/* the record's word on it, or NULL */
	char *operations;		/* the oracle's latest list, or NULL */
	GError *error;
};

static gboolean put(const struct gathering *g, const struct finding *finding, const char *name,
		    const char *text, gsize len, GError **error)
{
	g_autofree char *path = g_build_filename(g->dir, finding->folder, name, NULL);
	g_autoptr(GError) local = NULL;

	if (g_file_set_contents(path, text, (gssize)len, &local))
		return TRUE;
	g_set_error(error, VX_ERROR, VX_ERROR_IO, "cannot write %s: %s", path, local->message);
	return FALSE;
}

/* Takes over `json`. */
static gboolean put_json(const struct gathering *g, const struct finding *finding, const char *name,
			 json_t *json, GError **error)
{
	g_autofree char *text = json_dumps(json, JSON_INDENT(2));
	g_autofree char *whole = g_strconcat(text ? text : "null", "\n", NULL);

	json_decref(json);
	return put(g, finding, name, whole, strlen(whole), error);
}

/* ---- console.txt --------------------------------------------------------------------- */

/* The item with which the report begins; -1: not seen, as with a finding of no console. */
static int report_start(const struct finding *finding, const GPtrArray *items)
{
	const char *first = finding->lines->len ? g_ptr_array_index(finding->lines, 0) : "";
	g_autofree char *needle = report_printable(first);
	guint i;

	if (!finding->kind || strlen(needle) < 4)
		return -1;
	for (i = items->len; i; i--) {
		const struct timeline_item *item = g_ptr_array_index(items, i - 1);

		if (!strcmp(item->source, "console") && strstr(item->text, needle))
			return (int)i - 1;
	}
	return -1;
}

static void add_context(GString *out, const GPtrArray *items, int start)
{
	guint lines = 0;
	int from = start;

	while (from > 0 && lines < CONTEXT_LINES) {
		const struct timeline_item *item = g_ptr_array_index(items, --from);

		lines += !strcmp(item->source, "console");
	}
	for (; from < start; from++) {
		const struct timeline_item *item = g_ptr_array_index(items, from);

		if (!strcmp(item->source, "console"))
			g_string_append_printf(out, "%s\n", item->text);
	}
}

static gboolean put_console(const struct gathering *g, const struct finding *finding,
			    const GPtrArray *items, GError **error)
{
	g_autoptr(GString) out = g_string_new(NULL);
	int start = report_start(finding, items);
	guint i;

	if (start > 0) {
		g_string_append(out, "--- before it ---\n");
		add_context(out, items, start);
	}
	g_string_append(out, finding->kind ? "--- the report, without its prefixes ---\n" :
			"--- not from the console; what was said of it ---\n");
	for (i = 0; i < finding->lines->len; i++) {
		g_autofree char *line = report_printable(g_ptr_array_index(finding->lines, i));

		g_string_append_printf(out, "%s\n", line);
	}
	if (finding->corrupted)
		g_string_append(out, "--- the text is cut or mixed with others: doubt the title ---\n");
	return put(g, finding, "console.txt", out->str, out->len, error);
}

/* ---- stack.txt -------------------------------------------------------------------------- */

static const char *why_not(enum symbolized how)
{
	switch (how) {
	case SYMBOLIZED_NO_MODULE:
		return "no debug information here";
	case SYMBOLIZED_NO_FUNCTION:
		return "not in the module's file at that size";
	case SYMBOLIZED_NO_LINES:
		return "the module was built without debug information";
	default:
		return "";
	}
}

static void add_frame(GString *out, const struct symbolizer *sym, const struct stack_frame *frame)
{
	GPtrArray *places;
	enum symbolized how = symbolizer_resolve(sym, frame, &places);
	guint i;

	g_string_append_printf(out, "%s%s+0x%" G_GINT64_MODIFIER "x/0x%" G_GINT64_MODIFIER "x%s%s%s",
			       frame->unsure ? "? " : "", frame->function, frame->offset, frame->size,
			       frame->module ? " [" : "", frame->module ? frame->module : "",
			       frame->module ? "]" : "");
	/* The kernel's own frames have no lines: its debug symbols are not in the guest's image. */
	if (frame->module && !places->len)
		g_string_append_printf(out, "    (%s)", why_not(how));
	g_string_append(out, how == SYMBOLIZED_AMBIGUOUS ? "    (one of several of that name and size)\n" : "\n");
	for (i = 0; i < places->len; i++) {
		const struct source_place *place = g_ptr_array_index(places, i);
		g_autofree char *raw = g_strdup_printf("%.400s:%d in %.200s%s", place->file, place->line,
						       place->function, place->inlined ? " (inlined)" : "");
		g_autofree char *text = report_printable(raw);

		g_string_append_printf(out, "        %s\n", text);
	}
	g_ptr_array_unref(places);
}

static gboolean put_stack(const struct gathering *g, const struct finding *finding, GError **error)
{
	g_autoptr(GString) out = g_string_new("Frames of the report, in its order; file:line where the module's debug information "
					      "tells it.\nFrames without [module] are the kernel's own, whose debug "
					      "symbols are not here.\n\n");
	guint frames = 0, i;

	for (i = 0; i < finding->lines->len; i++) {
		const char *line = g_ptr_array_index(finding->lines, i);
		VX_GUARD(stack_frame_free) struct stack_frame *frame = stack_frame_parse(line);

		if (!frame) {
			/* "Call Trace:", "<IRQ>", "Allocated by task 1:" say which stack it is. */
			if (g_str_has_suffix(line, ":") || line[0] == '<' || g_str_has_prefix(line, " <")) {
				g_autofree char *text = report_printable(line);

				g_string_append_printf(out, "%s\n", text);
			}
			continue;
		}
		add_frame(out, g->symbolizer, frame);
		frames++;
	}
	if (!frames)
		g_string_append(out, "No stack was seen.\n");
	return put(g, finding, "stack.txt", out->str, out->len, error);
}

/* ---- timeline.* ----------------------------------------------------------------------------- */

static gboolean put_timeline(const struct gathering *g, const struct finding *finding,
			     const GPtrArray *items, guint left_out, GError **error)
{
	g_autoptr(GString) text = g_string_new(NULL), lines = g_string_new(NULL);
	guint i;

	g_string_append_printf(text, "Milliseconds relative to the finding; host's clock. From %.0f s before it to %.0f s after it, "
			       "the nearest lines of it; %u further ones are in the record alone.\n\n",
			       TIMELINE_BEFORE_MS / 1000.0, TIMELINE_AFTER_MS / 1000.0, left_out);
	for (i = 0; i < items->len; i++) {
		const struct timeline_item *item = g_ptr_array_index(items, i);
		double ms = ((double)(gint64)(item->realtime_ns - finding->realtime_ns)) / 1e6;
		json_t *json = json_pack("{s:f, s:I, s:s, s:s}", "ms", ms, "realtime_ns",
					 (json_int_t)item->realtime_ns, "source", item->source,
					 "text", item->text);
		g_autofree char *line = json_dumps(json, JSON_COMPACT);

		json_decref(json);
		g_string_append_printf(text, "%+12.3f  %-8s %s\n", ms, item->source, item->text);
		g_string_append_printf(lines, "%s\n", line ? line : "null");
	}
	return put(g, finding, "timeline.txt", text->str, text->len, error) &&
	       put(g, finding, "timeline.jsonl", lines->str, lines->len, error);
}

/* ---- steps.json ------------------------------------------------------------------------------ */

static gboolean put_steps(const struct gathering *g, const struct finding *finding, GError **error)
{
	const guint n = steplist_length(g->steps);
	const guint from = n > EVIDENCE_STEPS_MAX ? n - EVIDENCE_STEPS_MAX : 0;
	json_t *actions = json_array();
	guint i;

	for (i = from; i < n; i++) {
		json_t *action = steplist_action(g->steps, i);

		json_array_append_new(actions, action ? action : json_null());
	}
	return put_json(g, finding, "steps.json",
			json_pack("{s:{s:s, s:i}, s:I, s:i, s:o}", "point", "name", steplist_point(g->steps),
				  "actions_before", (int)steplist_point_after(g->steps),
				  "step", (json_int_t)finding->step, "left_out", (int)from,
				  "actions", actions), error);
}

/* What the oracle was doing: for `vexlab run --scenario oracle --arg list=FILE`. */
static gboolean put_operations(const struct gathering *g, const struct finding *finding, GError **error)
{
	return !g->operations || put(g, finding, "operations.list", g->operations, strlen(g->operations), error);
}

/* The list as it stood when the step began, or, where that is not what ends it, at the finding's time. */
static void steps_of_entry(struct gathering *g, const struct rec_entry *entry)
{
	guint64 id = steplist_feed(g->steps, entry);
	guint i;

	for (i = 0; i < g->findings->len && !g->error; i++) {
		const struct finding *finding = g_ptr_array_index(g->findings, i);

		if (g->steps_written[i] ||
		    (steplist_ends_with_step(finding) ? finding->step != id : finding->realtime_ns > entry->stamp.realtime_ns))
			continue;
		g->steps_written[i] = TRUE;
		if (put_steps(g, finding, &g->error))
			put_operations(g, finding, &g->error);
	}
}

/* ---- a folder ---------------------------------------------------------------------------------- */

static gboolean put_readme(const struct gathering *g, const struct finding *finding, GError **error)
{
	g_autofree char *title = report_printable(finding->title);
	g_autofree char *dir = g_canonicalize_filename(g->dir, NULL);
	g_autofree char *quoted = g_shell_quote(dir);
	g_autofree char *function = report_printable(finding->function ? finding->function : "");
	g_autofree char *location = finding->location ? report_printable(finding->location) : NULL;
	g_autofree char *text = g_strdup_printf(
		"%s\n%s, %s, blamed on the %s%s%s%s%s\n\n"
		"To see it again:\n\n    vexlab replay %s %u\n\n"
		"finding.json    the finding itself\n"
		"console.txt     what the console said, and what it said before\n"
		"stack.txt       the frames, with file and line where debug information tells them\n"
		"timeline.txt    events of all sources around it (timeline.jsonl: the same for programs)\n"
		"steps.json      what had been done to the guest since it was ready\n"
		"operations.list what the oracle did, if it was the oracle (vexlab run --scenario oracle --arg list=FILE)\n"
		"memory.*        the guest's memory, if the run was asked for it (--dump)\n",
		title, severity_name(finding->severity), finding_class_name(finding->class),
		blame_name(finding->blame), finding->function ? ", in " : "",
		function, location ? ", " : "",
		location ? location : "", quoted, evidence_number(finding));

	return put(g, finding, "README.txt", text, strlen(text), error);
}

static gboolean put_folder(const struct gathering *g, guint i, GError **error)
{
	const struct finding *finding = g_ptr_array_index(g->findings, i);
	g_autoptr(GPtrArray) items = NULL;
	guint left_out;

	items = timeline_around(g->timeline, i, &left_out);
	return put_json(g, finding, "finding.json", finding_json(finding), error) &&
	       put_console(g, finding, items, error) && put_stack(g, finding, error) &&
	       put_timeline(g, finding, items, left_out, error) &&
	       (g->steps_written[i] || put_steps(g, finding, error)) && put_readme(g, finding, error);
}

/* ---- the module's file ---------------------------------------------------------------------------- */

static gboolean keep_file(const char *dir, const json_t *file, GError **error)
{
	g_autofree char *from = evidence_kept_file(dir, file), *to = NULL, *base = NULL, *data = NULL;
	g_autoptr(GError) local = NULL;
	gsize len;

	if (!from)
		return TRUE;	/* gone already: stack.txt says so */
	base = g_path_get_basename(from);
	to = g_build_filename(dir, EVIDENCE_DIR, "modules", base, NULL);
	if (!strcmp(from, to) || g_file_test(to, G_FILE_TEST_EXISTS))
		return TRUE;
	if (g_file_get_contents(from, &data, &len, &local) && g_file_set_contents(to, data, (gssize)len, &local))
		return TRUE;
	g_set_error(error, VX_ERROR, VX_ERROR_IO, "cannot keep %s: %s", from, local->message);
	return FALSE;
}

static gboolean keep_modules(const char *dir, const struct analysis *an, GError **error)
{
	const json_t *modules = json_object_get(an->run, "modules");
	g_autofree char *folder = g_build_filename(dir, EVIDENCE_DIR, "modules", NULL);
	size_t i;

	if (!json_array_size(modules))
		return TRUE;
	if (!fs_mkdir(folder, 0755, error))
		return FALSE;
	for (i = 0; i < json_array_size(modules); i++)
		if (!keep_file(dir, json_array_get(modules, i), error))
			return FALSE;
	return keep_file(dir, json_object_get(an->run, "mkfs"), error);
}

/* ---- all of it --------------------------------------------------------------------------------------- */

static void gather_clear(struct gathering *g)
{
	g_ptr_array_unref(g->findings);
	timeline_free(g->timeline);
	steplist_free(g->steps);
	symbolizer_free(g->symbolizer);
	g_free(g->steps_written);
	json_decref(g->dump);
	g_free(g->operations);
	g_clear_error(&g->error);
}

static void note_request(struct gathering *g, const struct rec_entry *entry)
{
	json_t *json = entry->frame.type == VX_REC_REQUEST ? rec_entry_json(entry) : NULL;

	if (!g->dump && !g_strcmp0(json_string_value(json_object_get(json, "do")), "dump"))
		g->dump = json_incref(json);
	if (!g_strcmp0(json_string_value(json_object_get(json, "do")), "oracle")) {
		g_free(g->operations);
		g->operations = g_strdup(json_string_value(json_object_get(json, "text")));
	} else if (!g_strcmp0(json_string_value(json_object_get(json, "do")), "part")) {
		g_clear_pointer(&g->operations, g_free);
	}
	json_decref(json);
}

/* The dump was made when its finding had no folder yet: it moves into that. */
static void place_dump(const struct gathering *g)
{
	static const char *const names[] = { "memory.kdump", "memory.elf" };
	const char *title = json_string_value(json_object_get(g->dump, "title"));
	const struct finding *finding = NULL;
	guint i;

	for (i = 0; i < g->findings->len && !finding; i++) {
		finding = g_ptr_array_index(g->findings, i);
		if (g_strcmp0(finding->title, title))
			finding = NULL;
	}
	for (i = 0; i < G_N_ELEMENTS(names) && finding; i++) {
		g_autofree char *from = g_build_filename(g->dir, EVIDENCE_DIR, names[i], NULL);
		g_autofree char *to = g_build_filename(g->dir, finding->folder, names[i], NULL);

		/* Not there: it has moved before, or could not be made. */
		(void)rename(from, to);
	}
}

static gboolean gather(struct gathering *g, GError **error)
{
	VX_GUARD(rec_reader_close) struct rec_reader *reader = rec_reader_open(g->dir, error);
	g_autofree guint64 *at = g_new0(guint64, g->findings->len);
	struct rec_entry entry;
	guint i;

	if (!reader)
		return FALSE;
	for (i = 0; i < g->findings->len; i++) {
		const struct finding *finding = g_ptr_array_index(g->findings, i);
		g_autofree char *folder = g_build_filename(g->dir, finding->folder, NULL);

		at[i] = finding->realtime_ns;
		if (!fs_mkdir(folder, 0755, error))
			return FALSE;
	}
	g->timeline = timeline_new(at, g->findings->len);
	while (!g->error && rec_reader_next(reader, &entry)) {
		note_request(g, &entry);
		steps_of_entry(g, &entry);
		timeline_feed(g->timeline, &entry);
	}
	if (!g->error)
		return TRUE;
	g_propagate_error(error, g_steal_pointer(&g->error));
	return FALSE;
}

gboolean evidence_write(const char *dir, const struct analysis *an, GError **error)
{
	struct gathering g = { .dir = dir, .findings = g_ptr_array_new(), .steps = steplist_new() };
	gboolean ok = TRUE;
	guint i;

	for (i = 0; i < an->findings->len; i++) {
		struct finding *finding = g_ptr_array_index(an->findings, i);

		if (finding->folder)
			g_ptr_array_add(g.findings, finding);
	}
	g.steps_written = g_new0(gboolean, g.findings->len + 1);
	if (g.findings->len) {
		g.symbolizer = evidence_symbolizer(dir, an);
		ok = gather(&g, error);
		for (i = 0; i < g.findings->len && ok; i++)
			ok = put_folder(&g, i, error);
		ok = ok && keep_modules(dir, an, error);
		place_dump(&g);
	}
	gather_clear(&g);
	return ok;
}
