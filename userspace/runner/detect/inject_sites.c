// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "inject.h"

#define SITES_MAX	4096u
#define FRAME_MAX	200u

struct site {
	guint64 site, objects, bytes;
	guint16 kind;
	char **frames;
};

struct inject_sites {
	GHashTable *by_site;	/* &site->site -> struct site */
};

static void site_free(gpointer data)
{
	struct site *site = data;

	g_strfreev(site->frames);
	g_free(site);
}

struct inject_sites *inject_sites_new(void)
{
	struct inject_sites *sites = g_new0(struct inject_sites, 1);

	sites->by_site = g_hash_table_new_full(g_int64_hash, g_int64_equal, NULL, site_free);
	return sites;
}

void inject_sites_free(struct inject_sites *sites)
{
	if (!sites)
		return;
	g_hash_table_unref(sites->by_site);
	g_free(sites);
}

/* Lines of text, `len` bytes. */
static char **frames_of(const char *text, gsize len)
{
	g_autofree char *copy = g_strndup(text, MIN(len, (gsize)VX_ALLOC_FRAMES * FRAME_MAX));
	char **lines = g_strsplit(copy, "\n", VX_ALLOC_FRAMES + 1);
	guint i;

	for (i = 0; lines[i]; i++) {
		char *valid = g_utf8_make_valid(lines[i], -1);

		g_free(lines[i]);
		lines[i] = valid;
	}
	/* The last line's end makes an empty one. */
	if (i && !*lines[i - 1])
		g_clear_pointer(&lines[i - 1], g_free);
	return lines;
}

void inject_sites_add(struct inject_sites *sites, const void *payload, gsize len)
{
	struct vx_msg_alloc_site msg;
	struct site *site;

	if (len < sizeof(msg) || g_hash_table_size(sites->by_site) >= SITES_MAX)
		return;
	memcpy(&msg, payload, sizeof(msg));
	site = g_new0(struct site, 1);
	site->site = msg.site;
	site->objects = msg.objects;
	site->bytes = msg.bytes;
	site->kind = msg.kind;
	site->frames = frames_of((const char *)payload + sizeof(msg), len - sizeof(msg));
	g_hash_table_replace(sites->by_site, &site->site, site);
}

/* How many objects more; *bytes too. Nothing where it shrank, or one of the looks is missing. */
static guint64 growth(const struct inject_sites *before, const struct inject_sites *after, guint64 at, guint64 *bytes)
{
	const struct site *was = before ? g_hash_table_lookup(before->by_site, &at) : NULL;
	const struct site *is = after ? g_hash_table_lookup(after->by_site, &at) : NULL;

	*bytes = 0;
	if (!is || (was && was->objects >= is->objects))
		return 0;
	*bytes = is->bytes - MIN(was ? was->bytes : 0, is->bytes);
	return is->objects - (was ? was->objects : 0);
}

static int by_address(gconstpointer a, gconstpointer b)
{
	const struct inject_growth *x = a, *y = b;

	return x->site < y->site ? -1 : x->site > y->site;
}

GArray *inject_sites_grown(const struct inject_sites *before, const struct inject_sites *after,
			   const struct inject_sites *ordinary_before, const struct inject_sites *ordinary_after, guint times)
{
	GArray *ret = g_array_new(FALSE, FALSE, sizeof(struct inject_growth));
	GHashTableIter iter;
	gpointer value;

	g_hash_table_iter_init(&iter, after->by_site);
	while (g_hash_table_iter_next(&iter, NULL, &value)) {
		const struct site *site = value;
		guint64 bytes, unused, usual = growth(ordinary_before, ordinary_after, site->site, &unused);
		guint64 objects = growth(before, after, site->site, &bytes);
		struct inject_growth grown = {
			.site = site->site, .bytes = bytes, .kind = site->kind, .frames = site->frames,
		};

		if (objects < usual || objects - usual < times)
			continue;
		grown.objects = objects - usual;
		g_array_append_val(ret, grown);
	}
	g_array_sort(ret, by_address);
	return ret;
}

char *inject_frame_function(const char *frame, char **module)
{
	const char *plus = strchr(frame, '+'), *open = strstr(frame, " ["), *close = open ? strchr(open, ']') : NULL;

	if (module)
		*module = NULL;
	if (!plus || plus == frame || strncmp(plus, "+0x", 3) || strcspn(frame, " ") < (gsize)(plus - frame))
		return NULL;
	if (module && close)
		*module = g_strndup(open + 2, (gsize)(close - open - 2));
	return g_strndup(frame, (gsize)(plus - frame));
}
