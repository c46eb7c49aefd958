// SPDX-License-Identifier: GPL-2.0
/* The run's configuration: defaults, files and --set, each value within its range or refused in words. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>

#include "config.h"
#include "error.h"
#include "fsutil.h"

static char *top;

static int set_up(void **state)
{
	top = g_dir_make_tmp("vexlab-config-XXXXXX", NULL);
	assert_non_null(top);
	return g_chdir(top);
}

static int tear_down(void **state)
{
	assert_int_equal(g_chdir("/"), 0);
	assert_int_equal(fs_remove_at(AT_FDCWD, top), 0);
	g_clear_pointer(&top, g_free);
	return 0;
}

static gboolean load(struct config *config, const char *text, GError **error)
{
	assert_true(g_file_set_contents("c.yaml", text, -1, NULL));
	return config_load(config, "c.yaml", error);
}

/* The contract's figures: a change of these is a change of what users see. */
static void test_defaults(void **state)
{
	struct config c;

	config_init(&c);
	assert_int_equal(c.memory_mib, 4096);
	assert_int_equal(c.vcpus, 4);
	assert_true(c.acceleration);
	assert_int_equal(c.watchdog_s, 300);
	assert_int_equal(c.heartbeat_s, 30);
	assert_int_equal(c.performance_interval_ms, 500);
	assert_int_equal(c.monitor_interval_ms, 1000);
	assert_true(c.auto_recovery);
	assert_int_equal(c.recovery_attempts, 5);
	assert_int_equal(c.events_kept, 10000);
	assert_int_equal(c.operation_ms, 30000);
	assert_int_equal(c.memory_kb, 3145728);
	assert_int_equal(c.cpu_percent, 95);
	assert_int_equal(c.io_per_second, 50000);
	assert_int_equal(c.cycles, 100);
	assert_int_equal(c.warmup, 5);
}

static void test_file_over_defaults(void **state)
{
	g_autoptr(GError) error = NULL;
	struct config c;

	config_init(&c);
	assert_true(load(&c, "vm: {memory_mib: 1024, acceleration: off}\nscenario:\n  warmup: 0\n", &error));
	assert_int_equal(c.memory_mib, 1024);
	assert_false(c.acceleration);
	assert_int_equal(c.warmup, 0);
	assert_int_equal(c.vcpus, 4);
	assert_int_equal(c.cycles, 100);
}

static void assert_refused(const char *text, const char *message)
{
	g_autoptr(GError) error = NULL;
	struct config c, before;

	/* Padding too: they are compared as bytes. */
	memset(&c, 0, sizeof(c));
	config_init(&c);
	before = c;
	assert_false(load(&c, text, &error));
	assert_string_equal(error->message, message);
	assert_int_equal(vx_error_exit_code(error), EX_CONFIG);
	assert_memory_equal(&c, &before, sizeof(c));
}

static void test_bad_files(void **state)
{
	assert_refused("vm:\n  memory_mib: 100\n", "c.yaml:2: vm.memory_mib: 100 is out of range 256..1048576 MiB");
	assert_refused("vm: {vcpus: 8}\nwatch:\n  watchdog_s: 0\n",
		       "c.yaml:3: watch.watchdog_s: 0 is out of range 1..86400 s");
	assert_refused("vm:\n  vcpus: -1\n", "c.yaml:2: vm.vcpus: \"-1\" is not a whole number in 1..255");
	assert_refused("vm:\n  vcpus: 18446744073709551617\n",
		       "c.yaml:2: vm.vcpus: 18446744073709551617 is out of range 1..255");
	assert_refused("recovery:\n\n  auto: maybe\n", "c.yaml:3: recovery.auto: \"maybe\" is neither true nor false");
	assert_refused("vm:\n  memory: 1\n",
		       "c.yaml:2: unknown key \"vm.memory\" (known: memory_mib, vcpus, acceleration)");
	assert_refused("thresholds:\n  cpu_percent: 101\n",
		       "c.yaml:2: thresholds.cpu_percent: 101 is out of range 1..100 %");
}

