// SPDX-License-Identifier: GPL-2.0
/* The lines of a report on locks, from the guest: bounded, checked, unknown ones counted. */
#include <stdio.h>
#include <string.h>
#include <vexlab/locks.h>

#include "locks.h"

#define SITES_MAX	VX_LOCK_SITES
#define ORDERS_MAX	512u
#define HELD_MAX	(2 * VX_LOCK_HELD_MAX)
#define FRAME_LEN_MAX	200u

static void frames_clear(struct lock_frames *frames)
{
	while (frames->n)
		g_free(frames->text[--frames->n]);
}

static void site_free(gpointer data)
{
	struct lock_site *site = data;

	frames_clear(&site->at);
	frames_clear(&site->let_go);
	g_free(site);
}

static void order_free(gpointer data)
{
	struct lock_order *order = data;

	frames_clear(&order->stack);
	g_free(order);
}

/* `n` numbers, separated by one blank each, and nothing else. */
static gboolean numbers(const char *text, guint64 *ret, guint n)
{
	guint i;

	for (i = 0; i < n; i++) {
		char *end;

		if (!g_ascii_isdigit(*text))
			return FALSE;
		ret[i] = g_ascii_strtoull(text, &end, 10);
		if (ret[i] > G_MAXINT64 || *end != (i + 1 < n ? ' ' : '\0'))
			return FALSE;
		text = end + 1;
	}
	return TRUE;
}

static gboolean add_frame(struct lock_frames *frames, const char *text)
{
	const char *p;

	if (frames->n == LOCK_FRAMES_MAX || !*text || strlen(text) > FRAME_LEN_MAX)
		return FALSE;
	for (p = text; *p; p++)
		if (*p < ' ' || *p > '~')
			return FALSE;
	frames->text[frames->n++] = g_strdup(text);
	return TRUE;
}

static gpointer last_of(const GPtrArray *array)
{
	return array->len ? g_ptr_array_index(array, array->len - 1) : NULL;
}

static gboolean on_counts(struct lock_report *report, const char *text)
{
	guint64 v[8];

	if (!numbers(text, v, 8))
		return FALSE;
	report->counts = (struct lock_counts){ v[0], v[1], v[2], v[3], v[4], v[5], v[6], v[7] };
	return TRUE;
}

static gboolean on_site(struct lock_report *report, const char *text)
{
	struct lock_site *site;
	guint64 v[12];

	if (!numbers(text, v, 12) || v[0] >= VX_LOCK_SITES || !v[1] || v[1] >= VX_LOCK_KINDS ||
	    report->sites->len >= SITES_MAX || lock_report_site(report, (guint)v[0]))
		return FALSE;
	site = g_new(struct lock_site, 1);
	*site = (struct lock_site){
		.id = (guint)v[0], .kind = (guint)v[1], .taken = v[2], .contended = v[3], .wait_ns = v[4],
		.wait_max_ns = v[5], .hold_ns = v[6], .hold_max_ns = v[7], .hold_max_off_ns = v[8],
		.long_holds = v[9], .long_max_ns = v[10], .long_slept = v[11],
	};
	g_ptr_array_add(report->sites, site);
	return TRUE;
}

static gboolean on_order(struct lock_report *report, const char *text)
{
	struct lock_order *order;
	guint64 v[10];
	guint i;

	if (!numbers(text, v, 10) || report->orders->len >= ORDERS_MAX || !v[0] || !v[3] || v[7] > 3 ||
	    !lock_report_site(report, (guint)MIN(v[2], G_MAXUINT)) || !lock_report_site(report, (guint)MIN(v[5], G_MAXUINT)))
		return FALSE;
	for (i = 0; i < 10; i++)
		if (i != 8 && v[i] > G_MAXINT32)
			return FALSE;
	order = g_new(struct lock_order, 1);
	*order = (struct lock_order){
		.edge = { .outer = v[0], .outer_class = (guint32)v[1], .inner = v[3], .inner_class = (guint32)v[4],
			  .gate = v[6], .writes_outer = v[7] & 1, .writes_inner = (v[7] & 2) != 0,
			  .user = report->orders->len },
		.outer_site = (guint)v[2], .inner_site = (guint)v[5], .count = v[8], .tid = (guint)v[9],
	};
	g_ptr_array_add(report->orders, order);
	return TRUE;
}

