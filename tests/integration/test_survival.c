// SPDX-License-Identifier: GPL-2.0
/*
 * kill -9 at any moment, a libvirt that goes away, disks that are full: what was recorded can be read, nothing
 * stays, and the next run starts clean.
 */
#include <sys/mount.h>
#include <sys/vfs.h>

#include "endurance.h"

/* ---- kill -9 ------------------------------------------------------------------------------------ */

struct course {
	const char *name;
	const char *args[16];
	gboolean from_nothing;	/* only at length, in a cache of our own */
	guint32 status;		/* when nothing befalls it */
	double seconds;		/* how long it takes; a guess, unless it was measured */
	guint kills;
};

static struct course courses[] = {
	{ .name = "ext4, warm start", .args = { "--cycles", "40", NULL }, .seconds = 2, .kills = 1 },
	{ .name = "faultfs, an oops each cycle",
	  .args = { "--target", "faultfs", "--module-params", "fault=oops@put", "--cycles", "20", "--control", "none",
		    "--set", "recovery.attempts=1000", NULL }, .status = 2, .seconds = 7, .kills = 2 },
	{ .name = "the same from nothing: modules built, guest booted, ready state kept",
	  .args = { "--target", "faultfs", "--module-params", "fault=oops@put", "--cycles", "5", "--control", "none",
		    "--set", "recovery.attempts=1000", NULL }, .from_nothing = TRUE, .status = 2, .seconds = 40 },
};

/* Where it was when it was killed, as its log tells. */
static const char *stage_of(const char *dir)
{
	g_autofree char *log = NULL, *report = g_build_filename(dir, "comprehensive_report.json", NULL);
	g_autofree char *evidence = g_build_filename(dir, "evidence", NULL);
	const char *recovery, *back;

	if (!g_file_test(dir, G_FILE_TEST_EXISTS))
		return "before it had a folder";
	if (g_file_test(report, G_FILE_TEST_EXISTS) || g_file_test(evidence, G_FILE_TEST_EXISTS))
		return "reports";
	log = log_of(dir);
	if (!log || !strstr(log, "guest ready"))
		return log && strstr(log, "keeping the ready state") ? "ready state" : "guest's start";
	recovery = g_strrstr(log, "\"recovery\"");
	back = g_strrstr(log, "\"recovered\"");
	if (recovery && (!back || back < recovery))
		return "recovery";
	if (back && !strstr(back, "point made") && !strstr(back, " mount:"))
		return "point after set-up";
	return strstr(log, " mount:") ? "cycles" : "set-up";
}

