// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "scenario.h"
#include "steplist.h"

#define READY "ready"

struct steplist {
	GPtrArray *actions;		/* GBytes: JSON as recorded; parsed when asked for, as there may be many */
	GHashTable *points;		/* name -> GPtrArray of GBytes */
	char *point;
	guint after;
};

static GPtrArray *copy_actions(const GPtrArray *from)
{
	GPtrArray *to = g_ptr_array_new_with_free_func((GDestroyNotify)g_bytes_unref);
	guint i;

	for (i = 0; from && i < from->len; i++)
		g_ptr_array_add(to, g_bytes_ref(g_ptr_array_index(from, i)));
	return to;
}

struct steplist *steplist_new(void)
{
	struct steplist *list = g_new0(struct steplist, 1);

	list->actions = copy_actions(NULL);
	list->points = g_hash_table_new_full(g_str_hash, g_str_equal, g_free,
					     (GDestroyNotify)g_ptr_array_unref);
	list->point = g_strdup(READY);
	return list;
}

void steplist_free(struct steplist *list)
{
	if (!list)
		return;
	g_ptr_array_unref(list->actions);
	g_hash_table_unref(list->points);
	g_free(list->point);
	g_free(list);
}

static void at_point(struct steplist *list, const char *name)
{
	g_free(list->point);
	list->point = g_strdup(name);
	list->after = list->actions->len;
}

static void go_back(struct steplist *list, const char *name)
{
	GPtrArray *kept = copy_actions(g_hash_table_lookup(list->points, name));

	g_ptr_array_unref(list->actions);
	list->actions = kept;
	at_point(list, name);
}

static void note_vm(struct steplist *list, json_t *json)
{
	const char *event = json_string_value(json_object_get(json, "event"));
	const char *name = json_string_value(json_object_get(json, "name"));

	if (!name)
		name = json_string_value(json_object_get(json, "point"));
	if (!name)
		name = READY;
	if (!g_strcmp0(event, "ready")) {
		g_hash_table_remove_all(list->points);
		go_back(list, READY);
	} else if (!g_strcmp0(event, "point made")) {
		g_hash_table_insert(list->points, g_strdup(name), copy_actions(list->actions));
		at_point(list, name);
	} else if (!g_strcmp0(event, "restored") && json_is_true(json_object_get(json, "power_cut"))) {
		/* The disk goes on: what was done to it belongs to what comes. */
		static const char cut[] = "{\"do\": \"power-cut\"}";

		g_ptr_array_add(list->actions, g_bytes_new_static(cut, strlen(cut)));
	} else if (!g_strcmp0(event, "restored")) {
		go_back(list, name);
	}
}

gboolean steplist_ends_with_step(const struct finding *finding)
{
	return finding->step && finding->class != FINDING_LEAK && g_strcmp0(finding->kind, SCENARIO_MISSING);
}

guint64 steplist_feed(struct steplist *list, const struct rec_entry *entry)
{
	const gboolean step = entry->frame.type == VX_REC_STEP_BEGIN;
	json_t *json;
	guint64 id = 0;

	if (!step && entry->frame.type != VX_REC_REQUEST && entry->frame.type != VX_REC_VM)
		return 0;
	json = rec_entry_json(entry);
	if (entry->frame.type == VX_REC_VM)
		note_vm(list, json);
	else
		g_ptr_array_add(list->actions, g_bytes_new(entry->payload, entry->frame.length));
	if (step)
		id = (guint64)json_integer_value(json_object_get(json, "id"));
	json_decref(json);
	return id;
}

guint steplist_length(const struct steplist *list)
{
	return list->actions->len;
}

json_t *steplist_action(const struct steplist *list, guint i)
{
	gsize len;
	const char *text = g_bytes_get_data(g_ptr_array_index(list->actions, i), &len);
	json_t *json = json_loadb(text, len, 0, NULL);

	if (json_is_object(json) && !json_object_get(json, "do"))
		json_object_set_new(json, "do", json_string("step"));
	return json;
}

const char *steplist_point(const struct steplist *list)
{
	return list->point;
}

guint steplist_point_after(const struct steplist *list)
{
	return list->after;
}
