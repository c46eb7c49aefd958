// SPDX-License-Identifier: GPL-2.0
/*
 * Snapshots as a user has them: made, listed, started from, refused when they are
 * damaged, stale or in use, and removed. In a cache of our own, whose guest is the real one's.
 */
#include <sys/prctl.h>

#include "digest.h"
#include "fsutil.h"
#include "harness.h"

#define MEMORY "512"

static char *cache;		/* links to the real one's guest and builds; ready states of its own */
static char *snapshots;
static char *target;		/* a target file that may be changed */

static void link_to(const char *real, const char *name)
{
	g_autofree char *to = g_build_filename(real, name, NULL), *from = g_build_filename(cache, name, NULL);

	assert_int_equal(symlink(to, from), 0);
}

static void write_target(const char *description)
{
	g_autofree char *text = g_strdup_printf("name: snapfs\ndescription: %s\nfstype: ext4\nmodule:\n  from: modprobe\n"
						"  name: ext4\nmkfs:\n  argv: [/sbin/mkfs.ext4, -qF, \"{device}\"]\n"
						"device_mib: 64\n", description);

	assert_true(g_file_set_contents(target, text, -1, NULL));
}

static int set_up(void **state)
{
	static const char *const shared[] = { "kernels", "rootfs", "modules", "libvirt-cache", "accel.json" };
	g_autofree char *real = fs_default_cachedir();
	guint i;

	if (make_test_dir(state))
		return -1;
	cache = g_build_filename(test_dir, "cache", NULL);
	snapshots = g_build_filename(cache, "snapshots", NULL);
	target = g_build_filename(test_dir, "snapfs.yaml", NULL);
	assert_true(fs_mkdir(cache, 0700, NULL));
	for (i = 0; i < G_N_ELEMENTS(shared); i++)
		link_to(real, shared[i]);
	write_target("one");
	return 0;
}

static int tear_down(void **state)
{
	g_free(cache);
	g_free(snapshots);
	g_free(target);
	return drop_test_dir(state);
}

/* By emulation: another kernel would have to be tried with KVM first. */
#define SNAPSHOT(...) run_vexlab("snapshot", "--tcg", "--cache", cache, __VA_ARGS__, NULL)
#define CREATE(...) SNAPSHOT("create", "--quiet", "--memory", MEMORY, __VA_ARGS__)
#define RUN(...) run_vexlab("run", "--tcg", "--cache", cache, "--control", "none", __VA_ARGS__, NULL)

static void expect(struct ran r, int status, const char *words)
{
	expect_status(&r, status);
	if (words)
		expect_says(&r, words);
	ran_clear(&r);
}

/* What `list` has of it. */
static json_t *listed(const char *name)
{
	RAN r = SNAPSHOT("list", "--json");
	json_t *all, *one, *ret = NULL;
	size_t i;

	expect_status(&r, 0);
	all = expect_json(&r);
	json_array_foreach(all, i, one)
		if (!strcmp(word_at(one, "name"), name))
			ret = json_incref(one);
	json_decref(all);
	return ret;
}

static void expect_stale(const char *name, const char *why)
{
	json_t *one = listed(name);

	assert_non_null(one);
	assert_true(json_is_false(json_object_get(one, "valid")));
	if (!strstr(word_at(one, "why"), why))
		fail_msg("\"%s\" does not say \"%s\"", word_at(one, "why"), why);
	json_decref(one);
	expect(SNAPSHOT("restore", name), 69, "stale");
	expect(RUN("--snapshot", name), 69, "stale");
}

/* ---- made and started from ---------------------------------------------------------------------- */

