/* SPDX-License-Identifier: GPL-2.0 */
/* Running vexlab as a user would, and looking at what it leaves. */
#ifndef VEXLAB_TEST_HARNESS_H
#define VEXLAB_TEST_HARNESS_H

#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <glib.h>
#include <jansson.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

/* One invocation that has ended. */
struct ran {
	int status;		/* exit status, or -signal */
	char *out, *err;
};

static inline void ran_clear(struct ran *r)
{
	g_free(r->out);
	g_free(r->err);
	memset(r, 0, sizeof(*r));
}
#define RAN __attribute__((cleanup(ran_clear))) struct ran

/* Where runs of this test program go; removed at its end. */
static char *test_dir;

static inline const char *vexlab(void)
{
	const char *path = g_getenv("VEXLAB");

	return path ? path : "build/vexlab";
}

static inline char **vexlab_argv(va_list args)
{
	GPtrArray *argv = g_ptr_array_new();
	const char *arg;

	g_ptr_array_add(argv, g_canonicalize_filename(vexlab(), NULL));
	while ((arg = va_arg(args, const char *)))
		g_ptr_array_add(argv, g_strdup(arg));
	g_ptr_array_add(argv, NULL);
	return (char **)g_ptr_array_free(argv, FALSE);
}

static inline struct ran run_with_env(char **envp, const char *first, va_list args)
{
	g_auto(GStrv) rest = vexlab_argv(args);
	g_autoptr(GPtrArray) argv = g_ptr_array_new();
	g_autoptr(GError) error = NULL;
	struct ran r = { 0 };
	int wait_status;
	guint i;

	g_ptr_array_add(argv, rest[0]);
	g_ptr_array_add(argv, (char *)first);
	for (i = 1; rest[i]; i++)
		g_ptr_array_add(argv, rest[i]);
	g_ptr_array_add(argv, NULL);
	if (!g_spawn_sync(test_dir, (char **)argv->pdata, envp, G_SPAWN_DEFAULT, NULL, NULL, &r.out,
			  &r.err, &wait_status, &error))
		fail_msg("cannot run vexlab: %s", error->message);
	r.status = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : -WTERMSIG(wait_status);
	return r;
}

/* vexlab FIRST ARGS..., NULL-terminated, in the test's own folder. */
static inline struct ran run_vexlab(const char *first, ...)
{
	struct ran r;
	va_list args;

	va_start(args, first);
	r = run_with_env(NULL, first, args);
	va_end(args);
	return r;
}

static inline void expect_status(const struct ran *r, int status)
{
	if (r->status != status)
		fail_msg("exit status %d, expected %d\nstdout: %.2000s\nstderr: %.4000s", r->status,
			 status, r->out, r->err);
}

static inline void expect_says(const struct ran *r, const char *words)
{
	if (!strstr(r->err, words) && !strstr(r->out, words))
		fail_msg("it does not say \"%s\"\nstdout: %.2000s\nstderr: %.4000s", words, r->out,
			 r->err);
}

static inline json_t *expect_json(const struct ran *r)
{
	json_error_t error;
	json_t *json = json_loads(r->out, 0, &error);

	if (!json)
		fail_msg("no JSON on stdout: %s\n%.2000s\n%.2000s", error.text, r->out, r->err);
	return json;
}

/* The number at a path such as "metrics.operations.mount.count". */
static inline double number_at(json_t *json, const char *path)
{
	g_auto(GStrv) keys = g_strsplit(path, ".", -1);
	guint i;

	for (i = 0; keys[i]; i++)
		json = json_object_get(json, keys[i]);
	if (!json_is_number(json))
		fail_msg("the report has no number at %s", path);
	return json_number_value(json);
}

static inline const char *word_at(json_t *json, const char *path)
{
	g_auto(GStrv) keys = g_strsplit(path, ".", -1);
	guint i;

	for (i = 0; keys[i]; i++)
		json = json_object_get(json, keys[i]);
	if (!json_is_string(json))
		fail_msg("the report has no word at %s", path);
	return json_string_value(json);
}

static inline char *read_file(const char *dir, const char *name)
{
	g_autofree char *whole = g_canonicalize_filename(dir, test_dir);
	g_autofree char *path = g_build_filename(whole, name, NULL);
	char *text = NULL;

	if (!g_file_get_contents(path, &text, NULL, NULL))
		fail_msg("there is no %s", path);
	return text;
}

/* The private folder of a vexlab that runs, by the lock in it that it holds; NULL: none yet. Caller frees. */
static inline char *rundir_of(pid_t vexlab_pid)
{
	g_autofree char *fds = g_strdup_printf("/proc/%d/fd", (int)vexlab_pid);
	g_autoptr(GDir) dir = g_dir_open(fds, 0, NULL);
	const char *name;

	while (dir && (name = g_dir_read_name(dir))) {
		g_autofree char *path = g_build_filename(fds, name, NULL);
		g_autofree char *to = g_file_read_link(path, NULL);

		if (to && g_str_has_suffix(to, "/owner.lock"))
			return g_path_get_dirname(to);
	}
	return NULL;
}

static inline gboolean is_qemu_of(const char *pid, const char *rundir)
{
	g_autofree char *path = g_build_filename("/proc", pid, "cmdline", NULL), *text = NULL;
	gsize len, i;

	if (!g_file_get_contents(path, &text, &len, NULL) || !len)
		return FALSE;
	for (i = 0; i < len - 1; i++)
		text[i] = text[i] ? text[i] : ' ';
	return strstr(text, "qemu-system") && strstr(text, rundir);
}

/* The QEMU of that vexlab and of no other that runs on this machine; 0: it has none. */
static inline pid_t qemu_of(pid_t vexlab_pid)
{
	g_autofree char *rundir = rundir_of(vexlab_pid);
	g_autoptr(GDir) proc = g_dir_open("/proc", 0, NULL);
	const char *name;

	while (rundir && (name = g_dir_read_name(proc)))
		if (g_ascii_isdigit(name[0]) && is_qemu_of(name, rundir))
			return atoi(name);
	return 0;
}

static inline int remove_entry(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)st, (void)flag, (void)ftw;
	return remove(path);
}

static inline int make_test_dir(void **state)
{
	(void)state;
	test_dir = g_dir_make_tmp("vexlab-test-XXXXXX", NULL);
	return test_dir ? 0 : -1;
}

static inline int drop_test_dir(void **state)
{
	(void)state;
	nftw(test_dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	g_free(test_dir);
	return 0;
}

#endif
