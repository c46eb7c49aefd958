// SPDX-License-Identifier: GPL-2.0
/* Delays at the target's functions and calls, by a seed: which functions is chosen here, the rest vexprobe.ko does. */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <vexlab/locks.h>

#include "ops.h"

#define FUNCTIONS_MAX	8192u
#define PROBED		12u		/* functions that are chosen: all at once would only be slow */
#define TEXT_SLACK	(64u << 10)	/* of a function whose end is not known */

struct functions {
	size_t n;
	char of[256];			/* whose they are: the target's words and where its module is */
	uint64_t address[FUNCTIONS_MAX];
};

/* Reading all symbols takes long under emulation, and nothing changes them but another load. */
static struct functions known;

/* Of the module, or of the kernel with that beginning of its name. The loader throws away what is marked as init. */
static bool is_wanted(const char *type, const char *name, const char *module, const char *want, const char *prefix)
{
	if (!strchr("tT", type[0]) || !strncmp(name, "__pfx_", 6) || strchr(name, '.') ||
	    !strcmp(name, "init_module") || !strcmp(name, "cleanup_module") || !strncmp(name, "trace_", 6) ||
	    !strncmp(name, "__", 2))
		return false;
	if (*module)
		return !strcmp(module, want);
	return *prefix && !strncmp(name, prefix, strlen(prefix));
}

/* In the order of kallsyms, which for one build of a module is always the same. */
static int read_functions(const char *want, const char *prefix, struct functions *ret)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	char line[512];

	if (!f)
		return -errno;
	while (ret->n < FUNCTIONS_MAX && fgets(line, sizeof(line), f)) {
		char type[4], name[256], module[64] = "";
		unsigned long long address;

		/* Most lines are nobody's: taken apart is only what may be. */
		if (!strstr(line, want) && (!*prefix || !strstr(line, prefix)))
			continue;
		if (sscanf(line, "%llx %3s %255s [%63[^]]]", &address, type, name, module) < 3 || !address)
			continue;
		if (is_wanted(type, name, module, want, prefix))
			ret->address[ret->n++] = address;
	}
	fclose(f);
	return ret->n ? 0 : -ENOENT;
}

/* Where the module is; FALSE: there is none of that name. */
static bool find_module(const char *want, unsigned long long *base, unsigned long long *size)
{
	FILE *f = fopen("/proc/modules", "re");
	bool found = false;
	char line[1024], name[64];

	while (f && !found && fgets(line, sizeof(line), f))
		found = sscanf(line, "%63s %llu %*s %*s %*s %llx", name, size, base) == 3 && *base && !strcmp(name, want);
	if (f)
		fclose(f);
	return found;
}

/* What a return address must be in to be the target's. Of what is built in, from its first function to its last. */
static void find_text(const struct functions *functions, bool module, unsigned long long base,
		      unsigned long long size, struct vx_delays *ret)
{
	ret->base = base;
	ret->end = base + size;
	if (module)
		return;
	ret->base = ret->end = functions->address[0];
	for (size_t i = 0; i < functions->n; i++) {
		if (functions->address[i] < ret->base)
			ret->base = functions->address[i];
		if (functions->address[i] > ret->end)
			ret->end = functions->address[i];
	}
	ret->end += TEXT_SLACK;
}

static int find_functions(const char *want, const char *prefix, struct vx_delays *ret)
{
	unsigned long long base = 0, size = 0;
	const bool module = find_module(want, &base, &size);
	char of[sizeof(known.of)];
	int err = 0;

	snprintf(of, sizeof(of), "%.64s %.64s %llx", want, prefix, base);
	if (strcmp(of, known.of)) {
		known.n = 0;
		err = read_functions(want, module ? "" : prefix, &known);
		snprintf(known.of, sizeof(known.of), "%s", err ? "" : of);
	}
	if (!err)
		find_text(&known, module, base, size, ret);
	return err;
}

static uint64_t draw(uint64_t *x)
{
	*x = *x * 6364136223846793005ull + 1442695040888963407ull;
	return *x >> 33;
}

/* One twice is refused the second time, and there is one less. */
static void choose(uint64_t seed, const struct functions *functions, struct vx_delays *ret)
{
	while (ret->nfunctions < PROBED && ret->nfunctions < functions->n)
		ret->functions[ret->nfunctions++] = functions->address[draw(&seed) % functions->n];
}

static int arm(struct op_run *run)
{
	const __s64 *num = run->step.req.num;
	struct vx_delays delays = {
		.seed = (uint64_t)num[0], .max_us = (uint32_t)num[1], .permille = (uint32_t)num[2],
		.budget_us = (uint64_t)num[3],
	};
	int err = find_functions(run->step.str[0], run->step.str[1], &delays);

	if (err)
		return err;
	choose(delays.seed, &known, &delays);
	return ioctl(locks_device(), VX_PROBE_DELAYS, &delays) ? -errno : 0;
}

static int disarm(struct op_run *run)
{
	struct vx_delays none = { .seed = 0 };
	struct vx_delays_done done;

	if (ioctl(locks_device(), VX_PROBE_DELAYS_DONE, &done) || ioctl(locks_device(), VX_PROBE_DELAYS, &none))
		return -errno;
	run->value = (int64_t)done.delays;
	op_say(run, "%llu delays of %llu us together, %u functions probed\n", (unsigned long long)done.delays,
	       (unsigned long long)done.us, done.probed);
	return 0;
}

int op_delays(struct op_run *run)
{
	const __s64 *num = run->step.req.num;

	if (num[1] < 0 || num[1] > VX_DELAY_MAX_US || num[2] < 0 || num[2] > 1000 || num[3] < 0)
		return -EINVAL;
	if (locks_device() < 0)
		return -errno;
	op_begin(run);
	return op_end(run, num[0] ? arm(run) : disarm(run));
}