static void empty_cache(void)
{
	static const char *const folders[] = { "warm", "modules", "initrd" };
	guint i;

	for (i = 0; i < G_N_ELEMENTS(folders); i++) {
		g_autofree char *dir = g_build_filename(cache, folders[i], NULL);

		nftw(dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	}
}

static void measure(struct course *course)
{
	guint i;

	/* The first makes what the second finds. */
	for (i = course->from_nothing; i < 2; i++) {
		struct child c;

		if (course->from_nothing)
			empty_cache();
		c = start(course->args, "course");
		assert_int_equal(wait_for(&c, &course->seconds), course->status);
		child_clear(&c);
		forget("course");
	}
}

static void expect_clean_start(void)
{
	RAN next = run_vexlab("run", "--cycles", "1", "--warmup", "0", "--output", "next", NULL);

	if (next.status) {
		g_autofree char *console = read_file("next/latest", "vm_console.log");

		print_message("its console ends with: %s\n", console + MAX((gssize)strlen(console) - 4000, 0));
	}
	expect_status(&next, 0);
	expect_says(&next, "ready, score 100");
	forget("next");
}

/* With its guard, now and then: the next run is the last line then. FALSE: it had ended by itself already. */
static gboolean kill_once(const struct course *course, double at, gboolean guard_too, guint n)
{
	struct child c;
	g_autofree char *latest = latest_of("killed"), *left = NULL;
	gboolean had_ended, readable;
	const char *stage;
	double gone;
	pid_t guard;

	if (course->from_nothing)
		empty_cache();
	c = start(course->args, "killed");
	g_usleep((gulong)(at * G_USEC_PER_SEC));
	c.rundir = rundir_of(c.pid);
	guard = guard_of(c.pid);
	had_ended = has_ended(&c);
	if (guard_too && guard && !had_ended)
		kill(guard, SIGKILL);
	kill(c.pid, SIGKILL);
	reap(&c);
	if (had_ended) {
		child_clear(&c);
		forget("killed");
		return FALSE;
	}
	stage = stage_of(latest);
	gone = guard_too && guard ? -1 : gone_within(c.rundir, cache, tmp, GONE_MS, &left);
	if (left)
		fail_msg("killed after %.3f s (%s), it left:%s", at, stage, left);
	readable = g_file_test(latest, G_FILE_TEST_EXISTS) && expect_readable(latest);
	expect_clean_start();
	if (guard_too && guard)
		gone = 0;
	if (gone_within(c.rundir, cache, tmp, 0, &left) < 0)
		fail_msg("killed after %.3f s (%s), the next run left:%s", at, stage, left);
	if (gone > 0)
		tell("| %u | %s | %.2f | %s | %.0f ms later | %s |", n, course->name, at, stage, gone, readable ? "yes" : "nothing yet");
	else
		tell("| %u | %s | %.2f | %s | by the next run (guard killed too) | %s |", n, course->name, at, stage,
		     readable ? "yes" : "nothing yet");
	child_clear(&c);
	forget("killed");
	return TRUE;
}

static void kill_9_at_any_moment(void **state)
{
	guint i, k, n = 0;

	tell("\n`kill -9`, moments chosen at random by seed %u, spread over the whole of each course.\n", seed);
	tell("| | what ran | s | where it was | nothing left | results readable |");
	tell("|--:|---|--:|---|---|---|");
	for (i = 0; i < G_N_ELEMENTS(courses); i++) {
		struct course *course = &courses[i];
		const guint kills = at_length ? 10 : course->kills;

		if (at_length)
			measure(course);
		/* One in each stretch of it, so that none is left out. */
		for (k = 0; k < kills; k++, n++) {
			double at = course->seconds * (k + g_rand_double(dice)) / kills;

			while (!kill_once(course, at, n % 3 == 2, n + 1))
				at *= 0.9;
		}
	}
}

/* ---- full disks ---------------------------------------------------------------------------------- */

/* All that is free, to the last block; or all `but` so many bytes. */
static char *fill(const char *dir, gsize but)
{
	g_autofree char *name = g_strdup_printf("fill-%zu", but);
	char *path = g_build_filename(dir, name, NULL);
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	struct statfs fs;
	char block[4096] = { 0 };

	assert_int_equal(statfs(dir, &fs), 0);
	assert_true(fs.f_bavail * (gsize)fs.f_bsize >= but);
	if (fs.f_bavail * (gsize)fs.f_bsize > but)
		(void)!posix_fallocate(fd, 0, (off_t)(fs.f_bavail * (gsize)fs.f_bsize - but));
	lseek(fd, 0, SEEK_END);
	while (!but && write(fd, block, sizeof(block)) > 0)
		;
	close(fd);
	return path;
}

/* Before anything is allocated: skip() does not come back, and frees nothing. */
static void need_root(void)
{
	if (!geteuid())
		return;
	print_message("SKIP: mounting a tmpfs needs root\n");
	skip();
}

static void mount_tmpfs(const char *dir, const char *size)
{
	g_autofree char *options = g_strdup_printf("size=%s", size);

	g_mkdir_with_parents(dir, 0755);
	assert_int_equal(mount("tmpfs", dir, "tmpfs", 0, options), 0);
}

/* Once the run has a folder, as before there is nothing to record. */
static void wait_for_record(const struct child *c, const char *to)
{
	g_autofree char *record = g_build_filename(test_dir, to, "latest", "record.vxl", NULL);

	while (!g_file_test(record, G_FILE_TEST_EXISTS) && !has_ended(c))
		g_usleep(2000);
}

static void fill_once(const struct course *course, double after, guint n)
{
	g_autofree char *dir = g_build_filename(test_dir, "full", NULL), *latest = latest_of("full"), *filler = NULL;
	struct child c = start(course->args, "full");
	g_autofree char *err = NULL;
	gboolean had_ended;
	const char *stage;
	gint64 began;
	double ms;
	int status;

	wait_for_record(&c, "full");
	g_usleep((gulong)(after * G_USEC_PER_SEC));
	stage = stage_of(latest);
	had_ended = has_ended(&c);
	filler = fill(dir, 0);
	began = g_get_monotonic_time();
	status = wait_for(&c, NULL);
	ms = (double)(g_get_monotonic_time() - began) / 1000;
	err = said(&c);
	expect_nothing_left(&c);
	unlink(filler);
	expect_readable(latest);
	tell("| %u | %s | %.2f | %s | %d, %.0f ms later |", n, course->name, after, had_ended ? "it had just ended" : stage,
	     status, ms);
	if (had_ended)
		assert_int_equal(status, course->status);
	else if (status != 74 || !strstr(err, "No space left on device") ||
	    !strstr(err, "cannot write full/") ||
	    /* Before anything was done in the guest, there is nothing worth a report. */
	    (strcmp(stage, "guest's start") && !strstr(err, "vexlab report full/")))
		fail_msg("filled %.2f s into the run it ended with %d: %s", after, status, err);
	child_clear(&c);
	g_autofree char *all = g_strdup_printf("rm -rf '%s'/*", dir);
	assert_int_equal(system(all), 0);
}

static void disk_full_while_recording(void **state)
{
	g_autofree char *dir = NULL;
	const guint times = at_length ? 10 : 1;
	guint i;

	need_root();
	dir = g_build_filename(test_dir, "full", NULL);
	mount_tmpfs(dir, "64m");
	tell("\nThe disk with the runs filled up at random moments (seed %u) of a run.\n", seed);
	tell("| | what ran | s after the record's beginning | where it was | exit status |");
	tell("|--:|---|--:|---|---|");
	for (i = 0; i < times; i++) {
		const struct course *course = &courses[i % 2];
		/* Not at its very end: then nothing more is to be written. */
		const double most = MAX(course->seconds * 0.7 - 1, 1);

		fill_once(course, most * (i + g_rand_double(dice)) / times, i + 1);
	}
	umount2(dir, MNT_DETACH);
	expect_clean_start();
}

/* A cache of which only what is large and read lies elsewhere. */
static char *small_cache(const char *size)
{
	static const char *const lent[] = { "kernels", "rootfs", "modules", "libvirt-cache", "initrd", "accel.json" };
	g_autofree char *from = real_cache();
	char *dir = g_build_filename(test_dir, "small", NULL);
	guint i;

	mount_tmpfs(dir, size);
	for (i = 0; i < G_N_ELEMENTS(lent); i++) {
		g_autofree char *to = g_build_filename(dir, lent[i], NULL), *real = g_build_filename(from, lent[i], NULL);

		assert_int_equal(symlink(real, to), 0);
	}
	return dir;
}

/* The guest's disk cannot grow: QEMU stops the guest, which is no hang of the module's. */
static void cache_full(void **state)
{
	const char *args[] = { "--cold", "--cache", NULL, "--cycles", "20", "--set", "watch.heartbeat_s=60", NULL };
	g_autofree char *dir = NULL, *err = NULL, *text = NULL, *latest = NULL;
	g_autofree char *scratch = NULL, *most = NULL, *rest = NULL;
	char *const own = cache;
	struct child c;

	need_root();
	dir = small_cache("300m");
	latest = latest_of("cachefull");
	args[2] = dir;
	cache = dir;
	c = start(args, "cachefull");
	wait_for_record(&c, "cachefull");
	scratch = g_build_filename(dir, "scratch", NULL);
	while (!g_file_test(scratch, G_FILE_TEST_EXISTS) && !has_ended(&c))
		g_usleep(2000);
	most = fill(dir, 8 << 20);
	while (!g_file_get_contents(c.err, &text, NULL, NULL) || (!strstr(text, "guest ready") && !has_ended(&c))) {
		g_free(g_steal_pointer(&text));
		g_usleep(2000);
	}
	rest = fill(dir, 0);
	{
		const int status = wait_for(&c, NULL);

		err = said(&c);
		expect_nothing_left(&c);
		cache = own;
		umount2(dir, MNT_DETACH);
		if (status != 74 || !strstr(err, dir) || !strstr(err, "free some space"))
			fail_msg("it ended with %d: %s", status, err);
		tell("\nThe disk with the cache filled up as the guest is up, which QEMU stops for it: exit status %d.", status);
	}
	expect_readable(latest);
	child_clear(&c);
	forget("cachefull");
}

/* ---- libvirt goes away --------------------------------------------------------------------------- */

static const char *find_libvirtd(void)
{
	const char *path = g_getenv("VEXLAB_LIBVIRTD"), *usual = "/usr/sbin/libvirtd";

	return path ? path : g_file_test(usual, G_FILE_TEST_IS_EXECUTABLE) ? usual : NULL;
}

/* One of our own, with folders of its own in place of the machine's, which sees none of it. */
static const char daemon_script[] =
	"set -e; D=$1; mkdir -p $D/etc $D/run $D/lib $D/cache $D/log\n"
	"for p in etc/libvirt:etc run/libvirt:run var/lib/libvirt:lib var/cache/libvirt:cache var/log/libvirt:log; do\n"
	"	mkdir -p /${p%:*}; mount --bind $D/${p#*:} /${p%:*}\n"
	"done\n"
	"printf 'unix_sock_dir = \"%s/run\"\\nauth_unix_rw = \"none\"\\nauth_unix_ro = \"none\"\\n' $D >$D/etc/libvirtd.conf\n"
	"printf 'stdio_handler = \"file\"\\nuser = \"root\"\\ngroup = \"root\"\\ndynamic_ownership = 0\\nremember_owner = 0\\n"
	"security_driver = \"none\"\\nnamespaces = []\\ncgroup_controllers = []\\nmax_core = 0\\n' >$D/etc/qemu.conf\n"
	"exec setpriv --pdeathsig KILL $2 -f $D/etc/libvirtd.conf -p $D/run/libvirtd.pid\n";

/* In a bare chroot, whose root is no mount point, it cannot be had. */
static gboolean has_own_mounts(void)
{
	char *argv[] = { (char *)"/usr/bin/unshare", (char *)"-m", (char *)"/bin/true", NULL };
	int status;

	return g_spawn_sync(NULL, argv, NULL, G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, NULL, NULL,
			    &status, NULL) && !status;
}

/* Of the daemon that runs: what tells those who share its mounts. A dead one has none any more. */
static char *daemon_mounts;

static char *mounts_of(const char *pid)
{
	g_autofree char *path = g_strdup_printf("/proc/%s/ns/mnt", pid);

	return g_file_read_link(path, NULL);
}

static GPid start_daemon(const char *libvirtd, const char *dir)
{
	g_autofree char *script = g_strdup(daemon_script), *socket = g_build_filename(dir, "run", "libvirt-sock", NULL);
	g_autofree char *text = NULL;
	char *argv[] = { (char *)"/usr/bin/unshare", (char *)"-m", (char *)"/bin/sh", (char *)"-c", script, (char *)"sh",
			 (char *)dir, (char *)libvirtd, NULL };
	guint i;
	GPid pid;

	unlink(socket);
	if (!g_spawn_async(NULL, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL | G_SPAWN_STDERR_TO_DEV_NULL,
			   NULL, NULL, &pid, NULL))
		fail_msg("cannot start %s", libvirtd);
	for (i = 0; i < 500 && !g_file_test(socket, G_FILE_TEST_EXISTS); i++)
		g_usleep(20000);
	if (!g_file_test(socket, G_FILE_TEST_EXISTS))
		fail_msg("%s makes no socket %s", libvirtd, socket);
	text = g_strdup_printf("%d", pid);
	daemon_mounts = mounts_of(text);
	return pid;
}

/* A QEMU that a daemon has started to ask what it can do survives it, and nobody else's would. */
static void end_probes(const char *mounts)
{
	g_autoptr(GDir) proc = g_dir_open("/proc", 0, NULL);
	const char *pid;

	while ((pid = g_dir_read_name(proc))) {
		g_autofree char *own = g_ascii_isdigit(*pid) ? mounts_of(pid) : NULL, *path = NULL, *args = NULL;
		gsize len;

		if (!own || g_strcmp0(own, mounts))
			continue;
		path = g_strdup_printf("/proc/%s/cmdline", pid);
		if (g_file_get_contents(path, &args, &len, NULL) && memmem(args, len, "-machine\0none", 13))
			kill(atoi(pid), SIGKILL);
	}
}

static void end_daemon(GPid pid)
{
	kill(pid, SIGCONT);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
	if (daemon_mounts)
		end_probes(daemon_mounts);
	g_clear_pointer(&daemon_mounts, g_free);
}

static void cut_once(const char *libvirtd, const char *dir, int sig, const struct course *course, double at, guint n)
{
	g_autofree char *uri = g_strdup_printf("qemu+unix:///system?socket=%s/run/libvirt-sock", dir), *err = NULL;
	g_autofree char *latest = latest_of("cut"), *state = g_build_filename(dir, "run", "qemu", NULL);
	GPid daemon = start_daemon(libvirtd, dir);
	const char *args[20] = { "--connect", uri };
	g_autoptr(GString) stay = g_string_new(NULL);
	gboolean had_ended;
	const char *stage;
	struct child c;
	gint64 began;
	double ms;
	int status;
	guint i;

	for (i = 0; course->args[i]; i++)
		args[i + 2] = course->args[i];
	c = start(args, "cut");
	wait_for_record(&c, "cut");
	g_usleep((gulong)(at * G_USEC_PER_SEC));
	c.rundir = rundir_of(c.pid);
	had_ended = has_ended(&c);
	stage = had_ended ? "it had just ended" : stage_of(latest);
	began = g_get_monotonic_time();
	kill(daemon, sig);
	status = wait_for(&c, NULL);
	ms = (double)(g_get_monotonic_time() - began) / 1000;
	err = said(&c);
	end_daemon(daemon);
	tell("| %u | %s | %s | %.2f | %s | %d, %.0f ms later |", n, course->name, sig == SIGKILL ? "killed" : sig == SIGTERM ?
	     "terminated" : "stopped", at, stage, status, ms);
	expect_nothing_left(&c);
	/* Of one that is merely stopped, a run that needs it no more takes no notice. */
	if (had_ended || (sig == SIGSTOP && status != 69))
		assert_int_equal(status, course->status);
	else if (status != 69 || !strstr(err, "libvirt"))
		fail_msg("libvirt gone %.2f s into the run, it ended with %d: %s", at, status, err);
	expect_readable(latest);
	daemon = start_daemon(libvirtd, dir);
	{
		RAN next = run_vexlab("run", "--connect", uri, "--cycles", "1", "--warmup", "0", "--output", "next", NULL);

		expect_status(&next, 0);
		expect_says(&next, "ready, score 100");
	}
	add_names(stay, state, "vexlab");
	if (stay->len)
		fail_msg("libvirt still has:%s", stay->str);
	end_daemon(daemon);
	child_clear(&c);
	forget("next");
	forget("cut");
}

static void libvirt_connection_cut(void **state)
{
	static const int signals[] = { SIGKILL, SIGTERM, SIGSTOP };
	const char *libvirtd = find_libvirtd();
	g_autofree char *dir = NULL;
	const guint times = at_length ? 9 : 1;
	guint i;

	/* skip() does not come back, and frees nothing. */
	if (!libvirtd || geteuid() || !has_own_mounts()) {
		print_message("SKIP: a cut connection needs root, a mount namespace (not in a bare chroot) and a libvirtd "
			      "(package libvirt-daemon, or $VEXLAB_LIBVIRTD)\n");
		skip();
	}
	dir = g_build_filename(test_dir, "libvirtd", NULL);
	tell("\nThe daemon behind `--connect` gone at random moments (seed %u).\n", seed);
	tell("| | what ran | libvirtd was | s after the record's beginning | where it was | exit status |");
	tell("|--:|---|---|--:|---|---|");
	for (i = 0; i < times; i++) {
		const struct course *course = &courses[i % 2];

		cut_once(libvirtd, dir, signals[i / 3], course, course->seconds * 0.8 * (i % 3 + g_rand_double(dice)) / 3, i + 1);
	}
	forget("libvirtd");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(kill_9_at_any_moment),
		cmocka_unit_test(disk_full_while_recording),
		cmocka_unit_test(cache_full),
		cmocka_unit_test(libvirt_connection_cut),
	};

	cmocka_set_test_filter(g_getenv("ENDURANCE_ONLY"));
	return cmocka_run_group_tests(tests, set_up, clear_up);
}
