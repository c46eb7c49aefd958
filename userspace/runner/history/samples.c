// SPDX-License-Identifier: GPL-2.0
#include "samples.h"

GArray *samples_thin(const GArray *sorted, guint max)
{
	GArray *out = g_array_new(FALSE, FALSE, sizeof(guint64));
	guint n = MIN(sorted->len, max), i;

	for (i = 0; i < n; i++) {
		/* The middle of the ith of n equal parts of the ranks; all of them where n is their number. */
		const guint at = (guint)(((guint64)2 * i + 1) * sorted->len / (2 * (guint64)n));

		g_array_append_val(out, g_array_index(sorted, guint64, at));
	}
	return out;
}

GBytes *samples_pack(const GArray *sorted)
{
	GByteArray *out = g_byte_array_new();
	guint64 before = 0;
	guint i;

	for (i = 0; i < sorted->len; i++) {
		guint64 gap = g_array_index(sorted, guint64, i) - before;
		guint8 byte;

		do {
			byte = (guint8)((gap & 0x7f) | (gap > 0x7f ? 0x80 : 0));
			g_byte_array_append(out, &byte, 1);
			gap >>= 7;
		} while (gap);
		before = g_array_index(sorted, guint64, i);
	}
	return g_byte_array_free_to_bytes(out);
}

/* FALSE: no whole number stands here, or none of 64 bits. */
static gboolean number(const guint8 **at, const guint8 *end, guint64 *ret)
{
	guint shift;

	*ret = 0;
	for (shift = 0; *at < end && shift < 64; shift += 7) {
		const guint8 byte = *(*at)++;

		if (shift == 63 && byte > 1)
			return FALSE;
		*ret |= (guint64)(byte & 0x7f) << shift;
		if (!(byte & 0x80))
			return TRUE;
	}
	return FALSE;
}

GArray *samples_unpack(const void *bytes, gsize len)
{
	const guint8 *at = bytes, *end = at + len;
	GArray *out = g_array_new(FALSE, FALSE, sizeof(guint64));
	guint64 value = 0, gap;

	while (at < end) {
		if (out->len >= SAMPLES_MAX || !number(&at, end, &gap) || gap > G_MAXUINT64 - value) {
			g_array_unref(out);
			return NULL;
		}
		value += gap;
		g_array_append_val(out, value);
	}
	return out;
}
