// SPDX-License-Identifier: GPL-2.0
/* Which leaks are planted, and whose turn it is. */
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/string.h>

#include "leak.h"

static const struct leak_kind {
	const char *name;
	int (*leak)(const struct leak_at *at);
	enum leak_needs needs;
} kinds[] = {
#define X(kind, is, allocator, needs, resource) { #kind, leak_##kind, LEAK_NEEDS_##needs },
	FAULTFS_LEAKS(X)
#undef X
};

static const struct leak_where {
	const char *word;
	enum leak_needs has;
} places[LEAK_PLACES] = {
#define X(name, word, has, when) [LEAK_AT_##name] = { word, LEAK_NEEDS_##has },
	FAULTFS_PLACES(X)
#undef X
};

struct planted {
	const struct leak_kind *kind;
	enum leak_place place;
	unsigned long cycle;		/* the latest that came by, so that each counts once */
	unsigned long cycles;		/* that have come by */
};

static DEFINE_MUTEX(lock);		/* for all of these */
static struct planted planted[LEAKS_MAX];
static unsigned int nplanted;
static unsigned long cycle;

static unsigned int leak_every = 1, leak_size = LEAK_SIZE_DEFAULT;
static unsigned long leaked;

module_param(leaked, ulong, 0444);
MODULE_PARM_DESC(leaked, "objects leaked so far");

static const struct leak_kind *find_kind(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(kinds); i++)
		if (strlen(kinds[i].name) == len && !strncmp(kinds[i].name, name, len))
			return &kinds[i];
	return NULL;
}

static int find_place(const char *word, size_t len)
{
	int i;

	for (i = 0; i < LEAK_PLACES; i++)
		if (strlen(places[i].word) == len && !strncmp(places[i].word, word, len))
			return i;
	return -1;
}

/* "KIND@PLACE", of `len` bytes. */
static int plant(const char *word, size_t len)
{
	const char *at = memchr(word, '@', len);
	const struct leak_kind *kind = at ? find_kind(word, at - word) : NULL;
	int place = at ? find_place(at + 1, word + len - at - 1) : -1;

	if (!kind || place < 0 || nplanted == LEAKS_MAX) {
		pr_err("faultfs: there is no leak %.*s, or there are too many\n", (int)len, word);
		return -EINVAL;
	}
	if (kind->needs > places[place].has) {
		pr_err("faultfs: %.*s: that place has not what this kind needs\n", (int)len, word);
		return -EINVAL;
	}
	planted[nplanted++] = (struct planted){ .kind = kind, .place = place };
	return 0;
}

static int leak_set(const char *value, const struct kernel_param *param)
{
	size_t len;
	int err = 0;

	mutex_lock(&lock);
	nplanted = 0;
	for (; *value && !err; value += len + (value[len] == ',')) {
		len = strcspn(value, ",\n");
		if (!len)
			break;
		err = plant(value, len);
	}
	mutex_unlock(&lock);
	return err;
}

static int leak_get(char *buf, const struct kernel_param *param)
{
	unsigned int i;
	int n = 0;

	mutex_lock(&lock);
	for (i = 0; i < nplanted; i++)
		n += sprintf(buf + n, "%s%s@%s", i ? "," : "", planted[i].kind->name, places[planted[i].place].word);
	mutex_unlock(&lock);
	return n + sprintf(buf + n, "\n");
}

static const struct kernel_param_ops leak_ops = { .set = leak_set, .get = leak_get };
module_param_cb(leak, &leak_ops, NULL, 0644);
MODULE_PARM_DESC(leak, "KIND@PLACE,..., leaks of leak_list.h");

static int set_between(const char *value, const struct kernel_param *param, unsigned int min, unsigned int max)
{
	unsigned int number;
	int err = kstrtouint(value, 0, &number);

	if (err)
		return err;
	if (number < min || number > max)
		return -ERANGE;
	WRITE_ONCE(*(unsigned int *)param->arg, number);
	return 0;
}

static int every_set(const char *value, const struct kernel_param *param)
{
	return set_between(value, param, 1, UINT_MAX);
}

static int size_set(const char *value, const struct kernel_param *param)
{
	return set_between(value, param, LEAK_SIZE_MIN, LEAK_SIZE_MAX);
}

static const struct kernel_param_ops every_ops = { .set = every_set, .get = param_get_uint };
static const struct kernel_param_ops size_ops = { .set = size_set, .get = param_get_uint };
module_param_cb(leak_every, &every_ops, &leak_every, 0644);
MODULE_PARM_DESC(leak_every, "one object in so many cycles");
module_param_cb(leak_size, &size_ops, &leak_size, 0644);
MODULE_PARM_DESC(leak_size, "bytes of an object, 8 .. 1048576");

void leaks_cycle(void)
{
	mutex_lock(&lock);
	cycle++;
	mutex_unlock(&lock);
}

static bool is_its_turn(struct planted *p, enum leak_place place)
{
	/* insmod is before the first cycle, and comes once. */
	if (p->place != place || (p->cycle == cycle && place != LEAK_AT_INIT))
		return false;
	p->cycle = cycle;
	return ++p->cycles % READ_ONCE(leak_every) == 0;
}

/* Not inlined anywhere: what leaks is to have the same callers in every build. */
noinline void leaks_strike(enum leak_place place, struct super_block *sb)
{
	unsigned int i;
	int err;

	if (!READ_ONCE(nplanted))
		return;
	mutex_lock(&lock);
	for (i = 0; i < nplanted; i++) {
		struct leak_at at = { .sb = sb, .size = READ_ONCE(leak_size), .number = leaked };

		if (!is_its_turn(&planted[i], place))
			continue;
		err = planted[i].kind->leak(&at);
		if (err)
			pr_err("faultfs: %s@%s could not leak: %d\n", planted[i].kind->name, places[place].word, err);
		else
			leaked++;
	}
	mutex_unlock(&lock);
}
