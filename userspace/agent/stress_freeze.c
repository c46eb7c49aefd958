// SPDX-License-Identifier: GPL-2.0
/* Kind: freeze and thaw under load. Whatever happens, it is thawed in the end: a frozen filesystem holds everybody. */
#include <fcntl.h>
#include <linux/fs.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <unistd.h>

#include "cleanup.h"
#include "stress_run.h"

struct frozen {
	char place[STRESS_PATH];
	_Atomic uint64_t written;	/* writes that have come back */
	int fd;
};

static void writer(struct stress_thread *t)
{
	static const char bytes[4096] = "written while it may be frozen";
	struct frozen *f = t->arg;
	char path[STRESS_PATH + 32];
	long fd;

	snprintf(path, sizeof(path), "%s/w%u", f->place, t->index);
	fd = DO(t, CREATE, open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644));
	while (fd >= 0 && stress_go_on(t->s)) {
		stress_meet_in(t->s, 0, "a write and a freeze", 0);
		if (DO(t, WRITE, pwrite((int)fd, bytes, sizeof(bytes), stress_choose(t, 64) * 4096), ENOSPC) > 0)
			atomic_fetch_add(&f->written, 1);
		if (!stress_choose(t, 64))
			DO(t, FSYNC, fsync((int)fd), EINVAL, EOPNOTSUPP);
		stress_meet_out(t->s, 0, 0);
	}
	if (fd >= 0)
		close((int)fd);
}

/* Those that were in a write already may come back once each, nobody else. */
static void nothing_gets_through(struct stress_thread *t, struct frozen *f)
{
	uint64_t before = atomic_load(&f->written), after;

	stress_nap(5 * NSEC_PER_MSEC);
	after = atomic_load(&f->written);
	if (after > before + t->s->nthreads)
		stress_wrong(t->s, VX_FILE_WRONG, "writes get through while it is frozen", "%llu of them",
			     (unsigned long long)(after - before));
}

static void freezer(struct stress_thread *t)
{
	struct frozen *f = t->arg;

	while (stress_go_on(t->s)) {
		long ret;

		stress_meet_in(t->s, 0, "a write and a freeze", 1);
		ret = DO(t, FREEZE, ioctl(f->fd, FIFREEZE, 0), EOPNOTSUPP, ENOTTY);
		stress_meet_out(t->s, 0, 1);
		if (ret) {
			if (ret == -EOPNOTSUPP || ret == -ENOTTY)
				stress_lack(t->s, "it cannot be frozen");
			return;
		}
		nothing_gets_through(t, f);
		if (DO(t, THAW, ioctl(f->fd, FITHAW, 0)))
			return;
		stress_nap(stress_choose(t, 4) * NSEC_PER_MSEC);
	}
}

int stress_freeze(struct stress_thread *own)
{
	struct frozen f = { .fd = -1 };
	struct stress_crew writers, one;
	struct stress *s = own->s;

	if (stress_place(own, "frozen", f.place) || stress_mount_must(own, s->device, f.place))
		return -EBADMSG;
	f.fd = (int)DO(own, OPEN, open(f.place, O_RDONLY | O_DIRECTORY | O_CLOEXEC));
	if (f.fd < 0)
		return -EBADMSG;
	stress_crew_start(&writers, s, 0, s->nthreads > 1 ? s->nthreads - 1 : 1, writer, &f);
	stress_crew_start(&one, s, writers.n, 1, freezer, &f);
	stress_crew_wait(&one);
	/* Once more than needed: EINVAL then. */
	DO(own, THAW, ioctl(f.fd, FITHAW, 0), EINVAL, EOPNOTSUPP, ENOTTY);
	stress_crew_wait(&writers);
	close(f.fd);
	if (!atomic_load(&s->board->wrong))
		stress_clear(own, f.place);
	return stress_epilogue(own);
}
