// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "arrived.h"

#define KEPT	65536u		/* a box holds at most 11915: its memory's size */

struct key {
	guint64 ts, step;
	guint32 cpu, pid;
	guint32 type, pad;
};

/* Adding is all that happens in a run that goes well, so the table is made when somebody asks. */
struct arrived {
	struct key keys[KEPT];
	guint64 n;		/* all that ever came; the ring's next is n % KEPT */
	GHashTable *table;	/* of pointers into `keys`; NULL: stale */
};

static guint key_hash(gconstpointer data)
{
	const struct key *key = data;

	return (guint)(key->ts ^ key->ts >> 32) * 0x9e3779b1u ^ key->pid;
}

static gboolean key_equal(gconstpointer a, gconstpointer b)
{
	return !memcmp(a, b, sizeof(struct key));
}

static struct key key_of(const struct vx_event *event)
{
	return (struct key){ event->ts, event->step, event->cpu, event->pid, event->type, 0 };
}

struct arrived *arrived_new(void)
{
	return g_new0(struct arrived, 1);
}

void arrived_free(struct arrived *arrived)
{
	if (!arrived)
		return;
	g_clear_pointer(&arrived->table, g_hash_table_unref);
	g_free(arrived);
}

void arrived_add(struct arrived *arrived, const struct vx_event *event)
{
	g_clear_pointer(&arrived->table, g_hash_table_unref);
	arrived->keys[arrived->n++ % KEPT] = key_of(event);
}

gboolean arrived_has(struct arrived *arrived, const struct vx_event *event)
{
	const struct key key = key_of(event);
	guint64 i;

	if (!arrived->table) {
		arrived->table = g_hash_table_new(key_hash, key_equal);
		for (i = 0; i < MIN(arrived->n, KEPT); i++)
			g_hash_table_add(arrived->table, &arrived->keys[i]);
	}
	return g_hash_table_contains(arrived->table, &key);
}
