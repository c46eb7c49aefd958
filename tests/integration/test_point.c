// SPDX-License-Identifier: GPL-2.0
/* Points of a run in the real guest: whatever has become of it, it is back as it was, and now. */
#include <fcntl.h>
#include <glib.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <unistd.h>
#include <cmocka.h>

#include "accel.h"
#include "error.h"
#include "fsutil.h"
#include "session.h"
#include "ssh.h"

#define POINT_FILE	"/mnt/target/before"
#define LATER_FILE	"/mnt/target/after"

struct world {
	struct config config;
	struct guest_image *image;
	struct rundir *rundir;
	struct session_config session_config;
	struct session_sink sink;
	struct session *session;
	char *agent, *cachedir;
	guint64 step;
	gint64 real_minus_mono;		/* the guest's clocks, ns, at its latest greeting */
	guint32 epoch;			/* of the latest frame */
	gboolean old_epoch;		/* a frame came of one before */
	char *how;			/* of the latest "restored" */
	guint lost, made;
};

static void on_frame(void *ctx, const struct vx_frame *frame, const void *payload)
{
	struct world *w = ctx;

	w->old_epoch |= frame->epoch < w->epoch;
	w->epoch = frame->epoch;
	if (frame->type == VX_MSG_HELLO) {
		struct vx_msg_hello msg;

		memcpy(&msg, payload, sizeof(msg));
		w->real_minus_mono = (gint64)(msg.realtime_ns - msg.monotonic_ns);
	}
}

static void on_console(void *ctx, const void *data, gsize len)
{
}

static void on_note(void *ctx, json_t *json)
{
	const char *event = json_string_value(json_object_get(json, "event"));
	struct world *w = ctx;

	w->lost += !strcmp(event, "lost");
	w->made += !strcmp(event, "point made");
	if (!strcmp(event, "restored")) {
		g_free(w->how);
		w->how = g_strdup(json_string_value(json_object_get(json, "how")));
	}
	json_decref(json);
}

static void on_progress(void *ctx, const char *text)
{
}

/* FALSE: the guest is lost. */
static gboolean shell(struct world *w, const char *script, struct step_result *res)
{
	const char *argv[] = { "sh", "-c", script, NULL };
	const struct vx_req_step req = { .id = ++w->step, .op = VX_STEP_EXEC, .deadline_ns = 10000000000ull };

	return session_step(w->session, &req, argv, res, NULL);
}

static void must(struct world *w, const char *script)
{
	STEP_RESULT_CLEAR struct step_result res = { 0 };

	assert_true(shell(w, script, &res));
	if (res.msg.err || res.msg.value)
		fail_msg("%s: %s", script, res.output);
}

static void back(struct world *w, const char *name)
{
	const guint32 epoch = w->epoch;
	GError *error = NULL;

	w->old_epoch = FALSE;
	if (!session_point_back(w->session, name, &error))
		fail_msg("%s: %s", name, error->message);
	assert_null(session_lost(w->session));
	assert_true(w->epoch > epoch);
}

#define CLOCK_SLACK_MS	1500	/* the host's time was on its way while the guest woke, on a machine that may be busy */

/* ms that the guest's CLOCK_REALTIME is behind ours; half of a step's way is not known. */
static double clock_behind_ms(struct world *w)
{
	const struct vx_req_step req = { .id = ++w->step, .op = VX_STEP_NOP, .deadline_ns = 10000000000ull };
	const gint64 before = g_get_real_time() * 1000;
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	gint64 after;

	assert_true(session_step(w->session, &req, NULL, &res, NULL));
	after = g_get_real_time() * 1000;
	return (double)(before + (after - before) / 2 - (gint64)res.msg.start_ns - w->real_minus_mono) / 1e6;
}

/* By the system's own tool, between two looks at our clock; then closer than a process' start allows. */
static void assert_clock(struct world *w)
{
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	const double before = (double)g_get_real_time() / 1e6;
	double guest, after, behind;

	assert_true(shell(w, "date +%s.%N", &res));
	after = (double)g_get_real_time() / 1e6;
	guest = g_ascii_strtod(res.output, NULL);
	if (guest < before - CLOCK_SLACK_MS / 1e3 || guest > after)
		fail_msg("the guest's clock says %.3f, ours %.3f to %.3f", guest, before, after);
	behind = clock_behind_ms(w);
	print_message("the guest's clock is %.1f ms behind ours\n", behind);
	assert_true(behind > -5 && behind < CLOCK_SLACK_MS);
	assert_true(session_clock_off_ms(w->session) > -CLOCK_SLACK_MS && session_clock_off_ms(w->session) < 5);
}

