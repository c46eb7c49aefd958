/* SPDX-License-Identifier: GPL-2.0 */
/* Entries of a record, fed to the detectors one by one; what they find is kept. */
#ifndef VEXLAB_TEST_FEED_H
#define VEXLAB_TEST_FEED_H

#include <string.h>

#include "detect.h"

#define S	1000000000ull

struct feed {
	struct detect *detect;
	GPtrArray *findings;	/* struct finding *, owned */
	guint64 now;		/* both clocks of the next entry, ns */
};

static inline void take(struct feed *f, GPtrArray *findings)
{
	if (findings)
		g_ptr_array_extend_and_steal(f->findings, findings);
}

static inline void entry(struct feed *f, guint16 type, const void *payload, gsize len)
{
	const struct rec_entry e = {
		.stamp = { f->now, f->now }, .frame = { .type = type, .length = (guint32)len }, .payload = payload,
	};

	take(f, detect_feed(f->detect, &e));
}

static inline void say(struct feed *f, guint16 type, const char *json)
{
	entry(f, type, json, strlen(json));
}

/* A run of the module vexfs, in its step 7 of cycle 3. */
static inline struct feed feed_begin(const char *name, const char *kind)
{
	struct feed f = {
		.detect = detect_new(), .now = 100 * S,
		.findings = g_ptr_array_new_with_free_func((GDestroyNotify)finding_free),
	};
	g_autofree char *step = g_strdup_printf(
		"{\"id\": 7, \"cycle\": 3, \"name\": \"%s\", \"kind\": \"%s\", \"target\": true}", name, kind);

	say(&f, VX_REC_RUN, "{\"module\": \"vexfs\", \"target\": \"vexfs\"}");
	say(&f, VX_REC_VM, "{\"event\": \"ready\"}");
	say(&f, VX_REC_STEP_BEGIN, step);
	return f;
}

static inline void feed_end(struct feed *f)
{
	g_ptr_array_unref(f->findings);
	detect_free(f->detect);
}

static inline const struct finding *feed_finding(const struct feed *f, guint i)
{
	return g_ptr_array_index(f->findings, i);
}

#endif
