/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The head of an image that libvirt saved: which domain it is of. libvirt
 * restores an image only as that domain, and while one guest runs another
 * must be called something else.
 */
#ifndef VEXLAB_SAVE_IMAGE_H
#define VEXLAB_SAVE_IMAGE_H

#include <glib.h>

/* What comes before the guest's data; a digest of the data leaves it out. */
#define SAVE_IMAGE_HEAD	(64u << 10)

/*
 * Makes it an image of domain `name`, in place: both as long as what stands there. A file that libvirt did not
 * write, or not to its end, is VX_ERROR_IO. Nothing is written if it is of that domain already.
 */
gboolean save_image_rename(const char *path, const char *name, const char *uuid, GError **error);

#endif
