// SPDX-License-Identifier: GPL-2.0
/*
 * Points of a run on the fake VM: which guest starts from what, what is left
 * when one of the parts fails, and that nothing of an earlier epoch is news.
 */
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <cmocka.h>

#include "disk.h"
#include "error.h"
#include "frame.h"
#include "fsutil.h"
#include "session_priv.h"
#include "vm_fake.h"

#define MANY	200

/* What a VM was made of when the driver made it. */
struct made {
	char *name, *backing;	/* backing file of its scratch disk, "" if none */
};

static struct world {
	char *dir;
	struct config config;
	struct rundir *rundir;
	struct session *s;
	struct vm_fake_script script;
	struct vm_driver driver;
	GArray *made;		/* struct made */
	GString *notes;		/* "point made a;restoring a;restored a standby;..." */
	GString *logs;		/* texts of VX_MSG_LOG that reached the sink */
	guint32 epoch;		/* the agent's */
	guint64 seq;
	gboolean dies;		/* it panics when it is greeted */
	gboolean babble;	/* before each greeting it says what it had not sent in its last life */
} w;

/* ---- the guest's half ------------------------------------------------------------------- */

static void say(struct vm *vm, guint16 type, guint32 epoch, guint64 seq, const void *payload, gsize len)
{
	g_autofree char *buf = g_malloc(sizeof(struct vx_frame) + len);

	if (len)
		memcpy(buf + sizeof(struct vx_frame), payload, len);
	vx_frame_seal((struct vx_frame *)buf, type, epoch, seq, buf + sizeof(struct vx_frame), (guint32)len);
	vm_fake_send(vm, buf, sizeof(struct vx_frame) + len);
}

static void say_log(struct vm *vm, guint32 epoch, guint64 seq, const char *text)
{
	say(vm, VX_MSG_LOG, epoch, seq, text, strlen(text));
}

static void greet_back(struct vm *vm, const void *payload)
{
	const struct vx_msg_hello hello = { .protocol = VX_PROTOCOL_VERSION, .cpus = 1 };
	struct vx_req_hello req;

	memcpy(&req, payload, sizeof(req));
	if (w.babble)
		say_log(vm, w.epoch, w.seq++, "from before");
	w.epoch = req.epoch;
	w.seq = 0;
	say(vm, VX_MSG_HELLO, w.epoch, w.seq++, &hello, sizeof(hello));
	/* A frame of the old life that was on its way, between two of the new one. */
	if (w.babble && w.epoch > 1)
		say_log(vm, w.epoch - 1, 77, "late");
	say_log(vm, w.epoch, w.seq++, "now");
}

static void agent(struct vm *vm, GBytes *bytes, void *ctx)
{
	const char *data = g_bytes_get_data(bytes, NULL);
	struct vx_frame frame;

	memcpy(&frame, data, sizeof(frame));
	if (w.dies)
		vm_fake_die(vm, VM_GONE_REBOOT);
	else if (frame.type == VX_REQ_HELLO)
		greet_back(vm, data + sizeof(frame));
	else if (frame.type == VX_REQ_FLUSH)
		say(vm, VX_MSG_FLUSHED, w.epoch, w.seq++, NULL, 0);
}

/* A guest that has booted says so by itself. */
static void started(struct vm *vm, gboolean restored, void *ctx)
{
	const struct vx_msg_hello hello = { .protocol = VX_PROTOCOL_VERSION };

	if (restored)
		return;
	w.epoch = 0;
	w.seq = 0;
	say(vm, VX_MSG_HELLO, w.epoch, w.seq++, &hello, sizeof(hello));
}

/* ---- the host's half -------------------------------------------------------------------- */

/* The name in a qcow2's head: offset and length stand at 8 and 16, big endian. */
static char *backing_of(const char *path)
{
	g_autofree char *data = NULL;
	guint64 at;
	guint32 len;
	gsize size;

	assert_true(g_file_get_contents(path, &data, &size, NULL) && size > 512);
	memcpy(&at, data + 8, 8);
	memcpy(&len, data + 16, 4);
	at = GUINT64_FROM_BE(at);
	len = GUINT32_FROM_BE(len);
	return at ? g_strndup(data + at, len) : g_strdup("");
}