static void made_listed_and_good(void **state)
{
	json_t *json, *one;
	RAN r = { 0 };

	expect(SNAPSHOT("list"), 0, "no snapshots");
	expect(CREATE("good", "--target", target), 0, "mounted");
	one = listed("good");
	assert_true(json_is_true(json_object_get(one, "valid")));
	assert_string_equal(word_at(one, "target"), "snapfs");
	assert_string_equal(word_at(one, "point"), "mounted");
	assert_string_equal(word_at(one, "step"), "");
	assert_int_equal(number_at(one, "memory_mib"), atoi(MEMORY));
	assert_true(number_at(one, "bytes") > 1 << 20);
	json_decref(one);
	r = SNAPSHOT("verify", "--json", "good");
	expect_status(&r, 0);
	json = expect_json(&r);
	assert_int_equal(json_array_size(json), 1);
	one = json_array_get(json, 0);
	assert_true(json_is_true(json_object_get(one, "good")));
	assert_true(number_at(one, "check_ms") > 0 && number_at(one, "ready_ms") > 0);
	assert_true(number_at(one, "clock_off_ms") > -100 && number_at(one, "clock_off_ms") < 100);
	json_decref(json);
}

static json_t *run_from(const char *name)
{
	RAN r = RUN("--quiet", "--json", "--snapshot", name, "--cycles", "2");

	expect_status(&r, 0);
	return expect_json(&r);
}

static void a_run_starts_from_it(void **state)
{
	RAN r = RUN("--json", "--snapshot", "good", "--cycles", "2");
	g_autofree char *dir = NULL, *log = NULL;
	g_autoptr(GDir) listing = NULL;
	json_t *json, *ready;
	const char *name;

	expect_status(&r, 0);
	expect_says(&r, "from the snapshot good: snapfs, mounted");
	expect_says(&r, "snapshot start");
	json = expect_json(&r);
	assert_string_equal(word_at(json, "metrics.target"), "snapfs");
	assert_int_equal(number_at(json, "metrics.operations.mount.count"), 2);
	ready = json_array_get(json_object_get(json, "vm"), 0);
	assert_string_equal(word_at(ready, "how"), "snapshot");
	assert_string_equal(word_at(json, "metrics.run.snapshot.name"), "good");
	/* What was done in the snapshot is not done again; what it has mounted is unmounted. */
	dir = g_canonicalize_filename(word_at(json, "directory"), test_dir);
	listing = g_dir_open(dir, 0, NULL);
	while ((name = g_dir_read_name(listing)) && !g_str_has_prefix(name, "enhanced"))
		;
	log = read_file(dir, name);
	assert_null(strstr(log, "mkfs"));
	assert_null(strstr(log, "modprobe"));
	assert_non_null(strstr(log, "step 3 umount: ok"));
	json_decref(json);
}

static void after_any_step_by_name(void **state)
{
	json_t *one, *json;

	expect(CREATE("worked", "--target", target, "--at", "file work"), 0, "file work");
	one = listed("worked");
	assert_string_equal(word_at(one, "step"), "file work");
	assert_string_equal(word_at(one, "point"), "mounted");
	json_decref(one);
	/* The second time, and in its own place. */
	expect(CREATE("worked", "--target", target, "--at", "umount@2"), 0, "umount@2");
	one = listed("worked");
	assert_string_equal(word_at(one, "step"), "umount@2");
	assert_string_equal(word_at(one, "point"), "formatted");
	json_decref(one);
	json = run_from("worked");
	assert_int_equal(number_at(json, "metrics.operations.mount.count"), 2);
	json_decref(json);
	/* A step that there is not: told which there are. */
	expect(CREATE("no", "--target", target, "--at", "fsck", "--set", "scenario.warmup=0"), 64, "\"file work\"");
	assert_null(listed("no"));
}

