// SPDX-License-Identifier: GPL-2.0
/* What checkpoints tell of each site. Frames are the guest's: lengths, numbers and names are checked, or left out. */
#include <stdlib.h>
#include <string.h>

#include "leak_priv.h"

#define STEPS_MAX	1000000u
#define SAMPLES_MAX	4096u		/* of one site */
#define FRAME_MAX	200u		/* bytes of a line kept */
#define KEY_FRAMES	6u		/* where the target's code is not in the stack */
#define ABSURD		(G_GUINT64_CONSTANT(1) << 53)	/* no guest has so many objects or bytes */

static void stack_free(gpointer data)
{
	struct leak_stack *stack = data;

	g_strfreev(stack->frames);
	g_free(stack);
}

static void site_free(gpointer data)
{
	struct leak_site *site = data;

	g_free(site->key);
	g_free(site->function);
	g_free(site->module);
	g_ptr_array_unref(site->stacks);
	g_array_unref(site->samples);
	g_free(site);
}

struct leaks *leaks_new(const struct detect_config *config)
{
	struct leaks *leaks = g_new0(struct leaks, 1);

	g_strlcpy(leaks->module, config->module, sizeof(leaks->module));
	g_strlcpy(leaks->target, config->target, sizeof(leaks->target));
	leaks->steps = g_array_new(FALSE, FALSE, sizeof(struct leak_step_info));
	leaks->points = g_array_new(FALSE, TRUE, sizeof(struct leak_point));
	leaks->segment_steps = g_array_new(FALSE, TRUE, sizeof(guint64));
	g_array_set_size(leaks->segment_steps, 1);
	leaks->unmounted = resource_series_new();
	leaks->unloaded = resource_series_new();
	leaks->sites = g_ptr_array_new_with_free_func(site_free);
	leaks->by_key = g_hash_table_new(g_str_hash, g_str_equal);
	return leaks;
}

void leaks_free(struct leaks *leaks)
{
	if (!leaks)
		return;
	g_hash_table_unref(leaks->by_key);
	g_ptr_array_unref(leaks->sites);
	g_array_unref(leaks->points);
	g_array_unref(leaks->segment_steps);
	g_array_unref(leaks->steps);
	resources_free(leaks->before);
	resources_free(leaks->after);
	resource_series_free(leaks->unmounted);
	resource_series_free(leaks->unloaded);
	g_free(leaks->end);
	g_free(leaks);
}

const GPtrArray *leaks_sites(const struct leaks *leaks)
{
	return leaks->sites;
}

const GArray *leaks_points(const struct leaks *leaks)
{
	return leaks->points;
}

gboolean leaks_hunted(const struct leaks *leaks)
{
	return leaks->hunted;
}

const char *leaks_end(const struct leaks *leaks)
{
	return leaks->end;
}

guint leaks_left_out(const struct leaks *leaks)
{
	return leaks->left_out;
}

const struct leak_sample *leak_sample_at(const struct leak_site *site, guint point)
{
	guint i;

	for (i = site->samples->len; i; i--) {
		const struct leak_sample *sample = &g_array_index(site->samples, struct leak_sample, i - 1);

		if (sample->point == point)
			return sample;
		if (sample->point < point)
			break;
	}
	return NULL;
}

/* ---- frames ------------------------------------------------------------------------------------ */

/* "function+0x12/0x34 [module]"; FALSE: it is none. Whose function is what, as given. */
static gboolean parse_frame(const char *line, char **function, char **module)
{
	const char *plus = strchr(line, '+'), *open = strstr(line, " [");
	gsize len, i;

	*function = *module = NULL;
	if (!plus || plus == line || g_ascii_isdigit(*line) || strncmp(plus, "+0x", 3))
		return FALSE;
	for (i = 0; line + i < plus; i++)
		if (!g_ascii_isalnum(line[i]) && !strchr("_.$", line[i]))
			return FALSE;
	if (open && open > plus) {
		len = strcspn(open + 2, "]( ");
		for (i = 0; i < len; i++)
			if (!g_ascii_isalnum(open[2 + i]) && !strchr("_-.", open[2 + i]))
				return FALSE;
		*module = len ? g_strndup(open + 2, len) : NULL;
	}
	*function = g_strndup(line, (gsize)(plus - line));
	return TRUE;
}

