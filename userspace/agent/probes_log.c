// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <bpf/libbpf.h>
#include "probes_log.h"

/* libbpf's callback carries no argument. */
static char text[32 << 10];
static size_t used;

/* A verifier's log may be of megabytes, in one message, and its end is what tells: of what is too long the end is kept. */
static void keep_text(const char *message, size_t len)
{
	const size_t room = sizeof(text) - 1 - used;

	if (len > room) {
		message += len - room;
		len = room;
	}
	memcpy(text + used, message, len);
	used += len;
	text[used] = '\0';
}

static int keep(enum libbpf_print_level level, const char *format, va_list args)
{
	char *message;
	int n;

	if (level == LIBBPF_DEBUG)
		return 0;
	n = vasprintf(&message, format, args);
	if (n < 0)
		return 0;
	keep_text(message, (size_t)n);
	free(message);
	return n;
}

void probes_log_start(void)
{
	used = 0;
	text[0] = '\0';
	libbpf_set_print(keep);
}

bool probes_log_program(char *ret, size_t size)
{
	const char *name = strstr(text, "prog '");
	const char *end;

	if (!name)
		return false;
	name += strlen("prog '");
	end = strchr(name, '\'');
	if (!end || (size_t)(end - name) >= size)
		return false;
	memcpy(ret, name, end - name);
	ret[end - name] = '\0';
	return true;
}

/* The verifier ends its log with statistics; what it refused is said before. */
static const char *verifier_last_line(size_t *len)
{
	const char *end = strstr(text, "\nprocessed "), *line;

	if (!end)
		return NULL;
	for (line = end; line > text && line[-1] != '\n'; line--)
		;
	*len = end - line;
	return *len ? line : NULL;
}

static const char *libbpf_first_line(size_t *len)
{
	const char *line = text;

	if (!strncmp(line, "libbpf: ", strlen("libbpf: ")))
		line += strlen("libbpf: ");
	*len = strcspn(line, "\n");
	return *len ? line : NULL;
}

void probes_log_reason(char *ret, size_t size, int err)
{
	const char *line;
	size_t len;

	if (strstr(text, "failed to find kernel BTF type ID")) {
		snprintf(ret, size, "this kernel has no such function, or has it inlined");
		return;
	}
	line = verifier_last_line(&len);
	if (!line)
		line = libbpf_first_line(&len);
	if (line)
		snprintf(ret, size, "%.*s", (int)len, line);
	else
		snprintf(ret, size, "%s", strerror(-err));
}
