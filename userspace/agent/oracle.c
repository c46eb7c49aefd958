// SPDX-License-Identifier: GPL-2.0
/* The oracle's steps: a list on both sides, compared operation by operation; and what a power cut has left. */
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "cleanup.h"
#include "oracle.h"

#define KEEP_MAX	(48u << 10)	/* bytes of promises in an answer */

struct oracle {
	struct op_run *run;
	struct orc_side side[2];	/* target, reference */
	struct orc_result res[2];
	char *from;			/* ORC_IO_MAX bytes to be written */
	uint64_t filled;		/* length << 32 | seed of what `from` has; 0: nothing */
	const char *when;
	char **skip;			/* shapes, NULL-terminated */
	struct orc_promises *promises;	/* NULL: not asked for */
	bool alone, dropped;		/* dropped: the caches, just before */
	struct orc_diff diff;
};

/* ---- sides ------------------------------------------------------------------------------------- */

static int open_side(struct orc_side *side, const char *dir)
{
	int i;

	side->dir = dir;
	for (i = 0; i < ORC_SLOTS; i++)
		side->fd[i] = -1;
	side->root = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	return side->root < 0 ? -errno : 0;
}

static void close_side(struct orc_side *side)
{
	int i;

	for (i = 0; i < ORC_SLOTS; i++)
		if (side->fd[i] >= 0)
			close(side->fd[i]);
	if (side->root >= 0)
		close(side->root);
}

/* ---- one operation -------------------------------------------------------------------------------- */

static bool is_skipped(const struct oracle *o, const char *shape)
{
	size_t i;

	for (i = 0; o->skip && o->skip[i]; i++) {
		size_t len = strlen(o->skip[i]);

		if (len && o->skip[i][len - 1] == '*' ? !strncmp(shape, o->skip[i], len - 1) : !strcmp(shape, o->skip[i]))
			return true;
	}
	return false;
}

static bool is_limit(int err)
{
	static const int limits[] = { ENOSPC, EDQUOT, EFBIG, EMLINK, ENAMETOOLONG, ENOMEM, E2BIG, ENFILE, EMFILE };
	size_t i;

	for (i = 0; i < sizeof(limits) / sizeof(limits[0]); i++)
		if (err == limits[i])
			return true;
	return false;
}

/* POSIX lets a filesystem choose. */
static bool same_error(const struct orc_op *op, int a, int b)
{
	if (op->kind == ORC_RMDIR || op->kind == ORC_RENAME) {
		a = a == ENOTEMPTY ? EEXIST : a;
		b = b == ENOTEMPTY ? EEXIST : b;
	}
	return a == b;
}

/* By its own figures it has more than half of everything left. */
static bool has_room(const struct orc_side *side)
{
	struct statfs st;

	return !statfs(side->dir, &st) && st.f_bavail > st.f_blocks / 2 && (!st.f_files || st.f_ffree > st.f_files / 2);
}

static const char *err_name(int err)
{
	const char *name = err ? strerrorname_np(err) : "success";

	return name ? name : "an unknown error";
}

static void other_error(struct oracle *o, int a, int b)
{
	const bool full = a == ENOSPC && has_room(&o->side[0]);
	char title[ORC_TITLE_MAX];

	snprintf(title, sizeof(title), "%s answers %s%s, the reference: %s", o->diff.shape, err_name(a),
		 full ? " with more than half of it free" : "", err_name(b));
	orc_differ(&o->diff, (is_limit(a) && !full) || is_limit(b) ? VX_ORACLE_LIMIT : VX_ORACLE_WRONG, title, "%s", "");
	o->diff.errs[0] = a;
	o->diff.errs[1] = b;
}

static bool is_content(enum orc_kind kind)
{
	return kind == ORC_READ || kind == ORC_MAPREAD || kind == ORC_READDIR || kind == ORC_READLINK || kind == ORC_GETXATTR;
}

static void compare_results(struct oracle *o, const struct orc_op *op)
{
	const struct orc_result *a = &o->res[0], *b = &o->res[1];
	char title[ORC_TITLE_MAX];
	size_t i;

	if (!same_error(op, a->err, b->err)) {
		other_error(o, a->err, b->err);
		return;
	}
	if (a->err)
		return;
	for (i = 0; i < a->len && i < b->len && a->data[i] == b->data[i]; i++)
		;
	if (a->ret == b->ret && a->len == b->len && i == a->len)
		return;
	snprintf(title, sizeof(title), a->ret != b->ret ? "%s returns another number than the reference" :
		 "%s gives other bytes than the reference", o->diff.shape);
	orc_differ(&o->diff, is_content(op->kind) ? VX_ORACLE_CORRUPT : VX_ORACLE_WRONG, title,
		   "%ld, the reference: %ld; %zu bytes, the same up to byte %zu of %zu", a->ret, b->ret, a->len, i, b->len);
}

