/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Damage: what is changed in an image, as patches (common/image_patch.h). By the format where one is described, else in
 * the sectors that the mount has read. All chance is `draw`'s, so the same draws make the same damage.
 */
#ifndef VEXLAB_IMAGEMUTATE_H
#define VEXLAB_IMAGEMUTATE_H

#include "imageformat.h"

struct image_extent {
	guint64 at, len;
};

struct image_damage {
	char *group;		/* what of the format: "super.blocks"; "sectors that are read"; stable */
	char *label;		/* for people: "inode[3].size: 0x64 -> 0xffffffff" */
	GPtrArray *patches;	/* char * */
	guint64 size;		/* of the device; 0: the image's */
};
/* NULL-safe. */
void image_damage_free(struct image_damage *damage);
VX_DEFINE_GUARD(struct image_damage, image_damage_free);

struct image_chance {
	/* 0 .. below-1 */
	guint64 (*draw)(void *ctx, guint64 below);
	void *ctx;
};

/* The `turn`th damage of this field: each turn another kind of value, another element. NULL: there is none of it here. */
struct image_damage *image_damage_field(const struct image_format *format, guint field, guint turn,
					const struct image_reader *reader, const struct image_chance *chance);
/* Something in what was read. NULL: nothing was. */
struct image_damage *image_damage_sector(const struct image_extent *reads, guint nreads, const struct image_reader *reader,
					 const struct image_chance *chance);
/* Of the device's size; `n` counts them. NULL: there are no more. */
struct image_damage *image_damage_size(guint n, guint64 size);
/* Both at once; takes neither. */
struct image_damage *image_damage_both(const struct image_damage *a, const struct image_damage *b);

#endif
