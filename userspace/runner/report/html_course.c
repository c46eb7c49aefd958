// SPDX-License-Identifier: GPL-2.0
/*
 * The run over time, one picture: phases of the scenario, the guest's lives, what failed and what was found, and below
 * them everything that was measured (series.c), on one axis. Crashes and recoveries run through all of it.
 */
#include <math.h>
#include <string.h>

#include "html.h"
#include "html_svg.h"
#include "text.h"

#define WIDTH		1060.0
#define LEFT		150.0
#define RIGHT		(WIDTH - 96)
#define LANE		22.0		/* height of one */
#define STRIP		52.0		/* of a series */
#define BLOCKS_MAX	400u
#define MARKS_MAX	300u
#define STRIPS_MAX	24u
#define LETTER		6.6		/* units wide, about */

struct course {
	GString *out;
	const struct report_view *view;
	struct axis time;		/* seconds */
	double bottom;
};

static double x_of(const struct course *c, guint64 ns)
{
	return axis_at(&c->time, html_seconds(c->view, ns));
}

static void lane_name(const struct course *c, double y, const char *name)
{
	svg_text(c->out, LEFT - 10, y + LANE / 2 + 4, "lab end", name);
}

/* ---- phases of the scenario ------------------------------------------------------------------- */

static guint colour_of(GHashTable *colours, const char *phase)
{
	gpointer known = g_hash_table_lookup(colours, phase);
	guint next = g_hash_table_size(colours);

	if (known)
		return GPOINTER_TO_UINT(known) - 1;
	/* 0 and 10 are greys. */
	g_hash_table_insert(colours, (gpointer)phase, GUINT_TO_POINTER(next % 9 + 2));
	return next % 9 + 1;
}

static void phase_block(const struct course *c, double y, const struct chron_step *first, const struct chron_step *last,
			guint steps, guint colour)
{
	const double x = x_of(c, first->begin_ns), w = x_of(c, last->end_ns) - x;
	g_autofree char *tip = g_strdup_printf("%s: %u steps, %.2f to %.2f s", first->phase, steps,
					       html_seconds(c->view, first->begin_ns), html_seconds(c->view, last->end_ns));
	g_autofree char *class = g_strdup_printf("p%u", colour);

	svg_rect(c->out, x, y + 2, w, LANE - 4, class, 1, tip);
	if (w > LETTER * (double)strlen(first->phase) + 8)
		svg_text(c->out, x + 5, y + LANE / 2 + 4, "in", first->phase);
}

static void phases(const struct course *c, double y)
{
	g_autoptr(GHashTable) colours = g_hash_table_new(g_str_hash, g_str_equal);
	const GArray *steps = c->view->chron->steps;
	guint blocks = 0, from = 0, i;

	lane_name(c, y, "phase");
	for (i = 1; i <= steps->len && blocks < BLOCKS_MAX; i++) {
		const struct chron_step *first = &g_array_index(steps, struct chron_step, from);

		if (i < steps->len && !strcmp(g_array_index(steps, struct chron_step, i).phase, first->phase))
			continue;
		phase_block(c, y, first, &g_array_index(steps, struct chron_step, i - 1), i - from,
			    colour_of(colours, first->phase));
		blocks++;
		from = i;
	}
}

/* ---- the guest's lives -------------------------------------------------------------------------- */

static gboolean is_one_of(const char *event, const char *const *list)
{
	for (; *list; list++)
		if (!strcmp(event, *list))
			return TRUE;
	return FALSE;
}

static void guest_block(const struct course *c, double y, guint64 from, guint64 to, const char *class, const char *what)
{
	const double x = x_of(c, from);
	g_autofree char *tip = g_strdup_printf("%s: %.2f to %.2f s", what, html_seconds(c->view, from),
					       html_seconds(c->view, to));

	svg_rect(c->out, x, y + 4, x_of(c, to) - x, LANE - 8, class, 1, tip);
}

/* It lives from when it is ready or back until it is lost or given up on. */
static void lives(const struct course *c, double y)
{
	static const char *const begins[] = { "ready", "recovered", NULL };
	static const char *const ends[] = { "lost", "recovery", NULL };
	const GArray *marks = c->view->chron->marks;
	guint64 since = 0, died = 0;
	guint told = 0, i;

	lane_name(c, y, "guest");
	if (marks->len && !strcmp(g_array_index(marks, struct chron_mark, 0).event, "ready"))
		guest_block(c, y, c->view->chron->begin_ns, g_array_index(marks, struct chron_mark, 0).ns, "s0", "being started");
	for (i = 0; i < marks->len && told < MARKS_MAX; i++) {
		const struct chron_mark *mark = &g_array_index(marks, struct chron_mark, i);

		if (is_one_of(mark->event, begins) && !since) {
			if (died)
				guest_block(c, y, died, mark->ns, "back", "being brought back");
			since = mark->ns;
			died = 0;
			told++;
		} else if (is_one_of(mark->event, ends)) {
			if (since)
				guest_block(c, y, since, mark->ns, "alive", "alive");
			died = died ? died : mark->ns;
			since = 0;
		}
	}
	if (since)
		guest_block(c, y, since, c->view->chron->end_ns, "alive", "alive");
	else if (died)
		guest_block(c, y, died, c->view->chron->end_ns, "dead", "lost");
}

