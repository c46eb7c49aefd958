// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel holds, as "NAME VALUE\n" lines whose names stay the same from kernel to kernel as far
 * as they can; what is not there has no line. The host knows the families by their first
 * word (detect/resources.c): a new one is to be told there.
 */
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <vexlab/request.h>

#include "cleanup.h"
#include "ops.h"
#include "resources_out.h"

void resources_say(struct resources_out *out, long long value, const char *format, ...)
{
	char line[RESOURCES_NAME_MAX + 1 + 24];
	va_list args;
	int n, i;

	va_start(args, format);
	n = vsnprintf(line, RESOURCES_NAME_MAX + 1, format, args);
	va_end(args);
	if (n <= 0)
		return;
	if (n > RESOURCES_NAME_MAX)
		n = RESOURCES_NAME_MAX;
	for (i = 0; i < n; i++)
		if (line[i] <= ' ' || line[i] >= 0x7f)
			line[i] = '_';
	n += snprintf(line + n, sizeof(line) - n, " %lld\n", value < 0 ? 0 : value);
	/* Room for the line that tells of the others. */
	if (out->len + n + 32 > sizeof(out->text)) {
		out->cut++;
		return;
	}
	memcpy(out->text + out->len, line, n);
	out->len += n;
}

/* Hands over whole lines of page[0..have); returns how many bytes are left of the last one. */
static size_t take_lines(struct resources_out *out, size_t have, resources_line fn, void *ctx, bool *go_on)
{
	char *at = out->page, *end = out->page + have, *nl;

	while (*go_on && (nl = memchr(at, '\n', end - at))) {
		*nl = '\0';
		*go_on = fn(out, at, ctx);
		at = nl + 1;
	}
	have = end - at;
	/* A line that fills the page is cut there. */
	if (have == sizeof(out->page) - 1)
		have = 0;
	memmove(out->page, at, have);
	return have;
}

void resources_lines_of(struct resources_out *out, int fd, resources_line fn, void *ctx)
{
	bool go_on = fd >= 0;
	size_t have = 0;
	ssize_t n;

	while (go_on) {
		n = read(fd, out->page + have, sizeof(out->page) - 1 - have);
		if (n <= 0)
			break;
		have = take_lines(out, have + n, fn, ctx, &go_on);
	}
	out->page[have] = '\0';
	if (go_on && have)
		fn(out, out->page, ctx);
}

void resources_lines(struct resources_out *out, const char *path, resources_line fn, void *ctx)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	resources_lines_of(out, fd, fn, ctx);
}

long long resources_number_of(int fd)
{
	long long number;
	char text[64];
	ssize_t n = fd >= 0 ? read(fd, text, sizeof(text) - 1) : -1;

	if (n <= 0)
		return -1;
	text[n] = '\0';
	return sscanf(text, "%lld", &number) == 1 ? number : -1;
}

long long resources_number(const char *path)
{
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);

	return resources_number_of(fd);
}

void resources_count(struct resources_tally *tally, const char *name, long long more)
{
	unsigned int i;

	for (i = 0; i < tally->n; i++)
		if (!strncmp(tally->item[i].name, name, sizeof(tally->item[i].name) - 1))
			break;
	if (i == RESOURCES_TALLY_MAX) {
		i = RESOURCES_TALLY_MAX - 1;
		name = "other";
	}
	if (i == tally->n)
		tally->item[tally->n++].count = 0;
	snprintf(tally->item[i].name, sizeof(tally->item[i].name), "%s", name);
	tally->item[i].count += more;
}

void resources_say_tally(struct resources_out *out, const char *family, const struct resources_tally *tally)
{
	unsigned int i;

	for (i = 0; i < tally->n; i++)
		resources_say(out, tally->item[i].count, "%s.%s", family, tally->item[i].name);
}

/* ---- modules, filesystem types, mounts ---------------------------------------------------------- */

/* "name size refs holders, state address". */
static bool take_module(struct resources_out *out, char *line, void *ctx)
{
	char name[VX_NAME_LEN];
	long refs;

	if (sscanf(line, "%63s %*s %ld", name, &refs) == 2) {
		resources_say(out, 1, "modules.%s", name);
		resources_say(out, refs, "refs.%s", name);
	}
	return true;
}

/* "nodev\tname" or "\tname". */
static bool take_type(struct resources_out *out, char *line, void *ctx)
{
	const char *name = strchr(line, '\t');

	if (name && name[1])
		resources_say(out, 1, "fstypes.%s", name + 1);
	return true;
}

static bool take_mount(struct resources_out *out, char *line, void *ctx)
{
	const char *type = strstr(line, " - ");
	char name[VX_NAME_LEN];

	if (type && sscanf(type + 3, "%63s", name) == 1)
		resources_count(ctx, name, 1);
	return true;
}

/* ---- what has a folder ---------------------------------------------------------------------------- */

static bool is_entry(const struct dirent *entry)
{
	return entry->d_name[0] != '.';
}

/* Entries of a folder by their names; links too. Returns how many. */
static unsigned int say_entries(struct resources_out *out, const char *path, const char *family)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	struct dirent *entry;
	unsigned int n = 0;

	while (dir && (entry = readdir(dir))) {
		if (!is_entry(entry) || (entry->d_name[0] >= '0' && entry->d_name[0] <= '9'))
			continue;
		resources_say(out, 1, "%s.%s", family, entry->d_name);
		n++;
	}
	return n;
}

