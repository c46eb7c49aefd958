// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alloc_fold.h"
#include "allocs.h"
#include "cleanup.h"
#include "clock.h"
#include "ksyms.h"
#include "tracer.h"

#define LINE_MAX_LEN	600u	/* a symbol has up to 512 characters, a module's name 55 */

/* A site of the programs beside what is outstanding there. */
struct known {
	uint64_t key;
	const struct vx_probe_site *seen;
	struct fold_site sum;
};

struct answer {
	struct outbox *out;
	struct ksyms_past *past;
	struct vx_msg_allocs msg;
	struct known *known;
	size_t nknown;
};

/* --- frames ------------------------------------------------------------------------- */

struct frames {
	uint64_t addresses[VX_PROBE_FRAMES];
	const struct ksym *syms[VX_PROBE_FRAMES];
	const char *names[VX_PROBE_FRAMES];
	int n, call;			/* call: index, n: none */
};

static void name_frames(const struct ksyms_past *past, const struct vx_probe_site *site, struct frames *ret)
{
	memset(ret, 0, sizeof(*ret));
	for (int i = 0; i < VX_PROBE_FRAMES && site->stack[i]; i++) {
		const struct ksym *sym = ksyms_past_find(past, site->generation, site->stack[i]);

		if (sym && alloc_is_tracing(sym->name, sym->module))
			continue;
		ret->addresses[ret->n] = site->stack[i];
		ret->syms[ret->n] = sym;
		ret->names[ret->n++] = sym ? sym->name : NULL;
	}
	while (ret->call < ret->n && ret->addresses[ret->call] != site->call)
		ret->call++;
}

size_t allocs_print_frame(char *buf, size_t size, const struct ksym *sym, uint64_t address)
{
	int n;

	if (!sym)
		n = snprintf(buf, size, "0x%llx\n", (unsigned long long)address);
	else
		n = snprintf(buf, size, "%s+0x%llx/0x%llx%s%s%s\n", sym->name, (unsigned long long)(address - sym->address),
			     (unsigned long long)sym->size, *sym->module ? " [" : "", sym->module,
			     *sym->module ? "]" : "");
	return n < 0 ? 0 : (size_t)n < size ? (size_t)n : size - 1;
}

/* Text of the frames from `first` on; returns its length. */
static size_t print_frames(const struct frames *frames, int first, char *buf, size_t size, uint16_t *count)
{
	size_t len = 0;

	*count = 0;
	for (int i = first; i < frames->n && *count < VX_ALLOC_FRAMES; i++) {
		if (size - len < LINE_MAX_LEN + 1)
			break;
		len += allocs_print_frame(buf + len, size - len, frames->syms[i], frames->addresses[i]);
		++*count;
	}
	return len;
}

/* --- sites ---------------------------------------------------------------------------- */

/* The module's own calls also if nothing is left: that it was seen is what acquits it. */
static bool is_told(const struct known *known, const struct frames *frames, int first)
{
	const struct ksym *sym = first < frames->n ? frames->syms[first] : NULL;

	return known->sum.objects || known->seen->foreign_frees || (sym && *sym->module);
}

static void send_site(struct answer *answer, const struct known *known, const struct frames *frames, int first)
{
	char text[VX_ALLOC_FRAMES * (LINE_MAX_LEN + 1) + LINE_MAX_LEN];
	const struct vx_probe_site *seen = known->seen;
	struct vx_msg_alloc_site msg = {
		.id = answer->msg.id, .site = known->key,
		.objects = known->sum.objects, .bytes = known->sum.bytes,
		.allocs = seen->allocs, .frees = seen->frees, .foreign_frees = seen->foreign_frees,
		.first_step = known->sum.first_step, .last_step = known->sum.last_step,
		.steps = known->sum.steps < UINT16_MAX ? known->sum.steps : UINT16_MAX, .kind = seen->kind,
	};
	size_t len = print_frames(frames, first, text, sizeof(text), &msg.frames);

	memcpy(msg.cache, seen->cache, sizeof(msg.cache));
	msg.cache[sizeof(msg.cache) - 1] = '\0';
	outbox_add(answer->out, VX_MSG_ALLOC_SITE, &msg, sizeof(msg), text, len);
	answer->msg.sites++;
}

