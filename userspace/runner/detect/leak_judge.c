// SPDX-License-Identifier: GPL-2.0
/* What the samples of a site mean: leak.h has the rules. */
#include <math.h>
#include <string.h>

#include "leak_priv.h"
#include "poisson.h"

#define DECIDES		3	/* mean number of events of which at least one is seen with 95 % */
#define LATE_P		0.01	/* fewer than this likely, and growth has ended */
#define CALLS_MANY	10	/* steps that have left something */
#define POINTS_MIN	5	/* checkpoints of growth */
#define RISES_MIN	7	/* and no fall: 1 - 2^-7 is LEAK_CERTAIN */

#define MOUNT_FAILS	(1u << LEAK_WAY_BAD_IMAGE | 1u << LEAK_WAY_BAD_OPTION | 1u << LEAK_WAY_INTERRUPTED)

/* What the checkpoints of one source that decide add up to, one a segment: the last. */
struct tally {
	guint points, with;		/* segments that have one; and something outstanding at it */
	guint64 objects, bytes, events;
	guint64 first_step, last_step;
	guint kinds, ways;		/* of the steps that are known by name */
	guint named;			/* how many those are */
	guint error_named;		/* of them, on no ordinary way */
	guint last_point;
};

static const struct leak_point *point_at(const struct leaks *leaks, guint i)
{
	return &g_array_index(leaks->points, struct leak_point, i);
}

static gboolean is_complete(const struct leak_point *point)
{
	return point->answered && !point->told.err;
}

static const struct leak_step_info *step_of(const struct leaks *leaks, guint64 id)
{
	guint low = 0, high = leaks->steps->len;

	while (low < high) {
		const guint mid = low + (high - low) / 2;
		const struct leak_step_info *step = &g_array_index(leaks->steps, struct leak_step_info, mid);

		if (step->id == id)
			return step;
		if (step->id < id)
			low = mid + 1;
		else
			high = mid;
	}
	return NULL;
}

/* ---- how often it could have happened ------------------------------------------------------------ */

/* What could have left something: what went well, or what did not. */
struct unit {
	guint kinds, ways;
	gboolean failures;
	const char *name;
};

/* A mount that ought to fail and does not is an ordinary one. */
static gboolean could_leave(const struct leak_step_info *step, const struct unit *unit)
{
	if (!unit->failures)
		return step->ok;
	return !step->ok || (step->way != LEAK_WAY_BAD_IMAGE && step->way != LEAK_WAY_BAD_OPTION);
}

/* Of the segment of a point, up to it. */
static guint64 steps_upto(const struct leaks *leaks, const struct leak_point *point, const struct unit *unit)
{
	const guint64 from = g_array_index(leaks->segment_steps, guint64, point->segment);
	guint64 n = 0;
	guint i;

	for (i = leaks->steps->len; i; i--) {
		const struct leak_step_info *step = &g_array_index(leaks->steps, struct leak_step_info, i - 1);

		if (step->id <= from)
			break;
		if (step->id <= point->step && unit->kinds & 1u << step->kind && unit->ways & 1u << step->way &&
		    could_leave(step, unit))
			n++;
	}
	return n;
}

static void name_step(const struct leaks *leaks, struct tally *t, guint64 id)
{
	const struct leak_step_info *step = step_of(leaks, id);

	if (!step)
		return;
	t->kinds |= 1u << step->kind;
	t->ways |= 1u << step->way;
	t->named++;
	t->error_named += step->way != LEAK_WAY_ORDINARY;
}

/* The oldest and the newest at every checkpoint: a sample of the steps that leave something. */
static void name_steps(const struct leaks *leaks, const struct leak_site *site, struct tally *t)
{
	guint64 last = 0;
	guint i;

	for (i = 0; i < site->samples->len; i++) {
		const struct leak_sample *sample = &g_array_index(site->samples, struct leak_sample, i);

		if (!sample->objects)
			continue;
		if (sample->first_step > last)
			name_step(leaks, t, sample->first_step);
		if (sample->last_step > last && sample->last_step != sample->first_step)
			name_step(leaks, t, sample->last_step);
		last = MAX(last, sample->last_step);
	}
}