static const struct config_op *op_named(const struct config *c, const char *name)
{
	guint i;

	for (i = 0; i < c->nops; i++)
		if (!strcmp(c->ops[i].name, name))
			return &c->ops[i];
	fail_msg("no operation %s", name);
	return NULL;
}

static void test_operations(void **state)
{
	g_autoptr(GError) error = NULL;
	g_auto(GStrv) settings = NULL;
	g_autofree char *all = NULL;
	CONFIG_CLEAR struct config c = { 0 };

	config_init(&c);
	assert_int_equal(c.lasting_s, 30);
	assert_true(load(&c, "thresholds:\n  cpu_percent: 50\n  operations:\n    mount: { p99_ms: 50, max_ms: 200 }\n"
			 "    file work: { max_ms: 9 }\nalerts: { command: /bin/true, webhook: \"https://a.example/x\" }\n", &error));
	assert_int_equal(c.cpu_percent, 50);
	assert_int_equal(c.nops, 2);
	assert_int_equal(op_named(&c, "mount")->p99_ms, 50);
	assert_int_equal(op_named(&c, "mount")->max_ms, 200);
	assert_int_equal(op_named(&c, "file work")->max_ms, 9);
	assert_string_equal(c.alert_webhook, "https://a.example/x");
	assert_true(config_set(&c, "operations.mount.p99_ms=60", &error));
	assert_true(config_set(&c, "thresholds.operations.umount.max_ms=7", &error));
	assert_int_equal(op_named(&c, "mount")->p99_ms, 60);
	assert_int_equal(op_named(&c, "umount")->max_ms, 7);
	/* They are recorded; where alerts go is not. */
	settings = config_settings(&c);
	assert_true(g_strv_contains((const char *const *)settings, "thresholds.operations.mount.p99_ms=60"));
	assert_true(g_strv_contains((const char *const *)settings, "thresholds.operations.file work.max_ms=9"));
	all = g_strjoinv("\n", settings);
	assert_null(strstr(all, "example"));
}

static void test_bad_operations(void **state)
{
	assert_refused("thresholds:\n  operations:\n    mount:\n      p98_ms: 1\n",
		       "c.yaml:4: unknown key \"thresholds.operations.mount.p98_ms\" (did you mean \"p90_ms\"?)");
	assert_refused("thresholds:\n  operations:\n    mount: { max_ms: -1 }\n",
		       "c.yaml:3: thresholds.operations.mount.max_ms: \"-1\" is not a whole number in 0..86400000 ms");
	assert_refused("thresholds:\n  operations: 7\n",
		       "c.yaml:2: thresholds.operations: operations by their names belong below it");
	assert_refused("thresholds:\n  operations:\n    mount: { max_ms: 1 }\n    mount: { max_ms: 2 }\n",
		       "c.yaml:4: thresholds.operations.mount: stands here a second time");
	assert_refused("thresholds:\n  operations:\n    \"a\\eb\": { max_ms: 1 }\n",
		       "c.yaml:3: thresholds.operations.a\033b: \"a\033b\" is no name of an operation or step");
	assert_refused("alerts: { webhook: \"file:///etc/passwd\" }\n",
		       "c.yaml:1: alerts.webhook: \"file:///etc/passwd\" is not an address that begins with http:// or https://");
}

static void test_missing_file(void **state)
{
	g_autoptr(GError) error = NULL;
	struct config c;

	config_init(&c);
	assert_false(config_load(&c, "none.yaml", &error));
	assert_int_equal(vx_error_exit_code(error), EX_UNAVAILABLE);
	assert_non_null(strstr(error->message, "none.yaml"));
}

