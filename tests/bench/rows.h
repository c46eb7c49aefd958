/* SPDX-License-Identifier: GPL-2.0 */
/* Rows of the table that `make bench` prints: minimum, median, maximum of a measurement. */
#ifndef VEXLAB_BENCH_ROWS_H
#define VEXLAB_BENCH_ROWS_H

#include <glib.h>
#include <stdio.h>

static inline void head(void)
{
	printf("| %-44s | %10s | %10s | %10s | %-6s | %3s | goal |\n", "what", "min", "median", "max",
	       "unit", "n");
	printf("|---|---|---|---|---|---|---|\n");
}

static inline int by_value(gconstpointer a, gconstpointer b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static inline double at(GArray *values, double q)
{
	g_array_sort(values, by_value);
	return values->len ? g_array_index(values, double, (guint)(q * (values->len - 1))) : 0;
}

static inline void row(const char *what, GArray *values, const char *unit, const char *goal)
{
	printf("| %-44s | %10.3f | %10.3f | %10.3f | %-6s | %3u | %s |\n", what, at(values, 0),
	       at(values, .5), at(values, 1), unit, values->len, goal);
	fflush(stdout);
}

static inline void one(const char *what, double value, const char *unit, const char *goal)
{
	g_autoptr(GArray) values = g_array_new(FALSE, FALSE, sizeof(double));

	g_array_append_val(values, value);
	row(what, values, unit, goal);
}

#endif
