// SPDX-License-Identifier: GPL-2.0
/*
 * Crashes told by the kernel's console: a line that matches the table opens a
 * report, which gathers lines until its own end marker; a panic inside makes
 * the whole report a panic. What a report gathers counts as one crash.
 */
#include <string.h>

#include "detect.h"

#define LINE_MAX_BYTES	1024
#define REPORT_LINES	120

static const struct pattern {
	const char *text;		/* found anywhere in the line */
	enum finding_class class;
	enum severity severity;
	const char *title;		/* " in FUNCTION" is appended when one is known */
} patterns[] = {
	{ "Kernel panic - not syncing", FINDING_PANIC, SEV_CRITICAL, "kernel panic" },
	{ "BUG: kernel NULL pointer dereference", FINDING_OOPS, SEV_HIGH,
	  "BUG: unable to handle kernel NULL pointer dereference" },
	{ "BUG: unable to handle page fault", FINDING_OOPS, SEV_HIGH,
	  "BUG: unable to handle kernel paging request" },
	{ "general protection fault", FINDING_OOPS, SEV_HIGH, "general protection fault" },
	{ "double fault:", FINDING_OOPS, SEV_CRITICAL, "double fault" },
	{ "kernel BUG at ", FINDING_BUG, SEV_HIGH, "kernel BUG" },
	{ "Oops: ", FINDING_OOPS, SEV_HIGH, "Oops" },
	{ "BUG: KFENCE:", FINDING_BUG, SEV_HIGH, "KFENCE: memory error" },
	{ "BUG: KASAN:", FINDING_BUG, SEV_HIGH, "KASAN: memory error" },
	{ "BUG: soft lockup", FINDING_HANG, SEV_HIGH, "BUG: soft lockup" },
	{ "blocked for more than", FINDING_HANG, SEV_HIGH, "INFO: task hung" },
	{ "self-detected stall on CPU", FINDING_HANG, SEV_HIGH, "INFO: rcu detected stall" },
	{ "BUG: sleeping function called from invalid context", FINDING_BUG, SEV_MEDIUM,
	  "BUG: sleeping function called from invalid context" },
	{ "BUG: scheduling while atomic", FINDING_BUG, SEV_MEDIUM, "BUG: scheduling while atomic" },
	{ "Objects remaining", FINDING_BUG, SEV_MEDIUM, "BUG: objects remaining in slab cache" },
	{ "VFS: Busy inodes after unmount", FINDING_BUG, SEV_HIGH, "VFS: busy inodes after unmount" },
	{ "BUG: ", FINDING_BUG, SEV_HIGH, "BUG" },
	{ "WARNING: CPU:", FINDING_WARNING, SEV_MEDIUM, "WARNING" },
};

struct console {
	char module[VX_NAME_LEN];
	char line[LINE_MAX_BYTES];
	gsize len;
	struct finding *open;
	const struct pattern *why;
	char *function;
	gboolean in_module;
};

static gpointer console_create(const struct detect_config *config)
{
	struct console *con = g_new0(struct console, 1);

	g_strlcpy(con->module, config->module, sizeof(con->module));
	return con;
}

static void console_destroy(gpointer state)
{
	struct console *con = state;

	finding_free(con->open);
	g_free(con->function);
	g_free(con);
}

static void close_report(struct console *con, GPtrArray *findings)
{
	g_autofree char *title = NULL;

	if (!con->open)
		return;
	if (con->function && con->why->class != FINDING_HANG) {
		title = g_strdup_printf("%s in %s", con->open->title, con->function);
		g_free(con->open->title);
		con->open->title = g_steal_pointer(&title);
	}
	con->open->blame = con->in_module || con->module[0] ? BLAME_MODULE : BLAME_KERNEL;
	g_ptr_array_add(findings, g_steal_pointer(&con->open));
	g_clear_pointer(&con->function, g_free);
	con->why = NULL;
	con->in_module = FALSE;
}

/* "RIP: 0010:vexfs_fill_super+0x12/0x340 [vexfs]" gives the function that did it. */
static void note_function(struct console *con, const char *line)
{
	const char *p = strstr(line, "RIP: ");
	gsize n;

	if (!p || con->function)
		return;
	p = strchr(p + 5, ':');
	if (!p)
		return;
	n = strspn(++p, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_.");
	if (n && p[n] == '+')
		con->function = g_strndup(p, n);
}

static void note_module(struct console *con, const char *line)
{
	g_autofree char *tag = NULL;

	if (!con->module[0])
		return;
	tag = g_strdup_printf("[%s]", con->module);
	con->in_module |= strstr(line, tag) != NULL;
}

static gboolean ends_report(const char *line)
{
	return strstr(line, "---[ end trace") || strstr(line, "---[ end Kernel panic");
}

static const struct pattern *match(const char *line)
{
	gsize i;

	for (i = 0; i < G_N_ELEMENTS(patterns); i++)
		if (strstr(line, patterns[i].text))
			return &patterns[i];
	return NULL;
}

static void one_line(struct console *con, const struct detect_now *now, GPtrArray *findings)
{
	const struct pattern *hit;

	con->line[con->len] = '\0';
	hit = match(con->line);
	if (!con->open && hit) {
		con->why = hit;
		con->open = finding_new(hit->class, hit->severity, hit->title);
		con->open->step = now->step;
		con->open->cycle = now->cycle;
		con->open->realtime_ns = now->realtime_ns;
	} else if (con->open && hit && hit->class == FINDING_PANIC) {
		con->open->class = FINDING_PANIC;
		con->open->severity = SEV_CRITICAL;
	}
	if (!con->open)
		return;
	finding_add_line(con->open, "%s", con->line);
	note_function(con, con->line);
	note_module(con, con->line);
	if (ends_report(con->line) || con->open->lines->len >= REPORT_LINES)
		close_report(con, findings);
}

static void console_feed(gpointer state, const struct detect_now *now,
			 const struct rec_entry *entry, GPtrArray *findings)
{
	const unsigned char *p = entry->payload;
	struct console *con = state;
	gsize i;

	if (entry->frame.type != VX_REC_CONSOLE)
		return;
	for (i = 0; i < entry->frame.length; i++) {
		if (p[i] == '\n' || con->len == sizeof(con->line) - 1) {
			one_line(con, now, findings);
			con->len = 0;
		}
		if (p[i] >= 0x20 && p[i] != 0x7f)
			con->line[con->len++] = (char)p[i];
	}
}

static void console_finish(gpointer state, const struct detect_now *now, GPtrArray *findings)
{
	close_report(state, findings);
}

const struct detector detector_console = {
	.name = "console",
	.create = console_create,
	.destroy = console_destroy,
	.feed = console_feed,
	.finish = console_finish,
};
