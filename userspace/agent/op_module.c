// SPDX-License-Identifier: GPL-2.0
/* Loading and unloading modules by system calls, with modules.dep read by ourselves. */
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "cleanup.h"
#include "ops.h"
#include "stress_run.h"
#include "undo.h"

#define INIT_COMPRESSED_FILE	4	/* MODULE_INIT_COMPRESSED_FILE, Linux 5.17 */
#define DEPENDENCIES_MAX	64

static bool is_compressed(const char *path)
{
	size_t len = strlen(path);

	return len > 3 && strcmp(path + len - 3, ".ko");
}

int module_insert(const char *path, const char *params)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC), err;

	if (fd < 0)
		return -errno;
	err = syscall(SYS_finit_module, fd, params,
		      is_compressed(path) ? INIT_COMPRESSED_FILE : 0) ? -errno : 0;
	close(fd);
	return err;
}

/* "kernel/fs/foo-bar.ko.xz" is "foo_bar", as the kernel names it. */
static void module_name(const char *path, char *ret, size_t size)
{
	const char *base = strrchr(path, '/');
	size_t i;

	base = base ? base + 1 : path;
	for (i = 0; base[i] && base[i] != '.' && i + 1 < size; i++)
		ret[i] = base[i] == '-' ? '_' : base[i];
	ret[i] = '\0';
}

static bool is_loaded(const char *name)
{
	char path[160], state[16] = "";
	_cleanup_close_ int fd = -1;

	snprintf(path, sizeof(path), "/sys/module/%s/initstate", name);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	return fd >= 0 && read(fd, state, sizeof(state) - 1) > 0 && !strncmp(state, "live", 4);
}

/* The line of `list` (modules.dep, modules.builtin) about module `name`, to be freed; -ENOENT. */
static int find_line(const char *dir, const char *list, const char *name, char **ret)
{
	_cleanup_free_ char *line = NULL;
	char path[300], have[VX_NAME_LEN];
	size_t size = 0;
	int err = -ENOENT;
	FILE *f;

	snprintf(path, sizeof(path), "%s/%s", dir, list);
	f = fopen(path, "re");
	if (!f)
		return -errno;
	while (err && getline(&line, &size, f) > 0) {
		size_t end = strcspn(line, ":\n");
		char stop = line[end];

		line[end] = '\0';
		module_name(line, have, sizeof(have));
		line[end] = stop;
		if (!strcmp(have, name))
			err = 0;
	}
	fclose(f);
	if (!err) {
		*ret = line;
		line = NULL;
	}
	return err;
}

static int load_one(struct op_run *run, const char *dir, const char *file)
{
	char path[1024], name[VX_NAME_LEN];
	int err;

	module_name(file, name, sizeof(name));
	if (is_loaded(name))
		return 0;
	if (file[0] == '/')
		snprintf(path, sizeof(path), "%s", file);
	else
		snprintf(path, sizeof(path), "%s/%s", dir, file);
	err = module_insert(path, "");
	if (err == -EEXIST)
		return 0;
	if (err)
		op_say(run, "%s: %s\n", path, strerror(-err));
	else
		run->value++;
	if (!err)
		undo_note(UNDO_MODULE, name);
	return err;
}

/* "a.ko: b.ko c.ko": each needs what stands behind it. */
static int load_line(struct op_run *run, const char *dir, char *line)
{
	const char *files[DEPENDENCIES_MAX];
	char *save = NULL, *word;
	int n = 0, err = 0;

	for (word = strtok_r(line, ": \n", &save); word; word = strtok_r(NULL, ": \n", &save)) {
		if (n == DEPENDENCIES_MAX)
			return -E2BIG;
		files[n++] = word;
	}
	while (!err && n--)
		err = load_one(run, dir, files[n]);
	return err;
}

int op_insmod(struct op_run *run)
{
	const char *path = run->step.str[0], *params = run->step.str[1] ?: "";
	_cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC);
	char name[VX_NAME_LEN];
	int err;

	if (fd < 0)
		return -errno;
	err = OP_TIMED(run, syscall(SYS_finit_module, fd, params,
				    is_compressed(path) ? INIT_COMPRESSED_FILE : 0));
	module_name(path, name, sizeof(name));
	if (!err)
		undo_note(UNDO_MODULE, name);
	return err;
}

int op_modprobe(struct op_run *run)
{
	_cleanup_free_ char *line = NULL;
	char dir[128], name[VX_NAME_LEN];
	struct utsname uts;
	int err;

	uname(&uts);
	snprintf(dir, sizeof(dir), "/lib/modules/%s", uts.release);
	module_name(run->step.str[0], name, sizeof(name));
	op_begin(run);
	if (is_loaded(name) || !find_line(dir, "modules.builtin", name, &line))
		return op_end(run, 0);
	err = find_line(dir, "modules.dep", name, &line);
	if (err)
		op_say(run, "%s is neither in %s/modules.dep nor built in\n", name, dir);
	else
		err = load_line(run, dir, line);
	return op_end(run, err);
}

int module_file(const char *name, char *ret, size_t size)
{
	_cleanup_free_ char *line = NULL;
	char dir[128], want[VX_NAME_LEN];
	struct utsname uts;
	int err;

	uname(&uts);
	snprintf(dir, sizeof(dir), "/lib/modules/%s", uts.release);
	module_name(name, want, sizeof(want));
	err = find_line(dir, "modules.dep", want, &line);
	if (err)
		return err;
	line[strcspn(line, ":\n")] = '\0';
	if (line[0] == '/')
		snprintf(ret, size, "%s", line);
	else
		snprintf(ret, size, "%s/%s", dir, line);
	return 0;
}

int op_rmmod(struct op_run *run)
{
	char name[VX_NAME_LEN];
	int err;

	module_name(run->step.str[0], name, sizeof(name));
	err = OP_TIMED(run, syscall(SYS_delete_module, name, O_NONBLOCK));
	if (!err)
		undo_forget(UNDO_MODULE, name);
	return err;
}