/* Of all steps of these kinds, those on an error path: how likely an ordinary leak is to be seen on them alone. */
static double error_share(const struct leaks *leaks, guint kinds)
{
	guint64 all = 0, error = 0;
	guint i;

	for (i = 0; i < leaks->steps->len; i++) {
		const struct leak_step_info *step = &g_array_index(leaks->steps, struct leak_step_info, i);

		if (!(kinds & 1u << step->kind))
			continue;
		all++;
		error += step->way != LEAK_WAY_ORDINARY;
	}
	return all ? (double)error / (double)all : 1;
}

static guint64 exposure(const struct leaks *leaks, enum vx_alloc_source source, gboolean unloaded,
			const struct unit *unit);

/* Every step that is known by name was on an error path: by chance, or is that what it takes? */
static gboolean only_errors(const struct leaks *leaks, const struct tally *t)
{
	const struct unit those = { t->kinds, t->ways, TRUE, NULL };

	if (!t->named || t->named != t->error_named)
		return FALSE;
	return pow(error_share(leaks, t->kinds), t->named) < 0.05 ||
	       (t->events > 1 && (t->events == exposure(leaks, VX_ALLOCS_TRACED, TRUE, &those) ||
				  t->events == exposure(leaks, VX_ALLOCS_CALLS, TRUE, &those)));
}

static struct unit unit_of(const struct leaks *leaks, const struct tally *t)
{
	const guint loads = 1u << LEAK_STEP_LOAD | 1u << LEAK_STEP_UNLOAD, every = (1u << LEAK_WAYS) - 1;
	struct unit unit = { 1u << LEAK_STEP_MOUNT, every, FALSE, "cycle" };

	if (t->kinds && !(t->kinds & ~loads)) {
		unit = (struct unit){ t->kinds & 1u << LEAK_STEP_LOAD ? 1u << LEAK_STEP_LOAD : 1u << LEAK_STEP_UNLOAD,
				      every, FALSE, "load" };
	} else if (only_errors(leaks, t)) {
		unit.kinds = t->kinds;
		unit.ways = t->ways;
		unit.failures = TRUE;
		unit.name = !(t->ways & ~MOUNT_FAILS) ? "failed mount" : "cycle of its kind";
	}
	return unit;
}

/* ---- tallies --------------------------------------------------------------------------------------- */

/* Which points decide: the last complete one of each segment, of this source and moment. */
static gboolean decides(const struct leaks *leaks, guint i, enum vx_alloc_source source, gboolean unloaded)
{
	const struct leak_point *point = point_at(leaks, i);
	guint k;

	if (point->source != source || point->unloaded != unloaded || !is_complete(point))
		return FALSE;
	for (k = i + 1; k < leaks->points->len && point_at(leaks, k)->segment == point->segment; k++) {
		const struct leak_point *later = point_at(leaks, k);

		if (later->source == source && later->unloaded == unloaded && is_complete(later))
			return FALSE;
	}
	return TRUE;
}

static void add_to(struct tally *t, const struct leak_sample *sample)
{
	if (!sample || !sample->objects)
		return;
	t->with++;
	t->objects += sample->objects;
	t->bytes += sample->bytes;
	t->events += sample->steps;
	if (!t->first_step || sample->first_step < t->first_step)
		t->first_step = sample->first_step;
	t->last_step = MAX(t->last_step, sample->last_step);
}

static struct tally tally(const struct leaks *leaks, const struct leak_site *site, enum vx_alloc_source source,
			  gboolean unloaded)
{
	struct tally t = { 0 };
	guint i;

	for (i = 0; i < leaks->points->len; i++) {
		if (!decides(leaks, i, source, unloaded))
			continue;
		t.points++;
		t.last_point = i;
		add_to(&t, leak_sample_at(site, i));
	}
	name_steps(leaks, site, &t);
	return t;
}

/* How often it could have happened, in the segments that decide. */
static guint64 exposure(const struct leaks *leaks, enum vx_alloc_source source, gboolean unloaded,
			const struct unit *unit)
{
	guint64 n = 0;
	guint i;

	for (i = 0; i < leaks->points->len; i++)
		if (decides(leaks, i, source, unloaded))
			n += steps_upto(leaks, point_at(leaks, i), unit);
	return n;
}

static void fill(const struct leaks *leaks, const struct tally *t, const struct unit *unit, guint64 n,
		 struct leak_judgement *ret)
{
	const struct leak_step_info *last = step_of(leaks, t->last_step);
	double low, high, each;

