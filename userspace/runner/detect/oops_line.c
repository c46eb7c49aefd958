// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "oops.h"
#include "oops_line.h"

#define ESC	0x1b

/* Bytes of the escape sequence at `p`: CSI up to its final byte, else two. */
static gsize escape_len(const char *p, gsize len)
{
	gsize i;

	if (len < 2 || p[1] != '[')
		return MIN(len, 2);
	for (i = 2; i < len; i++)
		if (p[i] >= 0x40 && p[i] <= 0x7e)
			return i + 1;
	return len;
}

gsize oops_line_clean(char *line, gsize len)
{
	gsize from = 0, to = 0;

	while (from < len) {
		unsigned char c = (unsigned char)line[from];

		if (c == ESC) {
			from += escape_len(line + from, len - from);
			continue;
		}
		if ((c >= 0x20 && c != 0x7f) || c == '\t')
			line[to++] = (char)c;
		from++;
	}
	return to;
}

static gboolean literal(const char **p, const char *end, const char *word)
{
	gsize len = strlen(word);

	if ((gsize)(end - *p) < len || memcmp(*p, word, len))
		return FALSE;
	*p += len;
	return TRUE;
}

/* At least one digit, at most 18 count. */
static gboolean number(const char **p, const char *end, guint64 *ret, guint *digits)
{
	const char *begin = *p;

	for (*ret = 0; *p < end && g_ascii_isdigit(**p); (*p)++)
		if (*p - begin < 18)
			*ret = *ret * 10 + (guint64)(**p - '0');
	*digits = (guint)(*p - begin);
	return *digits > 0;
}

static void spaces(const char **p, const char *end)
{
	while (*p < end && **p == ' ')
		(*p)++;
}

/* "[   12.345678]" */
static gboolean timestamp(const char **p, const char *end, guint64 *ns)
{
	guint64 seconds, fraction;
	guint digits;

	if (!literal(p, end, "["))
		return FALSE;
	spaces(p, end);
	if (!number(p, end, &seconds, &digits) || !literal(p, end, ".") ||
	    !number(p, end, &fraction, &digits) || !literal(p, end, "]"))
		return FALSE;
	for (; digits < 9; digits++)
		fraction *= 10;
	for (; digits > 9 && digits <= 18; digits--)
		fraction /= 10;
	*ns = seconds > G_MAXUINT64 / 2000000000 ? OOPS_NO_TIME : seconds * 1000000000 + fraction;
	return TRUE;
}

/* "[ T123]" or "[   C1]" */
static gboolean caller(const char **p, const char *end, struct oops_line *ret)
{
	enum oops_origin origin;
	guint64 id;
	guint digits;

	if (!literal(p, end, "["))
		return FALSE;
	spaces(p, end);
	if (literal(p, end, "T"))
		origin = ORIGIN_TASK;
	else if (literal(p, end, "C"))
		origin = ORIGIN_CPU;
	else
		return FALSE;
	if (!number(p, end, &id, &digits) || !literal(p, end, "]"))
		return FALSE;
	ret->origin = origin;
	ret->id = (guint32)id;
	return TRUE;
}

static gboolean prefix(const char *p, const char *end, struct oops_line *ret)
{
	const char *after;
	guint64 level;
	guint digits;

	after = p;
	if (literal(&after, end, "<") && number(&after, end, &level, &digits) &&
	    literal(&after, end, ">"))
		p = after;
	if (!timestamp(&p, end, &ret->kernel_ns))
		return FALSE;
	ret->origin = ORIGIN_CONSOLE;
	after = p;
	if (caller(&after, end, ret))
		p = after;
	if (p < end && *p != ' ')
		return FALSE;
	ret->text = p < end ? p + 1 : p;
	ret->len = (gsize)(end - ret->text);
	return TRUE;
}

/* What may stand before the timestamp: printk's own note of loss, a getty's prompt. */
static const char *skip_noise(const char *line, const char *end)
{
	static const char dropped[] = " printk messages dropped ** ", login[] = " login: ";
	const char *p = line, *last = NULL;
	guint64 count;
	guint digits;

	if (literal(&p, end, "** ") && number(&p, end, &count, &digits) &&
	    literal(&p, end, dropped))
		line = p;
	for (p = line; (p = memmem(p, (gsize)(end - p), login, strlen(login))); last = p)
		p += strlen(login);
	return last ? last : line;
}

void oops_line_parse(const char *line, gsize len, struct oops_line *ret)
{
	const char *end = line + len;

	*ret = (struct oops_line){
		.raw = line, .raw_len = len, .text = line, .len = len,
		.kernel_ns = OOPS_NO_TIME,
	};
	if (!len || prefix(line, end, ret))
		return;
	ret->origin = ORIGIN_NONE;
	ret->id = 0;
	ret->kernel_ns = OOPS_NO_TIME;
	/* Rare enough to look for only where something like a timestamp is. */
	if (memchr(line, '[', len) && !prefix(skip_noise(line, end), end, ret)) {
		ret->origin = ORIGIN_NONE;
		ret->id = 0;
		ret->kernel_ns = OOPS_NO_TIME;
	}
}
