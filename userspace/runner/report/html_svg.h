/* SPDX-License-Identifier: GPL-2.0 */
/* Drawing into a page: scales, axes and shapes of inline SVG. Colours are classes of html_style.c, so that they fit the night too. */
#ifndef VEXLAB_HTML_SVG_H
#define VEXLAB_HTML_SVG_H

#include <glib.h>

/* From values to the picture's units. */
struct axis {
	double lo, hi;		/* values; of a logarithmic one above 0 */
	double from, to;	/* where they lie; `to` may be the smaller */
	gboolean log;
};

double axis_at(const struct axis *axis, double value);
/* A logarithmic one with round ends that has both. */
struct axis axis_log(double lo, double hi, double from, double to);

/* A picture with its name and what it shows for those who do not see it. */
void svg_open(GString *out, double width, double height, const char *title, const char *about);
void svg_close(GString *out);
void svg_text(GString *out, double x, double y, const char *class, const char *text);
/* `tip` is shown where the pointer rests; NULL: nothing. */
void svg_rect(GString *out, double x, double y, double w, double h, const char *class, double opacity, const char *tip);
void svg_line(GString *out, double x1, double y1, double x2, double y2, const char *class);
void svg_diamond(GString *out, double x, double y, double r, const char *class, const char *tip);

/* Ticks of durations (ns) along the bottom at `y`, with lines up to `top`. */
void svg_axis_ns(GString *out, const struct axis *axis, double y, double top);
/* The same up the left side, with lines to `right`. */
void svg_axis_ns_left(GString *out, const struct axis *axis, double x, double right);
/* Ticks of seconds since the begin; `axis` is of seconds. */
void svg_axis_s(GString *out, const struct axis *axis, double y, double top);

#endif
