/* SPDX-License-Identifier: GPL-2.0 */
/* The notations in which a run is reported, each a pure function of its record. One file and one line of the table each. */
#ifndef VEXLAB_REPORT_FORMAT_H
#define VEXLAB_REPORT_FORMAT_H

#include "chronicle.h"
#include "score.h"

/* All there is to know of a run. */
struct report_view {
	const char *dir;		/* its folder, as it was given; for paths and for the module's debug information */
	const struct analysis *an;	/* evidence_assign() has been called */
	const struct verdict *v;
	const struct chronicle *chron;
	const json_t *trend;		/* comparable runs before this one, as history/trend.h has them; NULL: none are known */
};

struct report_format {
	const char *name;
	const char *file;		/* written into the run's folder at its end under this name; NULL: on demand */
	const char *about;
	void (*make)(GString *out, const struct report_view *view);
};

/* All of them, ended by one without a name. */
const struct report_format *report_formats(void);
/* VX_ERROR_USAGE names those that there are. */
const struct report_format *report_format_find(const char *name, GError **error);
/* "html  one page ...", a line each. Caller frees. */
char *report_format_list(void);
/* Of the run in `dir`. Caller frees. */
GString *report_format_make(const struct report_format *format, const char *dir, const struct analysis *an,
			    const struct verdict *v, GError **error);
/* Those that have a file, into `dir`, each whole or not at all. */
gboolean report_format_write(const char *dir, const struct analysis *an, const struct verdict *v, GError **error);

/* One file each. */
void format_html(GString *out, const struct report_view *view);
void format_github(GString *out, const struct report_view *view);
void format_junit(GString *out, const struct report_view *view);
void format_ktap(GString *out, const struct report_view *view);
void format_kcidb(GString *out, const struct report_view *view);
void format_openmetrics(GString *out, const struct report_view *view);
void format_trace(GString *out, const struct report_view *view);
void format_csv(GString *out, const struct report_view *view);
void format_series(GString *out, const struct report_view *view);
void format_markdown(GString *out, const struct report_view *view);

#endif
