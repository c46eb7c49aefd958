// SPDX-License-Identifier: GPL-2.0
/*
 * vexlab doctor: is this machine fit, and if not, what mends it. Each check
 * tries the thing itself where that is possible.
 */
#include <jansson.h>
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "accel.h"
#include "cmd.h"
#include "cmd_doctor.h"
#include "error.h"
#include "fsutil.h"
#include "rundir.h"
#include "vm.h"

#define MIB	(G_GUINT64_CONSTANT(1) << 20)
#define GIB	(G_GUINT64_CONSTANT(1) << 30)

#define GUEST_MEMORY_MIB	4096u	/* what a run asks for by default */
#define MEMORY_MIN_MIB		1024u
#define DISK_MIN		(3 * GIB)	/* guest image, kernel with headers, one ready-state */
#define DISK_GOOD		(8 * GIB)

enum status { OK, WARN, FAIL };

struct doctor {
	gboolean json, colour;
	char *cachedir, *kernel;
	json_t *checks;
	enum status worst;
	const char *name;	/* of the running check */
};

static const char *const status_word[] = { "ok", "warn", "FAIL" };
static const char *const status_colour[] = { "\033[32m", "\033[33m", "\033[31;1m" };

G_GNUC_PRINTF(4, 5)
static void say(struct doctor *d, enum status status, const char *mend, const char *format, ...)
{
	g_autofree char *text = NULL;
	va_list ap;

	va_start(ap, format);
	text = g_strdup_vprintf(format, ap);
	va_end(ap);
	d->worst = MAX(d->worst, status);
	json_array_append_new(d->checks, json_pack("{s:s, s:s, s:s, s:s?}", "check", d->name, "status", status_word[status],
						   "text", text, "mend", status == OK ? NULL : mend));
	if (d->json)
		return;
	printf("%s%-4s%s  %-13s %s\n", d->colour ? status_colour[status] : "", status_word[status],
	       d->colour ? "\033[0m" : "", d->name, text);
	if (status != OK && mend)
		printf("      %-13s -> %s\n", "", mend);
	fflush(stdout);
}

/* --- Checks ----------------------------------------------------------------- */

static gboolean qemu_version(const char *qemu, unsigned int v[3])
{
	g_autofree char *out = NULL;
	const char *number;

	if (!g_spawn_sync(NULL, (char *[]) { (char *)qemu, "--version", NULL }, NULL, G_SPAWN_STDERR_TO_DEV_NULL,
			  NULL, NULL, &out, NULL, NULL, NULL))
		return FALSE;
	number = strstr(out, "version ");
	return number && sscanf(number, "version %u.%u.%u", &v[0], &v[1], &v[2]) == 3;
}

static void check_qemu(struct doctor *d)
{
	const char *mend = "`make setup` installs QEMU 10 from bookworm-backports";
	g_autofree char *qemu = vm_qemu_path(NULL);
	unsigned int v[3];

	if (!qemu)
		say(d, FAIL, mend, "qemu-system-x86_64 is not installed");
	else if (!qemu_version(qemu, v))
		say(d, FAIL, mend, "%s does not tell its version", qemu);
	else if (v[0] < 8)
		say(d, WARN, mend, "%u.%u.%u emulates cmpxchg16b wrongly and crashes a healthy 6.12 guest; vexlab hides the "
		    "instruction from it, but there is no warm start either", v[0], v[1], v[2]);
	else if (v[0] < 9)
		say(d, WARN, mend, "%u.%u.%u: no warm start before QEMU 9", v[0], v[1], v[2]);
	else
		say(d, OK, NULL, "%u.%u.%u", v[0], v[1], v[2]);
}

/* Opens the driver, as a run would. */
static gboolean try_libvirt(struct doctor *d, GError **error)
{
	struct vm_config config = { .name = "doctor", .kernel = "/", .accel = VM_ACCEL_TCG, .memory_mib = 64, .vcpus = 1 };
	struct rundir *rd = rundir_create(NULL, error);
	g_autofree char *text = NULL;

	if (!rd)
		return FALSE;
	config.rundir = rundir_path(rd);
	config.cachedir = d->cachedir;
	text = vm_libvirt.fingerprint(&config, error);
	rundir_destroy(rd);
	return text != NULL;
}

static void check_libvirt(struct doctor *d)
{
	const char *mend = "`make setup` installs libvirt 11 and its QEMU driver from bookworm-backports";
	g_autoptr(GError) error = NULL;
	unsigned long v;

	if (!try_libvirt(d, &error)) {
		say(d, FAIL, mend, "%s", error->message);
		return;
	}
	v = vm_libvirt_version();
	if (v < VM_LIBVIRT_VERSION_MIN)
		say(d, WARN, mend, "%lu.%lu.%lu: no warm start before 11.2", v / 1000000, v / 1000 % 1000, v % 1000);
	else
		say(d, OK, NULL, "%lu.%lu.%lu, no daemon needed", v / 1000000, v / 1000 % 1000, v % 1000);
}