/* ---- what failed, what was found ------------------------------------------------------------------ */

static void failures(const struct course *c, double y)
{
	const GArray *steps = c->view->chron->steps;
	double last = -1;
	guint i;

	lane_name(c, y, "failed steps");
	for (i = 0; i < steps->len; i++) {
		const struct chron_step *step = &g_array_index(steps, struct chron_step, i);
		const double x = x_of(c, step->begin_ns);
		g_autofree char *tip = NULL;

		/* One of those that would lie on each other. */
		if (!chron_step_failed(step) || x < last + 1)
			continue;
		tip = g_strdup_printf("step %" G_GUINT64_FORMAT " \"%s\", %.2f s", step->id, step->name,
				      html_seconds(c->view, step->begin_ns));
		svg_rect(c->out, x - 1, y + 3, 3, LANE - 6, step->target ? "dead" : "s0", 1, tip);
		last = x;
	}
}

static gboolean is_crash(const struct finding *finding)
{
	return finding_hurts(finding) || (finding_class_is_crash(finding->class) && !finding->noise);
}

static void findings(const struct course *c, double y)
{
	const GPtrArray *list = c->view->an->findings;
	guint i;

	lane_name(c, y, "findings");
	for (i = 0; i < list->len && i < MARKS_MAX; i++) {
		const struct finding *finding = g_ptr_array_index(list, i);
		const double x = x_of(c, finding->realtime_ns);
		g_autofree char *class = g_strdup_printf(finding->noise ? "noise" : "s%d", finding->severity);
		g_autofree char *tip = g_strdup_printf("%s: %s, %.2f s", severity_name(finding->severity), finding->title,
						       html_seconds(c->view, finding->realtime_ns));

		if (is_crash(finding))
			svg_line(c->out, x, y + LANE / 2, x, c->bottom, "crash");
		svg_diamond(c->out, x, y + LANE / 2, 6, class, tip);
	}
}

/* ---- series ------------------------------------------------------------------------------------------ */

/* Of what there is more than there is room for; the rest as they came. What a guest as a whole has comes first. */
static guint rank(const struct chron_series *series)
{
	static const char *const families[] = {
		"latency", "cpu", "mem", "memory", "pressure", "io", "qemu", "disk", "channel", "net", "outstanding", "slabgain", "agent", "refs", "caches", "slab",
		"pages", "vmalloc", "inodes", "dentries",
	};
	guint i;

	for (i = 0; i < G_N_ELEMENTS(families); i++) {
		const gsize len = strlen(families[i]);

		if (!strncmp(series->name, families[i], len) && (series->name[len] == '.' || !series->name[len]))
			return i;
	}
	return i;
}

static int by_rank(gconstpointer a, gconstpointer b)
{
	const guint x = rank(*(const struct chron_series *const *)a), y = rank(*(const struct chron_series *const *)b);

	return x < y ? -1 : x > y;
}

/* Of borrowed ones. Caller frees. */
static GPtrArray *choose(const struct chronicle *chron)
{
	GPtrArray *list = g_ptr_array_new();
	guint i;

	for (i = 0; i < chron->series->len; i++)
		if (chron_series_varies(g_ptr_array_index(chron->series, i)))
			g_ptr_array_add(list, g_ptr_array_index(chron->series, i));
	g_ptr_array_sort(list, by_rank);
	return list;
}

static const char *value_text(char *buf, gsize size, double value, const char *unit)
{
	if (!strcmp(unit, "kB") && fabs(value) >= 10240)
		g_snprintf(buf, size, "%.1f MB", value / 1024);
	else if (!strcmp(unit, "bytes") && fabs(value) >= 10240)
		g_snprintf(buf, size, "%.1f KiB", value / 1024);
	else
		g_snprintf(buf, size, fabs(value) >= 1000 ? "%.0f %s" : "%.4g %s", value, unit);
	return buf;
}

/* Was the guest another one at `ns` than before? *mark is how far the turns have been looked through. */
static gboolean has_turned(const struct course *c, guint64 ns, guint *mark)
{
	const GArray *marks = c->view->chron->marks;
	gboolean turned = FALSE;

	for (; *mark < marks->len && g_array_index(marks, struct chron_mark, *mark).ns <= ns; ++*mark)
		turned = turned || !strcmp(g_array_index(marks, struct chron_mark, *mark).event, "restored");
	return turned;
}

