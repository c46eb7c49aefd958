// SPDX-License-Identifier: GPL-2.0
/*
 * Leaks, judged from made-up checkpoints: a guest is simulated whose sites keep objects by some rule, and the
 * verdict must be what the rule is. With random numbers, many times; the seed is told when it fails.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <math.h>
#include <cmocka.h>

#include "feed.h"
#include "leak.h"
#include "poisson.h"

#define OBJECTS_MAX	4096u

/* ---- a guest ------------------------------------------------------------------------------------ */

struct object {
	guint64 step, bytes;
};

struct fake_site {
	const char *frames;		/* lines */
	guint nframes;
	guint16 kind;
	struct object objects[OBJECTS_MAX];
	guint n;
	guint64 allocs, frees;
};

struct guest {
	struct feed f;
	guint64 step, cycle, id;
	struct fake_site *sites;
	guint nsites;
	gboolean traced;
};

static const char direct_frames[] =
	"leak_kmalloc+0x20/0x40 [vexfs]\nvexfs_fill_super+0x111/0x400 [vexfs]\nget_tree_bdev+0x1/0x2\n";
static const char indirect_frames[] =
	"alloc_buffer_head+0x20/0x40\n__bread+0x9/0x10\nvexfs_fill_super+0x99/0x400 [vexfs]\n";
static const char foreign_frames[] = "alloc_inode+0x20/0x40\nnew_inode+0x9/0x10\nget_tree_bdev+0x1/0x2\n";
static const char builtin_frames[] = "kmalloc_trace+0x1/0x2\nvexfs_fill_super+0x99/0x400\nget_tree_bdev+0x1/0x2\n";

static struct guest guest_begin(struct fake_site *sites, guint n)
{
	struct guest g = { .f = feed_begin("insmod", "load"), .step = 7, .sites = sites, .nsites = n };

	return g;
}

static void guest_end(struct guest *g)
{
	feed_end(&g->f);
}

static void step(struct guest *g, const char *kind, const char *way, int err)
{
	g_autofree char *json =
		g_strdup_printf("{\"id\": %" G_GUINT64_FORMAT ", \"cycle\": %" G_GUINT64_FORMAT ", \"name\": \"%s\", "
				"\"kind\": \"%s\", \"target\": true, \"may_fail\": true, \"way\": \"%s\"}",
				++g->step, g->cycle, kind, kind, way);
	const struct vx_msg_step msg = { .id = g->step, .err = err };

	say(&g->f, VX_REC_STEP_BEGIN, json);
	entry(&g->f, VX_MSG_STEP, &msg, sizeof(msg));
}

static void hunt_round(struct guest *g, guint number, gboolean traced)
{
	g_autofree char *json =
		g_strdup_printf("{\"do\": \"leak\", \"event\": \"leak-round\", \"round\": %u, \"source\": \"%s\"}",
				number, traced ? "traced" : "calls");
	guint i;

	g->traced = traced;
	for (i = 0; i < g->nsites; i++)
		g->sites[i].n = 0;
	say(&g->f, VX_REC_REQUEST, json);
	step(g, "load", "ordinary", 0);
}

static void put_at(struct fake_site *s, guint64 step, guint64 bytes)
{
	assert_true(s->n < OBJECTS_MAX);
	s->objects[s->n++] = (struct object){ step, bytes };
	s->allocs++;
}

static void drop(struct fake_site *s, guint at)
{
	memmove(s->objects + at, s->objects + at + 1, (s->n - at - 1) * sizeof(s->objects[0]));
	s->n--;
	s->frees++;
}

static void send_site(struct guest *g, struct fake_site *s)
{
	struct vx_msg_alloc_site msg = {
		.id = g->id, .site = 1, .objects = s->n, .allocs = s->allocs, .frees = s->frees, .kind = s->kind,
		.frames = (guint16)s->nframes, .cache = "kmalloc-64",
	};
	g_autoptr(GByteArray) payload = g_byte_array_new();
	guint i;

	for (i = 0; i < s->n; i++) {
		msg.bytes += s->objects[i].bytes;
		msg.steps += !i || s->objects[i].step != s->objects[i - 1].step;
	}
	if (s->n) {
		msg.first_step = s->objects[0].step;
		msg.last_step = s->objects[s->n - 1].step;
	}
	g_byte_array_append(payload, (const guint8 *)&msg, sizeof(msg));
	g_byte_array_append(payload, (const guint8 *)s->frames, (guint)strlen(s->frames));
	entry(&g->f, VX_MSG_ALLOC_SITE, payload->data, payload->len);
}

