// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "death.h"
#include "event.h"
#include "report.h"
#include "timeline.h"
#include "wire.h"

#define NS_PER_MS	1000000ull
#define BEFORE_NS	(TIMELINE_BEFORE_MS * NS_PER_MS)
#define AFTER_NS	(TIMELINE_AFTER_MS * NS_PER_MS)
#define RING_MAX	2000u		/* items kept while nothing has happened yet */
#define AFTER_MAX	1000u		/* taken in before they are sorted and cut */
#define TEXT_MAX	600u
#define PAIRS		16u
#define LATE_NS		(10000 * NS_PER_MS)	/* an event that claims to be older came with a wrong clock */

struct window {
	guint64 at;
	GPtrArray *items;		/* references */
	guint after, dropped;
};

struct timeline {
	struct window *windows;
	guint n, *order;		/* indices by `at` */
	guint next, first;		/* in `order`: not begun yet; not ended yet */
	GQueue ring;			/* the items before, newest last */
	guint ring_dropped;
	guint64 ahead[PAIRS];		/* host's realtime less the guest's clock */
	guint npairs;
	GString *line;			/* console's incomplete line */
	guint64 line_ns;
};

static void item_clear(gpointer data)
{
	g_free(((struct timeline_item *)data)->text);
}

static void item_unref(gpointer data)
{
	g_rc_box_release_full(data, item_clear);
}

static int by_instant(gconstpointer a, gconstpointer b, gpointer ctx)
{
	const struct timeline *tl = ctx;
	guint64 x = tl->windows[*(const guint *)a].at, y = tl->windows[*(const guint *)b].at;

	return x < y ? -1 : x > y;
}

struct timeline *timeline_new(const guint64 *at, guint n)
{
	struct timeline *tl = g_new0(struct timeline, 1);
	guint i;

	tl->n = n;
	tl->windows = g_new0(struct window, n);
	tl->order = g_new0(guint, n);
	for (i = 0; i < n; i++) {
		tl->windows[i].at = at[i];
		tl->windows[i].items = g_ptr_array_new_with_free_func(item_unref);
		tl->order[i] = i;
	}
	g_qsort_with_data(tl->order, (int)n, sizeof(guint), by_instant, tl);
	while (tl->next < n && !tl->windows[tl->order[tl->next]].at)
		tl->next++;
	tl->first = tl->next;
	g_queue_init(&tl->ring);
	tl->line = g_string_new(NULL);
	return tl;
}

void timeline_free(struct timeline *tl)
{
	guint i;

	if (!tl)
		return;
	for (i = 0; i < tl->n; i++)
		g_ptr_array_unref(tl->windows[i].items);
	g_queue_clear_full(&tl->ring, item_unref);
	g_string_free(tl->line, TRUE);
	g_free(tl->windows);
	g_free(tl->order);
	g_free(tl);
}

/* ---- windows --------------------------------------------------------------------- */

static struct window *by_order(struct timeline *tl, guint i)
{
	return &tl->windows[tl->order[i]];
}

static void begin_window(struct timeline *tl, struct window *win)
{
	GList *link;

	win->dropped = tl->ring_dropped;
	for (link = tl->ring.head; link; link = link->next) {
		struct timeline_item *item = link->data;

		if (item->realtime_ns + BEFORE_NS >= win->at)
			g_ptr_array_add(win->items, g_rc_box_acquire(item));
	}
}

/* FALSE: nothing of this moment is wanted. */
static gboolean advance(struct timeline *tl, guint64 now)
{
	while (tl->next < tl->n && by_order(tl, tl->next)->at <= now)
		begin_window(tl, by_order(tl, tl->next++));
	while (tl->first < tl->next && by_order(tl, tl->first)->at + AFTER_NS < now)
		tl->first++;
	if (tl->first < tl->next || (tl->next < tl->n && by_order(tl, tl->next)->at - now <= BEFORE_NS))
		return TRUE;
	g_queue_clear_full(&tl->ring, item_unref);
	tl->ring_dropped = 0;
	return FALSE;
}

static void add_after(struct window *win, struct timeline_item *item)
{
	if (win->after >= AFTER_MAX) {
		win->dropped++;
		return;
	}
	win->after++;
	g_ptr_array_add(win->items, g_rc_box_acquire(item));
}

