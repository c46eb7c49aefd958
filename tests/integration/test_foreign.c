// SPDX-License-Identifier: GPL-2.0
/*
 * A guest that is not ours: a QEMU that vexlab knows nothing of, reached over
 * SSH. The same scenario must run there, and nothing of ours must stay.
 */
#include <gio/gio.h>

#include "fsutil.h"
#include "guest.h"
#include "harness.h"
#include "ssh.h"

static struct guest_image *image;
static GSubprocess *qemu;
static guint port;
static char address[64];

static char *drive(const char *path, const char *format, const char *serial, gboolean readonly)
{
	return g_strdup_printf("file=%s,format=%s,if=none,id=%s,readonly=%s", path, format, serial,
			       readonly ? "on" : "off");
}

static void add_disk(GPtrArray *argv, const char *path, const char *serial, gboolean readonly)
{
	g_ptr_array_add(argv, g_strdup("-drive"));
	g_ptr_array_add(argv, drive(path, "raw", serial, readonly));
	g_ptr_array_add(argv, g_strdup("-device"));
	g_ptr_array_add(argv, g_strdup_printf("virtio-blk-pci,drive=%s,serial=%s", serial, serial));
}

static char *make_disk(void)
{
	char *path = g_build_filename(test_dir, "disk.img", NULL);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0 && !ftruncate(fd, 512 << 20));
	close(fd);
	return path;
}

static int boot_foreign(void **state)
{
	static const char *const plain[] = {
		"qemu-system-x86_64", "-nodefaults", "-no-user-config", "-display", "none", "-M", "q35",
		"-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "1024",
		"-no-reboot", "-serial",
	};
	g_autofree char *cache = fs_default_cachedir(), *disk = NULL;
	g_autoptr(GPtrArray) argv = g_ptr_array_new_with_free_func(g_free);
	guint i;

	if (make_test_dir(state) || !(image = guest_find(cache, NULL, NULL)))
		return -1;
	port = 20000 + (guint)g_random_int_range(0, 20000);
	g_snprintf(address, sizeof(address), "root@127.0.0.1:%u", port);
	disk = make_disk();
	for (i = 0; i < G_N_ELEMENTS(plain); i++)
		g_ptr_array_add(argv, g_strdup(plain[i]));
	g_ptr_array_add(argv, g_strdup_printf("file:%s/console", test_dir));
	g_ptr_array_add(argv, g_strdup("-kernel"));
	g_ptr_array_add(argv, g_strdup(image->kernel));
	g_ptr_array_add(argv, g_strdup("-initrd"));
	g_ptr_array_add(argv, g_strdup(image->initrd));
	g_ptr_array_add(argv, g_strdup("-append"));
	g_ptr_array_add(argv, g_strdup_printf("%s vexlab.agent=off", image->cmdline));
	add_disk(argv, image->rootfs_img, "vexlab-root", TRUE);
	add_disk(argv, image->modules_img, "vexlab-mods", TRUE);
	add_disk(argv, disk, "somebodys-disk", FALSE);
	g_ptr_array_add(argv, g_strdup("-netdev"));
	g_ptr_array_add(argv, g_strdup_printf("user,id=n,restrict=on,hostfwd=tcp:127.0.0.1:%u-:22",
					      port));
	g_ptr_array_add(argv, g_strdup("-device"));
	g_ptr_array_add(argv, g_strdup("virtio-net-pci,netdev=n,romfile="));
	g_ptr_array_add(argv, NULL);
	qemu = g_subprocess_newv((const char *const *)argv->pdata, 0, NULL);
	return qemu ? 0 : -1;
}

static int stop_foreign(void **state)
{
	if (qemu) {
		g_subprocess_force_exit(qemu);
		g_subprocess_wait(qemu, NULL, NULL);
		g_object_unref(qemu);
	}
	guest_free(image);
	return drop_test_dir(state);
}

static struct ran run_there(const char *target, const char *known_hosts)
{
	return run_vexlab("run", "--quiet", "--json", "--target", target, "--cycles", "5", "--ssh",
			  address, "--ssh-key", image->ssh_key, "--ssh-known-hosts", known_hosts,
			  "--device", "/dev/vdc", NULL);
}

/* What `command` prints in the guest. */
static char *ask(const char *command)
{
	const struct ssh_config config = {
		.host = "127.0.0.1", .port = port, .key = image->ssh_key,
		.known_hosts = image->known_hosts, .retries = 3,
	};
	const char *argv[] = { "sh", "-c", command, NULL };
	SSH_RESULT_CLEAR struct ssh_result result = { 0 };
	VX_GUARD(ssh_guest_free) struct ssh_guest *guest = ssh_guest_new(&config, NULL);
	GError *error = NULL;

	if (!guest || !ssh_guest_connect(guest, NULL, &error) ||
	    !ssh_guest_run(guest, argv, 30000, NULL, &result, &error))
		fail_msg("ssh: %s", error ? error->message : "");
	return g_strdup(result.out->str);
}

static void the_same_scenario_runs(void **state)
{
	RAN r = run_there("ext4", image->known_hosts);
	json_t *json;

	expect_status(&r, 0);
	json = expect_json(&r);
	assert_int_equal(number_at(json, "metrics.cycles"), 5);
	assert_int_equal(number_at(json, "metrics.operations.mount.count"), 5);
	assert_int_equal(number_at(json, "metrics.operations.umount.count"), 5);
	json_decref(json);
}

static void so_does_a_module_we_build(void **state)
{
	RAN r = run_there("faultfs", image->known_hosts);
	json_t *json;

	expect_status(&r, 0);
	json = expect_json(&r);
	assert_int_equal(number_at(json, "metrics.operations.mount.count"), 5);
	json_decref(json);
}

static void nothing_of_ours_stays(void **state)
{
	g_autofree char *tmp = ask("ls -A /tmp; grep -c faultfs /proc/modules; pgrep agent; "
				   "grep /tmp /proc/mounts | grep -v '^tmpfs /tmp '");

	assert_string_equal(tmp, "0\n");
}

static void another_host_key_is_refused(void **state)
{
	g_autofree char *path = g_build_filename(test_dir, "wrong_hosts", NULL);
	g_autofree char *text = g_strdup_printf("[127.0.0.1]:%u ssh-ed25519 "
		"AAAAC3NzaC1lZDI1NTE5AAAAIOMqqnkVzrm0SdG6UOoqKLsabgH5C9okWi0dh2l9GKJl\n", port);
	struct ran r;

	g_file_set_contents(path, text, -1, NULL);
	r = run_there("ext4", path);
	expect_status(&r, 77);
	ran_clear(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_scenario_runs),
		cmocka_unit_test(so_does_a_module_we_build),
		cmocka_unit_test(nothing_of_ours_stays),
		cmocka_unit_test(another_host_key_is_refused),
	};

	return cmocka_run_group_tests(tests, boot_foreign, stop_foreign);
}
