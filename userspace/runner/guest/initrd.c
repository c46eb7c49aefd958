// SPDX-License-Identifier: GPL-2.0
/*
 * The initrd a guest boots: the kernel's own, then a cpio archive with the
 * agent. The kernel unpacks concatenated archives one after the other
 * (Documentation/driver-api/early-userspace/buffer-format.rst).
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "error.h"
#include "guest.h"

#define CPIO_DIR	040755
#define CPIO_FILE	0100755

/* newc: header and name together are padded to 4 bytes, so is the data. */
static void cpio_entry(GString *out, const char *name, guint mode, const void *data, gsize len)
{
	static const char zeros[4];
	const gsize base = out->len;

	g_string_append_printf(out, "070701%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x%08x",
			       (guint)(base + 1), mode, 0, 0, mode == CPIO_DIR ? 2 : 1, 0,
			       (guint)len, 0, 0, 0, 0, (guint)strlen(name) + 1, 0);
	g_string_append_len(out, name, (gssize)strlen(name) + 1);
	g_string_append_len(out, zeros, (gssize)(-out->len & 3));
	g_string_append_len(out, data, (gssize)len);
	g_string_append_len(out, zeros, (gssize)(-out->len & 3));
}

gboolean guest_compose_initrd(const struct guest_image *image, const char *agent,
			      const char *path, GError **error)
{
	g_autofree char *base = NULL, *program = NULL;
	g_autoptr(GError) local = NULL;
	gsize base_len, program_len;
	GString *out;
	gboolean ok;

	if (!g_file_get_contents(image->initrd, &base, &base_len, &local) ||
	    !g_file_get_contents(agent, &program, &program_len, &local)) {
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "cannot make the initrd: %s",
			    local->message);
		return FALSE;
	}
	out = g_string_sized_new(base_len + program_len + 4096);
	g_string_append_len(out, base, (gssize)base_len);
	while (out->len & 3)
		g_string_append_c(out, '\0');
	cpio_entry(out, "vexlab", CPIO_DIR, NULL, 0);
	cpio_entry(out, "vexlab/agent", CPIO_FILE, program, program_len);
	cpio_entry(out, "TRAILER!!!", 0, NULL, 0);
	ok = g_file_set_contents_full(path, out->str, (gssize)out->len, G_FILE_SET_CONTENTS_NONE, 0644, &local);
	g_string_free(out, TRUE);
	if (!ok)
		g_set_error(error, VX_ERROR, VX_ERROR_IO, "cannot write %s: %s", path,
			    local->message);
	return ok;
}
