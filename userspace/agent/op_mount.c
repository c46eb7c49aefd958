// SPDX-License-Identifier: GPL-2.0
/* mount(2), and the same by fsopen, fsconfig, fsmount, move_mount. */
#include <fcntl.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

#include "cleanup.h"
#include "ops.h"
#include "undo.h"

struct flag_word {
	unsigned long ms;
	const char *word;	/* for fsconfig, or NULL */
	unsigned int attr;	/* for fsmount */
};

static const struct flag_word flag_words[] = {
	{ MS_RDONLY,		"ro",		MOUNT_ATTR_RDONLY },
	{ MS_SYNCHRONOUS,	"sync",		0 },
	{ MS_DIRSYNC,		"dirsync",	0 },
	{ MS_LAZYTIME,		"lazytime",	0 },
	{ MS_MANDLOCK,		"mand",		0 },
	{ MS_NOSUID,		NULL,		MOUNT_ATTR_NOSUID },
	{ MS_NODEV,		NULL,		MOUNT_ATTR_NODEV },
	{ MS_NOEXEC,		NULL,		MOUNT_ATTR_NOEXEC },
	{ MS_NOATIME,		NULL,		MOUNT_ATTR_NOATIME },
	{ MS_NODIRATIME,	NULL,		MOUNT_ATTR_NODIRATIME },
	{ MS_STRICTATIME,	NULL,		MOUNT_ATTR_STRICTATIME },
	{ MS_RELATIME,		NULL,		0 },
	{ MS_SILENT,		NULL,		0 },
};
#define NFLAGS (sizeof(flag_words) / sizeof(flag_words[0]))

/* The filesystem's own words about its refusal: "e ext4: bad option". */
static void say_context_log(struct op_run *run, int fs)
{
	char line[512];
	ssize_t n;

	while ((n = read(fs, line, sizeof(line) - 1)) > 0) {
		line[n] = '\0';
		line[strcspn(line, "\n")] = '\0';
		op_say(run, "%s\n", line);
	}
}

static int set_options(struct op_run *run, int fs, char *options)
{
	char *save = NULL, *word, *value;

	for (word = strtok_r(options, ",", &save); word; word = strtok_r(NULL, ",", &save)) {
		int err;

		value = strchr(word, '=');
		if (value)
			*value++ = '\0';
		err = value ? fsconfig(fs, FSCONFIG_SET_STRING, word, value, 0) :
			fsconfig(fs, FSCONFIG_SET_FLAG, word, NULL, 0);
		if (err) {
			err = -errno;
			op_say(run, "option %s: %s\n", word, strerror(-err));
			return err;
		}
	}
	return 0;
}

static int configure(struct op_run *run, int fs, char *options, unsigned int *attr)
{
	unsigned long flags = (unsigned long)run->step.req.num[0];
	const char *source = run->step.str[0];
	size_t i;
	int err;

	if (*source && fsconfig(fs, FSCONFIG_SET_STRING, "source", source, 0))
		return -errno;
	for (i = 0; i < NFLAGS; i++) {
		if (!(flags & flag_words[i].ms))
			continue;
		flags &= ~flag_words[i].ms;
		*attr |= flag_words[i].attr;
		if (flag_words[i].word &&
		    fsconfig(fs, FSCONFIG_SET_FLAG, flag_words[i].word, NULL, 0))
			return -errno;
	}
	if (flags)
		return -EINVAL;		/* binds, moves, propagation: not mounts of a filesystem */
	err = set_options(run, fs, options);
	if (err)
		return err;
	return fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) ? -errno : 0;
}

static int mount_by_context(struct op_run *run)
{
	_cleanup_close_ int fs = -1, tree = -1;
	unsigned int attr = 0;
	int err;

	op_begin(run);
	fs = fsopen(run->step.str[2], FSOPEN_CLOEXEC);
	if (fs < 0)
		return op_end(run, -errno);
	err = configure(run, fs, strdupa(run->step.str[3] ?: ""), &attr);
	if (!err) {
		tree = fsmount(fs, FSMOUNT_CLOEXEC, attr);
		if (tree < 0 || move_mount(tree, "", AT_FDCWD, run->step.str[1],
					   MOVE_MOUNT_F_EMPTY_PATH))
			err = -errno;
	}
	op_end(run, err);
	if (err)
		say_context_log(run, fs);
	return err;
}

static int mount_any(struct op_run *run)
{
	const char *const *s = run->step.str;
	unsigned long flags = (unsigned long)run->step.req.num[0];

	if (run->step.req.num[1] == VX_API_FSMOUNT)
		return mount_by_context(run);
	if (run->step.req.num[1] != VX_API_NONE && run->step.req.num[1] != VX_API_MOUNT)
		return -EINVAL;
	return OP_TIMED(run, mount(s[0][0] ? s[0] : "none", s[1], s[2][0] ? s[2] : NULL, flags,
				   s[3] && s[3][0] ? s[3] : NULL));
}

int op_mount(struct op_run *run)
{
	int err = mount_any(run);

	if (!err)
		undo_note(UNDO_MOUNT, run->step.str[1]);
	return err;
}

int op_umount(struct op_run *run)
{
	int err = OP_TIMED(run, umount2(run->step.str[0], (int)run->step.req.num[0]));

	if (!err)
		undo_forget(UNDO_MOUNT, run->step.str[0]);
	return err;
}
