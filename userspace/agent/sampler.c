// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"
#include "frame.h"
#include "sampler.h"

#define TEXT_MAX	(64u << 10)	/* of /proc/stat, with 255 CPUs and thousands of interrupts */

static const char *const paths[SAMPLER_FILES] = {
	[SAMPLER_STAT] = "/proc/stat", [SAMPLER_MEM] = "/proc/meminfo", [SAMPLER_DISKS] = "/proc/diskstats",
	[SAMPLER_PSI + VX_PSI_CPU] = "/proc/pressure/cpu", [SAMPLER_PSI + VX_PSI_MEMORY] = "/proc/pressure/memory",
	[SAMPLER_PSI + VX_PSI_IO] = "/proc/pressure/io",
};

/* ---- texts ------------------------------------------------------------------------------- */

static const char *next_number(const char *at, __u64 *ret)
{
	char *end;

	*ret = strtoull(at, &end, 10);
	return end == at ? NULL : end;
}

/* The first number of the line that begins with `word`, NULL: there is none. */
static const char *number_of(const char *text, const char *word, __u64 *ret)
{
	const char *at = strstr(text, word);

	return at ? next_number(at + strlen(word), ret) : NULL;
}

int sampler_parse_stat(const char *text, struct vx_msg_metrics *ret)
{
	struct vx_metrics_cpu cpu = { 0 };
	__u64 *const fields[] = {
		&cpu.user, &cpu.nice, &cpu.system, &cpu.idle, &cpu.iowait, &cpu.irq, &cpu.softirq, &cpu.steal,
	};
	__u64 interrupts, switches, forks, running, blocked;
	const char *at = text;
	unsigned int i;

	if (strncmp(text, "cpu ", 4))
		return -EINVAL;
	at += 4;
	for (i = 0; i < sizeof(fields) / sizeof(fields[0]); i++)
		if (!(at = next_number(at, fields[i])))
			return -EINVAL;
	if (!(at = number_of(at, "\nintr ", &interrupts)) || !(at = number_of(at, "\nctxt ", &switches)) ||
	    !(at = number_of(at, "\nprocesses ", &forks)) || !(at = number_of(at, "\nprocs_running ", &running)) ||
	    !number_of(at, "\nprocs_blocked ", &blocked))
		return -EINVAL;
	ret->cpu = cpu;
	ret->interrupts = interrupts;
	ret->switches = switches;
	ret->forks = forks;
	ret->running = (__u32)running;
	ret->blocked = (__u32)blocked;
	return 0;
}

/* In the order in which the kernel has them; a line that this kernel lacks costs a look through the rest. */
int sampler_parse_mem(const char *text, struct vx_metrics_mem *ret)
{
	static const struct {
		const char *word;
		size_t offset;
	} lines[] = {
		{ "MemTotal:", offsetof(struct vx_metrics_mem, total) },
		{ "\nMemFree:", offsetof(struct vx_metrics_mem, free) },
		{ "\nMemAvailable:", offsetof(struct vx_metrics_mem, available) },
		{ "\nBuffers:", offsetof(struct vx_metrics_mem, buffers) },
		{ "\nCached:", offsetof(struct vx_metrics_mem, cached) },
		{ "\nDirty:", offsetof(struct vx_metrics_mem, dirty) },
		{ "\nWriteback:", offsetof(struct vx_metrics_mem, writeback) },
		{ "\nAnonPages:", offsetof(struct vx_metrics_mem, anon) },
		{ "\nSlab:", offsetof(struct vx_metrics_mem, slab) },
		{ "\nSUnreclaim:", offsetof(struct vx_metrics_mem, slab_held) },
		{ "\nKernelStack:", offsetof(struct vx_metrics_mem, kernel_stack) },
		{ "\nPageTables:", offsetof(struct vx_metrics_mem, page_tables) },
		{ "\nVmallocUsed:", offsetof(struct vx_metrics_mem, vmalloc) },
		{ "\nPercpu:", offsetof(struct vx_metrics_mem, percpu) },
	};
	struct vx_metrics_mem mem = { 0 };
	unsigned int i;

	for (i = 0; i < sizeof(lines) / sizeof(lines[0]); i++) {
		const char *end = number_of(text, lines[i].word, (__u64 *)((char *)&mem + lines[i].offset));

		text = end ? end : text;
	}
	if (!mem.total || !mem.available)
		return -EINVAL;
	*ret = mem;
	return 0;
}