static void checkpoint(struct guest *g, const char *after)
{
	g_autofree char *json = g_strdup_printf(
		"{\"do\": \"leak\", \"event\": \"leak-checkpoint\", \"round\": 1, \"cycle\": %" G_GUINT64_FORMAT
		", \"after\": \"%s\", \"source\": \"%s\"}",
		g->cycle, after, g->traced ? "traced" : "calls");
	struct vx_msg_allocs msg;
	guint i;

	say(&g->f, VX_REC_REQUEST, json);
	g->id++;
	for (i = 0; i < g->nsites; i++)
		if (g->sites[i].n)
			send_site(g, &g->sites[i]);
	msg = (struct vx_msg_allocs){ .id = g->id, .source = g->traced ? VX_ALLOCS_TRACED : VX_ALLOCS_CALLS };
	entry(&g->f, VX_MSG_ALLOCS, &msg, sizeof(msg));
}

/* Mount, by `rule` for the first site, unmount; a checkpoint every `every` cycles. */
typedef void (*rule_fn)(struct guest *g, struct fake_site *s);

static void cycles(struct guest *g, guint n, guint every, rule_fn rule)
{
	guint i;

	for (i = 1; i <= n; i++) {
		g->cycle++;
		step(g, "mount", "ordinary", 0);
		rule(g, &g->sites[0]);
		step(g, "umount", "ordinary", 0);
		if (i <= 2 || !(i % every))
			checkpoint(g, "unmount");
	}
}

static void unload(struct guest *g)
{
	step(g, "unload", "ordinary", 0);
	checkpoint(g, "unload");
}

static const struct leak_site *site_of(struct guest *g)
{
	struct leaks *leaks = detect_leaks(g->f.detect);

	leaks_judge(leaks);
	assert_int_equal(leaks_sites(leaks)->len, 1);
	return g_ptr_array_index(leaks_sites(leaks), 0);
}

static void verdict(struct guest *g)
{
	say(&g->f, VX_REC_REQUEST, "{\"do\": \"leak\", \"event\": \"leak-verdict\", \"why\": \"enough\"}");
}

/* ---- rules ----------------------------------------------------------------------------------------- */

static guint32 seed;

static double chance(void)
{
	seed = seed * 1664525u + 1013904223u;
	return (double)(seed >> 8) / (1 << 24);
}

static void leaks_each(struct guest *g, struct fake_site *s)
{
	put_at(s, g->step, 512);
}

static void leaks_tenth(struct guest *g, struct fake_site *s)
{
	if (chance() < 0.1)
		put_at(s, g->step, 64);
}

static void leaks_hundredth(struct guest *g, struct fake_site *s)
{
	if (g->cycle % 100 == 0)
		put_at(s, g->step, 64);
}

static void nothing(struct guest *g, struct fake_site *s)
{
	s->allocs++;
	s->frees++;
}

static void warms_up(struct guest *g, struct fake_site *s)
{
	if (s->n < 12)
		put_at(s, g->step, 64);
}

static void is_replaced(struct guest *g, struct fake_site *s)
{
	while (s->n)
		drop(s, 0);
	put_at(s, g->step, 64);
}

static void queue(struct guest *g, struct fake_site *s)
{
	while (s->n > 30)
		drop(s, 0);
	put_at(s, g->step, 64);
	put_at(s, g->step, 64);
}

static void noise(struct guest *g, struct fake_site *s)
{
	guint i;

	for (i = 0; i < 5; i++)
		if (chance() < 0.5)
			put_at(s, g->step, 64);
		else if (s->n)
			drop(s, (guint)(chance() * s->n));
	while (s->n > 20)
		drop(s, (guint)(chance() * s->n));
}

/* ---- what is asked ---------------------------------------------------------------------------------- */

