/* SPDX-License-Identifier: GPL-2.0 */
/* What of one vexlab is there, by its run directory's name, while it lives and when it is no more. */
#ifndef VEXLAB_TEST_LEFTOVERS_H
#define VEXLAB_TEST_LEFTOVERS_H

#include <stdlib.h>
#include <sys/file.h>

#include "harness.h"

static inline char *real_cache(void)
{
	const char *dir = g_getenv("VEXLAB_CACHE");

	return dir && *dir ? g_strdup(dir) : !geteuid() ? g_strdup("/var/cache/vexlab") :
	       g_build_filename(g_get_user_cache_dir(), "vexlab", NULL);
}

/* Pids whose command line holds `needle`. Caller frees. */
static inline GArray *processes_with(const char *needle, const char *program)
{
	g_autoptr(GDir) proc = g_dir_open("/proc", 0, NULL);
	GArray *pids = g_array_new(FALSE, FALSE, sizeof(pid_t));
	const char *name;

	while ((name = g_dir_read_name(proc))) {
		g_autofree char *path = g_build_filename("/proc", name, "cmdline", NULL), *text = NULL;
		pid_t pid = atoi(name);
		gsize len;

		if (!pid || pid == getpid() || !g_file_get_contents(path, &text, &len, NULL) || !len)
			continue;
		if (memmem(text, len, needle, strlen(needle)) && memmem(text, len, program, strlen(program)))
			g_array_append_val(pids, pid);
	}
	return pids;
}

static inline gboolean holds(pid_t pid, const char *file)
{
	g_autofree char *fds = g_strdup_printf("/proc/%d/fd", (int)pid);
	g_autoptr(GDir) dir = g_dir_open(fds, 0, NULL);
	gboolean found = FALSE;
	const char *name;

	while (!found && dir && (name = g_dir_read_name(dir))) {
		g_autofree char *link = g_build_filename(fds, name, NULL), *to = g_file_read_link(link, NULL);

		found = !g_strcmp0(to, file);
	}
	return found;
}

/* Who waits for the end of the vexlab `pid`: the other end of the pipe is there. 0: nobody (yet). */
static inline pid_t guard_of(pid_t pid)
{
	g_autoptr(GArray) guards = processes_with("--guard", "clean");
	guint i;

	for (i = 0; i < guards->len; i++) {
		const pid_t guard = g_array_index(guards, pid_t, i);
		g_autofree char *link = g_strdup_printf("/proc/%d/fd/0", (int)guard), *pipe = g_file_read_link(link, NULL);

		if (pipe && holds(pid, pipe))
			return guard;
	}
	return 0;
}

static inline void add_names(GString *out, const char *dir, const char *needle)
{
	g_autoptr(GDir) d = g_dir_open(dir, 0, NULL);
	const char *name;

	while (d && (name = g_dir_read_name(d)))
		if (strstr(name, needle))
			g_string_append_printf(out, " %s/%s", dir, name);
}

/* Half made entries whose maker is gone. */
static inline void add_unfinished(GString *out, const char *cache)
{
	static const char *const stores[] = { "warm", "snapshots" };
	g_autofree char *modules = g_build_filename(cache, "modules", NULL);
	g_autoptr(GDir) d = g_dir_open(modules, 0, NULL);
	const char *name;
	guint i;

	for (i = 0; i < G_N_ELEMENTS(stores); i++) {
		g_autofree char *dir = g_build_filename(cache, stores[i], NULL);
		g_autofree char *lock = g_build_filename(dir, ".lock", NULL);
		int fd = open(lock, O_RDONLY | O_CLOEXEC);

		if (fd < 0 || !flock(fd, LOCK_EX | LOCK_NB)) {
			add_names(out, dir, ".new-");
			add_names(out, dir, ".old-");
		}
		if (fd >= 0)
			close(fd);
	}
	while (d && (name = g_dir_read_name(d))) {
		g_autofree char *path = g_build_filename(modules, name, NULL);
		int fd = g_str_has_prefix(name, ".new-") ? open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;

		if (fd >= 0 && !flock(fd, LOCK_EX | LOCK_NB))
			g_string_append_printf(out, " %s", path);
		if (fd >= 0)
			close(fd);
	}
}