/* Broken where the guest was: what the next one has does not follow from what the last one had. */
static void line(const struct course *c, const struct chron_series *series, const struct axis *axis)
{
	guint mark = 0, i;

	g_string_append(c->out, "<path class=\"plot\" d=\"");
	for (i = 0; i < series->points->len; i++) {
		const struct chron_point *point = &g_array_index(series->points, struct chron_point, i);
		const double x = x_of(c, point->ns), y = axis_at(axis, point->value);

		/* A line of no length is a dot. */
		if (has_turned(c, point->ns, &mark) || !i)
			g_string_append_printf(c->out, "M%.1f %.1fh0", x, y);
		else
			g_string_append_printf(c->out, "L%.1f %.1f", x, y);
	}
	g_string_append(c->out, "\"/>\n");
}

static void strip(const struct course *c, const struct chron_series *series, double y)
{
	struct axis axis = { G_MAXDOUBLE, -G_MAXDOUBLE, y + STRIP - 8, y + 6, FALSE };
	char low[48], high[48];
	guint i;

	for (i = 0; i < series->points->len; i++) {
		const double value = g_array_index(series->points, struct chron_point, i).value;

		axis.lo = MIN(axis.lo, value);
		axis.hi = MAX(axis.hi, value);
	}
	svg_text(c->out, LEFT - 10, y + STRIP / 2 + 2, "lab end", series->name);
	svg_text(c->out, RIGHT + 6, y + 12, "tick", value_text(high, sizeof(high), axis.hi, series->unit));
	svg_text(c->out, RIGHT + 6, y + STRIP - 7, "tick", value_text(low, sizeof(low), axis.lo, series->unit));
	line(c, series, &axis);
}

/* Amber, through everything. */
static void recoveries(const struct course *c, double top)
{
	const GArray *marks = c->view->chron->marks;
	guint told = 0, i;

	for (i = 0; i < marks->len && told < MARKS_MAX; i++) {
		const struct chron_mark *mark = &g_array_index(marks, struct chron_mark, i);
		const guint64 took = (guint64)(CLAMP(mark->ms, 0, 1e9) * 1e6);
		const double x = x_of(c, mark->ns > took ? mark->ns - took : 0);

		if (strcmp(mark->event, "recovered"))
			continue;
		svg_rect(c->out, x, top, x_of(c, mark->ns) - x, c->bottom - top, "back", .16, NULL);
		told++;
	}
}

static void legend(GString *out)
{
	g_string_append(out, "<ul class=\"key\"><li><i style=\"background:var(--idle)\"></i>guest being started</li>"
			"<li><i style=\"background:var(--good)\"></i>alive</li>"
			"<li><i style=\"background:var(--warn)\"></i>being brought back</li>"
			"<li><i style=\"background:var(--bad)\"></i>lost, failed; finding High or Critical (outlined)</li>"
			"<li>dotted red line: a crash</li></ul>\n");
}

void html_course(GString *out, const struct report_view *view)
{
	struct course c = { out, view, { 0, html_seconds(view, view->chron->end_ns), LEFT, RIGHT, FALSE }, 0 };
	g_autoptr(GPtrArray) series = choose(view->chron);
	const guint strips = MIN(series->len, STRIPS_MAX);
	const double top = 8, first = top + 4 * LANE + 8;
	g_autofree char *about = NULL;
	guint i;

	if (!view->chron->steps->len)
		return;
	c.bottom = first + strips * STRIP;
	about = g_strdup_printf("%u steps in %.1f s, %u findings, %u recoveries, %u series", view->chron->steps->len, c.time.hi,
				view->an->findings->len, view->an->recovered, strips);
	html_open(out, "course", "Course of the run", "Seconds since its begin, on the host's clock. Rest the pointer on anything to read "
		  "what it is.");
	svg_open(out, WIDTH, c.bottom + 24, "Course of the run", about);
	for (i = 0; i < strips; i++)
		svg_rect(out, LEFT, first + i * STRIP, RIGHT - LEFT, STRIP - 4, "bed", 1, NULL);
	svg_axis_s(out, &c.time, c.bottom, top);
	recoveries(&c, top);
	phases(&c, top);
	lives(&c, top + LANE);
	failures(&c, top + 2 * LANE);
	for (i = 0; i < strips; i++)
		strip(&c, g_ptr_array_index(series, i), first + i * STRIP);
	findings(&c, top + 3 * LANE);
	svg_close(out);
	legend(out);
	if (series->len > strips)
		g_string_append_printf(out, "<p class=\"soft\">%u more series change; <code>vexlab report --format trace</code> has "
				       "them.</p>\n", series->len - strips);
	html_close(out);
}