static struct vm *create(const struct vm_config *config, const struct vm_sink *sink, GError **error)
{
	struct made made = { g_strdup(config->name), backing_of(config->disks[SCRATCH_DISK].path) };

	g_array_append_val(w.made, made);
	return vm_fake.create(config, sink, error);
}

static const struct made *made(guint from_last)
{
	assert_true(w.made->len > from_last);
	return &g_array_index(w.made, struct made, w.made->len - 1 - from_last);
}

static void on_frame(void *ctx, const struct vx_frame *frame, const void *payload)
{
	assert_int_equal(frame->epoch, link_epoch(w.s->link));
	if (frame->type == VX_MSG_LOG)
		g_string_append_printf(w.logs, "%.*s;", (int)frame->length, (const char *)payload);
}

static void on_console(void *ctx, const void *data, gsize len)
{
}

static void on_note(void *ctx, json_t *json)
{
	const char *event = json_string_value(json_object_get(json, "event"));
	const char *name = json_string_value(json_object_get(json, "name"));
	const char *how = json_string_value(json_object_get(json, "how"));

	g_string_append_printf(w.notes, "%s%s%s%s%s;", event, name ? " " : "", name ? name : "", how ? " " : "",
			       how ? how : "");
	json_decref(json);
}

static void on_progress(void *ctx, const char *text)
{
}

static void made_clear(void *data)
{
	struct made *m = data;

	g_free(m->name);
	g_free(m->backing);
}

static void boot(void)
{
	GError *error = NULL;

	session_link_vm(w.s);
	if (!session_boot(w.s, &error))
		fail_msg("%s", error->message);
}

static int set_up(void **state)
{
	const struct session_sink sink = {
		.frame = on_frame, .console = on_console, .note = on_note, .progress = on_progress,
	};
	g_autofree char *base = NULL, *scratch = NULL;

	memset(&w, 0, sizeof(w));
	w.dir = g_dir_make_tmp("vexlab-points-XXXXXX", NULL);
	base = g_build_filename(w.dir, "run", NULL);
	scratch = g_build_filename(w.dir, "scratch", NULL);
	assert_true(fs_mkdir(scratch, 0700, NULL));
	w.rundir = rundir_create(base, NULL);
	assert_non_null(w.rundir);
	config_init(&w.config);
	w.made = g_array_new(FALSE, FALSE, sizeof(struct made));
	g_array_set_clear_func(w.made, made_clear);
	w.notes = g_string_new(NULL);
	w.logs = g_string_new(NULL);
	w.script = (struct vm_fake_script){
		.agent = agent, .started = started, .channel_fd = -1, .calls = g_string_new(NULL),
	};
	w.driver = vm_fake;
	w.driver.create = create;
	w.s = g_new0(struct session, 1);
	w.s->sink = sink;
	w.s->image_fd = -1;
	w.s->wait.payload = g_byte_array_new();
	w.s->workdir = g_strdup("/vexlab");
	w.s->config = (struct session_config){
		.config = &w.config, .cachedir = w.dir, .rundir = w.rundir, .driver = &w.driver,
		.scratch_mib = SCRATCH_MIB,
	};
	w.s->scratch = g_build_filename(scratch, "first.qcow2", NULL);
	assert_true(session_new_disk(w.s, w.s->scratch, NULL));
	w.s->disks[SCRATCH_DISK] = (struct vm_disk){ w.s->scratch, "qcow2", "vexlab-scratch", FALSE };
	w.s->vm_config = (struct vm_config){
		.name = SESSION_NAME, .memory_mib = 1, .vcpus = 1, .disks = w.s->disks, .ndisks = SESSION_DISKS,
		.driver_data = &w.script,
	};
	boot();
	return 0;
}

static guint files_left(void)
{
	g_autofree char *dir = g_build_filename(w.dir, "scratch", NULL);
	g_autoptr(GDir) d = g_dir_open(dir, 0, NULL);
	guint n = 0;

	while (g_dir_read_name(d))
		n++;
	return n;
}

