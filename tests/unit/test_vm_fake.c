// SPDX-License-Identifier: GPL-2.0
/*
 * The fake guest keeps the promises of vm.h, since tests of run/ lean on it:
 * order, no call from within a call, nothing after gone(). And the stream
 * below both drivers: back-pressure, last bytes before the hang-up.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "error.h"
#include "fsutil.h"
#include "stream.h"
#include "vm_fake.h"

/* What a sink was told, as text. */
struct told {
	GString *text;
	gsize bytes;
	guint gone;
	struct vm *kill;	/* destroyed from within gone() */
	gboolean inside;
};

static void enter(struct told *t)
{
	assert_false(t->inside);
	t->inside = TRUE;
}

static void on_console(void *ctx, const void *data, gsize len)
{
	struct told *t = ctx;

	enter(t);
	g_string_append_printf(t->text, "console %.*s;", (int)len, (const char *)data);
	t->inside = FALSE;
}

static void on_channel(void *ctx, const void *data, gsize len)
{
	struct told *t = ctx;

	enter(t);
	if (len < 100)
		g_string_append_printf(t->text, "channel %.*s;", (int)len, (const char *)data);
	t->bytes += len;
	t->inside = FALSE;
}

static void on_gone(void *ctx, enum vm_gone why)
{
	struct told *t = ctx;

	enter(t);
	g_string_append_printf(t->text, "gone %d;", why);
	t->gone++;
	vm_fake.destroy(g_steal_pointer(&t->kill));
	t->inside = FALSE;
}

static void echo(struct vm *vm, GBytes *bytes, void *ctx)
{
	gsize len;
	const char *data = g_bytes_get_data(bytes, &len);

	vm_fake_send(vm, data, len);
	if (len == 3 && !memcmp(data, "die", 3)) {
		vm_fake_die(vm, VM_GONE_REBOOT);
		vm_fake_send(vm, "late", 4);
	}
}

static void run_idle(void)
{
	while (g_main_context_iteration(NULL, FALSE))
		;
}

static void write_text(struct vm *vm, const char *text)
{
	g_autoptr(GBytes) bytes = g_bytes_new_static(text, strlen(text));

	vm_fake.channel_write(vm, bytes);
}

struct fixture {
	struct told told;
	struct vm_fake_script script;
	struct vm_config config;
	struct vm_sink sink;
};

static int set_up(void **state)
{
	struct fixture *f = g_new0(struct fixture, 1);

	f->told.text = g_string_new(NULL);
	f->script = (struct vm_fake_script) {
		.console = "boot", .agent = echo, .channel_fd = -1, .calls = g_string_new(NULL),
	};
	f->config = (struct vm_config) { .name = "test", .driver_data = &f->script };
	f->sink = (struct vm_sink) { on_console, on_channel, on_gone, NULL, &f->told };
	*state = f;
	return 0;
}

static int tear_down(void **state)
{
	struct fixture *f = *state;

	g_string_free(f->told.text, TRUE);
	g_string_free(f->script.calls, TRUE);
	g_free(f);
	return 0;
}

static void test_order_and_death(void **state)
{
	struct fixture *f = *state;
	struct vm *vm = vm_fake.create(&f->config, &f->sink, NULL);

	assert_true(vm_fake.boot(vm, NULL));
	write_text(vm, "one");
	write_text(vm, "two");
	/* Nothing is told from within a call. */
	assert_string_equal(f->told.text->str, "");
	run_idle();
	assert_string_equal(f->told.text->str, "console boot;channel one;channel two;");

	f->told.kill = vm;
	write_text(vm, "die");
	run_idle();
	assert_string_equal(f->told.text->str, "console boot;channel one;channel two;channel die;gone 1;");
	assert_int_equal(f->told.gone, 1);
	assert_string_equal(f->script.calls->str, "create;boot;destroy;");
}

static void test_dead_stays_dead(void **state)
{
	struct fixture *f = *state;
	struct vm *vm = vm_fake.create(&f->config, &f->sink, NULL);

	assert_true(vm_fake.boot(vm, NULL));
	write_text(vm, "die");
	run_idle();
	write_text(vm, "more");
	run_idle();
	assert_string_equal(f->told.text->str, "console boot;channel die;gone 1;");
	vm_fake.destroy(vm);
}

static void test_hold_is_back_pressure(void **state)
{
	struct fixture *f = *state;
	struct vm *vm = vm_fake.create(&f->config, &f->sink, NULL);

	assert_true(vm_fake.boot(vm, NULL));
	vm_fake_hold(vm, TRUE);
	write_text(vm, "12345");
	write_text(vm, "678");
	run_idle();
	assert_int_equal(vm_fake.channel_pending(vm), 8);
	assert_string_equal(f->told.text->str, "console boot;");
	vm_fake_hold(vm, FALSE);
	run_idle();
	assert_int_equal(vm_fake.channel_pending(vm), 0);
	assert_string_equal(f->told.text->str, "console boot;channel 12345;channel 678;");
	vm_fake.destroy(vm);
}

