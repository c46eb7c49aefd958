// SPDX-License-Identifier: GPL-2.0
/* What injected failures have shown (inject.h says what stands in the record). */
#include <errno.h>
#include <string.h>

#include "detect.h"
#include "inject.h"
#include "injected.h"
#include "wire.h"

#define CONSOLE_LINE	512u	/* of the console, as far as one is of interest */
#define WHY_MAX		160

enum step_sort { SORT_NONE, SORT_INJECT, SORT_CHECK, SORT_COMPARE };

/* The latest failure, as far as it is known. */
struct failure {
	guint64 step;		/* id; 0: there was none yet */
	guint32 what;
	guint64 nth;		/* 0: only counted */
	gboolean keeps;		/* the operation asks each call that could tell of lost data */
	char operation[VX_NAME_LEN];
	struct vx_injected done;
	gboolean took;		/* known by the answer, or by the console */
	char told[CONSOLE_LINE];	/* the console's line; "" : not seen */
};

struct inject_state {
	char module[VX_NAME_LEN];
	enum step_sort sort;		/* of the step under way */
	struct failure last;
	gboolean forgets;		/* nothing outlasts an unmount there */
	/* what is outstanding: of ordinary turns, and of those with a failure */
	struct inject_sites *looks[2][2];
	struct inject_sites *look;	/* whose sites are coming; one of them */
	gboolean failing, after;	/* which */
	guint times;
	char line[CONSOLE_LINE];		/* of the console, up to its end */
	gsize len;
	GHashTable *told;		/* titles */
};

static gpointer inject_create(const struct detect_config *config)
{
	struct inject_state *st = g_new0(struct inject_state, 1);

	g_strlcpy(st->module, config->module, sizeof(st->module));
	st->told = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
	return st;
}

static void inject_destroy(gpointer state)
{
	struct inject_state *st = state;
	guint i;

	for (i = 0; i < 4; i++)
		inject_sites_free(st->looks[i / 2][i % 2]);
	g_hash_table_unref(st->told);
	g_free(st);
}

/* ---- words ---------------------------------------------------------------------------------- */

/* "number 3: __kmalloc_noprof for foo_fill+0x12/0x34 [foo]"; what is not known is left out. Caller frees. */
static char *describe(const struct failure *f)
{
	if (f->told[0])
		return g_strdup(f->told);
	if (f->done.hits && f->done.site[0])
		return g_strdup_printf("%s, number %" G_GUINT64_FORMAT ": %s for %s", vx_inject_words(f->what), f->nth,
				       f->done.function, f->done.site);
	if (f->done.hits && f->what != VX_INJECT_ALLOC)
		return g_strdup_printf("%s, number %" G_GUINT64_FORMAT ": %" G_GUINT64_FORMAT " bytes at sector %"
				       G_GUINT64_FORMAT, vx_inject_words(f->what), f->nth, (guint64)f->done.bytes,
				       (guint64)f->done.sector);
	return g_strdup_printf("%s, number %" G_GUINT64_FORMAT, vx_inject_words(f->what), f->nth);
}

static void add_failure(struct finding *finding, const struct failure *f)
{
	g_autofree char *text = describe(f);

	finding_add_line(finding, "made to fail in %s: %s", f->operation, text);
}

/* NULL: it was told before; a title once is enough, however many places lead to it. */
static struct finding *new_finding(struct inject_state *st, const struct detect_now *now, enum finding_class class,
				   const char *kind, const char *title)
{
	struct finding *finding;

	if (!g_hash_table_add(st->told, g_strdup(title)))
		return NULL;
	finding = detect_finding(now, class, SEV_HIGH, title);
	finding->kind = kind;
	if (st->module[0])
		finding->module = g_strdup(st->module);
	add_failure(finding, &st->last);
	return finding;
}

/* ---- steps ------------------------------------------------------------------------------------ */