static void check_acceleration(struct doctor *d)
{
	const char *mend = "enable virtualisation in the firmware or, in a virtual machine, nested virtualisation on its host; "
			   "or go on with TCG";
	g_autofree char *why = NULL;

	if (!access("/dev/kvm", F_OK) && access("/dev/kvm", R_OK | W_OK))
		mend = "sudo usermod -aG kvm \"$USER\", then log in again";
	else if (!access("/dev/kvm", F_OK) && !d->kernel) {
		say(d, WARN, "`vexlab guest build`, then this again",
		    "/dev/kvm is there; whether it works can only be told by booting a guest's kernel, and there is none yet");
		return;
	}
	if (vm_probe_accel(d->kernel, d->cachedir, TRUE, &why) == VM_ACCEL_KVM)
		say(d, OK, NULL, "%s", why);
	else
		say(d, WARN, mend, "%s", why);
}

static guint64 meminfo_kib(const char *field)
{
	g_autofree char *text = NULL;
	const char *at;

	if (!g_file_get_contents("/proc/meminfo", &text, NULL, NULL))
		return 0;
	at = strstr(text, field);
	return at ? g_ascii_strtoull(at + strlen(field), NULL, 10) : 0;
}

static void check_memory(struct doctor *d)
{
	guint64 mib = meminfo_kib("MemAvailable:") / 1024;
	unsigned int cpus = g_get_num_processors();
	const char *mend = "end other programs, or give the guest less with --memory";

	if (mib < MEMORY_MIN_MIB)
		say(d, FAIL, mend, "%" G_GUINT64_FORMAT " MiB are free, a guest needs %u at least", mib, MEMORY_MIN_MIB);
	else if (mib < GUEST_MEMORY_MIB + 512)
		say(d, WARN, mend, "%" G_GUINT64_FORMAT " MiB are free: the guest gets less than its %u MiB", mib, GUEST_MEMORY_MIB);
	else
		say(d, OK, NULL, "%" G_GUINT64_FORMAT " MiB free, %u CPU%s", mib, cpus, cpus == 1 ? "" : "s");
}

/* The directory itself may not exist yet. */
static char *existing_parent(const char *path)
{
	char *dir = g_strdup(path);

	while (!g_file_test(dir, G_FILE_TEST_IS_DIR)) {
		char *up = g_path_get_dirname(dir);

		g_free(dir);
		dir = up;
	}
	return dir;
}

static void check_disk(struct doctor *d)
{
	g_autofree char *dir = existing_parent(d->cachedir), *size = NULL;
	const char *mend = "free some space, or set VEXLAB_CACHE to a directory on a larger disk";
	struct statvfs vfs;
	guint64 avail;

	if (statvfs(dir, &vfs)) {
		say(d, FAIL, mend, "cannot ask how much space is free in %s: %m", dir);
		return;
	}
	avail = (guint64)vfs.f_bavail * vfs.f_frsize;
	size = g_format_size_full(avail, G_FORMAT_SIZE_IEC_UNITS);
	if (access(dir, W_OK))
		say(d, FAIL, "make it writable, or set VEXLAB_CACHE to a directory of your own", "%s cannot be written to", dir);
	else
		say(d, avail < DISK_MIN ? FAIL : avail < DISK_GOOD ? WARN : OK, mend, "%s free in %s", size, d->cachedir);
}

/* "a, b" of those that are not found; some live where a plain user's PATH does not look. */
static char *missing_programs(const char *const *programs)
{
	g_autoptr(GString) missing = g_string_new(NULL);

	for (; *programs; programs++) {
		g_autofree char *found = g_find_program_in_path(*programs);
		g_autofree char *sbin = g_build_filename("/usr/sbin", *programs, NULL);

		if (!found && !g_file_test(sbin, G_FILE_TEST_IS_EXECUTABLE))
			g_string_append_printf(missing, "%s%s", missing->len ? ", " : "", *programs);
	}
	return missing->len ? g_string_free(g_steal_pointer(&missing), FALSE) : NULL;
}

static void check_tools(struct doctor *d)
{
	static const char *const programs[] = {
		"gcc", "make", "clang", "bpftool", "pahole", "mmdebstrap", "mke2fs", "xz", "zstd", "cpio", NULL,
	};
	g_autofree char *missing = missing_programs(programs);

	if (missing)
		say(d, FAIL, "`make setup`", "not installed: %s", missing);
	else
		say(d, OK, NULL, "compilers, bpftool and what makes the guest's image");
}

