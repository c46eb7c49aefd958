// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "error.h"
#include "process.h"

#define LINE_MAX_LEN	1024u
#define LOG_MAX		(64u << 20)	/* bytes of output kept */
#define CHUNK		(32u << 10)

/* Callbacks below run in the caller's context, until both `exited` and `eof`. */
struct run {
	const struct process *process;
	GSubprocess *child;
	GInputStream *output;
	pid_t group;
	GString *line;
	gsize logged;
	gboolean exited, eof, late, cancelled;
	GError *read_error;
};

/* What it started itself ends with its next write: its output is ours. */
static void own_group(gpointer unused)
{
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static char **clean_environment(const char *const *more)
{
	g_autofree char *path = g_strdup_printf("%s:/usr/sbin:/sbin", g_getenv("PATH") ? g_getenv("PATH") : "/usr/bin:/bin");
	char **env = g_environ_setenv(NULL, "LC_ALL", "C", TRUE);

	env = g_environ_setenv(env, "PATH", path, TRUE);
	env = g_environ_setenv(env, "HOME", g_get_home_dir(), TRUE);
	env = g_environ_setenv(env, "TMPDIR", g_get_tmp_dir(), TRUE);
	for (; more && *more; more++) {
		g_auto(GStrv) pair = g_strsplit(*more, "=", 2);

		env = g_environ_setenv(env, pair[0], pair[1] ? pair[1] : "", TRUE);
	}
	return env;
}

static void kill_group(struct run *run)
{
	if (run->group > 0)
		kill(-run->group, SIGKILL);
}

static void write_log(struct run *run, const char *data, gsize len)
{
	ssize_t n;

	if (run->process->log_fd < 0)
		return;
	while (len && run->logged < LOG_MAX) {
		n = write(run->process->log_fd, data, len);
		if (n < 0 && errno == EINTR)
			continue;
		/* A full disk shows where it matters: what was to be built is not there. */
		if (n <= 0)
			return;
		data += n;
		len -= n;
		run->logged += n;
	}
}

static void end_line(struct run *run)
{
	if (run->process->line && run->line->len)
		run->process->line(run->process->ctx, run->line->str);
	g_string_truncate(run->line, 0);
}

static void split_lines(struct run *run, const char *data, gsize len)
{
	gsize i;

	for (i = 0; i < len; i++) {
		if (data[i] == '\n')
			end_line(run);
		else if (run->line->len < LINE_MAX_LEN && data[i])
			g_string_append_c(run->line, data[i]);
	}
}

static void read_more(struct run *run);

static void on_read(GObject *object, GAsyncResult *result, gpointer data)
{
	struct run *run = data;
	g_autoptr(GBytes) bytes = g_input_stream_read_bytes_finish(G_INPUT_STREAM(object), result, &run->read_error);
	gsize len = 0;
	const char *chunk = bytes ? g_bytes_get_data(bytes, &len) : NULL;

	if (!len) {
		end_line(run);
		run->eof = TRUE;
		return;
	}
	write_log(run, chunk, len);
	split_lines(run, chunk, len);
	read_more(run);
}

static void read_more(struct run *run)
{
	g_input_stream_read_bytes_async(run->output, CHUNK, G_PRIORITY_DEFAULT, NULL, on_read, run);
}

static void on_exit_status(GObject *object, GAsyncResult *result, gpointer data)
{
	struct run *run = data;

	g_subprocess_wait_finish(G_SUBPROCESS(object), result, NULL);
	run->exited = TRUE;
	/* A straggler that holds the pipe would keep us for ever. */
	if (!run->eof)
		kill_group(run);
}

static gboolean on_deadline(gpointer data)
{
	struct run *run = data;

	run->late = TRUE;
	kill_group(run);
	return G_SOURCE_REMOVE;
}

static gboolean on_cancelled(GCancellable *cancellable, gpointer data)
{
	struct run *run = data;

	run->cancelled = TRUE;
	kill_group(run);
	return G_SOURCE_REMOVE;
}

static GSource *watch_deadline(struct run *run, GMainContext *context)
{
	gint64 left = run->process->deadline_us - g_get_monotonic_time();
	GSource *source;

	if (!run->process->deadline_us)
		return NULL;
	source = g_timeout_source_new(CLAMP(left / 1000, 0, G_MAXINT));
	g_source_set_callback(source, on_deadline, run, NULL);
	g_source_attach(source, context);
	return source;
}

static GSource *watch_cancel(struct run *run, GCancellable *cancellable, GMainContext *context)
{
	GSource *source;

	if (!cancellable)
		return NULL;
	source = g_cancellable_source_new(cancellable);
	g_source_set_callback(source, G_SOURCE_FUNC(on_cancelled), run, NULL);
	g_source_attach(source, context);
	return source;
}

static void unwatch(GSource *source)
{
	if (!source)
		return;
	g_source_destroy(source);
	g_source_unref(source);
}

static void wait_for_end(struct run *run, GCancellable *cancellable)
{
	g_autoptr(GMainContext) context = g_main_context_ref_thread_default();
	GSource *deadline = watch_deadline(run, context);
	GSource *cancel = watch_cancel(run, cancellable, context);

	read_more(run);
	g_subprocess_wait_async(run->child, NULL, on_exit_status, run);
	while (!run->exited || !run->eof)
		g_main_context_iteration(context, TRUE);
	unwatch(cancel);
	unwatch(deadline);
}

static gboolean judge(const struct run *run, GError **error)
{
	const char *name = run->process->argv[0];

	if (run->cancelled) {
		g_set_error(error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "%s was interrupted", name);
		return FALSE;
	}
	if (run->late) {
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "%s did not end before the deadline and was killed", name);
		return FALSE;
	}
	if (run->process->exit_status && g_subprocess_get_if_exited(run->child)) {
		*run->process->exit_status = g_subprocess_get_exit_status(run->child);
		return TRUE;
	}
	if (g_subprocess_get_successful(run->child))
		return TRUE;
	if (g_subprocess_get_if_signaled(run->child))
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "%s died of signal %d", name,
			    g_subprocess_get_term_sig(run->child));
	else
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "%s failed with exit status %d", name,
			    g_subprocess_get_exit_status(run->child));
	return FALSE;
}

gboolean process_run(const struct process *process, GCancellable *cancellable, GError **error)
{
	g_autoptr(GSubprocessLauncher) launcher = g_subprocess_launcher_new(
		G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_MERGE);
	g_auto(GStrv) env = clean_environment(process->env);
	g_autoptr(GError) spawn = NULL;
	struct run run = { .process = process };
	const char *pid;
	gboolean ok;

	if (process->exit_status)
		*process->exit_status = -1;
	if (g_cancellable_set_error_if_cancelled(cancellable, error))
		return FALSE;
	g_subprocess_launcher_set_environ(launcher, env);
	g_subprocess_launcher_set_child_setup(launcher, own_group, NULL, NULL);
	run.child = g_subprocess_launcher_spawnv(launcher, process->argv, &spawn);
	if (!run.child) {
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "cannot run %s: %s", process->argv[0],
			    spawn->message);
		return FALSE;
	}
	pid = g_subprocess_get_identifier(run.child);
	run.group = pid ? (pid_t)g_ascii_strtoll(pid, NULL, 10) : 0;
	run.output = g_subprocess_get_stdout_pipe(run.child);
	run.line = g_string_new(NULL);
	wait_for_end(&run, cancellable);
	ok = judge(&run, error);
	g_clear_error(&run.read_error);
	g_string_free(run.line, TRUE);
	g_object_unref(run.child);
	return ok;
}