static int tear_down(void **state)
{
	session_close(w.s);
	/* Whatever was done: no file of a point outlives its session. */
	assert_int_equal(files_left(), 0);
	rundir_destroy(w.rundir);
	fs_remove_at(AT_FDCWD, w.dir);
	g_free(w.dir);
	g_array_unref(w.made);
	g_string_free(w.notes, TRUE);
	g_string_free(w.logs, TRUE);
	g_string_free(w.script.calls, TRUE);
	return 0;
}

static void hear_it_out(void)
{
	while (g_main_context_iteration(NULL, FALSE))
		;
}

static void forget_calls(void)
{
	session_point_settle(w.s);
	hear_it_out();
	g_string_truncate(w.script.calls, 0);
	g_string_truncate(w.notes, 0);
	g_string_truncate(w.logs, 0);
}

static void make(const char *name)
{
	GError *error = NULL;

	if (!session_point_make(w.s, name, &error))
		fail_msg("%s: %s", name, error->message);
}

static void back(const char *name)
{
	GError *error = NULL;

	if (!session_point_back(w.s, name, &error))
		fail_msg("%s: %s", name, error->message);
	assert_null(session_lost(w.s));
}

static void die(void)
{
	vm_fake_die(w.s->vm, VM_GONE_REBOOT);
	while (!session_lost(w.s))
		g_main_context_iteration(NULL, TRUE);
}

static void refused(const char *name, const char *because)
{
	g_autoptr(GError) error = NULL;

	assert_false(session_point_back(w.s, name, &error));
	assert_true(error->domain == VX_ERROR);
	if (!strstr(error->message, because))
		fail_msg("\"%s\" does not say \"%s\"", error->message, because);
}

/* The first image of a point in the folder. */
static char *image(void)
{
	g_autofree char *dir = g_build_filename(w.dir, "scratch", NULL);
	g_autoptr(GDir) d = g_dir_open(dir, 0, NULL);
	const char *name;

	while ((name = g_dir_read_name(d))) {
		g_autofree char *path = g_build_filename(dir, name, NULL);
		char head[10] = "";
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (read(fd, head, sizeof(head)) == sizeof(head) && !memcmp(head, "fake state", sizeof(head))) {
			close(fd);
			return g_steal_pointer(&path);
		}
		close(fd);
	}
	fail_msg("no image");
	return NULL;
}

/* ---- the tests -------------------------------------------------------------------------- */

static void test_make_goes_on_from_what_was_saved(void **state)
{
	forget_calls();
	make("a");
	assert_true(g_str_has_prefix(w.script.calls->str, "save;destroy;create;restore;"));
	assert_string_equal(w.notes->str, "point made a;");
	/* Another name than the one that was saved, its disk on top of the frozen one. */
	assert_string_equal(g_array_index(w.made, struct made, 1).name, "vexlab2");
	assert_string_equal(g_array_index(w.made, struct made, 1).backing, w.s->scratch);
	assert_true(session_point_settle(w.s));
	/* The one that stands by has a name and a disk of its own. */
	assert_string_equal(made(0)->name, "vexlab3");
	assert_string_equal(made(0)->backing, w.s->scratch);
	assert_null(session_lost(w.s));
}

static void test_back_wakes_the_one_that_stands_by(void **state)
{
	make("a");
	die();
	forget_calls();
	back("a");
	/* Dead is dead: killed, not asked; the old one is buried after the new one answers. */
	assert_true(g_str_has_prefix(w.script.calls->str, "kill;wake;destroy;"));
	assert_string_equal(w.notes->str, "restoring a;restored a standby;");
	hear_it_out();
	assert_string_equal(w.logs->str, "now;");
}

static void test_nothing_of_an_earlier_epoch_is_news(void **state)
{
	struct link_stats stats;
	guint32 before;

	make("a");
	forget_calls();
	before = link_epoch(w.s->link);
	w.babble = TRUE;
	/* What the guest has not got rid of when it is put back... */
	say_log(w.s->vm, w.epoch, w.seq++, "last words");
	back("a");
	hear_it_out();
	assert_int_equal(link_epoch(w.s->link), before + 1);
	/* ... is heard before; what it says when it is back, of before or late, is not. */
	assert_string_equal(w.logs->str, "last words;now;");
	link_stats(w.s->link, &stats);
	assert_int_equal(stats.stale_frames, 2);
	/* And dropping it is no loss of what is new. */
	assert_int_equal(stats.lost_frames, 0);
}