static gboolean add_held(struct lock_report *report, guint64 site, guint64 tid, guint64 by, guint64 ns)
{
	const struct lock_held held = { .site = (guint)site, .tid = (guint)tid, .by = (guint)by, .ns = ns };

	if (site >= VX_LOCK_SITES || tid > G_MAXINT32 || by > G_MAXINT32 || report->held->len >= HELD_MAX ||
	    !lock_report_site(report, held.site))
		return FALSE;
	g_array_append_val(report->held, held);
	return TRUE;
}

static gboolean on_frame(struct lock_report *report, char tag, const char *text)
{
	struct lock_site *site = last_of(report->sites);
	struct lock_order *order = last_of(report->orders);

	if (tag == 'G')
		return order && add_frame(&order->stack, text);
	return site && add_frame(tag == 'F' ? &site->at : &site->let_go, text);
}

static gboolean on_line(struct lock_report *report, const char *line)
{
	const char *text = line + 2;
	guint64 v[3];

	if (!line[0] || line[1] != ' ')
		return FALSE;
	switch (line[0]) {
	case 'C':
		return on_counts(report, text);
	case 'S':
		return on_site(report, text);
	case 'E':
		return on_order(report, text);
	case 'F':
	case 'L':
	case 'G':
		return on_frame(report, line[0], text);
	case 'H':
		return numbers(text, v, 3) && add_held(report, v[0], v[1], 0, v[2]);
	case 'U':
		return numbers(text, v, 3) && v[2] && add_held(report, v[0], v[1], v[2], 0);
	case 'X':
		return numbers(text, &report->left_out, 1);
	}
	return FALSE;
}

struct lock_report *lock_report_parse(const char *text, gsize len)
{
	struct lock_report *report = g_new0(struct lock_report, 1);
	const char *end = text + len, *nl;

	report->sites = g_ptr_array_new_with_free_func(site_free);
	report->orders = g_ptr_array_new_with_free_func(order_free);
	report->held = g_array_new(FALSE, FALSE, sizeof(struct lock_held));
	for (; text < end; text = nl + 1) {
		g_autofree char *line = NULL;

		nl = memchr(text, '\n', (gsize)(end - text)) ?: end;
		line = g_strndup(text, (gsize)(nl - text));
		report->bad_lines += !on_line(report, line);
	}
	return report;
}

void lock_report_free(struct lock_report *report)
{
	if (!report)
		return;
	g_ptr_array_unref(report->sites);
	g_ptr_array_unref(report->orders);
	g_array_unref(report->held);
	g_free(report);
}

const struct lock_site *lock_report_site(const struct lock_report *report, guint id)
{
	guint i;

	for (i = 0; i < report->sites->len; i++) {
		const struct lock_site *site = g_ptr_array_index(report->sites, i);

		if (site->id == id)
			return site;
	}
	return NULL;
}

const char *lock_kind_name(guint kind)
{
	static const char *const names[VX_LOCK_KINDS] = {
		[VX_LOCK_MUTEX] = "mutex", [VX_LOCK_READ] = "rwsem, read", [VX_LOCK_WRITE] = "rwsem, write",
		[VX_LOCK_SPIN] = "spin lock", [VX_LOCK_RREAD] = "rwlock, read", [VX_LOCK_RWRITE] = "rwlock, write",
	};

	return kind < VX_LOCK_KINDS && names[kind] ? names[kind] : "?";
}

/* Parts of a function that the compiler has set apart (".cold", ".isra.0") go by its name. */
char *lock_frame_function(const char *frame)
{
	return g_strndup(frame, strcspn(frame, "+. "));
}

char *lock_frame_module(const char *frame)
{
	const char *from = strrchr(frame, '['), *to = from ? strchr(from, ']') : NULL;

	return to && to > from + 1 ? g_strndup(from + 1, (gsize)(to - from - 1)) : NULL;
}
