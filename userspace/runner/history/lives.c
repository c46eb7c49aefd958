// SPDX-License-Identifier: GPL-2.0
#include <math.h>
#include <string.h>

#include "database.h"
#include "lives.h"

#define GONE_CHANCE	.05
#define NEWS		10u	/* runs for which it is told that something has gone */

/* The machine and its noise: a crash is the same on another. */
static const char *const machine[] = {
	"accel", "cpu", "cpus", "clock", "qemu", "libvirt", "memory_mib", "vcpus", "guest", "traced", "probe", "agent", NULL
};

const char *life_name(enum life life)
{
	static const char *const names[] = { "new", "known", "back", "not seen", "gone" };
	_Static_assert(G_N_ELEMENTS(names) == LIVES, "every life has a name");

	return names[life];
}

const char *life_again(guint attempts, guint seen)
{
	if (!attempts)
		return NULL;
	return seen == attempts ? "deterministic" : seen ? "flaky" : "not seen again";
}

static void life_free(gpointer data)
{
	struct hist_life *life = data;

	g_free(life->key);
	g_free(life->class);
	g_free(life->title);
	g_free(life->first);
	g_free(life->first_revision);
	g_free(life->good);
	g_free(life->good_revision);
	g_free(life);
}

/* Environment's and noise have no life of the module's. */
static gboolean has_life(const struct hist_finding *finding)
{
	return !finding->noise && finding->blame != BLAME_ENVIRONMENT;
}

static struct hist_life *life_of(GHashTable *lives, const struct hist_finding *finding)
{
	struct hist_life *life = g_hash_table_lookup(lives, finding->key);

	if (!life) {
		life = g_new0(struct hist_life, 1);
		life->key = g_strdup(finding->key);
		life->class = g_strdup(finding->class);
		life->title = g_strdup(finding->title);
		g_hash_table_insert(lives, life->key, life);
	}
	life->severity = MAX(life->severity, finding->severity);
	life->attempts += finding->attempts;
	life->seen += finding->seen;
	return life;
}

/* Runs come latest first: `back` is how many lie between this one and the one under judgement. */
static void note_run(GHashTable *lives, const struct hist_run *run, guint back)
{
	guint i;

	for (i = 0; i < run->findings->len; i++) {
		const struct hist_finding *finding = g_ptr_array_index(run->findings, i);
		struct hist_life *life;

		if (!has_life(finding))
			continue;
		life = life_of(lives, finding);
		if (!life->with++)
			life->since = back;
		life->runs = back + 1;
		g_free(life->first);
		life->first = g_strdup(run->name);
		g_free(life->first_revision);
		life->first_revision = g_strdup(hist_word(run->env, "revision"));
		g_clear_pointer(&life->good, g_free);
		g_clear_pointer(&life->good_revision, g_free);
	}
}

/* Of those whose first run so far came just after this one, which has it not. */
static void note_good(GHashTable *lives, const struct hist_run *run, guint back)
{
	struct hist_life *life;
	GHashTableIter iter;

	g_hash_table_iter_init(&iter, lives);
	while (g_hash_table_iter_next(&iter, NULL, (gpointer *)&life)) {
		if (life->runs != back)
			continue;
		life->good = g_strdup(run->name);
		life->good_revision = g_strdup(hist_word(run->env, "revision"));
	}
}

static void judge(struct hist_life *life)
{
	/* Runs from its first to its last: after that it may be gone, which is the question. */
	const double stretch = life->runs - life->since + (life->here && !life->since ? 1 : 0);
	const double had = life->with + (life->here && !life->since ? 1 : 0);
	const guint without = life->since + (life->here ? 0 : 1);
	double chance;

	if (!life->with) {
		life->life = LIFE_NEW;
		life->rate = 1;
		return;
	}
	life->rate = (had + .5) / (stretch + 1);
	chance = pow(1 - life->rate, without);
	if (life->here)
		life->life = life->since && pow(1 - life->rate, life->since) <= GONE_CHANCE ? LIFE_BACK : LIFE_KNOWN;
	else
		life->life = chance <= GONE_CHANCE ? LIFE_GONE : LIFE_ABSENT;
}

static int gravest_first(gconstpointer a, gconstpointer b)
{
	const struct hist_life *x = *(const struct hist_life *const *)a, *y = *(const struct hist_life *const *)b;

	if (x->here != y->here)
		return x->here ? -1 : 1;
	if (x->severity != y->severity)
		return x->severity > y->severity ? -1 : 1;
	return strcmp(x->key, y->key);
}

static GPtrArray *collect(GHashTable *table)
{
	GPtrArray *list = g_ptr_array_new_with_free_func(life_free);
	GHashTableIter iter;
	gpointer life;

	g_hash_table_iter_init(&iter, table);
	while (g_hash_table_iter_next(&iter, NULL, &life)) {
		judge(life);
		if (((struct hist_life *)life)->here || ((struct hist_life *)life)->since < NEWS)
			g_ptr_array_add(list, life);
		else
			life_free(life);
	}
	g_ptr_array_sort(list, gravest_first);
	return list;
}

GPtrArray *lives_of(struct history *h, const struct hist_run *run, guint *looked, GError **error)
{
	g_autoptr(GArray) ids = history_comparable(h, run, machine, LIVES_RUNS, error);
	g_autoptr(GHashTable) table = g_hash_table_new(g_str_hash, g_str_equal);
	guint i;

	if (!ids)
		return NULL;
	for (i = 0; i < run->findings->len; i++)
		if (has_life(g_ptr_array_index(run->findings, i)))
			life_of(table, g_ptr_array_index(run->findings, i))->here = TRUE;
	for (i = 0; i < ids->len; i++) {
		VX_GUARD(hist_run_free) struct hist_run *other = history_load_findings(h, g_array_index(ids, gint64, i), error);

		if (!other) {
			g_ptr_array_unref(collect(table));
			return NULL;
		}
		note_run(table, other, i);
		note_good(table, other, i);
	}
	*looked = ids->len;
	return collect(table);
}

json_t *lives_json(const GPtrArray *lives, guint looked)
{
	json_t *list = json_array();
	guint i;

	for (i = 0; i < lives->len; i++) {
		const struct hist_life *life = g_ptr_array_index(lives, i);

		json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s, s:b, s:i, s:i, s:i, s:f, s:s?, s:s?, s:s?, s:s?, s:i, s:i, s:s?}",
			"class", life->class, "title", life->title, "severity", severity_name(life->severity),
			"life", life_name(life->life), "here", (int)life->here, "runs", (int)life->runs, "with", (int)life->with,
			"since", (int)life->since, "rate", life->rate, "first", life->first,
			"first_revision", life->first_revision, "good", life->good, "good_revision", life->good_revision, "attempts", (int)life->attempts,
			"seen", (int)life->seen, "again", life_again(life->attempts, life->seen)));
	}
	return json_pack("{s:i, s:o}", "runs", (int)looked, "findings", list);
}