static void test_certain(void **state)
{
	struct fake_site s = { .frames = direct_frames, .nframes = 3, .kind = VX_ALLOC_KMALLOC };
	struct guest g = guest_begin(&s, 1);
	const struct finding *finding;

	hunt_round(&g, 1, TRUE);
	cycles(&g, 20, 5, leaks_each);
	unload(&g);
	assert_int_equal(site_of(&g)->judged.verdict, LEAK_FOUND);
	assert_true(fabs(site_of(&g)->judged.rate - 1) < 1e-9);
	assert_true(site_of(&g)->judged.low < 0.7 && site_of(&g)->judged.low > 0.5);
	assert_int_equal(g.f.findings->len, 0);
	verdict(&g);
	assert_int_equal(g.f.findings->len, 1);
	finding = feed_finding(&g.f, 0);
	assert_string_equal(finding->title, "memory leak in leak_kmalloc");
	assert_int_equal(finding->class, FINDING_LEAK);
	assert_int_equal(finding->severity, SEV_HIGH);
	assert_int_equal(finding->blame, BLAME_MODULE);
	assert_string_equal(finding->module, "vexfs");
	assert_non_null(strstr(finding->lines->pdata[0], "1 objects a cycle (95 %"));
	take(&g.f, detect_finish(g.f.detect));
	assert_int_equal(g.f.findings->len, 1);
	guest_end(&g);
}

/* Without its end: the finding is there all the same. */
static void test_broken_off(void **state)
{
	struct fake_site s = { .frames = direct_frames, .nframes = 3, .kind = VX_ALLOC_KMALLOC };
	struct guest g = guest_begin(&s, 1);

	hunt_round(&g, 1, TRUE);
	cycles(&g, 3, 1, leaks_each);
	unload(&g);
	take(&g.f, detect_finish(g.f.detect));
	assert_int_equal(g.f.findings->len, 1);
	guest_end(&g);
}

static void frees_all(struct guest *g)
{
	g->sites[0].frees += g->sites[0].n;
	g->sites[0].n = 0;
	unload(g);
}

static void test_freed_by_unload(void **state)
{
	struct fake_site s = { .frames = direct_frames, .nframes = 3, .kind = VX_ALLOC_KMALLOC };
	struct guest g = guest_begin(&s, 1);

	hunt_round(&g, 1, TRUE);
	cycles(&g, 20, 1, leaks_each);
	frees_all(&g);
	assert_int_equal(site_of(&g)->judged.verdict, LEAK_ACQUITTED);
	verdict(&g);
	assert_int_equal(g.f.findings->len, 0);
	guest_end(&g);
}

/* The module's own calls accuse; that every free is seen acquits, or makes it certain. */
static void test_suspected_then_acquitted(void **state)
{
	struct fake_site s = { .frames = "leak_kmalloc+0x20/0x40 [vexfs]\n", .nframes = 1, .kind = VX_ALLOC_KMALLOC };
	struct guest g = guest_begin(&s, 1);
	struct leaks_status status;

	hunt_round(&g, 1, FALSE);
	cycles(&g, 20, 5, leaks_each);
	unload(&g);
	assert_int_equal(site_of(&g)->judged.verdict, LEAK_SUSPECTED);
	status = leaks_status(detect_leaks(g.f.detect));
	assert_int_equal(status.suspected, 1);
	assert_int_equal(status.more, 3);
	s.frames = direct_frames;
	s.nframes = 3;
	hunt_round(&g, 2, TRUE);
	cycles(&g, 2, 1, leaks_each);
	frees_all(&g);
	assert_int_equal(site_of(&g)->judged.verdict, LEAK_SUSPECTED);
	hunt_round(&g, 3, TRUE);
	cycles(&g, 2, 1, leaks_each);
	frees_all(&g);
	assert_int_equal(site_of(&g)->judged.verdict, LEAK_ACQUITTED);
	assert_non_null(strstr(site_of(&g)->judged.why, "others free"));
	verdict(&g);
	assert_int_equal(g.f.findings->len, 0);
	guest_end(&g);
}

static void allocates_nothing(struct guest *g, struct fake_site *s)
{
}