static void check_guest(struct doctor *d)
{
	const char *mend = "`vexlab guest build` (half a minute and a network)";
	g_autofree char *rootfs = g_build_filename(d->cachedir, "rootfs", "current", "rootfs.img", NULL);

	if (!d->kernel)
		say(d, WARN, mend, "no guest kernel in %s yet", d->cachedir);
	else if (!g_file_test(rootfs, G_FILE_TEST_IS_REGULAR))
		say(d, WARN, mend, "no root filesystem in %s yet", d->cachedir);
	else
		say(d, OK, NULL, "kernel and root filesystem in %s", d->cachedir);
}

static void check_btf(struct doctor *d)
{
	g_autofree char *file = g_build_filename(d->cachedir, "kernels", "current", "config", NULL), *text = NULL;

	if (!g_file_get_contents(file, &text, NULL, NULL))
		say(d, WARN, "`vexlab guest build`", "no guest kernel to look at yet");
	else if (!strstr(text, "\nCONFIG_DEBUG_INFO_BTF=y"))
		say(d, FAIL, "take a kernel with CONFIG_DEBUG_INFO_BTF=y", "the guest's kernel has no BTF: nothing can be traced");
	else if (!strstr(text, "\nCONFIG_DEBUG_INFO_BTF_MODULES=y"))
		say(d, WARN, "take a kernel with CONFIG_DEBUG_INFO_BTF_MODULES=y",
		    "the guest's kernel has BTF, its modules have none");
	else
		say(d, OK, NULL, "the guest's kernel and its modules have it");
}

static const struct {
	const char *name;
	void (*run)(struct doctor *d);
} checks[] = {
	{ "QEMU", check_qemu },
	{ "libvirt", check_libvirt },
	{ "acceleration", check_acceleration },
	{ "memory", check_memory },
	{ "disk", check_disk },
	{ "tools", check_tools },
	{ "guest image", check_guest },
	{ "BTF", check_btf },
};

/* --- Command ---------------------------------------------------------------- */

static char *find_kernel(const char *cachedir)
{
	char *path = g_build_filename(cachedir, "kernels", "current", "vmlinux", NULL);

	if (!g_file_test(path, G_FILE_TEST_IS_REGULAR))
		g_clear_pointer(&path, g_free);
	return path;
}

static void print_end(const struct doctor *d)
{
	g_autofree char *text = NULL;
	json_t *all;

	if (d->json) {
		all = json_pack("{s:s, s:b, s:O}", "status", status_word[d->worst], "usable", d->worst < FAIL, "checks", d->checks);
		text = json_dumps(all, JSON_INDENT(2));
		json_decref(all);
		puts(text);
	} else if (d->worst == FAIL) {
		puts("\nThis machine cannot run vexlab yet: mend what says FAIL.");
	} else {
		puts(d->worst == WARN ? "\nThis machine can run vexlab; what says warn makes it slower or poorer." :
		     "\nThis machine can run vexlab.");
	}
}

int cmd_doctor(int argc, char **argv)
{
	struct doctor d = { .worst = OK };
	g_autofree char *kernel = NULL;
	gboolean guest = FALSE;
	const GOptionEntry entries[] = {
		{ "guest", 0, 0, G_OPTION_ARG_NONE, &guest, "Boot a guest instead and try every program in it", NULL },
		{ "kernel", 0, 0, G_OPTION_ARG_STRING, &kernel, "With --guest: this kernel's (vexlab guest list); the current one", "NAME" },
		{ "json", 0, 0, G_OPTION_ARG_NONE, &d.json, "Print one JSON object", NULL },
		{ NULL },
	};
	g_autoptr(GOptionContext) context = g_option_context_new("- is this machine fit for vexlab?");
	g_autoptr(GError) error = NULL;

	g_option_context_add_main_entries(context, entries, NULL);
	if (!g_option_context_parse(context, &argc, &argv, &error) || argc > 1) {
		fprintf(stderr, "vexlab doctor: %s\n", error ? error->message : "takes no arguments");
		return VX_ERROR_USAGE;
	}
	if (kernel && !guest) {
		fprintf(stderr, "vexlab doctor: --kernel goes with --guest\n");
		return VX_ERROR_USAGE;
	}
	d.colour = isatty(STDOUT_FILENO) && !g_getenv("NO_COLOR");
	d.cachedir = fs_default_cachedir();
	if (guest) {
		int code = doctor_guest(d.cachedir, kernel, d.json);

		g_free(d.cachedir);
		return code;
	}
	d.kernel = find_kernel(d.cachedir);
	d.checks = json_array();
	for (guint i = 0; i < G_N_ELEMENTS(checks); i++) {
		d.name = checks[i].name;
		checks[i].run(&d);
	}
	print_end(&d);
	json_decref(d.checks);
	g_free(d.cachedir);
	g_free(d.kernel);
	return d.worst == FAIL ? VX_ERROR_UNAVAILABLE : 0;
}