/* Whose name begins so belongs to a target that has no module of its own. */
static gboolean has_prefix(const char *function, const char *word)
{
	const gsize len = strlen(word);

	return len > 1 && !strncmp(function, word, len) && function[len] == '_';
}

static gboolean is_own(const struct leaks *leaks, const char *line)
{
	g_autofree char *function = NULL, *module = NULL;

	if (!parse_frame(line, &function, &module))
		return FALSE;
	if (module)
		return leaks->module[0] && !strcmp(module, leaks->module);
	return has_prefix(function, leaks->target) || has_prefix(function, leaks->module);
}

/* They stand in front where a stack begins at the allocator itself. */
static gboolean is_allocator(const char *line)
{
	static const char *const names[] = {
		"kmalloc", "__kmalloc", "kmem_cache_alloc", "__kmem_cache_alloc", "krealloc", "kvmalloc",
		"__kvmalloc", "kstrdup", "kstrndup", "kmemdup", "kvmemdup", "kasprintf", "kvasprintf",
		"vmalloc", "__vmalloc", "vzalloc", "alloc_pages", "__alloc_pages", "__alloc_frozen_pages",
		"alloc_frozen_pages", "get_zeroed_page", "__get_free_pages", "get_free_pages", "pcpu_alloc",
		"__alloc_percpu", "folio_alloc", "__folio_alloc", "kcalloc", "kzalloc", "__kmalloc_cache",
		"__kmalloc_node", "__kmalloc_large",
	};
	g_autofree char *function = NULL, *module = NULL;
	guint i;

	if (!parse_frame(line, &function, &module) || module)
		return FALSE;
	for (i = 0; i < G_N_ELEMENTS(names); i++)
		if (!strncmp(function, names[i], strlen(names[i])))
			return TRUE;
	return FALSE;
}

/* Printable ASCII, and an address is "?": it is another one after a reload. */
static char *clean(const char *line, gsize len)
{
	char *text = g_strndup(line, MIN(len, FRAME_MAX)), *p;
	g_autofree char *function = NULL, *module = NULL;

	for (p = text; *p; p++)
		if (*p < 0x20 || *p > 0x7e)
			*p = '?';
	if (parse_frame(text, &function, &module))
		return text;
	g_free(text);
	return g_strdup("?");
}

/* NULL: not so many lines as it says, or none. */
static char **read_frames(const char *text, gsize len, guint frames)
{
	GPtrArray *list = g_ptr_array_new_with_free_func(g_free);
	gsize at = 0;
	guint i;

	for (i = 0; i < frames && at < len; i++) {
		const char *end = memchr(text + at, '\n', len - at);
		const gsize n = end ? (gsize)(end - text) - at : len - at;

		g_ptr_array_add(list, clean(text + at, n));
		at += n + 1;
	}
	if (i < frames || !frames) {
		g_ptr_array_unref(list);
		return NULL;
	}
	g_ptr_array_add(list, NULL);
	return (char **)g_ptr_array_free(list, FALSE);
}

/* ---- sites --------------------------------------------------------------------------------------- */

static guint innermost(const struct leaks *leaks, char **frames, gboolean *direct)
{
	guint i, first = 0;

	while (frames[first] && is_allocator(frames[first]))
		first++;
	for (i = first; frames[i]; i++) {
		if (!is_own(leaks, frames[i]))
			continue;
		*direct = i == first;
		return i;
	}
	*direct = FALSE;
	return G_MAXUINT;
}

/* The place in the target's code (the sources do not call caches and kinds alike), or the innermost frames. */
static char *key_of(const struct vx_msg_alloc_site *msg, const char *cache, char **frames, guint own)
{
	guint i, from = 0;
	GString *key;

	if (own != G_MAXUINT)
		return g_strdup(frames[own]);
	while (frames[from] && is_allocator(frames[from]))
		from++;
	key = g_string_new(NULL);
	g_string_printf(key, "%u %s", msg->kind, cache);
	for (i = from; i < from + KEY_FRAMES && frames[i]; i++)
		g_string_append_printf(key, "\n%s", frames[i]);
	return g_string_free(key, FALSE);
}