/* Rounds that never see it allocate say nothing of it, however long. */
static void test_not_acquitted_unseen(void **state)
{
	struct fake_site s = { .frames = "leak_kasprintf+0x20/0x40 [vexfs]\n", .nframes = 1, .kind = VX_ALLOC_KMALLOC };
	struct guest g = guest_begin(&s, 1);

	hunt_round(&g, 1, FALSE);
	cycles(&g, 20, 5, leaks_each);
	unload(&g);
	hunt_round(&g, 2, TRUE);
	cycles(&g, 100, 20, allocates_nothing);
	unload(&g);
	assert_int_equal(site_of(&g)->judged.verdict, LEAK_SUSPECTED);
	assert_true(site_of(&g)->judged.more > 0);
	guest_end(&g);
}

static void test_suspected_then_certain(void **state)
{
	struct fake_site s = { .frames = "leak_kmalloc+0x20/0x40 [vexfs]\n", .nframes = 1, .kind = VX_ALLOC_KMALLOC };
	struct guest g = guest_begin(&s, 1);

	hunt_round(&g, 1, FALSE);
	cycles(&g, 100, 20, leaks_hundredth);
	unload(&g);
	assert_int_equal(site_of(&g)->judged.verdict, LEAK_SUSPECTED);
	assert_int_equal(site_of(&g)->judged.more, 300);
	s.frames = direct_frames;
	s.nframes = 3;
	hunt_round(&g, 2, TRUE);
	cycles(&g, 100, 20, leaks_hundredth);
	assert_int_equal(site_of(&g)->judged.verdict, LEAK_SUSPECTED);
	assert_int_equal(leaks_status(detect_leaks(g.f.detect)).outstanding, 1);
	unload(&g);
	assert_int_equal(site_of(&g)->judged.verdict, LEAK_FOUND);
	assert_true(fabs(site_of(&g)->judged.rate - 0.01) < 1e-9);
	guest_end(&g);
}

static void test_crash_forgets(void **state)
{
	struct fake_site s = { .frames = direct_frames, .nframes = 3, .kind = VX_ALLOC_KMALLOC };
	struct guest g = guest_begin(&s, 1);

	hunt_round(&g, 1, TRUE);
	cycles(&g, 7, 1, leaks_each);
	say(&g.f, VX_REC_VM, "{\"event\": \"restored\"}");
	s.n = 0;
	cycles(&g, 4, 1, leaks_each);
	unload(&g);
	assert_int_equal(site_of(&g)->judged.exposure, 4);
	assert_true(fabs(site_of(&g)->judged.rate - 1) < 1e-9);
	guest_end(&g);
}

/* What each load leaves by `rule`, in rounds that end with a second load: what the kernel makes for the target. */
static struct leak_judgement left_by_loads(rule_fn rule, guint rounds)
{
	struct fake_site s = { .frames = indirect_frames, .nframes = 3, .kind = VX_ALLOC_CACHE };
	struct guest g = guest_begin(&s, 1);
	struct leak_judgement ret;
	guint i;

	for (i = 1; i <= rounds; i++) {
		hunt_round(&g, i, TRUE);
		rule(&g, &s);
		cycles(&g, 10, 3, nothing);
		unload(&g);
		step(&g, "load", "ordinary", 0);
		rule(&g, &s);
		unload(&g);
	}
	ret = site_of(&g)->judged;
	guest_end(&g);
	return ret;
}

/* A name that is made anew with each load takes the place of the one before. */
static void test_load_replaces(void **state)
{
	struct leak_judgement judged = left_by_loads(is_replaced, 9);

	assert_int_equal(judged.verdict, LEAK_ACQUITTED);
	judged = left_by_loads(leaks_each, 4);
	assert_int_equal(judged.verdict, LEAK_FOUND);
	assert_string_equal(judged.unit, "load");
	assert_true(fabs(judged.rate - 1) < 1e-9);
}

/* ---- where nothing can be unloaded ------------------------------------------------------------------ */

static enum leak_verdict grown(const char *frames, guint nframes, guint n, guint every, rule_fn rule)
{
	struct fake_site s = { .frames = frames, .nframes = nframes, .kind = VX_ALLOC_CACHE };
	struct guest g = guest_begin(&s, 1);
	enum leak_verdict ret;

