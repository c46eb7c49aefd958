// SPDX-License-Identifier: GPL-2.0
/* Whose frame in a stack is to blame. */
#include <string.h>

#include "oops_title.h"

#define STACK_MAX	512u	/* frames looked at */
#define LOOK_AHEAD	15u	/* lines behind a stack's heading in which its first frame must be */

struct cursor {
	const char *p, *end;
};

/* The walk through one rule's `frames`. */
struct walk {
	struct regexes *res;
	const struct oops_rule *rule;
	struct cursor lines;
	const char *line;
	gsize line_len;
	GPtrArray *stack;		/* char *: frames since the last one was blamed */
	gboolean sound;
};

static gboolean next_line(struct cursor *lines, const char **line, gsize *len)
{
	const char *nl;

	if (lines->p >= lines->end)
		return FALSE;
	nl = memchr(lines->p, '\n', (gsize)(lines->end - lines->p));
	if (!nl)
		nl = lines->end;
	*line = lines->p;
	*len = (gsize)(nl - lines->p);
	lines->p = nl + 1;
	return TRUE;
}

static gboolean skipped(struct walk *walk, const char *name, gsize len)
{
	return regex_any(walk->res, oops_skip, name, len) ||
	       (walk->rule->skip && regex_match(walk->res, walk->rule->skip, name, len, NULL));
}

/* The guilty one is known: frames below it are not looked at, for a stack may be endless. */
static gboolean enough(const struct walk *walk)
{
	return walk->stack->len >= (walk->rule->pick == PICK_FIRST ? 1 : STACK_MAX);
}

static void push(struct walk *walk, const struct captures *match)
{
	guint i;

	for (i = 1; i < match->count; i++) {
		gsize len = MIN(match->group[i].len, OOPS_NAME_MAX - 1);

		if (match->group[i].p && !enough(walk) &&
		    !skipped(walk, match->group[i].p, match->group[i].len))
			g_ptr_array_add(walk->stack, g_strndup(match->group[i].p, len));
	}
}

/* "__x64_sys_mount" and its like to "mount": the shortest that one prefix leaves. */
static const char *without_prefix(const char *name)
{
	const char *best = name;
	guint i;

	for (i = 0; oops_syscall_prefixes[i]; i++) {
		gsize len = strlen(oops_syscall_prefixes[i]);

		if (g_str_has_prefix(name, oops_syscall_prefixes[i]) && name + len > best)
			best = name + len;
	}
	return best;
}

static const char *pick_stall(struct walk *walk)
{
	const char *below = without_prefix(g_ptr_array_index(walk->stack, 0));
	guint i;

	for (i = 0; i < walk->stack->len; i++) {
		const char *name = without_prefix(g_ptr_array_index(walk->stack, i));

		if (regex_any(walk->res, oops_stall_entries, name, strlen(name)))
			return strstr(name, "smp_call_function") ? "smp_call_function" : below;
		below = name;
	}
	return NULL;
}

static gboolean holds_one_of(const char *name, const char *const *parts)
{
	for (; *parts; parts++)
		if (strstr(name, *parts))
			return TRUE;
	return FALSE;
}

static const char *pick_hang(struct walk *walk)
{
	guint i, k;

	for (i = 0; i < walk->stack->len; i++) {
		const char *name = without_prefix(g_ptr_array_index(walk->stack, i));

		for (k = 0; oops_hang_anchors[k].part; k++)
			if (strstr(name, oops_hang_anchors[k].part))
				return oops_hang_anchors[k].name ?: name;
	}
	for (i = 0; i < walk->stack->len; i++) {
		const char *name = without_prefix(g_ptr_array_index(walk->stack, i));

		if (!holds_one_of(name, oops_hang_waits))
			return name;
	}
	return NULL;
}

static void blame_one(struct walk *walk, struct oops_frames *ret)
{
	const char *name = NULL;

	if (walk->stack->len)
		name = walk->rule->pick == PICK_STALL ? pick_stall(walk) :
		       walk->rule->pick == PICK_HANG ? pick_hang(walk) :
		       without_prefix(g_ptr_array_index(walk->stack, 0));
	if (!name || !*name) {
		name = "corrupted";
		walk->sound = FALSE;
	}
	if (ret->count < FRAMES_NAMED)
		g_strlcpy(ret->name[ret->count++], name, OOPS_NAME_MAX);
	g_ptr_array_set_size(walk->stack, 0);
}

