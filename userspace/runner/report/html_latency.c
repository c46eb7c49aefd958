// SPDX-License-Identifier: GPL-2.0
/* How long mounts and unmounts took: the distribution, phase by phase, and over time. */
#include <math.h>
#include <string.h>

#include "event.h"
#include "html.h"
#include "html_svg.h"
#include "report.h"
#include "text.h"

#define WIDTH		1060.0
#define LEFT		96.0
#define RIGHT		(WIDTH - 24)
#define BINS		60u		/* of the distribution */
#define COLUMNS		80u		/* of the heat map */
#define ROWS		20u

/* Operations that are shown: at, total. */
struct shown {
	GArray *at, *ns;		/* guint64 */
	guint64 least, most, first, last;
	gboolean all;			/* of all phases of the scenario; else of its measured cycles */
};

static void shown_clear(struct shown *s)
{
	g_array_unref(s->at);
	g_array_unref(s->ns);
}

static void note(struct shown *s, const struct chron_op *op)
{
	const guint64 ns = MAX(op->total_ns, 1);

	s->least = s->at->len ? MIN(s->least, ns) : ns;
	s->most = MAX(s->most, ns);
	s->first = s->at->len ? MIN(s->first, op->at_ns) : op->at_ns;
	s->last = MAX(s->last, op->at_ns);
	g_array_append_val(s->at, op->at_ns);
	g_array_append_val(s->ns, ns);
}

static struct shown gather(const struct chronicle *chron, enum vx_op op, gboolean all)
{
	struct shown s = {
		.at = g_array_new(FALSE, FALSE, sizeof(guint64)), .ns = g_array_new(FALSE, FALSE, sizeof(guint64)), .all = all,
	};
	guint i;

	for (i = 0; i < chron->ops->len; i++) {
		const struct chron_op *one = &g_array_index(chron->ops, struct chron_op, i);

		if (one->op == op && !one->err && (all || chronicle_is_measured(chron, one)))
			note(&s, one);
	}
	return s;
}

static guint64 value_at(const GArray *values, guint i)
{
	return g_array_index(values, guint64, i);
}

/* ---- distribution ------------------------------------------------------------------------- */

static void percentile(GString *out, const struct axis *axis, double y, double top, const char *name, guint64 ns, double lift)
{
	char took[32];
	g_autofree char *text = g_strdup_printf("%s %s", name, report_ns(took, sizeof(took), (double)ns));
	const double x = axis_at(axis, (double)ns);

	svg_line(out, x, top + lift, x, y, "mark");
	svg_text(out, x > RIGHT - 100 ? x - 4 : x + 4, top + lift + 9, x > RIGHT - 100 ? "tick end" : "tick", text);
}

static void distribution(GString *out, const char *name, const struct shown *s, const struct dist *d)
{
	const double top = 8, bottom = 150;
	const struct axis axis = axis_log((double)s->least, (double)s->most, LEFT, RIGHT);
	const double decades = log10(axis.hi / axis.lo), width = (RIGHT - LEFT) / BINS;
	guint count[BINS] = { 0 }, most = 1, i;
	g_autofree char *title = g_strdup_printf("Distribution of %s", name);
	g_autofree char *about = NULL;
	char p50[32], p99[32];

	for (i = 0; i < s->ns->len; i++) {
		const double part = log10((double)value_at(s->ns, i) / axis.lo) / decades;
		const guint bin = (guint)CLAMP(part * BINS, 0, BINS - 1);

		most = MAX(most, ++count[bin]);
	}
	about = g_strdup_printf("%u operations, median %s, 99th percentile %s", s->ns->len,
				report_ns(p50, sizeof(p50), (double)d->p50), report_ns(p99, sizeof(p99), (double)d->p99));
	svg_open(out, WIDTH, bottom + 26, title, about);
	svg_axis_ns(out, &axis, bottom, top);
	for (i = 0; i < BINS; i++) {
		const double height = (bottom - top - 34) * count[i] / most;
		char from[32], to[32];
		g_autofree char *tip = g_strdup_printf("%u of %s to %s", count[i],
			report_ns(from, sizeof(from), axis.lo * pow(10, decades * i / BINS)),
			report_ns(to, sizeof(to), axis.lo * pow(10, decades * (i + 1) / BINS)));

		if (count[i])
			svg_rect(out, LEFT + i * width + .5, bottom - height, width - 1, height, "bars", 1, tip);
	}
	percentile(out, &axis, bottom, top, "p50", d->p50, 0);
	percentile(out, &axis, bottom, top, "p90", d->p90, 11);
	percentile(out, &axis, bottom, top, "p99", d->p99, 22);
	svg_text(out, LEFT - 8, bottom - (bottom - top - 34) + 4, "tick end", "most");
	svg_text(out, LEFT - 8, bottom + 4, "tick end", "0");
	svg_close(out);
}