	hunt_round(&g, 1, TRUE);
	cycles(&g, n, every, rule);
	/* A site that never has anything is not told at all. */
	leaks_judge(detect_leaks(g.f.detect));
	ret = leaks_sites(detect_leaks(g.f.detect))->len ? site_of(&g)->judged.verdict : LEAK_ACQUITTED;
	guest_end(&g);
	return ret;
}

static void test_growth(void **state)
{
	assert_int_equal(grown(builtin_frames, 3, 60, 5, leaks_each), LEAK_GROWS);
	assert_int_equal(grown(foreign_frames, 3, 60, 5, leaks_each), LEAK_GROWS);
	assert_int_equal(grown(builtin_frames, 3, 3, 1, leaks_each), LEAK_NOT_JUDGED);
	assert_int_equal(grown(builtin_frames, 3, 6, 1, leaks_each), LEAK_SUSPECTED);
	assert_int_equal(grown(builtin_frames, 3, 60, 5, nothing), LEAK_ACQUITTED);
	assert_int_equal(grown(builtin_frames, 3, 60, 5, warms_up), LEAK_ACQUITTED);
	assert_int_equal(grown(builtin_frames, 3, 60, 5, is_replaced), LEAK_ACQUITTED);
	assert_int_equal(grown(builtin_frames, 3, 60, 5, queue), LEAK_ACQUITTED);
}

/* No leak is claimed of noise, ever so often; one in ten cycles is found in a thousand. */
static void test_many_times(void **state)
{
	guint i, found = 0, claimed = 0;

	for (i = 0; i < 300; i++) {
		seed = i * 7919 + 1;
		claimed += leak_is_leak(grown(builtin_frames, 3, 200, 10, noise));
		seed = i * 104729 + 1;
		if (i < 60)
			found += leak_is_leak(grown(builtin_frames, 3, 1000, 60, leaks_tenth));
	}
	assert_int_equal(claimed, 0);
	assert_true(found >= 58);
}

/* What the kernel made for the module: it must have grown too, for it may be the kernel's cache. */
static void test_indirect(void **state)
{
	struct fake_site s = { .frames = indirect_frames, .nframes = 3, .kind = VX_ALLOC_CACHE };
	struct guest g = guest_begin(&s, 1);

	hunt_round(&g, 1, TRUE);
	cycles(&g, 20, 2, leaks_each);
	unload(&g);
	assert_int_equal(site_of(&g)->judged.verdict, LEAK_FOUND);
	assert_string_equal(site_of(&g)->function, "vexfs_fill_super");
	guest_end(&g);

	memset(&s, 0, sizeof(s));
	s = (struct fake_site){ .frames = indirect_frames, .nframes = 3, .kind = VX_ALLOC_CACHE };
	g = guest_begin(&s, 1);
	hunt_round(&g, 1, TRUE);
	cycles(&g, 20, 2, is_replaced);
	unload(&g);
	assert_int_equal(site_of(&g)->judged.verdict, LEAK_ACQUITTED);
	guest_end(&g);
}

/* One round, of which the last cycle leaves something that the unload does not free. */
static void round_leaves(struct guest *g, guint number, guint n, rule_fn rule)
{
	hunt_round(g, number, TRUE);
	cycles(g, n, 10, rule);
	unload(g);
}

/* Once a round at most: no round alone shows growth, and the last may have none. */
static void test_indirect_rare(void **state)
{
	struct fake_site s = { .frames = indirect_frames, .nframes = 3, .kind = VX_ALLOC_CACHE };
	struct guest g = guest_begin(&s, 1);
	guint i;

	for (i = 1; i <= 6; i++) {
		round_leaves(&g, i, 100, leaks_hundredth);
		assert_int_equal(site_of(&g)->judged.verdict, LEAK_SUSPECTED);
		assert_true(site_of(&g)->judged.more >= 90 && site_of(&g)->judged.more <= 600);
		round_leaves(&g, i, 29, nothing);
		assert_int_equal(site_of(&g)->judged.verdict, LEAK_SUSPECTED);
		g.cycle = 0;
	}
	round_leaves(&g, i, 100, leaks_hundredth);
	assert_int_equal(site_of(&g)->judged.verdict, LEAK_FOUND);
	assert_true(fabs(site_of(&g)->judged.rate - 7.0 / (6 * 129 + 100)) < 1e-9);
	guest_end(&g);
}