	/* What a step leaves twice counts once: the bounds are of events. */
	each = t->events ? (double)t->objects / (double)t->events : 1;
	poisson_bounds(t->events, &low, &high);
	ret->objects = t->objects;
	ret->bytes = t->bytes;
	ret->events = t->events;
	ret->exposure = n;
	ret->unit = unit->name;
	ret->kinds = t->kinds;
	ret->ways = unit->ways == (1u << LEAK_WAYS) - 1 ? 0 : unit->ways;
	ret->step = t->last_step;
	ret->cycle = last ? last->cycle : 0;
	if (!n)
		return;
	ret->rate = (double)t->objects / (double)n;
	ret->low = low * each / (double)n;
	ret->high = high * each / (double)n;
	ret->byte_rate = (double)t->bytes / (double)n;
}

static void say(struct leak_judgement *ret, enum leak_verdict verdict, const char *why)
{
	ret->verdict = verdict;
	g_strlcpy(ret->why, why, sizeof(ret->why));
}

/* ---- growth ------------------------------------------------------------------------------------------- */

struct growth {
	guint points, up, down;
	guint64 begin, end, begin_n, end_n;	/* objects, and cycles, at the first and last point */
	guint64 late, late_n;			/* gained since two thirds of the cycles, in so many */
	gboolean oldest_goes, newest_stays;
	double confidence;
};

static gboolean sees_frees(const struct leak_point *point, guint segment)
{
	return point->segment == segment && point->source == VX_ALLOCS_TRACED && is_complete(point);
}

static gboolean tells_growth(const struct leak_point *point, guint segment)
{
	return sees_frees(point, segment) && !point->unloaded;
}

/* The segment with the most checkpoints after an unmount: nothing was forgotten within it. */
static guint longest_segment(const struct leaks *leaks)
{
	guint best = 0, most = 0, i, k;

	for (i = 0; i < leaks->points->len; i = k) {
		guint n = 0;

		for (k = i; k < leaks->points->len && point_at(leaks, k)->segment == point_at(leaks, i)->segment; k++)
			n += tells_growth(point_at(leaks, k), point_at(leaks, k)->segment);
		if (n >= most) {
			most = n;
			best = point_at(leaks, i)->segment;
		}
	}
	return best;
}

static void note_oldest(struct growth *g, const struct leak_sample *was, const struct leak_sample *is)
{
	if (!was || !was->objects)
		return;
	g->oldest_goes = g->oldest_goes || !is || !is->objects || is->first_step > was->first_step;
	g->newest_stays = is && is->last_step == was->last_step;
}

static struct growth grow(const struct leaks *leaks, const struct leak_site *site, guint segment,
			  const struct unit *unit)
{
	const struct leak_sample *was = NULL;
	struct growth g = { 0 };
	GArray *series = g_array_new(FALSE, TRUE, sizeof(guint64[2]));
	guint64 here[2];
	guint i;

	for (i = 0; i < leaks->points->len; i++) {
		const struct leak_point *point = point_at(leaks, i);
		const struct leak_sample *is = leak_sample_at(site, i);

		if (!tells_growth(point, segment))
			continue;
		here[0] = steps_upto(leaks, point, unit);
		here[1] = is ? is->objects : 0;
		if (series->len) {
			g.up += here[1] > g.end;
			g.down += here[1] < g.end;
		} else {
			g.begin = here[1];
			g.begin_n = here[0];
		}
		note_oldest(&g, was, is);
		was = is;
		g.end = here[1];
		g.end_n = here[0];
		g_array_append_val(series, here);
	}
	g.points = series->len;
	for (i = 0; i < series->len; i++) {
		const guint64 *at = (const guint64 *)(gpointer)series->data + 2 * i;

		if (at[0] > g.end_n - (g.end_n - g.begin_n) / 3)
			break;
		g.late = g.end > at[1] ? g.end - at[1] : 0;
		g.late_n = g.end_n - at[0];
	}
	g.confidence = 1 - coin_tail(g.up, g.up + g.down);
	g_array_unref(series);
	return g;
}

/* Has it gone on in the last third as before? As events: objects that come together are one. */
static gboolean goes_on(const struct growth *g, double each)
{
	const double rate =
		g->end_n > g->begin_n ? (double)(g->end - g->begin) / each / (double)(g->end_n - g->begin_n) : 0;

	return g->late && poisson_tail((guint64)((double)g->late / each), rate * (double)g->late_n) > LATE_P;
}