static void test_without_standby_a_file_does(void **state)
{
	make("a");
	session_point_settle(w.s);
	w.script.fail = VM_FAKE_FAIL_WAKE;
	forget_calls();
	back("a");
	assert_string_equal(w.notes->str, "restoring a;restored a file;");
	w.script.fail = VM_FAKE_FAIL_STANDBY;
	session_point_settle(w.s);
	back("a");
	back("a");
	assert_non_null(strstr(w.notes->str, "restored a file;restoring a;restored a file;"));
	assert_false(session_point_settle(w.s));
	w.script.fail = 0;
	w.s->config.no_standby = TRUE;
	back("a");
	forget_calls();
	back("a");
	assert_string_equal(w.script.calls->str, "kill;create;restore;destroy;");
}

/* Each is its own disk: what one wrote, the others do not see. */
static void test_points_upon_points(void **state)
{
	g_autofree char *first = NULL, *second = NULL, *all = NULL;
	g_auto(GStrv) names = NULL;

	w.s->config.no_standby = TRUE;
	make("a");
	first = g_strdup(made(0)->backing);
	assert_string_equal(first, w.s->scratch);
	make("b");
	second = g_strdup(made(0)->backing);
	assert_string_not_equal(second, first);
	names = session_point_list(w.s);
	all = g_strjoinv(" ", names);
	assert_string_equal(all, "ready a b");
	back("a");
	assert_string_equal(made(0)->backing, first);
	back("b");
	assert_string_equal(made(0)->backing, second);
	/* "ready": an empty disk, the session's own name; a boot, as there is no kept state. */
	back("ready");
	assert_string_equal(made(0)->backing, "");
	assert_string_equal(made(0)->name, SESSION_NAME);
	assert_true(g_str_has_suffix(w.notes->str, "restored ready boot;"));
	back("b");
	assert_string_equal(made(0)->backing, second);
}

static void test_a_point_of_that_name_is_replaced(void **state)
{
	g_auto(GStrv) names = NULL;
	g_autofree char *all = NULL;

	make("a");
	make("b");
	make("a");
	names = session_point_list(w.s);
	all = g_strjoinv(" ", names);
	assert_string_equal(all, "ready b a");
	assert_true(session_point_drop(w.s, "a", NULL));
	refused("a", "no point");
	assert_false(session_point_drop(w.s, "a", NULL));
	back("b");
}

static void test_names(void **state)
{
	static const char *const bad[] = { "", "ready", "A", "a b", "a/b", "..", "a23456789012345678901234567890123" };
	guint i;

	for (i = 0; i < G_N_ELEMENTS(bad); i++) {
		assert_false(session_point_make(w.s, bad[i], NULL));
		assert_null(session_lost(w.s));
	}
	assert_false(session_point_drop(w.s, "ready", NULL));
	refused("nowhere", "no point");
}

static void test_save_fails(void **state)
{
	g_autoptr(GError) error = NULL;

	w.script.fail = VM_FAKE_FAIL_SAVE;
	assert_false(session_point_make(w.s, "a", &error));
	assert_non_null(session_lost(w.s));
	w.script.fail = 0;
	refused("a", "no point");
	back("ready");
	make("a");
}

static void test_restore_fails(void **state)
{
	g_autoptr(GError) error = NULL;

	w.script.fail = VM_FAKE_FAIL_RESTORE;
	assert_false(session_point_make(w.s, "a", &error));
	assert_non_null(session_lost(w.s));
	/* What could not be gone on from is no point. */
	refused("a", "no point");
	w.script.fail = 0;
	back("ready");
	assert_non_null(strstr(w.notes->str, "restore failed a;"));
}

static void test_a_guest_that_dies_again_is_lost(void **state)
{
	g_autoptr(GError) error = NULL;

	make("a");
	w.dies = TRUE;
	assert_false(session_point_back(w.s, "a", &error));
	assert_non_null(session_lost(w.s));
	assert_non_null(strstr(w.notes->str, "restore failed a;"));
	/* It can be tried again. */
	w.dies = FALSE;
	back("a");
}