static void leaks_first(struct guest *g, struct fake_site *s)
{
	if (g->cycle == 1)
		put_at(s, g->step, 64);
}

/* A cache of the kernel's that stays after the unload: once, and then never again. */
static void test_indirect_kept(void **state)
{
	struct fake_site s = { .frames = indirect_frames, .nframes = 3, .kind = VX_ALLOC_CACHE };
	struct guest g = guest_begin(&s, 1);

	round_leaves(&g, 1, 30, leaks_first);
	assert_int_equal(site_of(&g)->judged.verdict, LEAK_ACQUITTED);
	round_leaves(&g, 2, 30, leaks_first);
	assert_int_equal(site_of(&g)->judged.verdict, LEAK_ACQUITTED);
	guest_end(&g);

	memset(&s, 0, sizeof(s));
	s = (struct fake_site){ .frames = indirect_frames, .nframes = 3, .kind = VX_ALLOC_CACHE };
	g = guest_begin(&s, 1);
	round_leaves(&g, 1, 100, leaks_hundredth);
	assert_int_equal(site_of(&g)->judged.verdict, LEAK_SUSPECTED);
	round_leaves(&g, 2, 299, nothing);
	assert_int_equal(site_of(&g)->judged.verdict, LEAK_SUSPECTED);
	round_leaves(&g, 3, 1, nothing);
	assert_int_equal(site_of(&g)->judged.verdict, LEAK_ACQUITTED);
	guest_end(&g);
}

/* ---- on an error path --------------------------------------------------------------------------------- */

static void test_error_path(void **state)
{
	struct fake_site s = { .frames = direct_frames, .nframes = 3, .kind = VX_ALLOC_KMALLOC };
	struct guest g = guest_begin(&s, 1);
	g_autofree char *when = NULL;
	guint i;

	hunt_round(&g, 1, TRUE);
	cycles(&g, 20, 5, nothing);
	for (i = 0; i < 2; i++) {
		g.cycle++;
		step(&g, "mount", "bad-image", -22);
		put_at(&s, g.step, 1 << 20);
		cycles(&g, 1, 10, nothing);
	}
	unload(&g);
	when = leak_when_text(&site_of(&g)->judged);
	assert_int_equal(site_of(&g)->judged.verdict, LEAK_FOUND);
	assert_string_equal(when, "only after a mount of a damaged image");
	assert_string_equal(site_of(&g)->judged.unit, "failed mount");
	assert_int_equal(site_of(&g)->judged.exposure, 2);
	verdict(&g);
	assert_int_equal(feed_finding(&g.f, 0)->severity, SEV_CRITICAL);
	guest_end(&g);
}

static void test_by_load(void **state)
{
	struct fake_site s = { .frames = "vexfs_init+0x20/0x40 [vexfs]\n", .nframes = 1, .kind = VX_ALLOC_VMALLOC };
	struct guest g = guest_begin(&s, 1);
	guint i;

	for (i = 1; i <= 2; i++) {
		hunt_round(&g, i, TRUE);
		put_at(&s, g.step, 64);
		cycles(&g, 5, 5, nothing);
		unload(&g);
	}
	assert_int_equal(site_of(&g)->judged.verdict, LEAK_FOUND);
	assert_string_equal(site_of(&g)->judged.unit, "load");
	assert_true(fabs(site_of(&g)->judged.rate - 1) < 1e-9);
	guest_end(&g);
}

/* ---- frames that lie ------------------------------------------------------------------------------------ */

static void send_raw(struct guest *g, struct vx_msg_alloc_site msg, const char *text, gsize len)
{
	g_autoptr(GByteArray) payload = g_byte_array_new();

	g_byte_array_append(payload, (const guint8 *)&msg, sizeof(msg));
	g_byte_array_append(payload, (const guint8 *)text, (guint)len);
	entry(&g->f, VX_MSG_ALLOC_SITE, payload->data, payload->len);
}