int sampler_parse_psi(const char *text, struct vx_metrics_psi *ret)
{
	struct vx_metrics_psi psi = { 0 };
	const char *at = number_of(text, "total=", &psi.some_us);

	if (strncmp(text, "some ", 5) || !at)
		return -EINVAL;
	/* Of the CPU as a whole there is a second line only from 5.13 on. */
	number_of(at, "total=", &psi.full_us);
	*ret = psi;
	return 0;
}

/* "major minor name reads merged sectors ms writes merged sectors ms in-flight busy-ms weighted discards... flushes..." */
static bool parse_disk(const char *line, struct vx_metrics_disk *ret)
{
	__u64 n[19] = { 0 };
	const char *at = line, *name;
	size_t len, i;

	if (!(at = next_number(at, &n[0])) || !(at = next_number(at, &n[1])))
		return false;
	name = at + strspn(at, " ");
	len = strcspn(name, " \n");
	at = name + len;
	for (i = 2; i < sizeof(n) / sizeof(n[0]) && *at == ' '; i++)
		if (!(at = next_number(at, &n[i])))
			return false;
	if (i < 13 || !len || len >= sizeof(ret->name) || !(n[2] | n[6] | n[13] | n[17]))
		return false;
	*ret = (struct vx_metrics_disk){
		.reads = n[2], .read_sectors = n[4], .writes = n[6], .write_sectors = n[8], .busy_ms = n[11],
		.other = n[13] + n[17],
	};
	memcpy(ret->name, name, len);
	return true;
}

unsigned int sampler_parse_disks(const char *text, struct vx_metrics_disk *ret, unsigned int max, uint32_t *cut)
{
	struct vx_metrics_disk disk;
	unsigned int n = 0;

	for (; *text; text += strcspn(text, "\n"), text += *text == '\n') {
		if (!parse_disk(text, &disk))
			continue;
		if (n < max)
			ret[n++] = disk;
		else
			++*cut;
	}
	return n;
}

/* ---- a sample ----------------------------------------------------------------------------- */

struct sample {
	struct vx_msg_metrics head;
	/* Of disks, then, without a gap, of tasks. */
	char rows[VX_METRICS_DISKS_MAX * sizeof(struct vx_metrics_disk) + VX_METRICS_TASKS_MAX * sizeof(struct vx_metrics_task)]
		__attribute__((aligned(8)));
};

static const char *read_file(const struct sampler *sampler, int file)
{
	static char text[TEXT_MAX];
	ssize_t n = sampler->fd[file] < 0 ? -1 : pread(sampler->fd[file], text, sizeof(text) - 1, 0);

	if (n <= 0)
		return NULL;
	text[n] = '\0';
	return text;
}

static void sample_system(const struct sampler *sampler, struct sample *s)
{
	const char *text = read_file(sampler, SAMPLER_STAT);
	int i;

	if (text && !sampler_parse_stat(text, &s->head))
		s->head.have |= VX_METRICS_STAT;
	text = read_file(sampler, SAMPLER_MEM);
	if (text && !sampler_parse_mem(text, &s->head.mem))
		s->head.have |= VX_METRICS_MEM;
	for (i = 0; i < VX_PSI_TYPES; i++) {
		text = read_file(sampler, SAMPLER_PSI + i);
		if (text && !sampler_parse_psi(text, &s->head.psi[i]))
			s->head.have |= (__u32)VX_METRICS_PSI << i;
	}
}

static void sample_rows(struct sampler *sampler, struct sample *s, const struct steps *steps)
{
	struct vx_metrics_disk *disks = (struct vx_metrics_disk *)s->rows;
	const char *text = read_file(sampler, SAMPLER_DISKS);
	__u32 cut = 0;

	if (text) {
		s->head.ndisks = sampler_parse_disks(text, disks, VX_METRICS_DISKS_MAX, &s->head.cut);
		s->head.have |= VX_METRICS_DISKS;
	}
	if (s->head.step)
		s->head.ntasks = sampler_tasks_sample(&sampler->tasks, steps_child(steps),
						      (struct vx_metrics_task *)(disks + s->head.ndisks), &cut);
	s->head.cut += cut;
}