static void test_failures_and_states(void **state)
{
	struct fixture *f = *state;
	g_autofree char *dir = g_dir_make_tmp("vexlab-fake-XXXXXX", NULL);
	g_autofree char *path = g_build_filename(dir, "state", NULL);
	g_autoptr(GError) error = NULL;
	struct vm *vm = vm_fake.create(&f->config, &f->sink, NULL);

	f->script.fail = VM_FAKE_FAIL_WAKE;
	assert_true(vm_fake.save(vm, path, &error));
	assert_true(vm_fake.restore(vm, path, &error));
	assert_true(vm_fake.standby(vm, path, &error));
	assert_false(vm_fake.wake(vm, &error));
	assert_true(g_error_matches(error, VX_ERROR, VX_ERROR_UNAVAILABLE));
	g_clear_error(&error);
	assert_true(g_file_set_contents(path, "junk", -1, NULL));
	assert_false(vm_fake.restore(vm, path, &error));
	assert_non_null(error);
	vm_fake.destroy(vm);
	assert_string_equal(f->script.calls->str, "create;save;restore;wake;restore;destroy;");

	f->script.fail = VM_FAKE_FAIL_CREATE;
	assert_null(vm_fake.create(&f->config, &f->sink, NULL));
	fs_remove_at(AT_FDCWD, dir);
}

/* Through a socketpair, where the kernel's buffers are the limit. */
static void test_socket_back_pressure(void **state)
{
	struct fixture *f = *state;
	g_autofree char *block = g_malloc0(1 << 20);
	gsize got = 0;
	struct vm *vm;
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	f->script.channel_fd = fd[0];
	vm = vm_fake.create(&f->config, &f->sink, NULL);
	assert_true(vm_fake.boot(vm, NULL));
	for (int i = 0; i < 4; i++) {
		g_autoptr(GBytes) bytes = NULL;

		memset(block, 'a' + i, 1 << 20);
		bytes = g_bytes_new(block, 1 << 20);
		vm_fake.channel_write(vm, bytes);
	}
	assert_in_range(vm_fake.channel_pending(vm), 1 << 20, 4 << 20);
	while (got < 4 << 20) {
		ssize_t n = recv(fd[1], block, 1 << 20, MSG_DONTWAIT);

		for (ssize_t i = 0; i < n; i++, got++)
			assert_int_equal(block[i], 'a' + (got >> 20));
		g_main_context_iteration(NULL, FALSE);
	}
	assert_int_equal(vm_fake.channel_pending(vm), 0);
	assert_int_equal(write(fd[1], "hello", 5), 5);
	run_idle();
	assert_non_null(strstr(f->told.text->str, "channel hello;"));
	vm_fake.destroy(vm);
	close(fd[1]);
}

struct ends {
	GString *text;
	guint hangups;
};

static void on_bytes(void *ctx, const void *data, gsize len)
{
	struct ends *e = ctx;

	assert_int_equal(e->hangups, 0);
	g_string_append_len(e->text, data, len);
}

static void on_hangup(void *ctx)
{
	struct ends *e = ctx;

	e->hangups++;
}

static void test_last_bytes_before_hangup(void **state)
{
	g_autofree char *big = g_strnfill(100000, 'x');
	struct ends ends = { .text = g_string_new(NULL) };
	const struct stream_ops ops = { .bytes = on_bytes, .hangup = on_hangup, .ctx = &ends };
	struct stream *s;
	int fd[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fd), 0);
	s = stream_adopt(fd[0], &ops);
	assert_int_equal(write(fd[1], big, 100000), 100000);
	close(fd[1]);
	while (!ends.hangups)
		g_main_context_iteration(NULL, TRUE);
	run_idle();
	assert_int_equal(ends.text->len, 100000);
	assert_int_equal(ends.hangups, 1);
	assert_false(stream_is_connected(s));
	stream_free(s);
	g_string_free(ends.text, TRUE);
}

static void test_path_too_long(void **state)
{
	g_autofree char *path = g_strnfill(200, 'p');
	const struct stream_ops ops = { .bytes = on_bytes };
	g_autoptr(GError) error = NULL;

	assert_null(stream_listen(path, &ops, &error));
	assert_true(error && error->domain == VX_ERROR);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order_and_death, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_dead_stays_dead, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_hold_is_back_pressure, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_failures_and_states, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_socket_back_pressure, set_up, tear_down),
		cmocka_unit_test(test_last_bytes_before_hangup),
		cmocka_unit_test(test_path_too_long),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
