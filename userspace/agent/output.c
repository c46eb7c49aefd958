// SPDX-License-Identifier: GPL-2.0
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "output.h"

void output_trim(struct output *out)
{
	size_t over;

	if (out->len <= VX_STEP_OUTPUT_MAX)
		return;
	over = out->len - VX_STEP_OUTPUT_MAX;
	memmove(out->buf, out->buf + over, VX_STEP_OUTPUT_MAX);
	out->len = VX_STEP_OUTPUT_MAX;
	out->cut += over;
}

void output_add(struct output *out, const void *data, size_t len)
{
	const char *p = data;

	if (len > VX_STEP_OUTPUT_MAX) {
		out->cut += len - VX_STEP_OUTPUT_MAX;
		p += len - VX_STEP_OUTPUT_MAX;
		len = VX_STEP_OUTPUT_MAX;
	}
	if (out->len + len > sizeof(out->buf))
		output_trim(out);
	memcpy(out->buf + out->len, p, len);
	out->len += len;
}

void output_vprintf(struct output *out, const char *format, va_list args)
{
	char line[1024];
	int n = vsnprintf(line, sizeof(line), format, args);

	if (n > 0)
		output_add(out, line, (size_t)n < sizeof(line) ? (size_t)n : sizeof(line) - 1);
}

void output_printf(struct output *out, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	output_vprintf(out, format, args);
	va_end(args);
}