static const char *growth_says(const struct growth *g, double each)
{
	if (g->points < POINTS_MIN)
		return "too few checkpoints to tell growth";
	if (g->end <= g->begin)
		return "does not grow";
	if (g->oldest_goes)
		return "old objects go as new ones come: a queue, or one that is replaced";
	if (!goes_on(g, each))
		return "warms up, then stays";
	return NULL;
}

static void judge_growth(const struct leaks *leaks, const struct leak_site *site, struct leak_judgement *ret)
{
	const guint segment = longest_segment(leaks);
	struct tally t = { 0 };
	struct growth g;
	struct unit unit;
	const char *why;
	guint i;

	for (i = 0; i < leaks->points->len; i++)
		if (tells_growth(point_at(leaks, i), segment))
			t.last_point = i;
	add_to(&t, leak_sample_at(site, t.last_point));
	name_steps(leaks, site, &t);
	unit = unit_of(leaks, &t);
	g = grow(leaks, site, segment, &unit);
	fill(leaks, &t, &unit, g.end_n, ret);
	why = growth_says(&g, t.events ? (double)t.objects / (double)t.events : 1);
	if (g.points < POINTS_MIN && g.end) {
		say(ret, LEAK_NOT_JUDGED, why);
	} else if (why) {
		say(ret, LEAK_ACQUITTED, g.end ? why : "nothing is outstanding");
	} else {
		ret->confidence = g.confidence;
		ret->certain_from = g.confidence >= LEAK_CERTAIN ? point_at(leaks, t.last_point)->cycle : 0;
		say(ret, g.confidence >= LEAK_CERTAIN ? LEAK_GROWS : LEAK_SUSPECTED,
		    "outstanding objects grow with the cycles, and none of the old ones goes");
		/* Each further checkpoint that rises halves the doubt. */
		ret->more = ret->verdict == LEAK_SUSPECTED ? MAX(g.end_n / 4, 4) : 0;
	}
}

/* ---- the verdict ----------------------------------------------------------------------------------------- */

/* Have the rounds which see every free seen it allocate? What is freed by the unload is told of before that alone. */
static gboolean is_traced(const struct leaks *leaks, const struct leak_site *site)
{
	guint i;

	for (i = 0; i < site->samples->len; i++) {
		const struct leak_sample *sample = &g_array_index(site->samples, struct leak_sample, i);

		if (sample->allocs && point_at(leaks, sample->point)->source == VX_ALLOCS_TRACED)
			return TRUE;
	}
	return FALSE;
}

static void judge_calls(const struct leaks *leaks, const struct leak_site *site, guint64 traced,
			struct leak_judgement *ret)
{
	struct tally t = tally(leaks, site, VX_ALLOCS_CALLS, TRUE);
	struct unit unit;
	guint64 n, needed;

	if (!t.points && !traced) {
		say(ret, LEAK_NOT_JUDGED, "no checkpoint after an unload has told of it");
		return;
	}
	unit = unit_of(leaks, &t);
	n = exposure(leaks, VX_ALLOCS_CALLS, TRUE, &unit);
	if (!t.objects) {
		fill(leaks, &t, &unit, n + exposure(leaks, VX_ALLOCS_TRACED, TRUE, &unit), ret);
		say(ret, LEAK_ACQUITTED, "all that it allocates is freed by the unload");
		return;
	}
	needed = (guint64)ceil(DECIDES * (double)MAX(n, 1) / (double)t.events);
	traced = exposure(leaks, VX_ALLOCS_TRACED, TRUE, &unit);
	/* None was seen: what a worker does for the module later, say, and it says nothing of where it goes. */
	if (traced >= needed && !is_traced(leaks, site)) {
		fill(leaks, &t, &unit, n, ret);
		ret->more = needed;
		say(ret, LEAK_SUSPECTED, "the module has not freed it, and it was not allocated again where every free is seen");
		return;
	}
	if (traced >= needed) {
		memset(&t, 0, sizeof(t));
		fill(leaks, &t, &unit, traced, ret);
		say(ret, LEAK_ACQUITTED,
		    "others free what the module gives away: nothing is left where every free is seen");
		return;
	}
	fill(leaks, &t, &unit, n, ret);
	ret->more = needed - traced;
	say(ret, LEAK_SUSPECTED, "the module has not freed it itself; others may have");
}

