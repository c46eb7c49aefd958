// SPDX-License-Identifier: GPL-2.0
/* Delays at the target's functions and calls, by a seed: which functions is chosen here, the rest vexprobe.ko does. */
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <vexlab/locks.h>

#include "ops.h"

#define FUNCTIONS_MAX	8192u
#define PROBED		12u		/* functions that are chosen: all at once would only be slow */
#define GAP		16u		/* what functions are aligned to */
#define TEXT_SLACK	(64u << 10)	/* of a function whose end is not known */

struct functions {
	size_t n;
	char of[256];			/* whose they are: the target's words and where its module is */
	uint64_t address[FUNCTIONS_MAX];
};

/* Reading all symbols takes long under emulation, and nothing changes them but another load. */
static struct functions known;

/* The loader throws away what is marked as init; parts of functions are no entries. */
static bool may_be_probed(const char *name)
{
	return strncmp(name, "__", 2) && strncmp(name, "trace_", 6) && !strchr(name, '.') && strcmp(name, "init_module") &&
	       strcmp(name, "cleanup_module");
}

/* A module's functions, one after the other, without those of all others: those take long under emulation. */
static int walk_module(const char *want, uint64_t base, uint64_t size, struct functions *ret)
{
	uint64_t at = base;
	char whose[80];
	bool ours;

	snprintf(whose, sizeof(whose), " [%.64s]", want);
	while (at < base + size && ret->n < FUNCTIONS_MAX) {
		struct vx_symbol symbol = { .address = at };

		if (ioctl(locks_device(), VX_PROBE_SYMBOL, &symbol))
			return -errno;
		/* Behind its text, or a gap. */
		if (!symbol.size || symbol.start + symbol.size <= at) {
			at += GAP;
			continue;
		}
		symbol.name[sizeof(symbol.name) - 1] = '\0';
		/* Its size is that of all its parts together: behind its text may be another's. */
		ours = strstr(symbol.name, whose) != NULL;
		symbol.name[strcspn(symbol.name, " ")] = '\0';
		if (ours && may_be_probed(symbol.name))
			ret->address[ret->n++] = symbol.start;
		at = symbol.start + symbol.size;
	}
	return ret->n ? 0 : -ENOENT;
}

/* Of what is built in, by the beginning of its name. */
static int read_functions(const char *prefix, struct functions *ret)
{
	FILE *f = fopen("/proc/kallsyms", "re");
	char line[512];

	if (!f)
		return -errno;
	while (*prefix && ret->n < FUNCTIONS_MAX && fgets(line, sizeof(line), f)) {
		const char *name = strstr(line, prefix);
		char type[4], word[256];
		unsigned long long address;

		/* Most lines are nobody's: taken apart is only what may be. */
		if (!name || name == line || name[-1] != ' ' ||
		    sscanf(line, "%llx %3s %255s", &address, type, word) != 3 || !address)
			continue;
		if (strchr("tT", type[0]) && may_be_probed(word))
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
		err = module ? walk_module(want, base, size, &known) : read_functions(prefix, &known);
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
