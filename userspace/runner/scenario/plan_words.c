// SPDX-License-Identifier: GPL-2.0
/* The words of a scenario file: one row an action, with the fields that it takes. */
#include <string.h>
#include <sys/mount.h>

#include "plan.h"

#define LINE_PATTERN	"[^\\x00-\\x1f\\x7f]*"
#define LINE_SAID	"one line of text"
#define PATH_PATTERN	"[/{][^\\x00-\\x1f\\x7f]*"
#define PATH_SAID	"an absolute path, or one that begins with a variable as {mountpoint}"
#define NAME_PATTERN	"[a-z0-9][a-z0-9-]*"
#define NAME_SAID	"a name of small letters, digits and '-'"

#define FIELD(key_, kind_, member, ...) \
	{ .key = key_, .kind = kind_, .offset = offsetof(struct plan_args, member), __VA_ARGS__ }
#define LINE(key_, kind_, member, ...) \
	FIELD(key_, kind_, member, .min = 1, .max = 1024, .pattern = LINE_PATTERN, .pattern_said = LINE_SAID, __VA_ARGS__)
#define PATH(key_, member, ...) \
	FIELD(key_, YAML_STRING, member, .min = 1, .max = 1024, .pattern = PATH_PATTERN, .pattern_said = PATH_SAID, __VA_ARGS__)
#define NAME(key_, member, ...) \
	FIELD(key_, YAML_STRING, member, .min = 1, .max = 32, .pattern = NAME_PATTERN, .pattern_said = NAME_SAID, __VA_ARGS__)

struct flag {
	const char *word;
	unsigned long bit;
};

static const struct flag mount_flags[] = {
	{ "ro", MS_RDONLY }, { "nosuid", MS_NOSUID }, { "nodev", MS_NODEV }, { "noexec", MS_NOEXEC },
	{ "sync", MS_SYNCHRONOUS }, { "dirsync", MS_DIRSYNC }, { "noatime", MS_NOATIME }, { "nodiratime", MS_NODIRATIME },
	{ "relatime", MS_RELATIME }, { "strictatime", MS_STRICTATIME }, { "lazytime", MS_LAZYTIME }, { "silent", MS_SILENT },
	{ "mandlock", MS_MANDLOCK }, { "remount", MS_REMOUNT }, { "bind", MS_BIND }, { "recursive", MS_REC },
	{ "move", MS_MOVE }, { "shared", MS_SHARED }, { "private", MS_PRIVATE }, { "slave", MS_SLAVE },
	{ "unbindable", MS_UNBINDABLE }, { NULL, 0 }
};
#define MOUNT_FLAGS_PATTERN "ro|nosuid|nodev|noexec|sync|dirsync|noatime|nodiratime|relatime|strictatime|lazytime|silent|" \
	"mandlock|remount|bind|recursive|move|shared|private|slave|unbindable"

static const struct flag umount_flags[] = {
	{ "force", MNT_FORCE }, { "lazy", MNT_DETACH }, { "expire", MNT_EXPIRE }, { "nofollow", UMOUNT_NOFOLLOW }, { NULL, 0 }
};
#define UMOUNT_FLAGS_PATTERN "force|lazy|expire|nofollow"

static unsigned long bits(const struct flag *flags, char **words)
{
	unsigned long ret = 0;
	guint i;

	for (; words && *words; words++)
		for (i = 0; flags[i].word; i++)
			ret |= strcmp(flags[i].word, *words) ? 0 : flags[i].bit;
	return ret;
}

unsigned long plan_mount_flags(char **words)
{
	return bits(mount_flags, words);
}

unsigned long plan_umount_flags(char **words)
{
	return bits(umount_flags, words);
}

#define MOUNT_FLAGS FIELD("flags", YAML_STRINGS, flags, .min = 1, .pattern = MOUNT_FLAGS_PATTERN, \
			  .pattern_said = "a flag: " MOUNT_FLAGS_PATTERN)
#define AT	PATH("at", at)

static const char *const api_words[] = {
	[PLAN_API_DEFAULT] = "default", [PLAN_API_MOUNT] = "mount", [PLAN_API_FSMOUNT] = "fsmount", NULL
};
static const char *const caches_words[] = { "pages", "inodes", "all", NULL };

