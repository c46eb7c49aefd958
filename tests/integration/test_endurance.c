// SPDX-License-Identifier: GPL-2.0
/* Crash after crash in one run: each recovered, and nothing that grows. */
#include "endurance.h"

#define FEW		30u	/* samples */
#define BACK_MS		2000

enum figure { RSS, QEMU_RSS, FDS, QEMU_FDS, THREADS, DISK, FIGURES };

static const struct {
	const char *name, *unit;
	double slack;		/* allowed beyond may_grow() between the first quarter and the last */
} figures[FIGURES] = {
	[RSS] = { "resident memory of vexlab", "KiB", 1024 },
	[QEMU_RSS] = { "resident memory of its QEMU", "KiB", 16384 },
	[FDS] = { "file descriptors of vexlab", "", 4 },
	[QEMU_FDS] = { "file descriptors of its QEMU", "", 2 },
	[THREADS] = { "threads of vexlab", "", 4 },
	[DISK] = { "disk: run directory, scratch disks, points", "KiB", 4096 },
};

struct sample {
	double cycle, value[FIGURES];
};

static double status_of(pid_t pid, const char *key)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/status", (int)pid), *text = NULL;
	const char *at;

	if (!g_file_get_contents(path, &text, NULL, NULL) || !(at = strstr(text, key)))
		return 0;
	return g_ascii_strtod(at + strlen(key) + 1, NULL);
}

static double fds_of(pid_t pid)
{
	g_autofree char *path = g_strdup_printf("/proc/%d/fd", (int)pid);
	g_autoptr(GDir) dir = g_dir_open(path, 0, NULL);
	double n = 0;

	while (dir && g_dir_read_name(dir))
		n++;
	return n;
}

static double disk_sum;		/* nftw() has no context */
static const char *disk_id;

static int add_blocks(const char *path, const struct stat *st, int flag, struct FTW *ftw)
{
	(void)flag, (void)ftw;
	if (!disk_id || strstr(path, disk_id))
		disk_sum += (double)st->st_blocks / 2;
	return 0;
}

/* KiB that are allocated in the run's own places, whatever their names. */
static double disk_of(const char *rundir)
{
	g_autofree char *id = g_path_get_basename(rundir), *scratch = g_build_filename(cache, "scratch", NULL);

	disk_sum = 0;
	disk_id = NULL;
	nftw(rundir, add_blocks, 16, FTW_PHYS);
	nftw(tmp, add_blocks, 16, FTW_PHYS);
	disk_id = id;
	nftw(scratch, add_blocks, 16, FTW_PHYS);
	nftw("/dev/shm", add_blocks, 16, FTW_PHYS);
	return disk_sum;
}

/* The guest that runs, not the one that stands by: the larger. */
static pid_t largest_qemu(const char *rundir)
{
	g_autoptr(GArray) pids = processes_with(rundir, "qemu-system");
	double most = 0;
	pid_t ret = 0;
	guint i;

	for (i = 0; i < pids->len; i++) {
		pid_t pid = g_array_index(pids, pid_t, i);
		double rss = status_of(pid, "VmRSS:");

		if (rss > most) {
			most = rss;
			ret = pid;
		}
	}
	return ret;
}

static void take_sample(const struct child *c, guint cycle, GArray *samples)
{
	const pid_t qemu = largest_qemu(c->rundir);
	struct sample s = { .cycle = cycle };

	s.value[RSS] = status_of(c->pid, "VmRSS:");
	s.value[FDS] = fds_of(c->pid);
	s.value[THREADS] = status_of(c->pid, "Threads:");
	s.value[DISK] = disk_of(c->rundir);
	s.value[QEMU_RSS] = qemu ? status_of(qemu, "VmRSS:") : 0;
	s.value[QEMU_FDS] = qemu ? fds_of(qemu) : 0;
	/* One that has just gone tells nothing. */
	if (s.value[QEMU_RSS] && s.value[RSS])
		g_array_append_val(samples, s);
}