static void assert_at_point(struct world *w)
{
	assert_clock(w);
	must(w, "test \"$(cat " POINT_FILE ")\" = kept && ! test -e " LATER_FILE);
	/* And it goes on working. */
	must(w, "echo later >" LATER_FILE " && sync && umount /mnt/target && mount /dev/vdc /mnt/target");
	assert_false(w->old_epoch);
}

static void make(struct world *w, const char *name)
{
	GError *error = NULL;

	if (!session_point_make(w->session, name, &error))
		fail_msg("%s: %s", name, error->message);
}

static void open_session(struct world *w)
{
	GError *error = NULL;

	w->session = session_open(&w->session_config, &w->sink, &error);
	if (!w->session)
		fail_msg("%s", error->message);
}

static int set_up(void **state)
{
	struct world *w = g_new0(struct world, 1);
	struct config_machine machine;
	g_autofree char *why = NULL;
	GError *error = NULL;

	*state = w;
	w->sink = (struct session_sink){
		.frame = on_frame, .console = on_console, .note = on_note, .progress = on_progress, .ctx = w,
	};
	config_init(&w->config);
	config_machine_probe(&machine);
	g_free(config_clamp_to_machine(&w->config, &machine));
	w->config.heartbeat_s = 3;
	w->agent = g_canonicalize_filename("build/vexlab-agent", NULL);
	w->cachedir = fs_default_cachedir();
	w->image = guest_find(w->cachedir, NULL, &error);
	if (!w->image || !rundir_reap(NULL, NULL, &error) || !(w->rundir = rundir_create(NULL, &error)))
		fail_msg("%s", error->message);
	w->session_config = (struct session_config){
		.config = &w->config, .image = w->image, .agent = w->agent, .cachedir = w->cachedir,
		.rundir = w->rundir, .driver = &vm_libvirt, .scratch_mib = 64,
		.accel = vm_probe_accel(w->image->kernel, w->cachedir, FALSE, &why),
	};
	open_session(w);
	must(w, "mkdir -p /mnt/target && mkfs.ext4 -qF /dev/vdc");
	make(w, "formatted");
	must(w, "mount /dev/vdc /mnt/target && echo kept >" POINT_FILE);
	make(w, "mounted");
	must(w, "echo later >" LATER_FILE " && sync");
	return 0;
}

static int tear_down(void **state)
{
	struct world *w = *state;

	session_close(w->session);
	rundir_destroy(w->rundir);
	guest_free(w->image);
	g_free(w->agent);
	g_free(w->cachedir);
	g_free(w->how);
	g_free(w);
	return 0;
}

static void test_qemu_killed(void **state)
{
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	struct world *w = *state;

	assert_true(session_point_settle(w->session));
	assert_int_equal(kill((pid_t)vm_libvirt.pid(session_vm(w->session)), SIGKILL), 0);
	assert_false(shell(w, "sleep 5", &res));
	assert_non_null(session_lost(w->session));
	assert_int_equal(w->lost, 1);
	back(w, "mounted");
	assert_string_equal(w->how, "standby");
	assert_at_point(w);
}

static void test_panic(void **state)
{
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	struct world *w = *state;

	assert_false(shell(w, "echo c >/proc/sysrq-trigger; sleep 5", &res));
	back(w, "mounted");
	assert_at_point(w);
}

static void test_agent_stopped(void **state)
{
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	struct world *w = *state;

	assert_false(shell(w, "kill -STOP $PPID; sleep 5", &res));
	assert_non_null(strstr(session_lost(w->session), "the kernel answers an NMI"));
	back(w, "mounted");
	assert_at_point(w);
}

/* Again and again, to all of them, with and without one that stands by; dead ones that stood by are noticed. */
static void test_all_points(void **state)
{
	struct world *w = *state;
	g_auto(GStrv) names = session_point_list(w->session);
	g_autofree char *all = g_strjoinv(" ", names);

	assert_string_equal(all, "ready formatted mounted");
	back(w, "formatted");
	assert_string_equal(w->how, "file");
	must(w, "! mountpoint -q /mnt/target && mount /dev/vdc /mnt/target && ! test -e " POINT_FILE);
	back(w, "ready");
	must(w, "! dumpe2fs -h /dev/vdc 2>/dev/null && test $(cat /sys/block/vdc/size) = 131072");
	back(w, "mounted");
	assert_at_point(w);
	back(w, "mounted");
	assert_at_point(w);
}