/* The cycle of the first unload that every free was seen of, and left some. */
static guint64 first_left(const struct leaks *leaks, const struct leak_site *site)
{
	guint i;

	for (i = 0; i < leaks->points->len; i++) {
		const struct leak_point *point = point_at(leaks, i);
		const struct leak_sample *sample = leak_sample_at(site, i);

		if (point->source == VX_ALLOCS_TRACED && point->unloaded && is_complete(point) && sample && sample->objects)
			return point->cycle;
	}
	return 0;
}

/* What rounds have left for good, one after the other: as one series, for a rare leak shows once a round at most. */
struct kept {
	guint rises, falls;
	guint64 n, n_last;		/* times that it could have happened: in all, and up to the last rise */
	guint64 certain_from;		/* cycle of the checkpoint with the rise that is enough */
};

static void keep_point(struct kept *k, const struct leak_sample **was, const struct leak_sample *is, guint64 cycle,
		       guint64 n)
{
	const guint64 before = *was ? (*was)->objects : 0, now = is ? is->objects : 0;

	if (now > before) {
		k->rises++;
		k->n_last = n;
		if (k->rises == RISES_MIN)
			k->certain_from = cycle;
	}
	/* An object that another takes the place of is a fall, too. */
	k->falls += now < before || (before && is->first_step > (*was)->first_step);
	*was = is;
}

/* Of the round that ends with point `end`: up to the unload, and what another load and unload have made of it. */
static void keep_round(const struct leaks *leaks, const struct leak_site *site, guint end, const struct unit *unit,
		       struct kept *k)
{
	const struct leak_sample *was = NULL;
	guint i;

	for (i = 0; i <= end; i++) {
		const struct leak_point *point = point_at(leaks, i);

		if (sees_frees(point, point_at(leaks, end)->segment))
			keep_point(k, &was, leak_sample_at(site, i), point->cycle, k->n + steps_upto(leaks, point, unit));
	}
	k->n += steps_upto(leaks, point_at(leaks, end), unit);
}

static struct kept kept_by_rounds(const struct leaks *leaks, const struct leak_site *site, const struct unit *unit)
{
	struct kept k = { 0 };
	guint i;

	for (i = 0; i < leaks->points->len; i++)
		if (decides(leaks, i, VX_ALLOCS_TRACED, TRUE))
			keep_round(leaks, site, i, unit, &k);
	return k;
}

/* FALSE: it says nothing, and `ret` is as it was. Else as filled of what is left. */
static gboolean judge_rounds(const struct leaks *leaks, const struct leak_site *site, const struct unit *unit,
			     struct leak_judgement *ret)
{
	const struct kept k = kept_by_rounds(leaks, site, unit);

	/* Three times as long as one took, and none: that has ended. */
	if (k.falls || !k.rises || (k.n - k.n_last) * k.rises >= DECIDES * MAX(k.n_last, 1))
		return FALSE;
	ret->confidence = 1 - coin_tail(k.rises, k.rises);
	if (k.rises >= RISES_MIN) {
		ret->certain_from = k.certain_from;
		say(ret, LEAK_FOUND, "made by the kernel for the module, outstanding after the unload, more by and by");
	} else {
		say(ret, LEAK_SUSPECTED,
		    "made by the kernel for the module, outstanding after the unload: too few to tell from a cache");
		ret->more = (guint64)ceil((double)(RISES_MIN - k.rises) * (double)MAX(k.n, 1) / (double)k.rises);
	}
	return TRUE;
}

static void judge_unloaded(const struct leaks *leaks, const struct leak_site *site, const struct tally *t,
			   struct leak_judgement *ret)
{
	struct leak_judgement growth = { 0 };
	const struct unit unit = unit_of(leaks, t);