static guint count(const char *text, const char *word)
{
	guint n = 0;

	for (; text && (text = strstr(text, word)); text += strlen(word))
		n++;
	return n;
}

static int by_value(gconstpointer a, gconstpointer b)
{
	const double x = *(const double *)a, y = *(const double *)b;

	return x < y ? -1 : x > y;
}

static double median(GArray *values)
{
	if (!values->len)
		return 0;
	g_array_sort(values, by_value);
	return g_array_index(values, double, values->len / 2);
}

static double median_of(const GArray *samples, enum figure f, guint from, guint to)
{
	g_autoptr(GArray) values = g_array_new(FALSE, FALSE, sizeof(double));
	guint i;

	for (i = from; i < to; i++)
		g_array_append_val(values, g_array_index(samples, struct sample, i).value[f]);
	return median(values);
}

/* Least squares, per cycle. */
static double slope_of(const GArray *samples, enum figure f)
{
	double n = samples->len, x = 0, y = 0, xx = 0, xy = 0;
	guint i;

	for (i = 0; i < samples->len; i++) {
		const struct sample *s = &g_array_index(samples, struct sample, i);

		x += s->cycle;
		y += s->value[f];
		xx += s->cycle * s->cycle;
		xy += s->cycle * s->value[f];
	}
	return n * xx - x * x > 0 ? (n * xy - x * y) / (n * xx - x * x) : 0;
}

/* Each QEMU is a new one, met at some moment of its life: a few samples of what it has touched by then lie tens of MiB apart. */
static double may_grow(const GArray *samples, enum figure f)
{
	return f == QEMU_RSS && samples->len < FEW ? 1.2 : 1.02;
}

static guint tell_figures(const GArray *samples)
{
	const guint quarter = MAX(samples->len / 4, 1);
	guint grown = 0, f;

	tell("| | first quarter | last quarter | a cycle | flat |");
	tell("|---|--:|--:|--:|---|");
	for (f = 0; f < FIGURES; f++) {
		const double first = median_of(samples, f, 0, quarter);
		const double last = median_of(samples, f, samples->len - quarter, samples->len);
		const gboolean flat = last <= first * may_grow(samples, f) + figures[f].slack;

		grown += !flat;
		tell("| %s%s%s | %.0f | %.0f | %+.2f | %s |", figures[f].name, *figures[f].unit ? ", " : "", figures[f].unit,
		     first, last, slope_of(samples, f), flat ? "yes" : "**no**");
	}
	return grown;
}

/* ms of each recovery as the record has them, in order; the first goes another way, and is left out. */
static GArray *recovery_times(const char *log)
{
	GArray *times = g_array_new(FALSE, FALSE, sizeof(double));
	g_auto(GStrv) lines = g_strsplit(log, "\n", -1);
	guint i;

	for (i = 0; lines[i]; i++) {
		const char *json = strchr(lines[i], '{');
		json_t *note = json && strstr(json, "\"recovered\"") ? json_loads(json, 0, NULL) : NULL;
		const double ms = json_number_value(json_object_get(note, "ms"));

		if (note && json_integer_value(json_object_get(note, "attempt")) > 1)
			g_array_append_val(times, ms);
		json_decref(note);
	}
	return times;
}

static double quarter_median(const GArray *all, gboolean last)
{
	g_autoptr(GArray) some = g_array_new(FALSE, FALSE, sizeof(double));
	const guint n = MAX(all->len / 4, 1);

	if (all->len)
		g_array_append_vals(some, &g_array_index(all, double, last ? all->len - n : 0), n);
	return median(some);
}

static guint folders_in(const char *dir, const char *name)
{
	g_autofree char *path = g_build_filename(dir, name, NULL);
	g_autoptr(GDir) d = g_dir_open(path, 0, NULL);
	guint n = 0;

	while (d && (name = g_dir_read_name(d)))
		n += g_ascii_isdigit(*name) != 0;
	return n;
}