static void test_hostile(void **state)
{
	const struct vx_msg_alloc_site good = {
		.id = 1, .objects = 1, .bytes = 1, .first_step = 1, .last_step = 1, .steps = 1,
		.kind = VX_ALLOC_KMALLOC, .frames = 1,
	};
	struct vx_msg_alloc_site msg = good;
	struct guest g = guest_begin(NULL, 0);
	struct leaks *leaks = detect_leaks(g.f.detect);
	const struct leak_site *site;

	hunt_round(&g, 1, TRUE);
	send_raw(&g, good, "a+0x1/0x2\n", 10);		/* nobody has asked */
	assert_int_equal(leaks_sites(leaks)->len, 0);
	say(&g.f, VX_REC_REQUEST,
	    "{\"do\": \"leak\", \"event\": \"leak-checkpoint\", \"after\": \"unload\", \"source\": \"traced\"}");
	entry(&g.f, VX_MSG_ALLOC_SITE, &good, sizeof(good) - 1);
	send_raw(&g, good, "", 0);
	msg.frames = 2;
	send_raw(&g, msg, "a+0x1/0x2\n", 10);
	msg.frames = 60000;
	send_raw(&g, msg, "a+0x1/0x2\n", 10);
	msg = good;
	msg.kind = 77;
	send_raw(&g, msg, "a+0x1/0x2\n", 10);
	msg = good;
	msg.objects = msg.bytes = msg.allocs = ~0ull;
	send_raw(&g, msg, "a+0x1/0x2\n", 10);
	msg = good;
	msg.first_step = 5;
	send_raw(&g, msg, "a+0x1/0x2\n", 10);
	assert_int_equal(leaks_sites(leaks)->len, 0);
	assert_int_equal(leaks_left_out(leaks), 7);
	msg = good;
	memset(msg.cache, 0x1b, sizeof(msg.cache));
	msg.steps = 0xffffffff;
	msg.last_step = ~0ull;
	send_raw(&g, msg, "\033[2J\033]0;x\a+0x1/0x2 [vexfs]\0\n", 27);
	assert_int_equal(leaks_sites(leaks)->len, 1);
	site = g_ptr_array_index(leaks_sites(leaks), 0);
	assert_string_equal(((struct leak_stack *)site->stacks->pdata[0])->frames[0], "?");
	assert_int_equal(site->cache[31], 0);
	assert_int_equal(site->cache[0], '?');
	msg = good;
	msg.id = 99;					/* of another answer */
	send_raw(&g, msg, "b+0x1/0x2\n", 10);
	assert_int_equal(leaks_sites(leaks)->len, 1);
	entry(&g.f, VX_MSG_ALLOCS, &good, 8);		/* too short to be one */
	leaks_judge(leaks);
	assert_int_equal(site->judged.verdict, LEAK_NOT_JUDGED);
	guest_end(&g);
}

/* Any bytes at all: nothing but that it comes back, under the sanitizers. */
static void test_rubbish(void **state)
{
	struct guest g = guest_begin(NULL, 0);
	guint8 bytes[600];
	guint i, k;

	seed = 42;
	hunt_round(&g, 1, TRUE);
	for (i = 0; i < 20000; i++) {
		const gsize len = (gsize)(chance() * sizeof(bytes));

		for (k = 0; k < len; k++)
			bytes[k] = (guint8)(chance() * 256);
		if (len > 112) {
			struct vx_msg_alloc_site msg;

			memcpy(&msg, bytes, sizeof(msg));
			msg.id = i / 50 + 1;
			msg.kind %= 8;
			msg.frames %= 4;
			msg.objects >>= (guint)(chance() * 64);
			msg.bytes >>= 12;
			msg.allocs >>= 12;
			msg.frees >>= 12;
			memcpy(bytes, &msg, sizeof(msg));
		}
		if (i % 50 == 0)
			say(&g.f, VX_REC_REQUEST,
			    "{\"event\": \"leak-checkpoint\", \"after\": \"unmount\", \"source\": \"traced\"}");
		entry(&g.f, i % 50 == 49 ? VX_MSG_ALLOCS : VX_MSG_ALLOC_SITE, bytes, len);
	}
	assert_true(leaks_sites(detect_leaks(g.f.detect))->len > 100);
	assert_true(leaks_sites(detect_leaks(g.f.detect))->len <= LEAK_SITES_MAX);
	take(&g.f, detect_finish(g.f.detect));
	guest_end(&g);
}