static gboolean stray(struct walk *walk)
{
	if (!regex_match(walk->res, oops_stray_stack, walk->line, walk->line_len, NULL))
		return FALSE;
	walk->sound = FALSE;
	return TRUE;
}

static void look_for(struct walk *walk, const char *pattern)
{
	struct captures match;

	while (next_line(&walk->lines, &walk->line, &walk->line_len)) {
		if (stray(walk))
			return;
		if (regex_match(walk->res, pattern, walk->line, walk->line_len, &match)) {
			push(walk, &match);
			return;
		}
	}
}

/* Up to the next stack, or to what `until` (may be NULL) matches: then TRUE. */
static gboolean walk_stack(struct walk *walk, const char *until)
{
	struct captures match;
	guint i;

	while (next_line(&walk->lines, &walk->line, &walk->line_len)) {
		if (stray(walk) ||
		    regex_any(walk->res, oops_stack_starts, walk->line, walk->line_len))
			return FALSE;
		if (until && regex_match(walk->res, until, walk->line, walk->line_len, &match)) {
			push(walk, &match);
			return TRUE;
		}
		for (i = 0; oops_frame_lines[i] && !enough(walk); i++)
			if (regex_match(walk->res, oops_frame_lines[i], walk->line, walk->line_len,
					&match)) {
				push(walk, &match);
				break;
			}
	}
	return FALSE;
}

static gboolean walk_all(struct regexes *res, const struct oops_rule *rule,
			 const char *const *frames, const char *text, gsize len,
			 struct oops_frames *ret)
{
	struct walk walk = {
		.res = res, .rule = rule, .lines = { text, text + len }, .sound = TRUE,
	};
	guint stacks = 0;

	ret->count = 0;
	walk.stack = g_ptr_array_new_with_free_func(g_free);
	for (; *frames; frames++) {
		if (*frames != FRAMES_STACK) {
			look_for(&walk, *frames);
			continue;
		}
		if (stacks++)
			blame_one(&walk, ret);
		if (walk_stack(&walk, frames[1]))
			frames++;
	}
	blame_one(&walk, ret);
	g_ptr_array_unref(walk.stack);
	return walk.sound;
}

gboolean oops_blame(struct regexes *res, const struct oops_rule *rule, const char *text, gsize len,
		    struct oops_frames *ret)
{
	gboolean sound = walk_all(res, rule, rule->frames, text, len, ret);

	if (!sound && rule->frames2)
		sound = walk_all(res, rule, rule->frames2, text, len, ret);
	if (!sound && rule->frames3)
		sound = walk_all(res, rule, rule->frames3, text, len, ret);
	return sound;
}

/* Is there a frame in the lines behind a stack's heading? */
static gboolean has_frame(struct regexes *res, struct cursor lines)
{
	const char *line;
	gsize len;
	guint i;

	for (i = 0; i < LOOK_AHEAD && next_line(&lines, &line, &len); i++) {
		if (regex_any(res, oops_stack_starts, line, len))
			return FALSE;
		if (memmem(line, len, "(stack is not available)", 24) ||
		    regex_any(res, oops_frame_lines, line, len))
			return TRUE;
	}
	return FALSE;
}

static guint lines_left(struct cursor lines, guint most)
{
	const char *line;
	guint n = 0;
	gsize len;

	while (n < most && next_line(&lines, &line, &len))
		n++;
	return n;
}

gboolean oops_stack_missing(struct regexes *res, const char *text, gsize len)
{
	gboolean any = FALSE;
	guint i;

	for (i = 0; oops_stack_starts[i]; i++) {
		struct cursor lines = { text, text + len };
		const char *line;
		gsize line_len;

		while (next_line(&lines, &line, &line_len)) {
			if (!regex_match(res, oops_stack_starts[i], line, line_len, NULL))
				continue;
			if (lines_left(lines, 3) < 2)
				return TRUE;
			if (has_frame(res, lines))
				any = TRUE;
			else if (oops_stack_starts[i] != oops_odd_start)
				return TRUE;
			break;
		}
	}
	return !any;
}