static double size_of_tree(const char *dir)
{
	g_autofree char *real = realpath(dir, NULL);

	disk_sum = 0;
	disk_id = NULL;
	nftw(real, add_blocks, 16, FTW_PHYS);
	return disk_sum;
}

/* Follows the run, sampling each `every` cycles: when the guest is back, and its QEMU not one that has only begun. */
static GArray *watch(struct child *c, const char *to, guint every)
{
	g_autofree char *latest = g_build_filename(test_dir, to, "latest", NULL);
	GArray *samples = g_array_new(FALSE, FALSE, sizeof(struct sample));
	guint next = 2;		/* from then on the point is there, and the second QEMU */

	while (!has_ended(c)) {
		g_autofree char *log = log_of(latest);
		const guint cycle = count(log, "\"recovered\"");

		if (!c->rundir)
			c->rundir = rundir_of(c->pid);
		if (c->rundir && cycle >= next) {
			take_sample(c, cycle, samples);
			next = cycle + every;
		}
		g_usleep(20000);
	}
	return samples;
}

/* One cycle of these is the check, eight are those with the slab probes. */
static void crash_cycles(const char *fault, int status, guint cycles)
{
	g_autofree char *params = g_strdup_printf("fault=%s", fault), *n = g_strdup_printf("%u", cycles - 9);
	const char *args[] = { "--quiet", "--target", "faultfs", "--module-params", params, "--cycles", n, "--warmup", "0",
			       "--control", "none", "--set", "recovery.attempts=1000", NULL };
	struct child c = start(args, "crashes");
	g_autoptr(GArray) samples = watch(&c, "crashes", at_length ? 5 : 1), times = NULL;
	g_autofree char *latest = latest_of("crashes"), *log = NULL;
	guint recovered, given_up, grown, folders;
	double kib;

	expect_ended(&c, status, NULL);
	log = log_of(latest);
	recovered = count(log, "\"recovered\"");
	given_up = count(log, "\"given up\"");
	times = recovery_times(log);
	folders = folders_in(latest, "evidence");
	kib = size_of_tree(latest);
	tell("\n%u cycles of `%s` in one run: %u crashed and recovered, %u given up.\n", cycles, fault, recovered, given_up);
	grown = tell_figures(samples);
	tell("| from the crash to the guest being back, ms | %.0f | %.0f | | |", quarter_median(times, FALSE),
	     quarter_median(times, TRUE));
	tell("\n%u samples; %u folders of evidence; %.0f KiB of record and reports, %.1f a crash.", samples->len, folders,
	     kib, kib / cycles);
	expect_readable(latest);
	expect_nothing_left(&c);
	assert_int_equal(recovered, cycles);
	assert_int_equal(given_up, 0);
	assert_int_equal(grown, 0);
	/* Of one title at most three, and few titles. */
	assert_in_range(folders, 1, 6);
	/* A machine that is busy with something else makes it slower, but not so. */
	assert_true(quarter_median(times, TRUE) <= BACK_MS);
	assert_true(samples->len >= MIN(cycles, 200) / 20 + 2);
	child_clear(&c);
	forget("crashes");
}

static void oops_after_oops(void **state)
{
	crash_cycles("oops@put", 2, at_length ? 200 : 12);
}

static void panic_after_panic(void **state)
{
	crash_cycles("panic@put", 4, 200);
}

int main(void)
{
	const struct CMUnitTest short_tests[] = { cmocka_unit_test(oops_after_oops) };
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(oops_after_oops),
		cmocka_unit_test(panic_after_panic),
	};

	cmocka_set_test_filter(g_getenv("ENDURANCE_ONLY"));
	/* Few panics show no more than few oopses: left to `make endurance`. */
	return g_getenv("ENDURANCE") ? cmocka_run_group_tests(tests, set_up, clear_up) :
	       cmocka_run_group_tests_name("short", short_tests, set_up, clear_up);
}