/* ---- heat map ------------------------------------------------------------------------------- */

static void heat(GString *out, const struct report_view *view, const char *name, const struct shown *s)
{
	const double top = 8, bottom = 190;
	const guint columns = CLAMP(s->at->len / 2, 8, COLUMNS);
	const struct axis time = { html_seconds(view, s->first), html_seconds(view, s->last), LEFT, RIGHT, FALSE };
	const struct axis axis = axis_log((double)s->least, (double)s->most, bottom, top);
	const double width = (RIGHT - LEFT) / columns, height = (bottom - top) / ROWS;
	g_autofree guint *cells = g_new0(guint, columns * ROWS);
	g_autofree char *title = g_strdup_printf("Latency of %s over time", name);
	guint most = 1, i;

	for (i = 0; i < s->at->len; i++) {
		const double x = (axis_at(&time, html_seconds(view, value_at(s->at, i))) - LEFT) / width;
		const double y = (axis_at(&axis, (double)value_at(s->ns, i)) - top) / height;
		guint *cell = &cells[MIN((guint)x, columns - 1) * ROWS + MIN((guint)y, ROWS - 1)];

		most = MAX(most, ++*cell);
	}
	svg_open(out, WIDTH, bottom + 26, title, "Darker: more operations of that duration at that time");
	svg_rect(out, LEFT, top, RIGHT - LEFT, bottom - top, "bed", 1, NULL);
	svg_axis_s(out, &time, bottom, top);
	svg_axis_ns_left(out, &axis, LEFT, RIGHT);
	for (i = 0; i < columns * ROWS; i++) {
		const double x = LEFT + i / ROWS * width, y = top + i % ROWS * height;
		g_autofree char *tip = NULL;

		if (!cells[i])
			continue;
		tip = g_strdup_printf("%u at %.2f s", cells[i], time.lo + (time.hi - time.lo) * (i / ROWS + .5) / columns);
		/* One alone is what one looks for: never too pale. */
		svg_rect(out, x, y, width - .6, height - .6, "heat", .3 + .7 * sqrt((double)cells[i] / most), tip);
	}
	svg_close(out);
}

/* ---- phases ------------------------------------------------------------------------------------ */

static guint most_of(const struct op_stats *st, guint64 *least, guint64 *most)
{
	guint n = 0, i;

	*least = MAX(st->total.min, 1);
	*most = st->total.max;
	for (i = 0; i < VX_PHASE_TYPES; i++)
		if (st->phase[i].max) {
			*least = MIN(*least, MAX(st->phase[i].min, 1));
			*most = MAX(*most, st->phase[i].max);
			n++;
		}
	return n;
}

/* From the smallest to the largest a line, to the 90th percentile a bar, the median a notch. */
static void spread(GString *out, const struct axis *axis, double y, const char *name, const char *class, const struct dist *d)
{
	const double min = axis_at(axis, (double)MAX(d->min, 1)), p50 = axis_at(axis, (double)MAX(d->p50, 1));
	const double p90 = axis_at(axis, (double)d->p90), max = axis_at(axis, (double)d->max);
	const double p99 = axis_at(axis, (double)d->p99);
	char a[32], b[32], c[32], e[32];
	g_autofree char *tip = g_strdup_printf("%s: least %s, p50 %s, p90 %s, most %s", name,
		report_ns(a, sizeof(a), (double)d->min), report_ns(b, sizeof(b), (double)d->p50),
		report_ns(c, sizeof(c), (double)d->p90), report_ns(e, sizeof(e), (double)d->max));

	svg_text(out, LEFT - 8, y + 4, "lab end", name);
	svg_line(out, min, y, max, y, "whisker");
	svg_line(out, p99, y - 5, p99, y + 5, "whisker");
	svg_rect(out, min, y - 6, p90 - min, 12, class, 1, tip);
	svg_line(out, p50, y - 6, p50, y + 6, "median");
}

static void spreads(GString *out, const char *name, const struct op_stats *st)
{
	g_autofree char *title = g_strdup_printf("Phases of %s", name);
	guint64 least, most;
	const guint n = most_of(st, &least, &most) + 1;
	const double top = 6, bottom = top + n * 22.0 + 4;
	const struct axis axis = axis_log((double)least, (double)most, LEFT, RIGHT);
	double y = top + 12;
	guint i;

	svg_open(out, WIDTH, bottom + 24, title, "Each phase from its smallest to its largest duration");
	svg_axis_ns(out, &axis, bottom, top);
	spread(out, &axis, y, "total", "bars", &st->total);
	for (i = 0; i < VX_PHASE_TYPES; i++) {
		g_autofree char *class = g_strdup_printf("p%u", i);

		if (st->phase[i].max)
			spread(out, &axis, y += 22, vx_phase_name(i), class, &st->phase[i]);
	}
	svg_close(out);
}