	fill(leaks, t, &unit, exposure(leaks, VX_ALLOCS_TRACED, TRUE, &unit), ret);
	if (site->direct) {
		ret->confidence = 1;
		ret->certain_from = first_left(leaks, site);
		say(ret, LEAK_FOUND, "outstanding after the unload, with everything deferred done");
		return;
	}
	judge_growth(leaks, site, &growth);
	/* What it had grown by must be what is left. */
	if (growth.verdict == LEAK_GROWS && site->own != G_MAXUINT && 2 * t->objects >= growth.objects) {
		ret->confidence = growth.confidence;
		ret->certain_from = point_at(leaks, t->last_point)->cycle;
		say(ret, LEAK_FOUND,
		    "made by the kernel for the module, outstanding after the unload, more with each cycle");
	} else if (site->own == G_MAXUINT || !judge_rounds(leaks, site, &unit, ret)) {
		*ret = growth;
		if (growth.verdict == LEAK_NOT_JUDGED)
			say(ret, LEAK_SUSPECTED,
			    "made by the kernel for the target, outstanding after the unload: may be kept for good");
		ret->more = ret->verdict == LEAK_SUSPECTED ? MAX(growth.more, 10) : 0;
	}
}

static void judge(struct leaks *leaks, struct leak_site *site)
{
	const struct tally t = tally(leaks, site, VX_ALLOCS_TRACED, TRUE);
	struct leak_judgement ret = { .unit = "cycle" };
	const struct unit any = { 1u << LEAK_STEP_MOUNT, (1u << LEAK_WAYS) - 1, FALSE, "cycle" };
	guint i, traced = 0, unloads = 0;

	for (i = 0; i < leaks->points->len; i++) {
		const struct leak_point *point = point_at(leaks, i);

		traced += point->source == VX_ALLOCS_TRACED && is_complete(point);
		unloads += point->unloaded && is_complete(point);
	}
	if (t.objects)
		judge_unloaded(leaks, site, &t, &ret);
	else if (unloads)
		judge_calls(leaks, site, t.points ? exposure(leaks, VX_ALLOCS_TRACED, TRUE, &any) : 0, &ret);
	else if (traced)
		judge_growth(leaks, site, &ret);
	else
		say(&ret, LEAK_NOT_JUDGED,
		    "no checkpoint could tell: it was not unloaded, and not every free was seen");
	site->judged = ret;
}

/* Of a suspect, at the latest checkpoint that saw every free. */
static gboolean in_hand(const struct leaks *leaks, const struct leak_site *site)
{
	guint i;

	for (i = leaks->points->len; i; i--) {
		const struct leak_point *point = point_at(leaks, i - 1);
		const struct leak_sample *sample;

		if (point->source != VX_ALLOCS_TRACED || !is_complete(point))
			continue;
		sample = leak_sample_at(site, i - 1);
		return point->segment == leaks->segment && !point->unloaded && sample && sample->objects;
	}
	return FALSE;
}

/* Ten steps, and nothing of the oldest has gone: a round that confirms need not wait. */
static gboolean calls_grow(const struct leaks *leaks, const struct leak_site *site)
{
	const struct leak_sample *last = site->samples->len ?
		&g_array_index(site->samples, struct leak_sample, site->samples->len - 1) : NULL;

	return last && last->point + 1 == leaks->points->len && last->steps >= CALLS_MANY &&
	       point_at(leaks, last->point)->source == VX_ALLOCS_CALLS && !point_at(leaks, last->point)->unloaded;
}

static void count(struct leaks *leaks, const struct leak_site *site)
{
	struct leaks_status *status = &leaks->status;
	const struct leak_judgement *judged = &site->judged;

	status->calls_growing += calls_grow(leaks, site);
	switch (judged->verdict) {
	case LEAK_FOUND:
		status->found++;
		break;
	case LEAK_GROWS:
		status->grows++;
		status->least = MIN(status->least, judged->confidence);
		break;
	case LEAK_SUSPECTED:
		status->suspected++;
		status->more = MAX(status->more, judged->more);
		status->outstanding += in_hand(leaks, site);
		break;
	case LEAK_ACQUITTED:
		status->acquitted++;
		break;
	default:
		status->not_judged++;
		break;
	}
}

void leaks_judge(struct leaks *leaks)
{
	g_autoptr(GArray) resources = leaks_resources(leaks);
	guint i;

	leaks->status = (struct leaks_status){ .least = 1, .resources = resources->len };
	for (i = 0; i < leaks->points->len; i++)
		leaks->status.told += is_complete(point_at(leaks, i));
	for (i = 0; i < leaks->sites->len; i++) {
		judge(leaks, g_ptr_array_index(leaks->sites, i));
		count(leaks, g_ptr_array_index(leaks->sites, i));
	}
}

struct leaks_status leaks_status(const struct leaks *leaks)
{
	return leaks->status;
}