static void what_is_asked_for_wrongly(void **state)
{
	static const char *const bad[] = { "../good", "", ".hidden", "a/b", "-x" };
	guint i;

	for (i = 0; i < G_N_ELEMENTS(bad); i++)
		expect(SNAPSHOT("verify", "--", bad[i]), 64, NULL);
	expect(SNAPSHOT("restore", "nowhere"), 69, "nowhere");
	expect(SNAPSHOT("verify", "nowhere"), 69, "nowhere");
	expect(SNAPSHOT("rm", "nowhere"), 69, "nowhere");
	expect(SNAPSHOT("restore"), 64, "name the snapshot");
	expect(SNAPSHOT("burn", "good"), 64, "say what to do");
	expect(RUN("--snapshot", "nowhere"), 69, "nowhere");
	expect(RUN("--snapshot", "good", "--memory", "600"), 64, "--memory");
	expect(RUN("--snapshot", "good", "--dump"), 64, "--dump");
	expect(RUN("--snapshot", "good", "--target", "xfs"), 64, "not of");
	expect(RUN("--snapshot", "good", "--target", target, "--scenario", "faults"), 64, "is for the target faultfs");
}

/* ---- in use ------------------------------------------------------------------------------------ */

/* A test that fails leaves none behind. */
static void die_with_us(gpointer unused)
{
	prctl(PR_SET_PDEATHSIG, SIGTERM);
}

static GPid start_run(const char *outdir)
{
	g_autofree char *program = g_canonicalize_filename(vexlab(), NULL);
	char *argv[] = { program, "run", "--quiet", "--tcg", "--cache", cache, "--output", (char *)outdir, "--snapshot", "good",
			 "--cycles", "1000000", NULL };
	GPid pid;

	assert_true(g_spawn_async(test_dir, argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDOUT_TO_DEV_NULL |
				  G_SPAWN_STDERR_TO_DEV_NULL, die_with_us, NULL, &pid, NULL));
	return pid;
}

static gsize lines_of(const char *outdir)
{
	g_autofree char *path = g_build_filename(test_dir, outdir, "latest", "performance_events.jsonl", NULL);
	struct stat st;

	return stat(path, &st) ? 0 : (gsize)st.st_size;
}

static void wait_for_more(const char *outdir, gsize than)
{
	const gint64 deadline = g_get_monotonic_time() + 30 * G_USEC_PER_SEC;

	while (lines_of(outdir) <= than && g_get_monotonic_time() < deadline)
		g_usleep(20000);
	assert_true(lines_of(outdir) > than);
}

static void stop_run(GPid pid)
{
	int status;

	kill(pid, SIGINT);
	waitpid(pid, &status, 0);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 130);
}

/* Two at once; none of them may lose it to a third; and one whose guest dies comes back to it. */
static void two_at_once_and_in_use(void **state)
{
	GPid a = start_run("a"), b = start_run("b");
	g_autofree char *events = NULL;
	pid_t qemu;

	wait_for_more("a", 1000);
	wait_for_more("b", 1000);
	expect(SNAPSHOT("rm", "good"), 69, "in use");
	expect(CREATE("good", "--target", target, "--at", "booted"), 69, "in use");
	qemu = qemu_of(a);
	assert_true(qemu > 0);
	kill(qemu, SIGKILL);
	wait_for_more("a", lines_of("a") + 2000);
	stop_run(a);
	stop_run(b);
	{
		g_autofree char *latest = g_build_filename(test_dir, "a", "latest", NULL);
		RAN r = run_vexlab("report", latest, NULL);

		expect_says(&r, "brought back 1 times in 1 attempts");
	}
	expect(SNAPSHOT("verify", "good"), 0, "good");
}

/* ---- damaged -------------------------------------------------------------------------------------- */

static char *file_of(const char *name, const char *file)
{
	return g_build_filename(snapshots, name, file, NULL);
}

static void copy_snapshot(const char *from, const char *to)
{
	g_autofree char *a = g_build_filename(snapshots, from, NULL), *b = g_build_filename(snapshots, to, NULL);
	const char *argv[] = { "cp", "-a", a, b, NULL };

	fs_remove_at(AT_FDCWD, b);
	assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL));
}