static void tell_site(struct answer *answer, const struct known *known)
{
	struct frames frames;
	int first;

	name_frames(answer->past, known->seen, &frames);
	first = frames.n ? alloc_first_frame(known->seen->kind, frames.names, frames.n, frames.call) : 0;
	if (first < 0)
		return;
	answer->msg.objects += known->sum.objects;
	answer->msg.bytes += known->sum.bytes;
	answer->msg.allocs += known->seen->allocs;
	answer->msg.frees += known->seen->frees;
	if (!is_told(known, &frames, first))
		return;
	if (answer->msg.sites < VX_ALLOC_SITES_MAX)
		send_site(answer, known, &frames, first);
	else
		answer->msg.sites_cut++;
}

static int by_key(const void *a, const void *b)
{
	const struct known *x = a, *y = b;

	return x->key < y->key ? -1 : x->key > y->key;
}

/* What there is most of comes first: if any are cut, then the others. */
static int by_weight(const void *a, const void *b)
{
	const struct known *x = a, *y = b;

	if (x->sum.bytes != y->sum.bytes)
		return x->sum.bytes > y->sum.bytes ? -1 : 1;
	return by_key(a, b);
}

/* Both are sorted by key. */
static void join(struct known *known, size_t n, const struct fold_site *sums, size_t nsums)
{
	size_t at = 0;

	for (size_t i = 0; i < n; i++) {
		while (at < nsums && sums[at].site < known[i].key)
			at++;
		if (at < nsums && sums[at].site == known[i].key)
			known[i].sum = sums[at];
	}
}

static int fold(struct answer *answer, const struct tracer *tracer)
{
	_cleanup_free_ struct vx_probe_live *live = NULL;
	_cleanup_free_ struct fold_site *sums = NULL;
	size_t n = 0;
	int err = tracer_live(tracer, &live, &n);

	if (err)
		return err;
	sums = calloc(n + 1, sizeof(*sums));
	if (!sums)
		return -ENOMEM;
	n = alloc_fold(live, n, sums);
	join(answer->known, answer->nknown, sums, n);
	return 0;
}

static int tell(struct answer *answer, const struct tracer *tracer)
{
	_cleanup_free_ struct vx_probe_site *sites = NULL;
	_cleanup_free_ uint64_t *keys = NULL;
	_cleanup_free_ struct known *known = NULL;
	size_t n = 0;
	int err = tracer_sites(tracer, &keys, &sites, &n);

	if (err)
		return err;
	known = calloc(n + 1, sizeof(*known));
	if (!known)
		return -ENOMEM;
	for (size_t i = 0; i < n; i++)
		known[i] = (struct known){ .key = keys[i], .seen = &sites[i] };
	qsort(known, n, sizeof(*known), by_key);
	answer->known = known;
	answer->nknown = n;
	err = fold(answer, tracer);
	if (err)
		return err;
	qsort(known, n, sizeof(*known), by_weight);
	for (size_t i = 0; i < n; i++)
		tell_site(answer, &known[i]);
	return 0;
}

static int traced_answer(struct answer *answer, struct probes *probes)
{
	struct tracer *tracer;
	int err = probes_tracer(probes, &tracer, &answer->past);

	if (!err)
		err = ksyms_past_update(answer->past, tracer_generation(tracer), false);
	if (!err)
		err = tell(answer, tracer);
	if (!err)
		answer->msg.overflows = tracer_overflows(tracer);
	return err;
}

int allocs_answer(struct outbox *out, struct probes *probes, const void *payload, size_t len)
{
	struct answer answer = { .out = out };
	uint64_t begun_ns = now_ns();
	struct vx_req_allocs req;
	int err;

	if (len != sizeof(req))
		return -EINVAL;
	memcpy(&req, payload, sizeof(req));
	if (req.source == VX_ALLOCS_CALLS) {
		err = allocs_answer_calls(out, probes_calls(probes), &req);
		if (!err)
			return 0;
	} else {
		err = -EINVAL;
	}
	answer.msg.id = req.id;
	answer.msg.source = req.source;
	if (req.source == VX_ALLOCS_TRACED)
		err = traced_answer(&answer, probes);
	answer.msg.err = err;
	answer.msg.ns = now_ns() - begun_ns;
	outbox_add(out, VX_MSG_ALLOCS, &answer.msg, sizeof(answer.msg), NULL, 0);
	return 0;
}