/* Takes over `text`. */
static void add(struct timeline *tl, guint64 ns, const char *source, char *text)
{
	struct timeline_item *item = g_rc_box_new0(struct timeline_item);
	g_autofree char *raw = text;
	guint i;

	if (raw && strlen(raw) > TEXT_MAX)
		memcpy(raw + TEXT_MAX - 3, "...", 4);
	*item = (struct timeline_item){ ns, source, report_printable(raw ? raw : "") };
	for (i = tl->first; i < tl->next; i++)
		add_after(by_order(tl, i), item);
	g_queue_push_tail(&tl->ring, item);
	if (tl->ring.length > RING_MAX) {
		item_unref(g_queue_pop_head(&tl->ring));
		tl->ring_dropped++;
	}
}

/* ---- clocks ------------------------------------------------------------------------ */

static void note_clock(struct timeline *tl, const struct rec_entry *entry)
{
	struct vx_msg_heartbeat beat;
	struct vx_msg_step step;
	guint64 guest = 0;

	if (entry->frame.type == VX_MSG_HEARTBEAT && entry->frame.length >= sizeof(beat)) {
		memcpy(&beat, entry->payload, sizeof(beat));
		guest = beat.monotonic_ns;
	} else if (entry->frame.type == VX_MSG_STEP && entry->frame.length >= sizeof(step)) {
		memcpy(&step, entry->payload, sizeof(step));
		guest = step.end_ns;
	}
	if (guest && guest < entry->stamp.realtime_ns)
		tl->ahead[tl->npairs++ % PAIRS] = entry->stamp.realtime_ns - guest;
}

/* The least delayed of the latest pairs tells best. */
static guint64 host_time(const struct timeline *tl, guint64 guest, guint64 arrival)
{
	guint n = MIN(tl->npairs, PAIRS), i;
	guint64 ahead = G_MAXUINT64;

	for (i = 0; i < n; i++)
		ahead = MIN(ahead, tl->ahead[i]);
	if (!n || guest > G_MAXUINT64 - ahead || guest + ahead > arrival || guest + ahead + LATE_NS < arrival)
		return arrival;
	return guest + ahead;
}

/* ---- sources ------------------------------------------------------------------------- */

static char *fsop_text(const struct vx_event_fsop *ev)
{
	char total[32];

	report_ns(total, sizeof(total), (double)ev->total_ns);
	return g_strdup_printf("%s of %s by %s: %s, %s; step %" G_GUINT64_FORMAT ", task %s/%u, CPU %u",
			       vx_op_name(ev->op), ev->fstype[0] ? ev->fstype : "?", vx_api_name(ev->api),
			       ev->err ? g_strerror(-ev->err) : "ok", total, (guint64)ev->head.step,
			       ev->head.comm, ev->head.pid, ev->head.cpu);
}

static char *other_text(const struct vx_event *ev)
{
	return g_strdup_printf("event of type %u, step %" G_GUINT64_FORMAT ", task %s/%u, CPU %u", ev->type,
			       (guint64)ev->step, ev->comm, ev->pid, ev->cpu);
}

static void add_events(struct timeline *tl, const struct rec_entry *entry)
{
	const guint64 now = entry->stamp.realtime_ns;
	struct vx_event_iter iter;
	const struct vx_event *ev;

	vx_event_iter_init(&iter, entry->payload, entry->frame.length);
	while ((ev = vx_event_iter_next(&iter))) {
		char *text = ev->type == VX_EVENT_FSOP ?
			fsop_text((const struct vx_event_fsop *)ev) :
			ev->type == VX_EVENT_OOPS ? death_text((const struct vx_event_oops *)ev) :
			other_text(ev);

		add(tl, host_time(tl, ev->ts, now), "bpf", text);
	}
}

static void end_line(struct timeline *tl)
{
	if (tl->line->len)
		add(tl, tl->line_ns, "console", g_strdup(tl->line->str));
	g_string_truncate(tl->line, 0);
}

static void add_console(struct timeline *tl, const struct rec_entry *entry)
{
	const char *p = entry->payload;
	gsize i;

	for (i = 0; i < entry->frame.length; i++) {
		if (p[i] == '\n') {
			end_line(tl);
			continue;
		}
		if (!tl->line->len)
			tl->line_ns = entry->stamp.realtime_ns;
		if (p[i] != '\r' && p[i] && tl->line->len < TEXT_MAX)
			g_string_append_c(tl->line, p[i]);
	}
}