static void test_set(void **state)
{
	g_autoptr(GError) error = NULL;
	struct config c;

	config_init(&c);
	assert_true(config_set(&c, "vm.vcpus=2", &error));
	assert_true(config_set(&c, "cycles=7", &error));
	assert_true(config_set(&c, "recovery.auto=no", &error));
	assert_int_equal(c.vcpus, 2);
	assert_int_equal(c.cycles, 7);
	assert_false(c.auto_recovery);
}

static void assert_set_refused(const char *assignment, const char *message)
{
	g_autoptr(GError) error = NULL;
	struct config c;

	config_init(&c);
	assert_false(config_set(&c, assignment, &error));
	assert_string_equal(error->message, message);
	assert_int_equal(vx_error_exit_code(error), EX_USAGE);
}

static void test_bad_set(void **state)
{
	assert_set_refused("vm.vcpus=0", "--set: vm.vcpus: 0 is out of range 1..255");
	assert_set_refused("cycles=", "--set: scenario.cycles: \"\" is not a whole number in 1..10000000");
	assert_set_refused("vm.vcpu=1", "--set: unknown key \"vm.vcpu\" (did you mean \"vm.vcpus\"?)");
	assert_set_refused("vm=1", "--set: vm: holds further keys, not a value");
	assert_set_refused("vcpus", "--set takes key=value, as in --set vm.memory_mib=2048, not \"vcpus\"");
	assert_set_refused("operations.mount=1", "--set: thresholds.operations: \"mount\" is followed by no key, as in NAME.max_ms");
	assert_set_refused("operations.mount.max=1", "--set: unknown key \"max\" (known: max_ms, p50_ms, p90_ms, p99_ms)");
	assert_set_refused("=1", "--set takes key=value, as in --set vm.memory_mib=2048, not \"=1\"");
}

static void test_clamp(void **state)
{
	struct config_machine small = { .cpus = 2, .memory_mib = 2000 }, large = { .cpus = 64, .memory_mib = 1u << 18 };
	struct config_machine tiny = { .cpus = 1, .memory_mib = 100 }, unknown = { 0 };
	g_autofree char *said = NULL, *tiny_said = NULL;
	struct config c;

	config_init(&c);
	assert_null(config_clamp_to_machine(&c, &large));
	assert_null(config_clamp_to_machine(&c, &unknown));
	assert_int_equal(c.memory_mib, 4096);
	said = config_clamp_to_machine(&c, &small);
	assert_string_equal(said, "the guest gets 2 CPUs and 1500 MiB: this machine has 2 and 2000 MiB available");
	assert_int_equal(c.vcpus, 2);
	assert_int_equal(c.memory_mib, 1500);
	/* Never below what is allowed, never above what was asked for. */
	tiny_said = config_clamp_to_machine(&c, &tiny);
	assert_non_null(tiny_said);
	assert_int_equal(c.memory_mib, 256);
	assert_int_equal(c.vcpus, 1);
	assert_null(config_clamp_to_machine(&c, &small));
}

static void test_probe(void **state)
{
	struct config_machine machine;

	config_machine_probe(&machine);
	assert_true(machine.cpus >= 1);
	assert_true(machine.memory_mib > 0);
}

static void test_describe(void **state)
{
	g_autofree char *text = NULL;
	struct config c;

	config_init(&c);
	text = config_describe(&c);
	assert_non_null(strstr(text, "  vm.memory_mib=4096 "));
	assert_non_null(strstr(text, "(256..1048576 MiB)"));
	assert_non_null(strstr(text, "  recovery.auto=true "));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_defaults),
		cmocka_unit_test_setup_teardown(test_file_over_defaults, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bad_files, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_operations, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_bad_operations, set_up, tear_down),
		cmocka_unit_test_setup_teardown(test_missing_file, set_up, tear_down),
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_bad_set),
		cmocka_unit_test(test_clamp),
		cmocka_unit_test(test_probe),
		cmocka_unit_test(test_describe),
	};

	return cmocka_run_group_tests_name("config", tests, NULL, NULL);
}