static enum step_sort sort_of(const char *kind)
{
	return !strcmp(kind, "inject") ? SORT_INJECT : !strcmp(kind, "inject-check") ? SORT_CHECK :
	       !strcmp(kind, "inject-compare") ? SORT_COMPARE : SORT_NONE;
}

static void on_begin(struct inject_state *st, const struct detect_now *now, const struct rec_entry *entry)
{
	json_t *json, *num;
	const char *way, *inner;

	st->sort = sort_of(now->step_kind);
	st->look = NULL;
	if (st->sort != SORT_INJECT)
		return;
	json = rec_entry_json(entry);
	num = json_object_get(json, "num");
	way = json_string_value(json_object_get(json, "way"));
	inner = json_string_value(json_array_get(json_object_get(json, "strings"), 0));
	memset(&st->last, 0, sizeof(st->last));
	st->last.step = now->step;
	st->last.what = (guint32)json_integer_value(json_array_get(num, 0));
	st->last.nth = (guint64)json_integer_value(json_array_get(num, 1));
	st->last.keeps = !g_strcmp0(inner, vx_step_op_name(VX_STEP_KEEP));
	g_strlcpy(st->last.operation, way ? way : "?", sizeof(st->last.operation));
	json_decref(json);
}

/* No call has said that a write has failed, and there is no other way to learn whether it is lost. */
static void on_injected(struct inject_state *st, const struct detect_now *now, const struct vx_msg_step *msg,
			const char *text, GPtrArray *findings)
{
	const guint32 writes = VX_INJECT_WRITE | VX_INJECT_FLUSH;
	g_autofree char *title = NULL;
	struct finding *finding = NULL;

	st->last.took = st->last.nth && vx_injected_parse(text, &st->last.done) && st->last.done.took;
	if (!st->last.took)
		return;
	if (msg->err == -EBADMSG && msg->value == VX_FILE_CORRUPT) {
		title = g_strdup_printf("%s: %.*s, when %s fails", st->last.operation,
					(int)MIN(strcspn(text, "\n"), WHY_MAX), text, vx_inject_words(st->last.what));
		finding = new_finding(st, now, FINDING_STEP_FAILED, "data-corruption", title);
	} else if (!msg->err && st->last.keeps && st->forgets && st->last.what & writes) {
		title = g_strdup_printf("%s reports success though %s failed", st->last.operation,
					vx_inject_words(st->last.what));
		finding = new_finding(st, now, FINDING_STEP_FAILED, "data-corruption", title);
	}
	if (finding)
		g_ptr_array_add(findings, finding);
}

static void on_check(struct inject_state *st, const struct detect_now *now, const struct vx_msg_step *msg,
		     const char *text, GPtrArray *findings)
{
	g_autofree char *title = NULL;
	struct finding *finding;

	/* Nothing was made to fail, or it is a hang or a crash, which others tell. */
	if (!st->last.took || !msg->err || msg->err == -ETIMEDOUT || msg->err == -EOWNERDEAD)
		return;
	if (st->sort == SORT_COMPARE)
		title = g_strdup_printf("lost data: %s reports success, and what was written is gone, when %s fails",
					st->last.operation, vx_inject_words(st->last.what));
	else
		title = g_strdup_printf("%s fails after %s in which %s failed: %s", now->step_name, st->last.operation,
					vx_inject_words(st->last.what), vx_step_err_text(msg->err));
	finding = new_finding(st, now, FINDING_STEP_FAILED, st->sort == SORT_COMPARE ? "data-corruption" : NULL, title);
	if (!finding)
		return;
	if (*text)
		finding_add_line(finding, "%.*s", (int)strcspn(text, "\n"), text);
	g_ptr_array_add(findings, finding);
}