/* As a failing disk does it: no new time of modification. */
static void flip(const char *path, off_t at)
{
	struct stat st;
	int fd = open(path, O_RDWR | O_CLOEXEC);
	char c;

	assert_true(fd >= 0 && !fstat(fd, &st) && pread(fd, &c, 1, at) == 1);
	c = (char)~c;
	assert_int_equal(pwrite(fd, &c, 1, at), 1);
	assert_int_equal(futimens(fd, (struct timespec[]) { st.st_atim, st.st_mtim }), 0);
	close(fd);
}

/* The manifest tells of the file as it is now: so digests agree, and what is wrong shows only further on. */
static void bless(const char *name, const char *file)
{
	g_autofree char *manifest = file_of(name, "manifest"), *path = file_of(name, file), *text = NULL;
	json_t *json = json_load_file(manifest, 0, NULL), *data = json_array();
	json_t *entry = json_object_get(json_object_get(json, "files"), file);
	g_autoptr(GArray) ranges = NULL;
	struct stat st;
	guint32 sum;
	guint i;

	ranges = digest_file(path, NULL, &sum, NULL);
	assert_non_null(ranges);
	assert_int_equal(stat(path, &st), 0);
	for (i = 0; i < ranges->len; i++)
		json_array_append_new(data, json_pack("[I, I]",
			(json_int_t)g_array_index(ranges, struct digest_range, i).start,
			(json_int_t)g_array_index(ranges, struct digest_range, i).len));
	json_object_set_new(entry, "data", data);
	json_object_set_new(entry, "value", json_integer(sum));
	json_object_set_new(entry, "size", json_integer(st.st_size));
	json_object_set_new(entry, "mtime_ns", json_integer((json_int_t)st.st_mtim.tv_sec * 1000000000 +
							    st.st_mtim.tv_nsec));
	text = json_dumps(json, JSON_COMPACT);
	assert_true(g_file_set_contents(manifest, text, -1, NULL));
	json_decref(json);
}

static void expect_damaged(const char *how)
{
	expect(SNAPSHOT("restore", "bad"), 74, how);
	expect(SNAPSHOT("verify", "bad"), 74, how);
	expect(RUN("--snapshot", "bad"), 74, how);
}

static void damage_is_refused(void **state)
{
	g_autofree char *memory = file_of("bad", "memory"), *disk = file_of("bad", "disk"), *text = NULL;
	g_autofree char *manifest = file_of("bad", "manifest"), *edited = NULL;

	copy_snapshot("good", "bad");
	flip(memory, 1 << 20);
	expect_damaged("checksum");
	copy_snapshot("good", "bad");
	flip(disk, 0);
	expect_damaged("checksum");
	copy_snapshot("good", "bad");
	assert_int_equal(truncate(memory, 1 << 20), 0);
	expect_damaged("length");
	/* The digest itself is wrong. */
	copy_snapshot("good", "bad");
	assert_true(g_file_get_contents(manifest, &text, NULL, NULL));
	edited = g_strdup(text);
	*(strpbrk(strstr(edited, "\"value\":") + strlen("\"value\":"), ",}") - 1) ^= 1;
	assert_true(g_file_set_contents(manifest, edited, -1, NULL));
	expect_damaged("checksum");
	assert_true(g_file_set_contents(manifest, "{}", -1, NULL));
	expect_damaged("manifest");
	copy_snapshot("good", "bad");
	assert_int_equal(unlink(disk), 0);
	expect_damaged("missing");
	/* It can be removed all the same. */
	expect(SNAPSHOT("rm", "bad"), 0, NULL);
	assert_null(listed("bad"));
}

