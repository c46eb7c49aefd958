// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "cmd.h"
#include "error.h"
#include "evidence.h"
#include "format.h"
#include "report.h"

struct report_options {
	gboolean json, write_files;
	char *format, *output;
	const struct report_format *chosen;
	char *run;
};

static gboolean parse(struct report_options *o, int *argc, char ***argv, GError **error)
{
	const GOptionEntry entries[] = {
		{ "format", 'f', 0, G_OPTION_ARG_STRING, &o->format, "How: text (the default), html, junit, ...; list names them all",
		  "FORMAT" },
		{ "output", 'o', 0, G_OPTION_ARG_FILENAME, &o->output, "Into this file instead of standard output", "FILE" },
		{ "json", 0, 0, G_OPTION_ARG_NONE, &o->json, "The whole report as JSON: --format json", NULL },
		{ "write", 'w', 0, G_OPTION_ARG_NONE, &o->write_files,
		  "Write the report files into the run's folder again", NULL },
		{ NULL }
	};
	g_autoptr(GOptionContext) context = g_option_context_new("RUN");
	g_autofree char *list = report_format_list();
	g_autofree char *description = g_strdup_printf("Formats:\n%s", list);

	g_option_context_set_summary(context, "Reports a run from its record: RUN is its folder, such as runs/latest.");
	g_option_context_set_description(context, description);
	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, argc, argv, error))
		return FALSE;
	if (!g_strcmp0(o->format, "list"))
		return TRUE;
	if (o->json && o->format && strcmp(o->format, "json")) {
		g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "--json is --format json: give one of them");
		return FALSE;
	}
	o->chosen = report_format_find(o->json ? "json" : o->format ? o->format : "text", error);
	if (o->chosen && *argc != 2)
		g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "name one run's folder");
	o->run = *argc == 2 ? (*argv)[1] : NULL;
	return o->chosen && o->run;
}

/* Colours are for a terminal alone. */
static GString *make(const struct report_options *o, const struct analysis *an, const struct verdict *v, GError **error)
{
	g_autofree char *text = NULL;

	if (o->output || strcmp(o->chosen->name, "text"))
		return report_format_make(o->chosen, o->run, an, v, error);
	text = report_summary(o->run, an, v, cmd_stdout_colour());
	return g_string_new(text);
}

/* To replace a file is to have it whole or not at all; a device or a pipe of that name must stay what it is. */
static gboolean write_file(const char *path, const GString *text, GError **error)
{
	g_autoptr(GFile) file = g_file_new_for_path(path);
	g_autoptr(GFileOutputStream) out = NULL;
	struct stat st;

	if (stat(path, &st) || S_ISREG(st.st_mode))
		return g_file_set_contents(path, text->str, (gssize)text->len, error);
	out = g_file_append_to(file, G_FILE_CREATE_NONE, NULL, error);
	return out && g_output_stream_write_all(G_OUTPUT_STREAM(out), text->str, text->len, NULL, NULL, error) &&
	       g_output_stream_close(G_OUTPUT_STREAM(out), NULL, error);
}

static gboolean put(const struct report_options *o, const GString *text, GError **error)
{
	g_autoptr(GError) local = NULL;

	if (!o->output) {
		if (fwrite(text->str, 1, text->len, stdout) == text->len && !fflush(stdout))
			return TRUE;
		vx_error_set_errno(error, errno, "cannot write the report to standard output");
		return FALSE;
	}
	if (write_file(o->output, text, &local))
		return TRUE;
	g_set_error(error, VX_ERROR, VX_ERROR_IO, "cannot write %s: %s; name another file by --output", o->output,
		    local->message);
	return FALSE;
}

static int report(const struct report_options *o)
{
	VX_GUARD(analysis_free) struct analysis *an = NULL;
	g_autoptr(GError) error = NULL;
	g_autoptr(GString) text = NULL;
	struct verdict verdict;

	an = analysis_read(o->run, &error);
	if (!an)
		return cmd_fail("report", error);
	score_verdict(an, &verdict);
	evidence_assign(o->run, an);
	if (o->write_files && !report_write_files(o->run, an, &verdict, &error))
		return cmd_fail("report", error);
	text = make(o, an, &verdict, &error);
	if (!text || !put(o, text, &error))
		return cmd_fail("report", error);
	return verdict.judged ? (int)verdict.code : EX_UNAVAILABLE;
}

int cmd_report(int argc, char **argv)
{
	struct report_options o = { 0 };
	g_autoptr(GError) error = NULL;
	int status = EX_OK;

	if (!parse(&o, &argc, &argv, &error)) {
		fprintf(stderr, "vexlab report: %s\n", error->message);
		status = EX_USAGE;
	} else if (!o.chosen) {
		g_autofree char *list = report_format_list();

		fputs(list, stdout);
	} else {
		status = report(&o);
	}
	g_free(o.format);
	g_free(o.output);
	return status;
}