/* All that is left of the vexlab that had `rundir` (NULL: it got no further); NULL: nothing. Caller frees. */
static inline char *leftovers(const char *rundir, const char *cache, const char *tmp)
{
	static const char *const caches[] = { "scratch", "initrd", "warm", "snapshots" };
	GString *out = g_string_new(NULL);
	guint i;

	add_unfinished(out, cache);
	add_names(out, tmp, "");
	if (rundir) {
		g_autofree char *id = g_path_get_basename(rundir), *base = g_path_get_dirname(rundir);
		g_autoptr(GArray) pids = processes_with(rundir, "");

		add_names(out, base, id);
		add_names(out, "/dev/shm", id);
		for (i = 0; i < G_N_ELEMENTS(caches); i++) {
			g_autofree char *dir = g_build_filename(cache, caches[i], NULL);

			add_names(out, dir, id);
		}
		for (i = 0; i < pids->len; i++)
			g_string_append_printf(out, " process %d", (int)g_array_index(pids, pid_t, i));
	}
	if (out->len)
		return g_string_free(out, FALSE);
	g_string_free(out, TRUE);
	return NULL;
}

/* Within `ms`; how long it took, -1: something stays, which *left names (caller frees). */
static inline double gone_within(const char *rundir, const char *cache, const char *tmp, guint ms, char **left)
{
	const gint64 began = g_get_monotonic_time();

	for (;;) {
		g_autofree char *now = leftovers(rundir, cache, tmp);
		const double took = (double)(g_get_monotonic_time() - began) / 1000;

		if (!now)
			return took;
		if (took > ms) {
			*left = g_steal_pointer(&now);
			return -1;
		}
		g_usleep(5000);
	}
}

/* Each line is JSON. `torn`: half a line at the end is none: a signal that kills may cut a write(2) in two. */
static inline void expect_json_lines(const char *dir, const char *name, gboolean torn)
{
	g_autofree char *path = g_build_filename(dir, name, NULL), *text = NULL;
	g_auto(GStrv) lines = NULL;
	guint i;

	if (!g_file_get_contents(path, &text, NULL, NULL))
		return;
	lines = g_strsplit(text, "\n", -1);
	for (i = 0; lines[i] && lines[i + 1]; i++) {
		json_t *json = json_loads(lines[i], 0, NULL);

		if (!json)
			fail_msg("%s, line %u, is no JSON: %.300s", path, i + 1, lines[i]);
		json_decref(json);
	}
	if (!torn && lines[i] && *lines[i])
		fail_msg("%s ends in half a line: %.300s", path, lines[i]);
}

/*
 * What a run that was cut off has left can be read, reported and written up. TRUE: there was something
 * to read; FALSE: it was cut off before its first entry, and that is what is said.
 */
static inline gboolean expect_readable(const char *dir)
{
	RAN text = run_vexlab("report", dir, NULL);
	RAN json = run_vexlab("report", "--json", dir, NULL);
	json_t *report;

	if (text.status == 69 && (strstr(text.err, "holds nothing") || strstr(text.err, "holds no run")))
		return FALSE;
	if (text.status > 4 && text.status != 69)
		fail_msg("the report of %s ends with %d: %s", dir, text.status, text.err);
	if (!strstr(text.out, "verdict"))
		fail_msg("the report of %s has no verdict: %s%s", dir, text.out, text.err);
	report = expect_json(&json);
	json_decref(report);
	expect_json_lines(dir, "performance_events.jsonl", TRUE);
	expect_json_lines(dir, "crash_events.jsonl", TRUE);
	{
		RAN written = run_vexlab("report", "--write", dir, NULL);
		g_autofree char *again = read_file(dir, "comprehensive_report.json");

		assert_int_equal(written.status, text.status);
		report = json_loads(again, 0, NULL);
		assert_non_null(report);
		json_decref(report);
	}
	expect_json_lines(dir, "performance_events.jsonl", FALSE);
	expect_json_lines(dir, "crash_events.jsonl", FALSE);
	return TRUE;
}

#endif
