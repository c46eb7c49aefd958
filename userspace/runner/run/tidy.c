// SPDX-License-Identifier: GPL-2.0
#include "modbuild.h"
#include "store.h"
#include "tidy.h"

gboolean tidy_all(const char *cachedir, struct rundir_reaped *ret, gboolean *again, GError **error)
{
	static const char *const stores[] = { "warm", "snapshots" };
	gboolean built;
	guint i;

	for (i = 0; i < G_N_ELEMENTS(stores); i++) {
		g_autofree char *dir = g_build_filename(cachedir, stores[i], NULL);

		store_tidy(dir);
	}
	built = modbuild_tidy(cachedir);
	if (again)
		*again = !built;
	return rundir_reap(NULL, ret, error);
}