/* With all digests right: qemu-img's check, and the guest that does not come up. */
static void what_no_digest_shows(void **state)
{
	g_autofree char *memory = file_of("bad", "memory"), *disk = file_of("bad", "disk");
	guint64 at;
	int fd;

	/* The refcounts are gone: QEMU would not mind before it writes. */
	copy_snapshot("good", "bad");
	fd = open(disk, O_RDWR | O_CLOEXEC);
	assert_int_equal(pread(fd, &at, 8, 48), 8);	/* qcow2: refcount_table_offset */
	at = GUINT64_FROM_BE(at);
	assert_int_equal(pwrite(fd, "\0\0\0\0\0\0\0", 8, (off_t)at), 8);
	close(fd);
	bless("bad", "disk");
	expect(SNAPSHOT("verify", "bad"), 74, "disk is damaged");
	copy_snapshot("good", "bad");
	assert_int_equal(truncate(memory, 8 << 20), 0);
	bless("bad", "memory");
	expect(SNAPSHOT("verify", "bad"), 69, "no guest comes up");
	/* It says mounted, and is not. */
	copy_snapshot("worked", "bad");
	{
		g_autofree char *path = file_of("bad", "manifest"), *text = NULL;
		char *word;

		assert_true(g_file_get_contents(path, &text, NULL, NULL));
		word = strstr(text, "\"formatted\"");
		memcpy(word, "\"mounted\"  ", 11);
		assert_true(g_file_set_contents(path, text, -1, NULL));
	}
	expect(SNAPSHOT("verify", "bad"), 74, "/proc/mounts");
	expect(SNAPSHOT("rm", "bad", "worked"), 0, NULL);
	assert_null(listed("worked"));
}

/* ---- stale ---------------------------------------------------------------------------------------- */

static void what_it_was_made_with_has_changed(void **state)
{
	g_autofree char *agent = g_build_filename(test_dir, "agent", NULL);
	g_autofree char *real = fs_default_cachedir(), *kernels = g_build_filename(cache, "kernels", NULL);
	g_autofree char *source = g_canonicalize_filename(g_getenv("VEXLAB_AGENT") ?: "build/vexlab-agent", NULL);
	g_autofree char *link = g_build_filename(real, "kernels", "current", NULL), *release = NULL, *old = NULL, *mine = NULL;
	RAN r = { 0 };

	/* Another agent. */
	assert_true(fs_copy_sparse(source, agent, NULL));
	assert_int_equal(chmod(agent, 0755), 0);
	r = SNAPSHOT("verify", "--agent", agent, "good");
	expect_status(&r, 69);
	expect_says(&r, "agent");
	ran_clear(&r);
	/* Another kernel of the same name. */
	release = g_file_read_link(link, NULL);
	old = g_build_filename(real, "kernels", release, NULL);
	mine = g_build_filename(kernels, release, NULL);
	assert_int_equal(unlink(kernels), 0);
	{
		const char *argv[] = { "cp", "-rs", old, mine, NULL };
		g_autofree char *image = g_build_filename(mine, "vmlinux", NULL);
		g_autofree char *from = g_build_filename(old, "vmlinux", NULL);
		g_autofree char *current = g_build_filename(kernels, "current", NULL);

		assert_int_equal(mkdir(kernels, 0700), 0);
		assert_int_equal(symlink(release, current), 0);
		assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, NULL, NULL));
		assert_int_equal(unlink(image), 0);
		assert_true(fs_copy_sparse(from, image, NULL));
	}
	expect_stale("good", "kernel");
	/* None at all. */
	fs_remove_at(AT_FDCWD, mine);
	r = SNAPSHOT("list");
	expect_says(&r, release);
	ran_clear(&r);
	expect(SNAPSHOT("restore", "good"), 69, "guest build");
	fs_remove_at(AT_FDCWD, kernels);
	link_to(real, "kernels");
	expect(SNAPSHOT("verify", "good"), 0, "good");
	/* The target. */
	write_target("two");
	expect_stale("good", "target");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(made_listed_and_good),
		cmocka_unit_test(a_run_starts_from_it),
		cmocka_unit_test(after_any_step_by_name),
		cmocka_unit_test(what_is_asked_for_wrongly),
		cmocka_unit_test(two_at_once_and_in_use),
		cmocka_unit_test(damage_is_refused),
		cmocka_unit_test(what_no_digest_shows),
		cmocka_unit_test(what_it_was_made_with_has_changed),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