static const struct yaml_field load_fields[] = { LINE("params", YAML_STRING, params), { 0 } };
static const struct yaml_field mount_fields[] = {
	LINE("options", YAML_STRING, options), FIELD("read_only", YAML_BOOL, read_only), MOUNT_FLAGS,
	FIELD("api", YAML_ENUM, api, .choices = api_words), PATH("device", device), AT, LINE("fstype", YAML_STRING, fstype), { 0 }
};
static const struct yaml_field remount_fields[] = {
	LINE("options", YAML_STRING, options), FIELD("read_only", YAML_BOOL, read_only), MOUNT_FLAGS, AT, { 0 }
};
static const struct yaml_field umount_fields[] = {
	FIELD("flags", YAML_STRINGS, flags, .min = 1, .pattern = UMOUNT_FLAGS_PATTERN, .pattern_said = "a flag: " UMOUNT_FLAGS_PATTERN),
	AT, { 0 }
};
static const struct yaml_field files_fields[] = {
	FIELD("files", YAML_UINT, files, .min = 1, .max = 100000), AT,
	FIELD("bytes", YAML_UINT, bytes, .min = 0, .max = 1u << 30, .unit = "bytes"), { 0 }
};
static const struct yaml_field operation_fields[] = { NAME("operation", operation, .required = TRUE), AT, { 0 } };
static const struct yaml_field exec_fields[] = {
	FIELD("argv", YAML_STRINGS, argv, .max = 1024, .required = TRUE, .pattern = LINE_PATTERN, .pattern_said = LINE_SAID), { 0 }
};
static const struct yaml_field write_fields[] = {
	PATH("path", path, .required = TRUE), FIELD("text", YAML_STRING, text, .max = 4096, .required = TRUE), { 0 }
};
static const struct yaml_field path_fields[] = { PATH("path", path, .required = TRUE), { 0 } };
static const struct yaml_field sync_fields[] = { PATH("path", path), { 0 } };
static const struct yaml_field mkdir_fields[] = {
	PATH("path", path, .required = TRUE), FIELD("mode", YAML_UINT, mode, .max = 7777), { 0 }
};
static const struct yaml_field caches_fields[] = { FIELD("what", YAML_ENUM, what, .choices = caches_words), { 0 } };
static const struct yaml_field sleep_fields[] = {
	FIELD("time", YAML_TIME, time_ms, .max = 3600000, .required = TRUE), { 0 }
};
static const struct yaml_field point_fields[] = { NAME("name", point, .required = TRUE), { 0 } };

static const struct plan_args none = { .files = 16, .bytes = 8192, .mode = 755, .what = 2 };

#define WORD(name_, action_, fields_, brief_, inside_, help_) \
	{ name_, help_, fields_, brief_, &none, sizeof(none), action_, inside_, NULL }

const struct plan_word plan_words[] = {
	WORD("load", PLAN_LOAD, load_fields, "params", TRUE, "insert the target's module, unless it is there"),
	WORD("unload", PLAN_UNLOAD, NULL, NULL, TRUE, "remove it, unless it is not there"),
	WORD("format", PLAN_FORMAT, NULL, NULL, TRUE, "the target's mkfs on its device"),
	WORD("mount", PLAN_MOUNT, mount_fields, "options", TRUE, "mount the device, or something else, somewhere"),
	WORD("umount", PLAN_UMOUNT, umount_fields, "flags", TRUE, "unmount it"),
	WORD("remount", PLAN_REMOUNT, remount_fields, "options", TRUE, "change what is mounted"),
	WORD("files", PLAN_FILES, files_fields, "files", TRUE, "create, write, fsync, read back, rename and unlink files"),
	WORD("file-operation", PLAN_FILE_OPERATION, operation_fields, "operation", TRUE, "one of the scenario file-operations"),
	WORD("exec", PLAN_EXEC, exec_fields, "argv", TRUE, "run a program of the guest; never a shell"),
	WORD("write", PLAN_WRITE, write_fields, NULL, TRUE, "write a text into a file that is there"),
	WORD("read", PLAN_READ, path_fields, "path", TRUE, "read a file"),
	WORD("mkdir", PLAN_MKDIR, mkdir_fields, "path", TRUE, "make a directory, and those above it"),
	WORD("sync", PLAN_SYNC, sync_fields, "path", TRUE, "write back all filesystems, or the one of a path"),
	WORD("statfs", PLAN_STATFS, path_fields, "path", TRUE, "ask what space there is"),
	WORD("drop-caches", PLAN_DROP_CACHES, caches_fields, "what", TRUE, "let go of cached pages and inodes"),
	WORD("sleep", PLAN_SLEEP, sleep_fields, "time", TRUE, "wait in the guest"),
	WORD("settle", PLAN_SETTLE, NULL, NULL, TRUE, "wait for what the kernel does later"),
	WORD("nothing", PLAN_NOTHING, NULL, NULL, TRUE, "nothing: what a round trip costs"),
	WORD("point", PLAN_POINT, point_fields, "name", FALSE, "keep the guest as it is under a name"),
	WORD("back", PLAN_BACK, point_fields, "name", FALSE, "put the guest back to a point"),
	{ NULL }
};