static void compare_path(struct oracle *o, const char *path)
{
	struct stat a, b;
	int errs[2];
	char title[ORC_TITLE_MAX];

	if (!path || o->diff.kind)
		return;
	errs[0] = fstatat(o->side[0].root, path, &a, AT_SYMLINK_NOFOLLOW) ? errno : 0;
	errs[1] = fstatat(o->side[1].root, path, &b, AT_SYMLINK_NOFOLLOW) ? errno : 0;
	if (errs[0] != errs[1]) {
		snprintf(title, sizeof(title), "%s: afterwards stat answers %s, the reference: %s", o->diff.shape,
			 err_name(errs[0]), err_name(errs[1]));
		orc_differ(&o->diff, VX_ORACLE_WRONG, title, "%s", path);
	} else if (!errs[0]) {
		snprintf(title, sizeof(title), " after %s", o->diff.shape);
		orc_compare_stat(&a, &b, !strcmp(path, "."), title, &o->diff);
	}
}

/* The directory that has it; not the root, whose links are mkfs's. */
static void compare_parent(struct oracle *o, const char *path)
{
	const char *slash = strrchr(path, '/');
	_cleanup_free_ char *parent = slash ? strndup(path, (size_t)(slash - path)) : NULL;

	if (parent)
		compare_path(o, parent);
}

/* What the operation was about, by its own account and by stat's. */
static void compare_after(struct oracle *o, const struct orc_op *op)
{
	struct stat a, b;
	char title[ORC_TITLE_MAX];

	if (o->diff.kind)
		return;
	if (op->kind != ORC_SYMLINK)
		compare_path(o, op->path);
	if (op->kind == ORC_RENAME || op->kind == ORC_LINK || op->kind == ORC_SYMLINK || op->kind == ORC_COPY)
		compare_path(o, op->path2);
	if (op->kind == ORC_MKDIR || op->kind == ORC_RMDIR || op->kind == ORC_RENAME)
		compare_parent(o, op->path);
	if (op->kind == ORC_RENAME)
		compare_parent(o, op->path2);
	if (op->slot < 0 || o->side[0].fd[op->slot] < 0 || o->side[1].fd[op->slot] < 0 || o->diff.kind ||
	    fstat(o->side[0].fd[op->slot], &a) || fstat(o->side[1].fd[op->slot], &b))
		return;
	snprintf(title, sizeof(title), " after %s", o->diff.shape);
	orc_compare_stat(&a, &b, false, title, &o->diff);
}

static int drop_caches(void)
{
	_cleanup_close_ int fd = open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC);

	sync();
	return fd < 0 || write(fd, "3", 1) < 0 ? -errno : 0;
}

static void prepare(struct oracle *o, const struct orc_op *op)
{
	const size_t len = op->len < ORC_IO_MAX ? (size_t)op->len : ORC_IO_MAX;
	const uint64_t want = (uint64_t)len << 32 | op->seed;

	if ((op->kind != ORC_WRITE && op->kind != ORC_APPEND && op->kind != ORC_MAPWRITE && op->kind != ORC_SETXATTR) ||
	    o->filled == want)
		return;
	orc_fill(o->from, op->seed, len);
	o->filled = want;
}

static int compare_all(struct oracle *o)
{
	if (!o->alone)
		orc_compare_trees(o->side, o->dropped ? " after the caches were dropped" : o->when, &o->diff);
	return 0;
}

static int do_one(struct oracle *o, const struct orc_op *op)
{
	if (op->kind == ORC_COMPARE)
		return compare_all(o);
	o->dropped = op->kind == ORC_DROP_CACHES;
	if (o->dropped)
		return drop_caches();
	if (orc_is_directive(op->kind))
		return -EINVAL;
	prepare(o, op);
	if (o->alone) {
		orc_do(&o->side[0], op, o->from, &o->res[0]);
		return 0;
	}
	orc_shape(&o->side[1], op, o->diff.shape);
	if (is_skipped(o, o->diff.shape))
		return 0;
	orc_do(&o->side[0], op, o->from, &o->res[0]);
	orc_do(&o->side[1], op, o->from, &o->res[1]);
	compare_results(o, op);
	compare_after(o, op);
	if (o->promises && !o->res[1].err)
		orc_promises_note(o->promises, &o->side[1], op);
	return 0;
}

/* ---- a list ------------------------------------------------------------------------------------------- */