static void name_guilty(struct leak_site *site, char **frames)
{
	guint i = site->own == G_MAXUINT ? 0 : site->own;

	while (site->own == G_MAXUINT && frames[i] && is_allocator(frames[i]))
		i++;
	if (!frames[i] || !parse_frame(frames[i], &site->function, &site->module))
		site->function = g_strdup("an unknown function");
}

static struct leak_site *site_new(struct leaks *leaks, const struct vx_msg_alloc_site *msg, const char *cache,
				  char **frames, char *key)
{
	struct leak_site *site = g_new0(struct leak_site, 1);

	site->key = key;
	site->kind = msg->kind;
	g_strlcpy(site->cache, cache, sizeof(site->cache));
	site->own = innermost(leaks, frames, &site->direct);
	name_guilty(site, frames);
	site->stacks = g_ptr_array_new_with_free_func(stack_free);
	site->samples = g_array_new(FALSE, TRUE, sizeof(struct leak_sample));
	g_ptr_array_add(leaks->sites, site);
	g_hash_table_insert(leaks->by_key, site->key, site);
	return site;
}

const struct leak_stack *leak_site_stack(const struct leak_site *site)
{
	const struct leak_stack *best = g_ptr_array_index(site->stacks, 0);
	guint i;

	for (i = 1; i < site->stacks->len; i++) {
		const struct leak_stack *stack = g_ptr_array_index(site->stacks, i);
		const gboolean traced = stack->source == VX_ALLOCS_TRACED,
			       best_traced = best->source == VX_ALLOCS_TRACED;

		if (traced > best_traced || (traced == best_traced && stack->bytes > best->bytes))
			best = stack;
	}
	return best;
}

/* Takes over `frames`. The stacks are kept with what they had at the latest checkpoint that told them. */
static void add_stack(struct leak_site *site, char **frames, enum vx_alloc_source source,
		      const struct vx_msg_alloc_site *msg)
{
	struct leak_stack *stack;
	guint i;

	for (i = 0; i < site->stacks->len; i++) {
		stack = g_ptr_array_index(site->stacks, i);
		if (stack->source != source ||
		    !g_strv_equal((const char *const *)stack->frames, (const char *const *)frames))
			continue;
		g_strfreev(frames);
		stack->objects = msg->objects;
		stack->bytes = msg->bytes;
		return;
	}
	if (site->stacks->len >= LEAK_STACKS_MAX) {
		g_strfreev(frames);
		return;
	}
	stack = g_new0(struct leak_stack, 1);
	stack->frames = frames;
	stack->source = source;
	stack->objects = msg->objects;
	stack->bytes = msg->bytes;
	g_ptr_array_add(site->stacks, stack);
}

/* Stacks of one site at one checkpoint add up; in how many steps is only known to be at least as many as of one. */
static void add_sample(struct leaks *leaks, struct leak_site *site, const struct vx_msg_alloc_site *msg)
{
	const guint point = leaks->points->len - 1;
	struct leak_sample *last = site->samples->len ?
		&g_array_index(site->samples, struct leak_sample, site->samples->len - 1) : NULL;
	const struct leak_sample sample = {
		.point = point, .objects = msg->objects, .bytes = msg->bytes, .allocs = msg->allocs,
		.frees = msg->frees, .foreign_frees = msg->foreign_frees, .first_step = msg->first_step,
		.last_step = msg->last_step, .steps = msg->objects ? CLAMP(msg->steps, 1, msg->objects) : 0,
	};

	if (!last || last->point != point) {
		if (site->samples->len < SAMPLES_MAX)
			g_array_append_val(site->samples, sample);
		else
			leaks->left_out++;
		return;
	}
	if (sample.objects && (!last->objects || sample.first_step < last->first_step))
		last->first_step = sample.first_step;
	if (sample.objects && (!last->objects || sample.last_step > last->last_step))
		last->last_step = sample.last_step;
	last->objects += sample.objects;
	last->bytes += sample.bytes;
	last->allocs += sample.allocs;
	last->frees += sample.frees;
	last->foreign_frees += sample.foreign_frees;
	last->steps = MAX(last->steps, sample.steps);
}

