/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Of the part `images`: the sound image that all damage starts from. It lives in the agent (agent/images.h), so it is gone
 * with the guest, and made anew after a recovery.
 */
#ifndef VEXLAB_IMAGES_IMAGE_H
#define VEXLAB_IMAGES_IMAGE_H

#include "imagemutate.h"
#include "run_priv.h"

struct image {
	struct run *run;
	gboolean ready;
	guint64 size;
	GHashTable *blocks;		/* offset -> GBytes: what of it has been asked for */
	struct image_extent *reads;	/* of mount and use, in order */
	guint nreads;
};

void image_init(struct image *image, struct run *run);
void image_clear(struct image *image);
/* It is gone. */
void image_forget(struct image *image);
/*
 * Device, mkfs, mount, files, umount. FALSE as run_step(); *usable FALSE: the target does not do that much, which is
 * found and told. VX_ERROR_UNAVAILABLE: the guest has no network block devices.
 */
gboolean image_make(struct image *image, gboolean *usable, GError **error);
/* What a mount reads, told by the step that was just done. */
gboolean image_learn(struct image *image, GError **error);
struct image_reader image_reader(struct image *image);

/* IMAGE_HOLD; `ret` may be NULL. */
gboolean image_hold(struct run *run, const char *name, enum vx_image_do what, guint64 at, guint64 len,
		    enum step_outcome *outcome, struct step_result *ret, GError **error);

#endif