static unsigned int count_entries(const char *path)
{
	_cleanup_closedir_ DIR *dir = opendir(path);
	struct dirent *entry;
	unsigned int n = 0;

	while (dir && (entry = readdir(dir)))
		n += is_entry(entry);
	return n;
}

/* Other filesystems are mounted below /sys/fs. */
static bool is_mounted_over(const char *path)
{
	struct stat st, parent;

	return stat(path, &st) || stat("/sys/fs", &parent) || st.st_dev != parent.st_dev;
}

static void say_filesystems(struct resources_out *out, const char *parent, const char *family)
{
	_cleanup_closedir_ DIR *dir = opendir(parent);
	char path[300], name[300];
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		if (!is_entry(entry) || entry->d_type != DT_DIR)
			continue;
		snprintf(path, sizeof(path), "%s/%s", parent, entry->d_name);
		snprintf(name, sizeof(name), "%s.%s", family, entry->d_name);
		resources_say(out, 1, "%s", name);
		if (family[0] == 'p' || !is_mounted_over(path))
			say_entries(out, path, name);
	}
}

static void say_folders(struct resources_out *out)
{
	resources_say(out, say_entries(out, "/proc", "procfs"), "totals.procfs");
	say_filesystems(out, "/proc/fs", "procfs.fs");
	say_filesystems(out, "/sys/fs", "sysfs.fs");
	resources_say(out, count_entries("/sys/fs"), "totals.sysfs_fs");
	resources_say(out, count_entries("/sys/class/bdi"), "totals.bdi");
	resources_say(out, say_entries(out, "/sys/devices/virtual/workqueue", "workqueues"), "totals.workqueues");
}

/* ---- block devices ------------------------------------------------------------------------------------ */

/* A filesystem's super block, or another driver, holds it: whoever wants it for himself is refused. */
static bool is_claimed(const char *name)
{
	_cleanup_close_ int fd = -1;
	char path[300];

	if (!strncmp(name, "sr", 2) || !strncmp(name, "fd", 2) || !strncmp(name, "loop", 4))
		return false;
	snprintf(path, sizeof(path), "/dev/%s", name);
	fd = open(path, O_RDONLY | O_EXCL | O_NONBLOCK | O_CLOEXEC);
	return fd < 0 && errno == EBUSY;
}

static void say_devices(struct resources_out *out)
{
	_cleanup_closedir_ DIR *dir = opendir("/sys/block");
	struct dirent *entry;
	unsigned int holders;
	char path[340];

	while (dir && (entry = readdir(dir))) {
		if (!is_entry(entry))
			continue;
		snprintf(path, sizeof(path), "/sys/block/%s/loop/backing_file", entry->d_name);
		if (!strncmp(entry->d_name, "loop", 4) && !access(path, F_OK))
			resources_say(out, 1, "loops.%s", entry->d_name);
		snprintf(path, sizeof(path), "/sys/block/%s/holders", entry->d_name);
		holders = count_entries(path);
		if (holders)
			resources_say(out, holders, "holders.%s", entry->d_name);
		if (is_claimed(entry->d_name))
			resources_say(out, 1, "claimed.%s", entry->d_name);
	}
}

/* ---- the VFS' objects, sockets ------------------------------------------------------------------------- */

static bool take_pair(struct resources_out *out, char *line, void *ctx)
{
	long long all, unused;

	if (sscanf(line, "%lld %lld", &all, &unused) == 2) {
		resources_say(out, all, "%s.all", (const char *)ctx);
		resources_say(out, all - unused, "%s.used", (const char *)ctx);
	}
	return false;
}

/* "TCP: inuse 0 orphan 0 ...": the first number. */
static bool take_sockets(struct resources_out *out, char *line, void *ctx)
{
	char name[16];
	long long n;

	if (sscanf(line, "%15[^:]: %*s %lld", name, &n) == 2)
		resources_say(out, n, "sockets.%s", name);
	return true;
}

static void say_files(struct resources_out *out)
{
	resources_lines(out, "/proc/sys/fs/inode-nr", take_pair, "inodes");
	resources_lines(out, "/proc/sys/fs/dentry-state", take_pair, "dentries");
	resources_say(out, resources_number("/proc/sys/fs/file-nr"), "files.open");
	resources_lines(out, "/proc/net/sockstat", take_sockets, NULL);
}

static void say_mounts(struct resources_out *out)
{
	_cleanup_free_ struct resources_tally *tally = calloc(1, sizeof(*tally));

	if (!tally)
		return;
	resources_lines(out, "/proc/self/mountinfo", take_mount, tally);
	resources_say_tally(out, "mounts", tally);
}

/* What others may disturb while we look comes first; what we disturb ourselves, last. */
int op_resources(struct op_run *run)
{
	_cleanup_free_ struct resources_out *out = calloc(1, sizeof(*out));

	if (!out)
		return -ENOMEM;
	op_begin(run);
	resources_memory(out);
	resources_slab(out);
	say_files(out);
	resources_vmalloc(out);
	resources_lines(out, "/proc/modules", take_module, NULL);
	resources_lines(out, "/proc/filesystems", take_type, NULL);
	say_mounts(out);
	say_folders(out);
	say_devices(out);
	resources_tasks(out);
	if (out->cut)
		resources_say(out, out->cut, "resources.cut");
	op_end(run, 0);
	op_say_bytes(run, out->text, out->len);
	return 0;
}