static gboolean is_sane(const struct vx_msg_alloc_site *msg)
{
	return msg->kind > VX_ALLOC_NONE && msg->kind < VX_ALLOC_KINDS && msg->frames &&
	       msg->frames <= VX_ALLOC_FRAMES && msg->objects <= ABSURD && msg->bytes <= ABSURD &&
	       msg->allocs <= ABSURD && msg->frees <= ABSURD && (!msg->objects || msg->first_step <= msg->last_step);
}

static void cache_name(char *ret, gsize size, const struct vx_msg_alloc_site *msg)
{
	gsize i;

	memset(ret, 0, size);
	for (i = 0; i < size - 1 && msg->cache[i]; i++)
		ret[i] = msg->cache[i] < 0x20 || msg->cache[i] > 0x7e ? '?' : msg->cache[i];
}

/* Does the frame belong to the checkpoint that is open? Its first one says what number the answer has. */
static gboolean belongs(struct leaks *leaks, guint64 id)
{
	if (!leaks->open || !id || id == leaks->done_id)
		return FALSE;
	if (!leaks->id)
		leaks->id = id;
	return leaks->id == id;
}

static void note_site(struct leaks *leaks, const struct rec_entry *entry)
{
	struct vx_msg_alloc_site msg;
	char cache[VX_NAME_LEN / 2];
	struct leak_site *site;
	char **frames = NULL, *key;
	gboolean direct;

	if (entry->frame.length < sizeof(msg)) {
		leaks->left_out++;
		return;
	}
	memcpy(&msg, entry->payload, sizeof(msg));
	if (!belongs(leaks, msg.id))
		return;
	if (is_sane(&msg))
		frames = read_frames((const char *)entry->payload + sizeof(msg), entry->frame.length - sizeof(msg),
				     msg.frames);
	if (!frames) {
		leaks->left_out++;
		return;
	}
	cache_name(cache, sizeof(cache), &msg);
	key = key_of(&msg, cache, frames, innermost(leaks, frames, &direct));
	site = g_hash_table_lookup(leaks->by_key, key);
	if (site || leaks->sites->len >= LEAK_SITES_MAX)
		g_free(key);
	else
		site = site_new(leaks, &msg, cache, frames, key);
	if (!site) {
		leaks->left_out++;
		g_strfreev(frames);
		return;
	}
	site->direct = site->direct || direct;
	if (!site->cache[0])
		g_strlcpy(site->cache, cache, sizeof(site->cache));
	add_stack(site, frames, g_array_index(leaks->points, struct leak_point, leaks->points->len - 1).source, &msg);
	add_sample(leaks, site, &msg);
}

static void note_answer(struct leaks *leaks, const struct rec_entry *entry)
{
	struct vx_msg_allocs msg;
	struct leak_point *point;

	if (entry->frame.length < sizeof(msg))
		return;
	memcpy(&msg, entry->payload, sizeof(msg));
	if (!belongs(leaks, msg.id))
		return;
	point = &g_array_index(leaks->points, struct leak_point, leaks->points->len - 1);
	point->answered = TRUE;
	point->told = msg;
	leaks->open = FALSE;
	leaks->done_id = leaks->id;
	leaks->id = 0;
}

/* ---- the host's own entries ----------------------------------------------------------------------- */

static const char *word(const json_t *json, const char *key)
{
	const char *text = json_string_value(json_object_get(json, key));

	return text ? text : "";
}

static guint64 number(const json_t *json, const char *key)
{
	return (guint64)MAX(json_integer_value(json_object_get(json, key)), 0);
}

static guint64 latest_step(const struct leaks *leaks)
{
	return leaks->steps->len ? g_array_index(leaks->steps, struct leak_step_info, leaks->steps->len - 1).id : 0;
}

/* All that was counted before is forgotten in the guest. */
static void new_segment(struct leaks *leaks)
{
	const guint64 step = latest_step(leaks);

	leaks->open = FALSE;
	leaks->segment++;
	g_array_append_val(leaks->segment_steps, step);
}