/* ---- other resources ----------------------------------------------------------------------------------- */

static void snapshot(struct guest *g, const char *name, const char *text)
{
	g_autofree char *json = g_strdup_printf("{\"id\": %" G_GUINT64_FORMAT ", \"cycle\": %" G_GUINT64_FORMAT
						", \"name\": \"%s\", \"kind\": \"other\"}", ++g->step, g->cycle, name);
	const struct vx_msg_step msg = { .id = g->step };
	g_autoptr(GByteArray) payload = g_byte_array_new();

	say(&g->f, VX_REC_STEP_BEGIN, json);
	g_byte_array_append(payload, (const guint8 *)&msg, sizeof(msg));
	g_byte_array_append(payload, (const guint8 *)text, (guint)strlen(text));
	entry(&g->f, VX_MSG_STEP, payload->data, payload->len);
}

/* Two that differ by a number are one finding; what looks holds a reference of its own; what is as before is none. */
static void test_left_behind(void **state)
{
	struct guest g = guest_begin(NULL, 0);

	hunt_round(&g, 1, TRUE);
	snapshot(&g, "resources at the start", "refs.vexprobe 1\nmounts 3\n");
	snapshot(&g, "resources after the unload", "refs.vexprobe 2\nmounts 3\nprocfs.left_1f 1\nprocfs.left_20 1\n"
		 "caches.vexfs_inode 1\n");
	assert_true(leaks_cleanup_known(detect_leaks(g.f.detect)));
	verdict(&g);
	assert_int_equal(g.f.findings->len, 2);
	assert_string_equal(feed_finding(&g.f, 0)->title, "left behind: caches.vexfs_inode");
	assert_string_equal(feed_finding(&g.f, 1)->title, "left behind: procfs.left_N");
	assert_string_equal(feed_finding(&g.f, 1)->lines->pdata[0],
			    "0 entries before the target was there, 2 after it had gone");
	guest_end(&g);
}

/* ---- numbers -------------------------------------------------------------------------------------------- */

static void test_poisson(void **state)
{
	static const struct {
		guint64 k;
		double low, high;
	} known[] = {			/* Garwood's table */
		{ 0, 0, 2.996 }, { 1, 0.0253, 5.5716 }, { 2, 0.2422, 7.2247 }, { 10, 4.7954, 18.3904 },
		{ 100, 81.3639, 121.6273 },
	};
	double low, high;
	guint i;

	for (i = 0; i < G_N_ELEMENTS(known); i++) {
		poisson_bounds(known[i].k, &low, &high);
		assert_true(fabs(low - known[i].low) < 0.001);
		assert_true(fabs(high - known[i].high) < 0.001);
	}
	poisson_bounds(1000000, &low, &high);
	assert_true(fabs(low - 998041) < 10 && fabs(high - 1001962) < 10);
	assert_true(fabs(coin_tail(7, 7) - 1.0 / 128) < 1e-12);
	assert_true(fabs(coin_tail(0, 5) - 1) < 1e-12);
	assert_true(fabs(coin_tail(6, 7) - 8.0 / 128) < 1e-12);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_certain),
		cmocka_unit_test(test_broken_off),
		cmocka_unit_test(test_freed_by_unload),
		cmocka_unit_test(test_suspected_then_acquitted),
		cmocka_unit_test(test_not_acquitted_unseen),
		cmocka_unit_test(test_suspected_then_certain),
		cmocka_unit_test(test_load_replaces),
		cmocka_unit_test(test_crash_forgets),
		cmocka_unit_test(test_growth),
		cmocka_unit_test(test_many_times),
		cmocka_unit_test(test_indirect),
		cmocka_unit_test(test_indirect_rare),
		cmocka_unit_test(test_indirect_kept),
		cmocka_unit_test(test_error_path),
		cmocka_unit_test(test_by_load),
		cmocka_unit_test(test_hostile),
		cmocka_unit_test(test_rubbish),
		cmocka_unit_test(test_left_behind),
		cmocka_unit_test(test_poisson),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
