// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <linux/io_uring.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "accel.h"
#include "error.h"
#include "fsutil.h"

#define CONSOLE_MAX	(256u << 10)
#define CACHE_ENTRIES	16

char *vm_qemu_path(GError **error)
{
	char *path = g_find_program_in_path("qemu-system-x86_64");

	if (!path)
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE,
			    "QEMU is not installed: `make setup` installs qemu-system-x86");
	return path;
}

/* --- Booting a kernel ----------------------------------------------------- */

/* Whatever happens to us, no spinning guest stays behind. */
static void die_with_parent(void *data)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static pid_t start_qemu(const char *qemu, const char *kernel, const char *accel, int *out)
{
	const char *argv[] = {
		qemu, "-nodefaults", "-no-user-config", "-display", "none", "-no-reboot", "-machine", "q35",
		"-accel", accel, "-cpu", strcmp(accel, "kvm") ? "max" : "host", "-m", "512", "-smp", "1",
		"-kernel", kernel, "-append", "console=ttyS0 panic=-1", "-serial", "stdio", NULL,
	};
	GPid pid;

	if (!g_spawn_async_with_pipes(NULL, (char **)argv, NULL, G_SPAWN_DO_NOT_REAP_CHILD | G_SPAWN_STDERR_TO_DEV_NULL,
				      die_with_parent, NULL, &pid, NULL, out, NULL, NULL))
		return -1;
	return pid;
}

/* It got through its whole start, drivers and all, and misses a root filesystem: we gave it none. */
static gboolean is_through(const GString *console)
{
	return strstr(console->str, "Unable to mount root fs") || strstr(console->str, "as init process");
}

/* TRUE once the kernel is through, FALSE at end of file or deadline. */
static gboolean read_console(int fd, GString *console, gint64 deadline)
{
	char buf[4096];
	ssize_t n;

	while (console->len < CONSOLE_MAX) {
		gint64 left = (deadline - g_get_monotonic_time()) / 1000;
		struct pollfd in = { .fd = fd, .events = POLLIN };

		if (left <= 0)
			return FALSE;
		if (poll(&in, 1, left) <= 0)
			continue;
		n = read(fd, buf, sizeof(buf));
		if (n <= 0)
			return FALSE;
		/* A NUL would hide the rest from strstr(). */
		for (ssize_t i = 0; i < n; i++)
			g_string_append_c(console, buf[i] ? buf[i] : '?');
		if (is_through(console))
			return TRUE;
	}
	return FALSE;
}

static char *explain(const GString *console, gboolean timed_out, int status, unsigned int deadline_ms)
{
	if (timed_out)
		return g_strdup_printf("a guest kernel %s for %.0f s", console->len ? "got stuck" : "said nothing",
				       deadline_ms / 1000.0);
	if (WIFSIGNALED(status))
		return g_strdup_printf("QEMU was killed by signal %d", WTERMSIG(status));
	return g_strdup_printf("QEMU gave up (exit status %d)", WEXITSTATUS(status));
}

gboolean vm_kernel_boots(const char *qemu, const char *kernel, const char *accel, unsigned int deadline_ms,
			 char **why)
{
	gint64 deadline = g_get_monotonic_time() + deadline_ms * 1000ll;
	g_autoptr(GString) console = g_string_new(NULL);
	int out = -1, status = 0;
	gboolean through, timed_out;
	pid_t pid;

	pid = start_qemu(qemu, kernel, accel, &out);
	if (pid < 0) {
		*why = g_strdup_printf("%s cannot be started", qemu);
		return FALSE;
	}
	through = read_console(out, console, deadline);
	timed_out = !through && g_get_monotonic_time() >= deadline;
	if (through || timed_out)
		kill(pid, SIGKILL);
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	close(out);
	if (!through)
		*why = explain(console, timed_out, status, deadline_ms);
	return through;
}

/* --- The answer kept ------------------------------------------------------ */

static char *cache_key(const char *qemu, const char *kernel)
{
	g_autofree char *boot = NULL, *q = fs_identity(qemu, NULL), *k = fs_identity(kernel, NULL), *all = NULL;

	if (!q || !k || !g_file_get_contents("/proc/sys/kernel/random/boot_id", &boot, NULL, NULL))
		return NULL;
	all = g_strjoin("\n", "1", boot, q, k, NULL);
	return g_compute_checksum_for_string(G_CHECKSUM_SHA256, all, -1);
}