static void phase_row(GString *out, const char *name, const struct dist *d, const struct dist *total, int colour)
{
	const guint64 values[] = { d->p50, d->p90, d->p99, d->max, d->mean };
	const double share = total->mean ? 100.0 * (double)d->mean / (double)total->mean : 0;
	char took[32];
	guint i;

	g_string_append(out, "<tr>");
	html_cell(out, NULL, name);
	for (i = 0; i < G_N_ELEMENTS(values); i++)
		html_cell(out, "n", report_ns(took, sizeof(took), (double)values[i]));
	g_string_append_printf(out, "<td class=\"n\">%.1f %%</td><td style=\"width:26%%\">", share);
	if (colour >= 0)
		g_string_append_printf(out, "<span class=\"bar p%d\" style=\"width:%.1f%%\"></span>", colour, MIN(share, 100));
	g_string_append(out, "</td></tr>\n");
}

static void phase_table(GString *out, const char *name, const struct op_stats *st)
{
	static const char *const columns[] = { "", ">p50", ">p90", ">p99", ">max", ">mean", ">share", "", NULL };
	g_autofree char *caption = g_strdup_printf("%s: %" G_GUINT64_FORMAT " recorded, %" G_GUINT64_FORMAT " failed; share of the mean",
						   name, st->count, st->errors);
	guint i;

	html_table(out, caption, columns);
	phase_row(out, "total", &st->total, &st->total, -1);
	for (i = 0; i < VX_PHASE_TYPES; i++)
		if (st->phase[i].max)
			phase_row(out, vx_phase_name(i), &st->phase[i], &st->total, (int)i);
	if (st->offcpu.count)
		phase_row(out, "off CPU", &st->offcpu, &st->total, 10);
	if (st->blkio_wait.count)
		phase_row(out, "block I/O wait", &st->blkio_wait, &st->total, 10);
	g_string_append(out, "</tbody></table></div>\n");
	g_string_append_printf(out, "<p class=\"soft\">I/O each: %.1f reads (%.1f KiB), %.1f writes (%.1f KiB)", st->io_reads,
			       st->io_read_bytes / 1024, st->io_writes, st->io_write_bytes / 1024);
	if (st->slab_count)
		g_string_append_printf(out, "; slab gained %.0f bytes in %.0f allocations", st->slab_bytes, st->slab_allocs);
	g_string_append(out, "</p>\n");
}

/* ---- an operation ------------------------------------------------------------------------------- */

static void operation(GString *out, const struct report_view *view, enum vx_op op, const struct shown *s)
{
	const struct op_stats *st = &view->an->op[op];
	const char *name = op == VX_OP_MOUNT ? "mount" : "unmount";
	g_autoptr(GArray) values = g_array_copy(s->ns);
	struct dist d;

	dist_from(values, &d);
	g_string_append_printf(out, "<h3>%c%s: distribution</h3>\n", g_ascii_toupper(*name), name + 1);
	distribution(out, name, s, &d);
	g_string_append(out, "<h3>Over time</h3>\n");
	heat(out, view, name, s);
	if (!st->count)
		return;
	g_string_append(out, "<h3>Phases</h3>\n");
	spreads(out, name, st);
	phase_table(out, name, st);
}

static gboolean any_measured(const struct chronicle *chron)
{
	guint i;

	for (i = 0; i < chron->ops->len; i++)
		if (chronicle_is_measured(chron, &g_array_index(chron->ops, struct chron_op, i)))
			return TRUE;
	return FALSE;
}

void html_latency(GString *out, const struct report_view *view)
{
	const gboolean all = !any_measured(view->chron);
	gboolean begun = FALSE;
	guint op;

	for (op = VX_OP_MOUNT; op < VX_OP_TYPES; op++) {
		struct shown s = gather(view->chron, op, all);

		if (s.at->len && !begun)
			html_open(out, "latency", "Latency", all ? "Of every mount and unmount that succeeded, whatever it was for: this "
				  "scenario measures none by itself. By BPF, in the kernel." : "Of the measured cycles' operations that "
				  "succeeded, by BPF, in the kernel. Bars reach from the least to the 90th percentile; the notch is the "
				  "median, lines reach to the largest.");
		begun = begun || s.at->len;
		if (s.at->len)
			operation(out, view, op, &s);
		shown_clear(&s);
	}
	if (begun)
		html_close(out);
}