static bool sample(struct sampler *sampler, struct outbox *out, const struct steps *steps)
{
	static struct sample s;
	uint64_t cpu;

	if (outbox_pending(out) >= OUTBOX_IDLE_LIMIT)
		return false;
	cpu = clock_ns(CLOCK_THREAD_CPUTIME_ID);
	memset(&s.head, 0, sizeof(s.head));
	s.head.monotonic_ns = sampler->last_ns = now_ns();
	s.head.step = steps_running(steps, NULL);
	sample_system(sampler, &s);
	sample_rows(sampler, &s, steps);
	s.head.samples = ++sampler->samples;
	s.head.took_ns = clock_ns(CLOCK_THREAD_CPUTIME_ID) - cpu;
	s.head.spent_ns = sampler->spent_ns += s.head.took_ns;
	outbox_add(out, VX_MSG_METRICS, &s.head, sizeof(s.head), s.rows,
		   s.head.ndisks * sizeof(struct vx_metrics_disk) + s.head.ntasks * sizeof(struct vx_metrics_task));
	return true;
}

/* ---- when ------------------------------------------------------------------------------------ */

void sampler_init(struct sampler *sampler)
{
	int i;

	memset(sampler, 0, sizeof(*sampler));
	for (i = 0; i < SAMPLER_FILES; i++)
		sampler->fd[i] = -1;
	sampler_tasks_init(&sampler->tasks);
}

void sampler_deinit(struct sampler *sampler)
{
	int i;

	for (i = 0; i < SAMPLER_FILES; i++)
		if (sampler->fd[i] >= 0)
			close(sampler->fd[i]);
	sampler_tasks_deinit(&sampler->tasks);
	sampler_init(sampler);
}

static void open_files(struct sampler *sampler)
{
	int i;

	for (i = 0; i < SAMPLER_FILES; i++)
		if (sampler->fd[i] < 0)
			sampler->fd[i] = open(paths[i], O_RDONLY | O_CLOEXEC);
}

int sampler_ask(struct sampler *sampler, const void *payload, size_t len)
{
	struct vx_req_metrics req;

	if (len != sizeof(req))
		return -EINVAL;
	memcpy(&req, payload, sizeof(req));
	if (req.interval_ms && req.interval_ms < VX_METRICS_INTERVAL_MIN)
		req.interval_ms = VX_METRICS_INTERVAL_MIN;
	sampler->interval_ns = req.interval_ms * NSEC_PER_MSEC;
	sampler->due_ns = now_ns();
	sampler->last_ns = sampler->spent_ns = sampler->samples = 0;
	if (!req.interval_ms)
		return 0;
	open_files(sampler);
	return sampler->fd[SAMPLER_PSI] < 0 ? -ENOENT : 0;
}

/* Far enough from the last one that one more costs at most twice as much. */
static bool is_worth_it(const struct sampler *sampler, uint64_t now)
{
	return sampler->interval_ns && now - sampler->last_ns >= sampler->interval_ns / 2;
}

uint64_t sampler_due_ns(const struct sampler *sampler, const struct steps *steps)
{
	/* What is sent is in the kernel's caches on its way: not while they are counted. */
	if (!sampler->interval_ns || steps_counts(steps))
		return UINT64_MAX;
	return sampler->due_ns + (steps_running(steps, NULL) ? sampler->interval_ns / 2 : 0);
}

bool sampler_work(struct sampler *sampler, struct outbox *out, struct steps *steps)
{
	const uint64_t now = now_ns(), step = steps_running(steps, NULL), due_ns = sampler_due_ns(sampler, steps);
	const bool ended = sampler->step && step != sampler->step, due = now >= due_ns;

	if (due_ns == UINT64_MAX)
		return false;
	sampler->step = step;
	if (due)
		/* A guest that stood still does not catch up. */
		sampler->due_ns += sampler->interval_ns * ((now - sampler->due_ns) / sampler->interval_ns + 1);
	return (due || ended) && is_worth_it(sampler, now) && sample(sampler, out, steps);
}

void sampler_before_step(struct sampler *sampler, struct outbox *out, struct steps *steps)
{
	if (is_worth_it(sampler, now_ns()))
		sample(sampler, out, steps);
}
