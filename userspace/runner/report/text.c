// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "evidence.h"
#include "report.h"
#include "text.h"

/* Controls; what is not seen itself but changes how the rest of the line looks; and what is no character. */
static gboolean is_hidden(gunichar c)
{
	return g_unichar_iscntrl(c) || g_unichar_type(c) == G_UNICODE_FORMAT || c == 0x2028 || c == 0x2029 || (c & 0xfffe) == 0xfffe ||
	       (c >= 0xfdd0 && c <= 0xfdef);
}

char *report_printable(const char *text)
{
	g_autofree char *valid = g_utf8_make_valid(text, -1);
	GString *out = g_string_new(NULL);
	const char *p;

	for (p = valid; *p; p = g_utf8_next_char(p)) {
		const gunichar c = g_utf8_get_char(p);

		if (c == '\t' || !is_hidden(c))
			g_string_append_unichar(out, c);
		else
			g_string_append_printf(out, c < 0x100 ? "\\x%02x" : "\\u%04x", c);
	}
	return g_string_free(out, FALSE);
}

char *text_plain(const char *text)
{
	return report_printable(text ? text : "");
}

void text_xml(GString *out, const char *text)
{
	g_autofree char *plain = text_plain(text);
	const char *p;

	for (p = plain; *p; p++) {
		switch (*p) {
		case '&':
			g_string_append(out, "&amp;");
			break;
		case '<':
			g_string_append(out, "&lt;");
			break;
		case '>':
			g_string_append(out, "&gt;");
			break;
		case '"':
			g_string_append(out, "&quot;");
			break;
		case '\'':
			g_string_append(out, "&#39;");
			break;
		default:
			g_string_append_c(out, *p);
		}
	}
}

void text_xml_printf(GString *out, const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	text_xml(out, text);
}

void text_csv(GString *out, const char *text)
{
	g_autofree char *plain = text_plain(text);
	const char *p;

	if (!strpbrk(plain, ",\"\t ") && !strchr("=+-@", plain[0])) {
		g_string_append(out, plain);
		return;
	}
	g_string_append_c(out, '"');
	if (*plain && strchr("=+-@\t", *plain))
		g_string_append_c(out, '\'');
	for (p = plain; *p; p++) {
		if (*p == '"')
			g_string_append_c(out, '"');
		g_string_append_c(out, *p);
	}
	g_string_append_c(out, '"');
}

void text_markdown(GString *out, const char *text)
{
	g_autofree char *plain = text_plain(text);
	const char *p;

	/* An empty span would not be one. */
	if (!*plain)
		return;
	g_string_append_c(out, '`');
	for (p = plain; *p; p++) {
		if (*p == '|')
			g_string_append_c(out, '\\');
		g_string_append_c(out, *p == '`' ? '\'' : *p);
	}
	g_string_append_c(out, '`');
}

void text_label(GString *out, const char *text)
{
	g_autofree char *plain = text_plain(text);
	const char *p;

	for (p = plain; *p; p++) {
		if (*p == '"' || *p == '\\')
			g_string_append_c(out, '\\');
		g_string_append_c(out, *p);
	}
}

void text_ktap(GString *out, const char *text)
{
	g_autofree char *plain = text_plain(text);
	const char *p;

	for (p = plain; *p; p++) {
		if (*p == '#')
			g_string_append(out, "\\x23");
		else
			g_string_append_c(out, *p);
	}
}

void text_json(GString *out, const char *text)
{
	g_autofree char *plain = text_plain(text);
	json_t *json = json_string(plain);
	g_autofree char *quoted = json_dumps(json, JSON_ENCODE_ANY);

	json_decref(json);
	g_string_append(out, quoted ? quoted : "\"\"");
}

const char *text_time(char *buf, gsize size, guint64 ns)
{
	g_autoptr(GDateTime) time = g_date_time_new_from_unix_utc((gint64)(ns / 1000000000));
	g_autofree char *text = time ? g_date_time_format(time, "%Y-%m-%dT%H:%M:%S+00:00") : NULL;

	g_strlcpy(buf, text ? text : "1970-01-01T00:00:00+00:00", size);
	return buf;
}

/* Caller frees. */
static char *quoted_word(const char *text)
{
	g_autofree char *plain = text_plain(text);

	return *plain && !strpbrk(plain, " '\"$&;|<>()*?[]\\`~#!{}") ? g_steal_pointer(&plain) : g_shell_quote(plain);
}

char *text_replay(const char *dir, const struct finding *finding)
{
	const guint number = evidence_number(finding);
	g_autofree char *quoted = quoted_word(dir);

	return number ? g_strdup_printf("vexlab replay %s %u", quoted, number) : NULL;
}

char *text_run_again(const struct analysis *an)
{
	static const struct { const char *key, *option; } words[] = {
		{ "target", "--target" }, { "source", "--source" }, { "scenario", "--scenario" },
		{ "module_params", "--module-params" }, { "mount_options", "--mount-options" },
	};
	GString *out = g_string_new("vexlab run");
	guint i;

	for (i = 0; i < G_N_ELEMENTS(words); i++) {
		const char *word = analysis_run_word(an, words[i].key, "");
		g_autofree char *quoted = quoted_word(word);

		if (*word)
			g_string_append_printf(out, " %s %s", words[i].option, quoted);
	}
	g_string_append_printf(out, " --cycles %" JSON_INTEGER_FORMAT " --seed %" JSON_INTEGER_FORMAT,
			       json_integer_value(json_object_get(an->run, "cycles")),
			       json_integer_value(json_object_get(an->run, "seed")));
	if (!strcmp(analysis_run_word(an, "mount_api", ""), "fsmount"))
		g_string_append(out, " --fsmount");
	return g_string_free(out, FALSE);
}