static void answer_diff(struct oracle *o, size_t number, const struct orc_op *op)
{
	const struct orc_diff *diff = &o->diff;
	char *line = malloc(ORC_LINE_MAX);

	if (op && line)
		orc_op_print(op, line, ORC_LINE_MAX);
	op_say(o->run, "%s\noperation %zu: %.1000s\nshape: %s\nerrno: %d %d\n%s\n", diff->title, number,
	       op && line ? line : "-", diff->shape, diff->errs[0], diff->errs[1], diff->detail);
	free(line);
}

static int do_list(struct oracle *o, const struct orc_list *list)
{
	size_t i;
	int err = 0;

	for (i = 0; i < list->n && !err && !o->diff.kind && !atomic_load(&o->run->cancelled); i++) {
		err = do_one(o, &list->ops[i]);
		if (o->diff.kind)
			answer_diff(o, list->ops[i].line, &list->ops[i]);
	}
	o->run->value = (int64_t)i << 8 | o->diff.kind;
	return err;
}

static void say_promises(struct oracle *o)
{
	_cleanup_free_ char *text = o->promises ? orc_promises_say(o->promises, KEEP_MAX) : NULL;

	if (text && !o->diff.kind)
		op_say_bytes(o->run, text, strlen(text));
}

static char **split(char *text)
{
	size_t n = 1, i;
	char **list, *at, *save = NULL;

	for (at = text; *at; at++)
		n += *at == '\n';
	list = calloc(n + 1, sizeof(*list));
	for (i = 0, at = list ? strtok_r(text, "\n", &save) : NULL; at; at = strtok_r(NULL, "\n", &save))
		list[i++] = at;
	return list;
}

static void *pages(void)
{
	void *p = NULL;

	/* One byte more, for whoever ends a string in it. */
	return posix_memalign(&p, 4096, ORC_IO_MAX + 4096) ? NULL : p;
}

static int with_memory(struct oracle *o, const struct orc_list *list)
{
	_cleanup_free_ char *from = pages(), *a = pages(), *b = pages();
	int err;

	if (!from || !a || !b)
		return -ENOMEM;
	o->from = from;
	o->res[0].data = a;
	o->res[1].data = b;
	if (o->run->step.req.num[0] & VX_ORACLE_PROMISES && !o->alone && !(o->promises = orc_promises_new()))
		return -ENOMEM;
	err = do_list(o, list);
	say_promises(o);
	orc_promises_free(o->promises);
	return err;
}

static int with_sides(struct oracle *o, const struct orc_list *list)
{
	const char *const *str = o->run->step.str;
	int err;

	o->side[0].root = o->side[1].root = -1;
	err = open_side(&o->side[0], str[0]);
	if (!err && !o->alone)
		err = open_side(&o->side[1], str[1]);
	if (!err) {
		op_begin(o->run);
		err = op_end(o->run, with_memory(o, list));
		close_side(&o->side[0]);
		if (!o->alone)
			close_side(&o->side[1]);
	} else if (o->side[0].root >= 0) {
		close(o->side[0].root);
	}
	return err;
}

int op_oracle(struct op_run *run)
{
	_cleanup_free_ struct oracle *o = calloc(1, sizeof(*o));
	_cleanup_free_ char *skip = strdup(run->step.str[3] ? run->step.str[3] : "");
	_cleanup_free_ char **skips = skip ? split(skip) : NULL;
	struct orc_list list = { 0 };
	char why[256];
	int err;

	if (!o || !skips)
		return -ENOMEM;
	o->run = run;
	o->alone = run->step.req.num[0] & VX_ORACLE_ALONE;
	o->when = run->step.str[3] && run->step.str[4] ? run->step.str[4] : "";
	o->skip = skips;
	err = orc_list_parse(run->step.str[2], strlen(run->step.str[2]), &list, why, sizeof(why));
	if (err == -EINVAL)
		op_say(run, "%s\n", why);
	if (!err)
		err = with_sides(o, &list);
	orc_list_free(&list);
	return err;
}

int op_oracle_check(struct op_run *run)
{
	_cleanup_free_ struct oracle *o = calloc(1, sizeof(*o));
	int err;

	if (!o)
		return -ENOMEM;
	o->run = run;
	err = open_side(&o->side[0], run->step.str[0]);
	if (err)
		return err;
	op_begin(run);
	orc_check_promises(&o->side[0], run->step.str[1], &o->diff);
	close_side(&o->side[0]);
	if (o->diff.kind)
		answer_diff(o, 0, NULL);
	run->value = o->diff.kind;
	return op_end(run, 0);
}