static void note_point(struct leaks *leaks, const json_t *json)
{
	const struct leak_point point = {
		.round = (guint)number(json, "round"), .segment = leaks->segment, .cycle = number(json, "cycle"),
		.step = latest_step(leaks), .unloaded = !strcmp(word(json, "after"), "unload"),
		.source = strcmp(word(json, "source"), "calls") ? VX_ALLOCS_TRACED : VX_ALLOCS_CALLS,
	};

	if (leaks->points->len >= STEPS_MAX)
		return;
	leaks->open = TRUE;
	leaks->id = 0;
	g_array_append_val(leaks->points, point);
}

static void note_event(struct leaks *leaks, const json_t *json)
{
	const char *event = word(json, "event");

	if (!strcmp(event, "leak-checkpoint")) {
		note_point(leaks, json);
	} else if (!strcmp(event, "leak-round")) {
		leaks->hunting = leaks->hunted = TRUE;
		leaks->round = (guint)number(json, "round");
		new_segment(leaks);
	} else if (!strcmp(event, "leak-verdict")) {
		g_free(leaks->end);
		leaks->end = g_strdup(word(json, "why"));
	} else if (!strcmp(event, "restored") && leaks->hunted) {
		new_segment(leaks);
		leak_forget_series(leaks);
	}
}

static void note_step_begin(struct leaks *leaks, const json_t *json)
{
	static const char *const kinds[] = {
		[LEAK_STEP_LOAD] = "load", [LEAK_STEP_MOUNT] = "mount", [LEAK_STEP_FILES] = "files",
		[LEAK_STEP_UMOUNT] = "umount", [LEAK_STEP_UNLOAD] = "unload",
	};
	struct leak_step_info step = {
		.id = number(json, "id"), .cycle = number(json, "cycle"), .kind = LEAK_STEP_OTHER,
	};
	guint i;

	for (i = 0; i < G_N_ELEMENTS(kinds); i++)
		if (!strcmp(word(json, "kind"), kinds[i]))
			step.kind = (guint8)i;
	leaks->cycle = step.cycle;
	g_strlcpy(leaks->snapshot, leak_is_snapshot(word(json, "name")) ? word(json, "name") : "",
		  sizeof(leaks->snapshot));
	for (i = 0; i < LEAK_WAYS; i++)
		if (!strcmp(word(json, "way"), leak_way_name(i)))
			step.way = (guint8)i;
	if (leaks->steps->len < STEPS_MAX && step.id > latest_step(leaks))
		g_array_append_val(leaks->steps, step);
}

static void note_step_end(struct leaks *leaks, const struct rec_entry *entry)
{
	struct leak_step_info *last;
	struct vx_msg_step msg;

	if (entry->frame.length < sizeof(msg) || !leaks->steps->len)
		return;
	memcpy(&msg, entry->payload, sizeof(msg));
	if (leaks->snapshot[0] && !msg.err)
		leak_note_snapshot(leaks, (const char *)entry->payload + sizeof(msg),
				   entry->frame.length - sizeof(msg));
	leaks->snapshot[0] = '\0';
	last = &g_array_index(leaks->steps, struct leak_step_info, leaks->steps->len - 1);
	if (last->id == msg.id)
		last->ok = !msg.err && (last->kind != LEAK_STEP_OTHER || !msg.value);
}

void leaks_feed(struct leaks *leaks, const struct rec_entry *entry)
{
	json_t *json = NULL;

	switch (entry->frame.type) {
	case VX_REC_RUN:
		json = rec_entry_json(entry);
		leaks->hunting = !strcmp(word(json, "scenario"), "leak-hunt") || json_object_get(json, "replay");
		break;
	case VX_REC_STEP_BEGIN:
		if (!leaks->hunting)
			break;
		json = rec_entry_json(entry);
		note_step_begin(leaks, json);
		break;
	case VX_REC_REQUEST:
	case VX_REC_VM:
		json = rec_entry_json(entry);
		if (!strcmp(word(json, "do"), "part"))
			leaks->hunting = !strcmp(word(json, "name"), "leak-hunt");
		note_event(leaks, json);
		break;
	case VX_MSG_STEP:
		note_step_end(leaks, entry);
		break;
	case VX_MSG_ALLOC_SITE:
		note_site(leaks, entry);
		break;
	case VX_MSG_ALLOCS:
		note_answer(leaks, entry);
		break;
	default:
		break;
	}
	json_decref(json);
}
