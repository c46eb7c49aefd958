// SPDX-License-Identifier: GPL-2.0
/* What a history is given by others: packed samples of a database, and lines of an export. The first byte says which. */
#include <stdint.h>
#include <stdlib.h>

#include "entry.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void samples(const uint8_t *data, size_t size)
{
	GArray *values = samples_unpack(data, size), *again;
	guint64 before = 0;
	GBytes *bytes;
	guint i;

	if (!values)
		return;
	for (i = 0; i < values->len; i++) {
		if (g_array_index(values, guint64, i) < before)
			abort();
		before = g_array_index(values, guint64, i);
	}
	bytes = samples_pack(values);
	again = samples_unpack(g_bytes_get_data(bytes, NULL), g_bytes_get_size(bytes));
	if (!again || again->len != values->len)
		abort();
	g_array_unref(again);
	g_bytes_unref(bytes);
	g_array_unref(values);
}

static void line(const uint8_t *data, size_t size)
{
	json_t *json = json_loadb((const char *)data, size, JSON_REJECT_DUPLICATES, NULL), *back;
	struct hist_run *run = json ? hist_run_from_json(json, NULL) : NULL;

	json_decref(json);
	if (!run)
		return;
	/* What was taken is given back, and is taken again. */
	back = hist_run_json(run);
	hist_run_free(run);
	run = back ? hist_run_from_json(back, NULL) : NULL;
	if (!run)
		abort();
	hist_run_free(run);
	json_decref(back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size && data[0] & 1)
		line(data + 1, size - 1);
	else if (size)
		samples(data + 1, size - 1);
	return 0;
}
