/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Between test_endurance.c and test_survival.c: short as tests; with ENDURANCE=1 (`make endurance`) the same
 * at length, what was found going to $ENDURANCE_TABLE. $ENDURANCE_SEED chooses the random moments, $ENDURANCE_ONLY
 * (with * and ?) the tests.
 */
#ifndef VEXLAB_TEST_ENDURANCE_H
#define VEXLAB_TEST_ENDURANCE_H

#include "leftovers.h"

#define GONE_MS		10000	/* for a guard on a busy machine */
#define COURSE_MAX_S	240

static gboolean at_length;
static guint32 seed;
static GRand *dice;
static char *cache, *tmp;	/* of all runs here; `cache` is the machine's own, unless at length */
static FILE *table;

G_GNUC_PRINTF(1, 2)
static inline void tell(const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list args;

	va_start(args, format);
	text = g_strdup_vprintf(format, args);
	va_end(args);
	print_message("%s\n", text);
	if (table)
		fprintf(table, "%s\n", text);
	if (table)
		fflush(table);
}

/* ---- starting one, and waiting ----------------------------------------------------------- */

struct child {
	GPid pid;
	char *err;		/* file that has its stderr */
	char *rundir;		/* once known */
};

static inline struct child start(const char *const *args, const char *to)
{
	g_autofree char *program = g_canonicalize_filename(vexlab(), NULL);
	g_autoptr(GPtrArray) argv = g_ptr_array_new();
	g_autofree char *name = g_strdup_printf("%s.err", to);
	struct child c = { .err = g_build_filename(test_dir, name, NULL) };
	int fd = open(c.err, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600), null = open("/dev/null", O_RDWR | O_CLOEXEC);

	g_ptr_array_add(argv, program);
	g_ptr_array_add(argv, (char *)"run");
	g_ptr_array_add(argv, (char *)"--output");
	g_ptr_array_add(argv, (char *)to);
	for (; *args; args++)
		g_ptr_array_add(argv, (char *)*args);
	g_ptr_array_add(argv, NULL);
	if (!g_spawn_async_with_fds(test_dir, (char **)argv->pdata, NULL, G_SPAWN_DO_NOT_REAP_CHILD, NULL, NULL, &c.pid,
				    null, null, fd, NULL))
		fail_msg("cannot start vexlab");
	close(fd);
	close(null);
	return c;
}

static inline gboolean has_ended(const struct child *c)
{
	siginfo_t info = { 0 };

	return !waitid(P_PID, (id_t)c->pid, &info, WEXITED | WNOHANG | WNOWAIT) && info.si_pid;
}

static inline int reap(struct child *c)
{
	int status;

	waitpid(c->pid, &status, 0);
	return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

/* Until it ends by itself. Returns its exit status; *seconds (may be NULL): how long it took. */
static inline int wait_for(struct child *c, double *seconds)
{
	const gint64 began = g_get_monotonic_time(), until = began + COURSE_MAX_S * G_USEC_PER_SEC;

	while (!has_ended(c) && g_get_monotonic_time() < until) {
		if (!c->rundir)
			c->rundir = rundir_of(c->pid);
		g_usleep(5000);
	}
	if (!has_ended(c)) {
		kill(c->pid, SIGKILL);
		reap(c);
		fail_msg("it did not end within %d s", COURSE_MAX_S);
	}
	if (seconds)
		*seconds = (double)(g_get_monotonic_time() - began) / G_USEC_PER_SEC;
	return reap(c);
}

static inline char *said(const struct child *c)
{
	char *text = NULL;

	g_file_get_contents(c->err, &text, NULL, NULL);
	return text;
}

static inline void child_clear(struct child *c)
{
	g_free(c->err);
	g_free(c->rundir);
}

static inline void expect_ended(struct child *c, int status, const char *words)
{
	int got = wait_for(c, NULL);
	g_autofree char *text = said(c);

	if (got != status)
		fail_msg("it ended with %d, not %d: %s", got, status, text);
	if (words && !strstr(text, words))
		fail_msg("it does not say \"%s\": %s", words, text);
}

static inline void expect_nothing_left(const struct child *c)
{
	g_autofree char *left = NULL;

	if (gone_within(c->rundir, cache, tmp, GONE_MS, &left) < 0)
		fail_msg("it left:%s", left);
}

static inline char *latest_of(const char *to)
{
	return g_build_filename(test_dir, to, "latest", NULL);
}

static inline void forget(const char *to)
{
	g_autofree char *dir = g_build_filename(test_dir, to, NULL);

	nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
}

static inline char *log_of(const char *dir)
{
	g_autoptr(GDir) d = g_dir_open(dir, 0, NULL);
	const char *name;
	char *text = NULL;

	while (!text && d && (name = g_dir_read_name(d)))
		if (g_str_has_prefix(name, "enhanced_vexfs_test_"))
			text = read_file(dir, name);
	return text;
}

/* ---- the group ----------------------------------------------------------------------------- */

/* At length from nothing, too, so the machine's own cache is not used then. */
static inline void choose_cache(void)
{
	static const char *const lent[] = { "kernels", "rootfs", "accel.json" };
	g_autofree char *real = real_cache();
	guint i;

	cache = g_strdup(real);
	if (!at_length)
		return;
	g_free(cache);
	cache = g_build_filename(test_dir, "cache", NULL);
	g_mkdir_with_parents(cache, 0755);
	for (i = 0; i < G_N_ELEMENTS(lent); i++) {
		g_autofree char *from = g_build_filename(real, lent[i], NULL), *to = g_build_filename(cache, lent[i], NULL);

		if (symlink(from, to))
			fail_msg("cannot link %s", to);
	}
	g_setenv("VEXLAB_CACHE", cache, TRUE);
}

static inline int set_up(void **state)
{
	const char *chosen = g_getenv("ENDURANCE_SEED"), *to = g_getenv("ENDURANCE_TABLE");

	if (make_test_dir(state))
		return -1;
	at_length = g_getenv("ENDURANCE") != NULL;
	seed = chosen && *chosen ? (guint32)g_ascii_strtoull(chosen, NULL, 10) : g_random_int();
	dice = g_rand_new_with_seed(seed);
	print_message("seed %u\n", seed);
	table = to ? fopen(to, "ae") : NULL;
	choose_cache();
	tmp = g_build_filename(test_dir, "tmp", NULL);
	g_mkdir_with_parents(tmp, 0755);
	g_setenv("TMPDIR", tmp, TRUE);
	return 0;
}

static inline int clear_up(void **state)
{
	if (table)
		fclose(table);
	g_rand_free(dice);
	return drop_test_dir(state);
}

#endif