static void add_answer(struct timeline *tl, const struct rec_entry *entry)
{
	struct vx_msg_step msg;
	char took[32];

	if (entry->frame.length < sizeof(msg))
		return;
	memcpy(&msg, entry->payload, sizeof(msg));
	report_ns(took, sizeof(took), (double)(msg.end_ns - msg.start_ns));
	add(tl, host_time(tl, msg.end_ns, entry->stamp.realtime_ns), "step",
	    g_strdup_printf("step %" G_GUINT64_FORMAT " ends: %s after %s", (guint64)msg.id,
			    msg.err ? vx_step_err_text(msg.err) : "ok", took));
}

static char *step_text(const struct rec_entry *entry)
{
	json_t *json = rec_entry_json(entry);
	const char *name = json_string_value(json_object_get(json, "name"));
	const char *phase = json_string_value(json_object_get(json, "phase"));
	char *text = g_strdup_printf("step %" JSON_INTEGER_FORMAT " begins: %s (%s, cycle %" JSON_INTEGER_FORMAT ")",
				     json_integer_value(json_object_get(json, "id")), name ? name : "?",
				     phase ? phase : "?", json_integer_value(json_object_get(json, "cycle")));

	json_decref(json);
	return text;
}

static char *finding_text(const struct rec_entry *entry)
{
	json_t *json = rec_entry_json(entry);
	const char *title = json_string_value(json_object_get(json, "description"));
	const char *severity = json_string_value(json_object_get(json, "severity"));
	char *text = g_strdup_printf("%s: %s", severity ? severity : "?", title ? title : "?");

	json_decref(json);
	return text;
}

static char *payload_text(const struct rec_entry *entry)
{
	return g_strndup(entry->payload, MIN(entry->frame.length, TEXT_MAX + 1));
}

void timeline_feed(struct timeline *tl, const struct rec_entry *entry)
{
	const guint64 now = entry->stamp.realtime_ns;

	note_clock(tl, entry);
	if (entry->frame.type == VX_REC_VM)
		tl->npairs = 0;		/* perhaps another guest, whose clock stands elsewhere */
	if (!advance(tl, now)) {
		g_string_truncate(tl->line, 0);
		return;
	}
	switch (entry->frame.type) {
	case VX_MSG_EVENTS:
		add_events(tl, entry);
		break;
	case VX_REC_CONSOLE:
		add_console(tl, entry);
		break;
	case VX_REC_STEP_BEGIN:
		add(tl, now, "step", step_text(entry));
		break;
	case VX_MSG_STEP:
		add_answer(tl, entry);
		break;
	case VX_REC_REQUEST:
		add(tl, now, "request", payload_text(entry));
		break;
	case VX_REC_VM:
		add(tl, now, "vm", payload_text(entry));
		break;
	case VX_MSG_LOG:
		add(tl, now, "agent", payload_text(entry));
		break;
	case VX_REC_FINDING:
		add(tl, now, "finding", finding_text(entry));
		break;
	default:
		break;
	}
}

/* ---- reading ---------------------------------------------------------------------------- */

/* Equal times stay in the order of arrival: g_ptr_array_sort() is stable. */
static int by_time(gconstpointer a, gconstpointer b)
{
	const struct timeline_item *x = *(struct timeline_item *const *)a;
	const struct timeline_item *y = *(struct timeline_item *const *)b;

	return x->realtime_ns < y->realtime_ns ? -1 : x->realtime_ns > y->realtime_ns;
}

GPtrArray *timeline_around(struct timeline *tl, guint i, guint *left_out)
{
	GPtrArray *ret = g_ptr_array_new_with_free_func(item_unref);
	struct window *win = &tl->windows[i];
	guint before = 0, from, to, k;

	end_line(tl);
	g_ptr_array_sort(win->items, by_time);
	while (before < win->items->len &&
	       ((struct timeline_item *)g_ptr_array_index(win->items, before))->realtime_ns < win->at)
		before++;
	from = before > TIMELINE_BEFORE_MAX ? before - TIMELINE_BEFORE_MAX : 0;
	to = MIN(win->items->len, before + TIMELINE_AFTER_MAX);
	for (k = from; k < to; k++)
		g_ptr_array_add(ret, g_rc_box_acquire(g_ptr_array_index(win->items, k)));
	*left_out = win->dropped + from + (win->items->len - to);
	return ret;
}
