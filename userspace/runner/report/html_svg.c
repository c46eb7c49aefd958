// SPDX-License-Identifier: GPL-2.0
#include <math.h>

#include "html_svg.h"
#include "report.h"
#include "text.h"

#define SECONDS_TICKS	8	/* about so many */

double axis_at(const struct axis *axis, double value)
{
	double part;

	if (axis->log)
		part = (log10(MAX(value, axis->lo)) - log10(axis->lo)) / (log10(axis->hi) - log10(axis->lo));
	else
		part = axis->hi > axis->lo ? (value - axis->lo) / (axis->hi - axis->lo) : 0;
	return axis->from + CLAMP(part, 0, 1) * (axis->to - axis->from);
}

/* Of 1, 2, 5, 10, ... the next below or above. */
static double round_to(double value, gboolean up)
{
	static const double digits[] = { 1, 2, 5, 10 };
	const double decade = pow(10, floor(log10(value) + 1e-9));
	guint i;

	if (up) {
		for (i = 0; i < G_N_ELEMENTS(digits) - 1 && decade * digits[i] < value; i++)
			;
		return decade * digits[i];
	}
	for (i = G_N_ELEMENTS(digits) - 1; i && decade * digits[i] > value * 1.000001; i--)
		;
	return decade * digits[i];
}

struct axis axis_log(double lo, double hi, double from, double to)
{
	struct axis axis = { round_to(MAX(lo, 1), FALSE), round_to(MAX(hi, 1), TRUE), from, to, TRUE };

	if (axis.hi <= axis.lo * 1.5)
		axis.hi = round_to(axis.lo * 1.5, TRUE);
	return axis;
}

void svg_open(GString *out, double width, double height, const char *title, const char *about)
{
	g_string_append_printf(out, "<div class=\"scroll\"><svg role=\"img\" viewBox=\"0 0 %.0f %.0f\"><title>", width, height);
	text_xml(out, title);
	g_string_append(out, "</title><desc>");
	text_xml(out, about);
	g_string_append(out, "</desc>\n");
}

void svg_close(GString *out)
{
	g_string_append(out, "</svg></div>\n");
}

void svg_text(GString *out, double x, double y, const char *class, const char *text)
{
	g_string_append_printf(out, "<text x=\"%.1f\" y=\"%.1f\" class=\"%s\">", x, y, class);
	text_xml(out, text);
	g_string_append(out, "</text>\n");
}

/* Behind what must have it: closes the element. */
static void with_tip(GString *out, const char *element, const char *tip)
{
	if (!tip) {
		g_string_append(out, "/>\n");
		return;
	}
	g_string_append(out, "><title>");
	text_xml(out, tip);
	g_string_append_printf(out, "</title></%s>\n", element);
}

void svg_rect(GString *out, double x, double y, double w, double h, const char *class, double opacity, const char *tip)
{
	g_string_append_printf(out, "<rect x=\"%.1f\" y=\"%.1f\" width=\"%.1f\" height=\"%.1f\" class=\"%s\"", x, y,
			       MAX(w, .5), MAX(h, .5), class);
	if (opacity < 1)
		g_string_append_printf(out, " fill-opacity=\"%.2f\"", opacity);
	with_tip(out, "rect", tip);
}

void svg_line(GString *out, double x1, double y1, double x2, double y2, const char *class)
{
	g_string_append_printf(out, "<line x1=\"%.1f\" y1=\"%.1f\" x2=\"%.1f\" y2=\"%.1f\" class=\"%s\"/>\n", x1, y1, x2, y2,
			       class);
}

void svg_diamond(GString *out, double x, double y, double r, const char *class, const char *tip)
{
	g_string_append_printf(out, "<path d=\"M%.1f %.1fl%.1f %.1fl%.1f %.1fl%.1f %.1fz\" class=\"%s\"", x, y - r, r, r, -r, r,
			       -r, -r, class);
	with_tip(out, "path", tip);
}

/* ---- axes ------------------------------------------------------------------------------ */

/* Of so few decades the halves between them are named too. */
static gboolean is_named(const struct axis *axis, int digit)
{
	const double decades = log10(axis->hi / axis->lo);

	return digit == 1 || (decades < 2.5 && (digit == 2 || digit == 5));
}

static double first_decade(const struct axis *axis)
{
	return pow(10, floor(log10(axis->lo) + 1e-9));
}

static gboolean is_within(const struct axis *axis, double value)
{
	return value >= axis->lo * .999 && value <= axis->hi * 1.001;
}

static const char *tick_ns(char *buf, gsize size, double ns)
{
	static const char *const units[] = { "ns", "µs", "ms", "s" };
	guint u = 0;

	for (; u < 3 && ns >= 999.5; u++)
		ns /= 1000;
	g_snprintf(buf, size, "%.0f %s", ns, units[u]);
	return buf;
}

void svg_axis_ns(GString *out, const struct axis *axis, double y, double top)
{
	double decade;
	char buf[32];
	int digit;

	for (decade = first_decade(axis); decade <= axis->hi * 1.001; decade *= 10)
		for (digit = 1; digit < 10; digit++) {
			const double x = axis_at(axis, decade * digit);

			if (!is_within(axis, decade * digit) || !is_named(axis, digit))
				continue;
			svg_line(out, x, top, x, y, "grid");
			svg_text(out, x, y + 16, "tick mid", tick_ns(buf, sizeof(buf), decade * digit));
		}
}

void svg_axis_ns_left(GString *out, const struct axis *axis, double x, double right)
{
	double decade;
	char buf[32];
	int digit;

	for (decade = first_decade(axis); decade <= axis->hi * 1.001; decade *= 10)
		for (digit = 1; digit < 10; digit++) {
			const double y = axis_at(axis, decade * digit);

			if (!is_within(axis, decade * digit) || !is_named(axis, digit))
				continue;
			svg_line(out, x, y, right, y, "grid");
			svg_text(out, x - 6, y + 4, "tick end", tick_ns(buf, sizeof(buf), decade * digit));
		}
}

static double nice_step(double span)
{
	static const double minutes[] = { 1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440 };
	const double raw = MAX(span, 1e-6) / SECONDS_TICKS, decade = pow(10, floor(log10(raw)));
	const double part = raw / decade;
	guint i;

	for (i = 0; raw > 30 && i < G_N_ELEMENTS(minutes); i++)
		if (raw <= minutes[i] * 60)
			return minutes[i] * 60;
	return decade * (part <= 1 ? 1 : part <= 2 ? 2 : part <= 5 ? 5 : 10);
}

void svg_axis_s(GString *out, const struct axis *axis, double y, double top)
{
	const double step = nice_step(axis->hi - axis->lo);
	double at;
	char buf[32];

	for (at = ceil(axis->lo / step) * step; at <= axis->hi; at += step) {
		const double x = axis_at(axis, at);

		svg_line(out, x, top, x, y, "grid");
		if (step >= 60)
			g_snprintf(buf, sizeof(buf), "%.0f min", at / 60);
		else
			g_snprintf(buf, sizeof(buf), "%.*f s", step >= 1 ? 0 : step >= .1 ? 1 : 3, at);
		svg_text(out, x, y + 16, "tick mid", buf);
	}
}