static void on_step(struct inject_state *st, const struct detect_now *now, const struct rec_entry *entry,
		    GPtrArray *findings)
{
	g_autofree char *text = NULL, *raw = NULL;
	struct vx_msg_step msg;

	if (st->sort == SORT_NONE || entry->frame.length < sizeof(msg))
		return;
	memcpy(&msg, entry->payload, sizeof(msg));
	if (msg.id != now->step)
		return;
	raw = g_strndup((const char *)entry->payload + sizeof(msg), entry->frame.length - sizeof(msg));
	text = g_utf8_make_valid(raw, -1);
	if (st->sort == SORT_INJECT)
		on_injected(st, now, &msg, text, findings);
	else
		on_check(st, now, &msg, text, findings);
}

/* ---- leaks --------------------------------------------------------------------------------------- */

static void leak_found(struct inject_state *st, const struct detect_now *now, const struct inject_growth *grown,
		       GPtrArray *findings)
{
	const char *frame = grown->frames[0] ? grown->frames[0] : "?";
	g_autofree char *module = NULL, *function = inject_frame_function(frame, &module);
	g_autofree char *title = g_strdup_printf("leak on an error path of %s: %s when %s fails", st->last.operation,
						 function ? function : "unknown function", vx_inject_words(st->last.what));
	struct finding *finding = new_finding(st, now, FINDING_LEAK, "error-path", title);
	guint i;

	if (!finding)
		return;
	finding->function = g_steal_pointer(&function);
	finding_add_line(finding, "%" G_GUINT64_FORMAT " objects, %" G_GUINT64_FORMAT " bytes more after %u times", grown->objects,
			 grown->bytes, st->times);
	for (i = 0; grown->frames[i]; i++)
		finding_add_line(finding, " %s", grown->frames[i]);
	g_ptr_array_add(findings, finding);
}

static void on_looked(struct inject_state *st, const struct detect_now *now, GPtrArray *findings)
{
	g_autoptr(GArray) grown = NULL;
	guint i;

	if (!st->look)
		return;
	st->look = NULL;
	if (!st->failing || !st->after || !st->looks[1][0] || !st->times)
		return;
	grown = inject_sites_grown(st->looks[1][0], st->looks[1][1], st->looks[0][0], st->looks[0][1], st->times);
	for (i = 0; i < grown->len; i++)
		leak_found(st, now, &g_array_index(grown, struct inject_growth, i), findings);
}

static void on_watch(struct inject_state *st, const json_t *json)
{
	const char *phase = json_string_value(json_object_get(json, "phase"));
	const json_int_t times = json_integer_value(json_object_get(json, "times"));
	struct inject_sites **look;

	st->failing = json_integer_value(json_object_get(json, "nth")) > 0;
	st->after = !g_strcmp0(phase, "after");
	st->times = times > 0 && times < G_MAXINT ? (guint)times : 0;
	look = &st->looks[st->failing][st->after];
	g_clear_pointer(look, inject_sites_free);
	if (!st->after)
		g_clear_pointer(&st->looks[st->failing][1], inject_sites_free);
	*look = st->look = inject_sites_new();
}

static void unavailable(const struct detect_now *now, const char *why, GPtrArray *findings)
{
	struct finding *finding = finding_new(FINDING_STEP_FAILED, SEV_MEDIUM, why ? why : "no failure can be injected");

	finding->blame = BLAME_ENVIRONMENT;
	finding->step = now->step;
	finding->cycle = now->cycle;
	finding->realtime_ns = now->realtime_ns;
	g_ptr_array_add(findings, finding);
}

/* Another guest, or the same as it was before: nothing has failed in it. */
static void on_vm(struct inject_state *st, const struct rec_entry *entry)
{
	json_t *json = rec_entry_json(entry);

	if (!g_strcmp0(json_string_value(json_object_get(json, "event")), "restored"))
		memset(&st->last, 0, sizeof(st->last));
	json_decref(json);
}