/* A damaged point is refused before anything has been done to the guest. */
static void test_damage(void **state)
{
	g_autofree char *path = NULL;
	int fd;

	w.s->config.no_standby = TRUE;
	make("a");
	session_point_settle(w.s);
	path = image();
	fd = open(path, O_WRONLY | O_CLOEXEC);
	assert_int_equal(pwrite(fd, "x", 1, (128 << 10) - 1), 1);
	close(fd);
	forget_calls();
	refused("a", "checksum");
	assert_string_equal(w.script.calls->str, "");
	assert_null(session_lost(w.s));
	assert_int_equal(truncate(path, 4096), 0);
	refused("a", "damaged");
	assert_int_equal(unlink(path), 0);
	refused("a", "damaged");
	assert_string_equal(w.script.calls->str, "");
	back("ready");
}

static void test_cancelled(void **state)
{
	g_autoptr(GCancellable) cancellable = g_cancellable_new();
	g_autoptr(GError) error = NULL;

	make("a");
	w.s->config.cancellable = cancellable;
	g_cancellable_cancel(cancellable);
	forget_calls();
	assert_false(session_point_back(w.s, "a", &error));
	assert_true(g_error_matches(error, G_IO_ERROR, G_IO_ERROR_CANCELLED));
	assert_string_equal(w.script.calls->str, "");
	w.s->config.cancellable = NULL;
	back("a");
}

/* Two at a time cannot have the same port. */
static void test_a_forwarded_port_has_one_user(void **state)
{
	w.s->config.ssh_port = 2222;
	make("a");
	assert_false(session_point_settle(w.s));
	forget_calls();
	back("a");
	assert_string_equal(w.script.calls->str, "kill;destroy;create;restore;");
}

static void test_a_foreign_guest_has_none(void **state)
{
	const struct ssh_config ssh = { .host = "x" };
	g_auto(GStrv) names = NULL;
	g_autoptr(GError) error = NULL;

	w.s->config.ssh = &ssh;
	assert_false(session_point_make(w.s, "a", &error));
	assert_non_null(strstr(error->message, "only its owner"));
	assert_false(session_point_back(w.s, "ready", NULL));
	names = session_point_list(w.s);
	assert_null(names[0]);
	w.s->config.ssh = NULL;
}

static void test_disks_upon_disks_have_an_end(void **state)
{
	g_autoptr(GError) error = NULL;
	guint i;

	w.s->config.no_standby = TRUE;
	for (i = 0; i < 64 && session_point_make(w.s, "a", &error); i++)
		;
	assert_int_equal(i, 32);
	assert_non_null(strstr(error->message, "points have been made"));
	g_clear_error(&error);
	back("ready");
	make("a");
}

static guint open_files(void)
{
	g_autoptr(GDir) d = g_dir_open("/proc/self/fd", 0, NULL);
	guint n = 0;

	while (g_dir_read_name(d))
		n++;
	return n;
}

static void test_many_times_leave_nothing(void **state)
{
	guint files, fds, i;

	make("a");
	back("a");
	session_point_settle(w.s);
	files = files_left();
	fds = open_files();
	for (i = 0; i < MANY; i++)
		back("a");
	session_point_settle(w.s);
	assert_int_equal(files_left(), files);
	assert_int_equal(open_files(), fds);
	assert_int_equal(link_epoch(w.s->link), MANY + 3);
}

#define POINT_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
	const struct CMUnitTest tests[] = {
		POINT_TEST(test_make_goes_on_from_what_was_saved),
		POINT_TEST(test_back_wakes_the_one_that_stands_by),
		POINT_TEST(test_nothing_of_an_earlier_epoch_is_news),
		POINT_TEST(test_without_standby_a_file_does),
		POINT_TEST(test_points_upon_points),
		POINT_TEST(test_a_point_of_that_name_is_replaced),
		POINT_TEST(test_names),
		POINT_TEST(test_save_fails),
		POINT_TEST(test_restore_fails),
		POINT_TEST(test_a_guest_that_dies_again_is_lost),
		POINT_TEST(test_damage),
		POINT_TEST(test_cancelled),
		POINT_TEST(test_a_forwarded_port_has_one_user),
		POINT_TEST(test_a_foreign_guest_has_none),
		POINT_TEST(test_disks_upon_disks_have_an_end),
		POINT_TEST(test_many_times_leave_nothing),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