/* The image of a point, found as a stranger would. */
static char *image_of(struct world *w, guint nth)
{
	g_autofree char *dir = g_build_filename(w->cachedir, "scratch", NULL);
	g_autoptr(GDir) d = g_dir_open(dir, 0, NULL);
	g_autoptr(GPtrArray) found = g_ptr_array_new_with_free_func(g_free);
	const char *name;

	while ((name = g_dir_read_name(d))) {
		g_autofree char *path = g_build_filename(dir, name, NULL);
		char magic[16] = "";
		int fd = open(path, O_RDONLY | O_CLOEXEC);

		if (g_str_has_prefix(name, rundir_id(w->rundir)) && read(fd, magic, sizeof(magic)) == sizeof(magic) &&
		    !memcmp(magic, "LibvirtQemudSave", sizeof(magic)))
			g_ptr_array_add(found, g_steal_pointer(&path));
		close(fd);
	}
	return nth < found->len ? g_strdup(found->pdata[nth]) : NULL;
}

static void test_damage(void **state)
{
	struct world *w = *state;
	g_autoptr(GError) error = NULL;
	g_autofree char *path = NULL;
	guint i;

	/* Nothing stands by for the one that is damaged. */
	back(w, "formatted");
	session_point_settle(w->session);
	for (i = 0; (path = image_of(w, i)); i++) {
		assert_int_equal(truncate(path, 1 << 20), 0);
		g_clear_pointer(&path, g_free);
	}
	assert_true(i >= 2);
	assert_false(session_point_back(w->session, "mounted", &error));
	assert_true(error->domain == VX_ERROR);
	assert_non_null(strstr(error->message, "damaged"));
	/* Nothing has been done: this guest is as it was. */
	assert_null(session_lost(w->session));
	must(w, "true");
	g_clear_error(&error);
	assert_false(session_point_back(w->session, "nowhere", &error));
	assert_non_null(strstr(error->message, "no point"));
	g_clear_error(&error);
	/* What stands by was loaded before, and is good; "ready" lies in the cache. */
	back(w, "formatted");
	back(w, "ready");
	must(w, "true");
}

/* ---- a guest that somebody has logged in to --------------------------------------------------- */

static guint free_port(void)
{
	g_autoptr(GSocketAddress) any = g_inet_socket_address_new_from_string("127.0.0.1", 0);
	g_autoptr(GSocket) s = g_socket_new(G_SOCKET_FAMILY_IPV4, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_TCP, NULL);
	g_autoptr(GSocketAddress) got = NULL;

	assert_true(g_socket_bind(s, any, FALSE, NULL));
	got = g_socket_get_local_address(s, NULL);
	return g_inet_socket_address_get_port(G_INET_SOCKET_ADDRESS(got));
}

static void assert_ssh_says(struct ssh_guest *ssh, const char *command, const char *words)
{
	const char *argv[] = { "sh", "-c", command, NULL };
	SSH_RESULT_CLEAR struct ssh_result result = { 0 };
	GError *error = NULL;

	if (!ssh_guest_connect(ssh, NULL, &error) || !ssh_guest_run(ssh, argv, 30000, NULL, &result, &error))
		fail_msg("%s", error->message);
	assert_string_equal(result.out->str, words);
}

/* The connection ends with the guest that is left; to the one that is back there is a new one, by the same port and key. */
static void test_ssh_again(void **state)
{
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	struct world *w = *state;
	const guint port = free_port();
	const struct ssh_config config = {
		.host = "127.0.0.1", .port = port, .key = w->image->ssh_key, .known_hosts = w->image->known_hosts,
		.retries = 10, .connect_timeout_ms = 20000,
	};
	VX_GUARD(ssh_guest_free) struct ssh_guest *ssh = ssh_guest_new(&config, NULL);

	assert_non_null(ssh);
	session_close(g_steal_pointer(&w->session));
	w->session_config.ssh_port = port;
	w->session_config.cold = TRUE;
	open_session(w);
	assert_ssh_says(ssh, "echo kept >/tmp/mark; cat /tmp/mark", "kept\n");
	make(w, "marked");
	assert_ssh_says(ssh, "cat /tmp/mark; echo later >/tmp/mark", "kept\n");
	assert_int_equal(kill((pid_t)vm_libvirt.pid(session_vm(w->session)), SIGKILL), 0);
	assert_false(shell(w, "sleep 5", &res));
	back(w, "marked");
	assert_string_equal(w->how, "file");
	assert_ssh_says(ssh, "cat /tmp/mark", "kept\n");
	must(w, "true");
}

/* libvirt's threads are there until the end, and the leak checker trips over them. */
const char *__asan_default_options(void);
const char *__asan_default_options(void)
{
	return "detect_leaks=0";
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_qemu_killed),
		cmocka_unit_test(test_panic),
		cmocka_unit_test(test_agent_stopped),
		cmocka_unit_test(test_all_points),
		cmocka_unit_test(test_damage),
		cmocka_unit_test(test_ssh_again),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