static void on_request(struct inject_state *st, const struct detect_now *now, const struct rec_entry *entry,
		       GPtrArray *findings)
{
	json_t *json = rec_entry_json(entry);
	const char *event = json_string_value(json_object_get(json, "event"));
	guint i;

	if (!g_strcmp0(json_string_value(json_object_get(json, "do")), "inject")) {
		if (!g_strcmp0(event, "watch"))
			on_watch(st, json);
		else if (!g_strcmp0(event, "persistent"))
			st->forgets = !json_is_true(json_object_get(json, "is"));
		else if (!g_strcmp0(event, "operation"))
			/* What one leaves behind in order is not the next one's measure. */
			for (i = 0; i < 4; i++)
				g_clear_pointer(&st->looks[i / 2][i % 2], inject_sites_free);
		if (!g_strcmp0(event, "unavailable"))
			unavailable(now, json_string_value(json_object_get(json, "why")), findings);
		else if (!g_strcmp0(event, "end"))
			memset(&st->last, 0, sizeof(st->last));
	}
	json_decref(json);
}

/* ---- crashes: which failure led there ------------------------------------------------------------- */

static void on_line(struct inject_state *st)
{
	const char *at = strstr(st->line, VX_INJECT_MARK);
	g_autofree char *valid = at ? g_utf8_make_valid(at + strlen(VX_INJECT_MARK), -1) : NULL;

	if (!at || !st->last.nth)
		return;
	g_strlcpy(st->last.told, valid, sizeof(st->last.told));
	st->last.told[strcspn(st->last.told, "\r")] = '\0';
	st->last.took = TRUE;
}

static void on_console(struct inject_state *st, const struct rec_entry *entry)
{
	const char *p = (const char *)entry->payload;
	gsize i;

	for (i = 0; st->last.step && i < entry->frame.length; i++) {
		if (p[i] == '\n') {
			st->line[st->len] = '\0';
			on_line(st);
			st->len = 0;
		} else if (p[i] && st->len < sizeof(st->line) - 1) {
			st->line[st->len++] = p[i];
		}
	}
}

/* Others have found something since: it is to be told what had been made to fail. */
static void annotate(const struct inject_state *st, GPtrArray *findings, guint own)
{
	guint i;

	if (!st->last.step || !st->last.nth || !st->last.took)
		return;
	for (i = 0; i < own && i < findings->len; i++) {
		struct finding *finding = g_ptr_array_index(findings, i);

		if (finding->step >= st->last.step)
			add_failure(finding, &st->last);
	}
}

static void inject_feed(gpointer state, const struct detect_now *now, const struct rec_entry *entry, GPtrArray *findings)
{
	struct inject_state *st = state;
	const guint others = findings->len;

	switch (entry->frame.type) {
	case VX_REC_STEP_BEGIN:
		annotate(st, findings, others);
		on_begin(st, now, entry);
		return;
	case VX_MSG_STEP:
		on_step(st, now, entry, findings);
		break;
	case VX_REC_CONSOLE:
		on_console(st, entry);
		break;
	case VX_REC_VM:
		annotate(st, findings, others);
		on_vm(st, entry);
		return;
	case VX_REC_REQUEST:
		on_request(st, now, entry, findings);
		break;
	case VX_MSG_ALLOC_SITE:
		if (st->look)
			inject_sites_add(st->look, entry->payload, entry->frame.length);
		break;
	case VX_MSG_ALLOCS:
		on_looked(st, now, findings);
		break;
	default:
		break;
	}
	annotate(st, findings, others);
}

static void inject_idle(gpointer state, const struct detect_now *now, guint64 monotonic_ns, GPtrArray *findings)
{
	annotate(state, findings, findings->len);
}

static void inject_finish(gpointer state, const struct detect_now *now, GPtrArray *findings)
{
	annotate(state, findings, findings->len);
}

const struct detector detector_inject = {
	.name = "inject",
	.create = inject_create,
	.destroy = inject_destroy,
	.feed = inject_feed,
	.idle = inject_idle,
	.finish = inject_finish,
};
