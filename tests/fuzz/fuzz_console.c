// SPDX-License-Identifier: GPL-2.0
/*
 * Console bytes through the oops stream, twice: in one piece and in the chunks
 * that the first byte chooses. Both must tell the same, and only sound events.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "oops.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

struct tally {
	uint64_t sum, events;
	uint64_t base, fed;		/* bytes before this input, and in it */
};

static void mix(struct tally *tally, const void *data, size_t len)
{
	const unsigned char *p = data;
	size_t i;

	/* Every byte is read, so that the sanitizer sees one too far. */
	for (i = 0; i < len; i++)
		tally->sum = tally->sum * 31 + p[i];
}

static void on_event(void *ctx, const struct oops_event *event)
{
	struct tally *tally = ctx;
	uint64_t start = event->start - tally->base, end = event->end - tally->base;
	const char *p;

	tally->events++;
	if ((unsigned int)event->class >= OOPS_CLASSES || event->severity > OOPS_CRITICAL ||
	    start > end || end > tally->fed || event->text_len > OOPS_TEXT_MAX || !event->title[0])
		abort();
	for (p = event->title; *p; p++)
		if (*p < 0x20 || *p == 0x7f)
			abort();
	mix(tally, event->title, strlen(event->title));
	mix(tally, event->function, strlen(event->function));
	mix(tally, event->module, strlen(event->module));
	mix(tally, event->text, event->text_len);
	mix(tally, &start, sizeof(start));
	mix(tally, &end, sizeof(end));
	mix(tally, &event->kernel_ns, sizeof(event->kernel_ns));
}

/* One stream for all inputs: it keeps the compiled patterns. Offsets go on, so they are taken from the start. */
static struct tally run(const uint8_t *data, size_t size, size_t chunk)
{
	static struct oops_stream *stream;
	static struct tally tally;
	size_t at;

	if (!stream) {
		const struct oops_options options = {
			.emit = on_event, .ctx = &tally, .filesystem = "vexfs",
		};

		stream = oops_new(&options);
	}
	tally = (struct tally){ .base = tally.base + tally.fed, .fed = size };
	oops_reset(stream);
	for (at = 0; at < size; at += chunk)
		oops_feed(stream, data + at, size - at < chunk ? size - at : chunk);
	oops_finish(stream);
	return tally;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct tally whole, cut;

	if (size < 2)
		return 0;
	whole = run(data + 1, size - 1, size);
	cut = run(data + 1, size - 1, data[0] % 63 + 1);
	if (whole.sum != cut.sum || whole.events != cut.events)
		abort();
	return 0;
}