static json_t *load_cache(const char *file)
{
	json_t *cache = json_load_file(file, JSON_REJECT_DUPLICATES, NULL);

	if (json_is_object(cache) && json_object_size(cache) < CACHE_ENTRIES)
		return cache;
	json_decref(cache);
	return json_object();
}

static gboolean cached_answer(const char *file, const char *key, enum vm_accel *ret, char **why)
{
	json_t *cache = load_cache(file);
	const char *accel = NULL, *text = NULL;
	gboolean found;

	found = !json_unpack(json_object_get(cache, key), "{s:s, s:s}", "accel", &accel, "why", &text);
	if (found) {
		*ret = strcmp(accel, "kvm") ? VM_ACCEL_TCG : VM_ACCEL_KVM;
		*why = g_strdup(text);
	}
	json_decref(cache);
	return found;
}

/* Not to be able to keep it only costs the time to find out again. */
static void keep_answer(const char *cachedir, const char *file, const char *key, enum vm_accel accel,
			const char *why)
{
	json_t *cache = load_cache(file);
	g_autofree char *text = NULL;

	json_object_set_new(cache, key, json_pack("{s:s, s:s}", "accel", accel == VM_ACCEL_KVM ? "kvm" : "tcg",
						  "why", why));
	text = json_dumps(cache, JSON_INDENT(1) | JSON_SORT_KEYS);
	if (text && fs_mkdir(cachedir, 0700, NULL))
		g_file_set_contents(file, text, -1, NULL);
	json_decref(cache);
}

/* --- The question --------------------------------------------------------- */

/* What can be said without booting. NULL: nothing against it. */
static char *kvm_missing(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd >= 0) {
		close(fd);
		return NULL;
	}
	if (errno == EACCES || errno == EPERM)
		return g_strdup("this user may not open /dev/kvm (add it to the group kvm): emulating with TCG, slower");
	if (errno == ENOENT || errno == ENODEV || errno == ENXIO)
		return g_strdup("this machine has no KVM: emulating with TCG, slower");
	return g_strdup_printf("/dev/kvm cannot be opened (%s): emulating with TCG, slower", g_strerror(errno));
}

static enum vm_accel try_kvm(const char *qemu, const char *kernel, char **why)
{
	gint64 start = g_get_monotonic_time();
	g_autofree char *reason = NULL;

	if (vm_kernel_boots(qemu, kernel, "kvm", ACCEL_DEADLINE_MS, &reason)) {
		*why = g_strdup_printf("KVM works: a guest kernel booted in %.1f s",
				       (g_get_monotonic_time() - start) / 1e6);
		return VM_ACCEL_KVM;
	}
	*why = g_strdup_printf("/dev/kvm is there but does not work (%s): emulating with TCG, slower", reason);
	return VM_ACCEL_TCG;
}

enum vm_accel vm_probe_accel(const char *kernel, const char *cachedir, gboolean fresh, char **why)
{
	g_autofree char *qemu = vm_qemu_path(NULL), *key = NULL, *file = NULL, *text = kvm_missing();
	enum vm_accel accel = VM_ACCEL_TCG;

	if (!text && !qemu)
		text = g_strdup("QEMU is not installed, so KVM could not be tried");
	if (!text) {
		key = cache_key(qemu, kernel);
		file = g_build_filename(cachedir, "accel.json", NULL);
		if (fresh || !key || !cached_answer(file, key, &accel, &text)) {
			accel = try_kvm(qemu, kernel, &text);
			if (key)
				keep_answer(cachedir, file, key, accel, text);
		}
	}
	*why = g_steal_pointer(&text);
	return accel;
}

gboolean vm_probe_io_uring(void)
{
	struct io_uring_params params = { 0 };
	int fd = (int)syscall(SYS_io_uring_setup, 1, &params);

	if (fd < 0)
		return FALSE;
	close(fd);
	return TRUE;
}

const char *vm_probe_firmware(void)
{
	static const char qboot[] = "/usr/share/qemu/qboot.rom";

	return access(qboot, R_OK) ? NULL : qboot;
}
