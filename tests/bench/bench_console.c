// SPDX-License-Identifier: GPL-2.0
/*
 * The console detector's speed: megabytes a second on one core, on text made to
 * slow it down. No guest needed. Each kind of text is fed in the chunks that a
 * serial port gives, again and again.
 */
#include <glib.h>
#include <string.h>

#include "oops.h"
#include "rows.h"

#define BYTES	(8u << 20)
#define CHUNK	4096u
#define ROUNDS	7

static guint64 events;

static void on_event(void *ctx, const struct oops_event *event)
{
	events++;
}

/* Words that all but are what the detector looks for. */
static void near_misses(GString *text, GRand *rand)
{
	static const char *const words[] = {
		"BUG", "BUG;", "WARNIN:", "WARNING", "INFO", "INFO ", "Kernel pani", "kernel BU",
		"general protection faul", "Unable to handle kerne", "Oops:", "Oops", "---[ end trac",
		"UBSAN", "EXT4-fs erro", "XFS ", "segfault a", "Call Trace", "RIP: 0010:", "double fault",
		"stack segment", "invalid opcode", "VFS: Busy inode", "Out of memor", "Objects remainin",
		"VexF error", "vexf error", "panic", "fatal error", "Fixing recursive faul", "BTRFS critica",
	};

	while (text->len < BYTES) {
		guint n = (guint)g_rand_int_range(rand, 2, 8);

		g_string_append_printf(text, "[%5u.%06u] ", (guint)(text->len / 1000000),
				       (guint)(text->len % 1000000));
		while (n--)
			g_string_append_printf(text, "%s ", words[g_rand_int_range(rand, 0,
					       G_N_ELEMENTS(words))]);
		g_string_append_c(text, '\n');
	}
}

static void random_bytes(GString *text, GRand *rand)
{
	while (text->len < BYTES)
		g_string_append_c(text, (char)g_rand_int(rand));
}

/* What a guest says when it works. */
static void ordinary(GString *text, GRand *rand)
{
	guint i = 0;

	while (text->len < BYTES) {
		g_string_append_printf(text, "[%5u.%06u] EXT4-fs (vdc): mounted filesystem %08x with "
				       "ordered data mode. Quota mode: none.\r\n", i / 900, i * 37 % 1000000,
				       g_rand_int(rand));
		g_string_append_printf(text, "[%5u.%06u] virtio_blk virtio%u: [vdc] 524288 512-byte "
				       "logical blocks (268 MB/256 MiB)\r\n", i / 900, i * 37 % 1000000 + 5,
				       i % 7);
		i++;
	}
}

/* One report that never ends, all of it frames. */
static void endless_report(GString *text, GRand *rand)
{
	g_string_append(text, "[    1.000000] BUG: kernel NULL pointer dereference, address: 0\n");
	while (text->len < BYTES)
		g_string_append_printf(text, "[    1.000001]  vexfs_%x+0x%x/0x1234 [vexfs]\n",
				       g_rand_int(rand), g_rand_int(rand) & 0xfff);
}

/* Nothing but headers. */
static void headers(GString *text, GRand *rand)
{
	static const char *const lines[] = {
		"BUG: unable to handle page fault for address: ffff888006a3c400",
		"WARNING: CPU: 0 PID: 1 at fs/a.c:1 a+0x1/0x2", "INFO: task a:1 blocked for more than 120 seconds.",
		"Kernel panic - not syncing: a", "BUG: nobody knows this one", "WARNING: nor this one",
	};

	while (text->len < BYTES)
		g_string_append_printf(text, "[    1.000000] %s\n",
				       lines[g_rand_int_range(rand, 0, G_N_ELEMENTS(lines))]);
}

static void measure(const char *what, void (*make)(GString *text, GRand *rand), const char *goal)
{
	const struct oops_options options = { .emit = on_event, .filesystem = "vexfs" };
	g_autoptr(GArray) rates = g_array_new(FALSE, FALSE, sizeof(double));
	g_autoptr(GString) text = g_string_sized_new(BYTES + 4096);
	GRand *rand = g_rand_new_with_seed(1);
	gsize at;
	guint i;

	make(text, rand);
	for (i = 0; i < ROUNDS; i++) {
		struct oops_stream *stream = oops_new(&options);
		gint64 start = g_get_monotonic_time();
		double rate;

		for (at = 0; at < text->len; at += CHUNK)
			oops_feed(stream, text->str + at, MIN(CHUNK, text->len - at));
		oops_finish(stream);
		rate = (double)text->len / (double)(g_get_monotonic_time() - start);
		g_array_append_val(rates, rate);
		oops_free(stream);
	}
	row(what, rates, "MB/s", goal);
	g_rand_free(rand);
}

int main(void)
{
	head();
	measure("console detector, near misses", near_misses, ">= 100");
	measure("console detector, random bytes", random_bytes, ">= 100");
	measure("console detector, an ordinary log", ordinary, ">= 100");
	measure("console detector, one endless report", endless_report, ">= 100");
	measure("console detector, nothing but headers", headers, "");
	return 0;
}
