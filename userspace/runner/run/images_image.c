// SPDX-License-Identifier: GPL-2.0
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "images_image.h"

#define BLOCK		4096u
#define AHEAD		8u		/* blocks fetched at once */
#define MKFS_MS		120000u
#define READS_MAX	2048u

void image_init(struct image *image, struct run *run)
{
	*image = (struct image){ .run = run, .size = (guint64)run->req->target->device_mib << 20 };
	image->blocks = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, (GDestroyNotify)g_bytes_unref);
}

void image_clear(struct image *image)
{
	g_hash_table_unref(image->blocks);
	g_free(image->reads);
}

void image_forget(struct image *image)
{
	image->ready = FALSE;
	g_hash_table_remove_all(image->blocks);
}

gboolean image_hold(struct run *run, const char *name, enum vx_image_do what, guint64 at, guint64 len,
		    enum step_outcome *outcome, struct step_result *ret, GError **error)
{
	/* What the filesystem has still to say of the image before comes during these, too. */
	const struct step_spec spec = {
		.op = VX_STEP_IMAGE_HOLD, .kind = "other", .name = name, .num = { what, (gint64)at, (gint64)len },
		.may_fail = TRUE,
	};

	return run_step(run, &spec, outcome, ret, error);
}

/* ---- making it -------------------------------------------------------------------------------- */

static gboolean load_nbd(struct run *run, GError **error)
{
	const char *strings[] = { "nbd", NULL };
	const struct step_spec spec = {
		.op = VX_STEP_MODPROBE, .kind = "other", .name = "load nbd", .strings = strings, .may_fail = TRUE,
	};
	enum step_outcome outcome;

	if (!run_step(run, &spec, &outcome, NULL, error))
		return FALSE;
	if (outcome == STEP_OK)
		return TRUE;
	g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "images needs network block devices in the guest: its kernel has "
		    "no module nbd; take another kernel, or leave the part out");
	return FALSE;
}

static gboolean open_device(struct image *image, char **ret, GError **error)
{
	const struct step_spec spec = {
		.op = VX_STEP_IMAGE_OPEN, .kind = "other", .name = "device for images", .num = { (gint64)image->size },
		.may_fail = TRUE,
	};
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	enum step_outcome outcome;

	if (!run_step(image->run, &spec, &outcome, &res, error))
		return FALSE;
	/* From the guest: it becomes a word of mkfs's, nothing more. */
	if (outcome == STEP_OK && g_regex_match_simple("^/dev/nbd[0-9]{1,3}$", res.output, 0, 0)) {
		*ret = g_strdup(res.output);
		return TRUE;
	}
	g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "images: no device of %" G_GUINT64_FORMAT " bytes can be had in the "
		    "guest (%.100s); device_mib of the target may be 1024 at most", image->size, res.output);
	return FALSE;
}

static gboolean fill(struct run *run, gboolean *good, GError **error)
{
	const char *strings[] = { run->mountpoint, NULL };
	const struct step_spec spec = {
		.op = VX_STEP_IMAGE_FILL, .kind = "files", .on_target = TRUE, .name = "files for an image", .strings = strings,
	};
	enum step_outcome outcome;

	if (!run_step(run, &spec, &outcome, NULL, error))
		return FALSE;
	*good = outcome == STEP_OK;
	return TRUE;
}

/* On the device that is the run's meanwhile. *good FALSE: a step of it failed. */
static gboolean populate(struct run *run, gboolean *good, GError **error)
{
	enum step_outcome outcome;
	gboolean filled;

	if (!run_format(run, good, error))
		return FALSE;
	if (!*good)
		return TRUE;
	if (!run_mount(run, &outcome, error))
		return FALSE;
	*good = outcome == STEP_OK;
	if (!*good)
		return TRUE;
	if (!fill(run, &filled, error) || !run_umount(run, &outcome, error))
		return FALSE;
	*good = filled && outcome == STEP_OK;
	return TRUE;
}

gboolean image_make(struct image *image, gboolean *usable, GError **error)
{
	struct run *run = image->run;
	g_autofree char *device = NULL;
	enum step_outcome outcome = STEP_FAILED;
	char *scratch;
	gboolean ok;

	image_forget(image);
	if (!load_nbd(run, error) || !open_device(image, &device, error))
		return FALSE;
	scratch = run->device;
	run->device = device;
	ok = populate(run, usable, error);
	run->device = scratch;
	if (!ok || !*usable || run_guest_is_hurt(run))
		return ok;
	if (!image_hold(run, "keep the image", VX_IMAGE_KEEP, 0, 0, &outcome, NULL, error))
		return FALSE;
	image->ready = *usable = outcome == STEP_OK;
	return TRUE;
}

/* ---- what it holds ------------------------------------------------------------------------------- */

static void keep_blocks(struct image *image, guint64 at, const char *bytes, gsize len)
{
	gsize i;

	for (i = 0; i < len; i += BLOCK) {
		gint64 key = (gint64)(at + i);

		g_hash_table_replace(image->blocks, g_memdup2(&key, sizeof(key)), g_bytes_new(bytes + i, MIN(BLOCK, len - i)));
	}
}

static GBytes *block_at(struct image *image, guint64 at)
{
	const guint64 len = MIN(AHEAD * BLOCK, image->size - at);
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	enum step_outcome outcome;
	GBytes *have = g_hash_table_lookup(image->blocks, &at);

	if (have)
		return have;
	/* A guest that is lost is noticed by the next step, whose loss is handled. */
	if (!image_hold(image->run, "bytes of the image", VX_IMAGE_BYTES, at, len, &outcome, &res, NULL) ||
	    outcome != STEP_OK || res.output_len != len)
		return NULL;
	keep_blocks(image, at, res.output, len);
	return g_hash_table_lookup(image->blocks, &at);
}

static gboolean read_image(void *ctx, guint64 at, void *buf, gsize len)
{
	struct image *image = ctx;
	guchar *to = buf;

	while (len) {
		const guint64 block = at / BLOCK * BLOCK;
		GBytes *bytes = at < image->size ? block_at(image, block) : NULL;
		const gsize from = at - block, n = bytes ? MIN(len, g_bytes_get_size(bytes) - from) : 0;

		if (!n)
			return FALSE;
		memcpy(to, (const guchar *)g_bytes_get_data(bytes, NULL) + from, n);
		to += n;
		at += n;
		len -= n;
	}
	return TRUE;
}

struct image_reader image_reader(struct image *image)
{
	return (struct image_reader){ .read = read_image, .ctx = image, .size = image->size };
}

/* "OFFSET LENGTH" lines of the guest's: what does not lie in the image is left out. */
gboolean image_learn(struct image *image, GError **error)
{
	STEP_RESULT_CLEAR struct step_result res = { 0 };
	g_auto(GStrv) lines = NULL;
	enum step_outcome outcome;
	guint i;

	if (!image_hold(image->run, "what was read of the image", VX_IMAGE_READS, 0, 0, &outcome, &res, error))
		return FALSE;
	lines = g_strsplit(outcome == STEP_OK ? res.output : "", "\n", READS_MAX + 1);
	g_free(image->reads);
	image->reads = g_new0(struct image_extent, READS_MAX);
	for (i = image->nreads = 0; i < READS_MAX && lines[i]; i++) {
		guint64 at, len;

		if (sscanf(lines[i], "%" G_GUINT64_FORMAT " %" G_GUINT64_FORMAT, &at, &len) == 2 && len && len <= image->size &&
		    at <= image->size - len)
			image->reads[image->nreads++] = (struct image_extent){ .at = at, .len = len };
	}
	return TRUE;
}
