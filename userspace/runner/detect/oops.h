/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Crashes told by a kernel's console. Bytes go in, in any chunks; crash events
 * come out. Pure: no I/O, no clock, no global state; memory is bounded by
 * OOPS_REPORTS_OPEN reports of OOPS_TEXT_MAX bytes, whatever comes in.
 *
 * A report opens with a line that the table knows (oops_table.c), gathers the
 * lines of the same task or CPU (printed by kernels with PRINTK_CALLER), and
 * closes with its end: an end marker followed by something else, a gap in the
 * kernel's time, a limit, or oops_settle(). What a report draws after it (the
 * panic that follows, further CPUs, the dying task's own complaints) belongs
 * to the first: one crash, one event.
 *
 * Titles follow the convention of the kernel fuzzing community: class and
 * guilty function, without addresses, numbers and line numbers, so that one
 * bug has one title in any build.
 */
#ifndef VEXLAB_OOPS_H
#define VEXLAB_OOPS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define OOPS_LINE_MAX		8192u		/* a longer line is cut into several */
#define OOPS_TEXT_MAX		(256u << 10)	/* of one report; what comes after is not kept */
#define OOPS_REPORTS_OPEN	4u		/* at once, in different tasks */
#define OOPS_NAME_MAX		128u

enum oops_class {
	OOPS_PANIC,
	OOPS_DIE,			/* an Oops of no kind named below */
	OOPS_PROTECTION,		/* general protection fault */
	OOPS_NULL,
	OOPS_PAGING,
	OOPS_DOUBLE_FAULT,
	OOPS_STACK,			/* kernel stack overflow or corruption */
	OOPS_BUG,
	OOPS_WARNING,
	OOPS_KASAN,
	OOPS_KMSAN,
	OOPS_KCSAN,
	OOPS_UBSAN,
	OOPS_KFENCE,
	OOPS_LOCKDEP,
	OOPS_ATOMIC_SLEEP,
	OOPS_HUNG_TASK,
	OOPS_SOFT_LOCKUP,
	OOPS_HARD_LOCKUP,
	OOPS_RCU_STALL,
	OOPS_REFCOUNT,
	OOPS_LIST,			/* list corruption */
	OOPS_MEMORY,			/* other damage to memory: pages, slab objects */
	OOPS_BUSY_INODES,
	OOPS_SLAB_LEFT,			/* objects left in a cache that was destroyed */
	OOPS_LEAK,			/* kmemleak */
	OOPS_NO_MEMORY,
	OOPS_REBOOT,			/* a kernel starts where one was running */
	OOPS_PROGRAM,			/* a program of user space died or says so */
	OOPS_FILESYSTEM,		/* the filesystem's own error */
	OOPS_LOAD_FAILED,
	OOPS_UNLOAD_FAILED,
	OOPS_CLASSES,
};

enum oops_severity { OOPS_LOW, OOPS_MEDIUM, OOPS_HIGH, OOPS_CRITICAL };

#define OOPS_NO_TIME	UINT64_MAX

/* Everything here is valid only during the call that delivers it. */
struct oops_event {
	enum oops_class class;
	enum oops_severity severity;
	const char *title;		/* printable ASCII */
	const char *function;		/* "" when unknown */
	const char *module;		/* of the function, "" when built in or unknown */
	bool crash;			/* the kernel itself is at fault; else an incident: OOM, ... */
	bool corrupted;			/* the text is cut or mixed with others: title to be doubted */
	bool noise;			/* matches a pattern of the noise list */
	bool panicked;			/* the kernel panicked of it */
	bool follows;			/* the aftermath of an event already delivered, `title` is that one's */
	unsigned int folded;		/* further headers that told of the same crash */
	uint64_t kernel_ns;		/* kernel's time of the first line, or OOPS_NO_TIME */
	uint64_t start, end;		/* byte offsets in the stream: first line's, last line's end */
	const char *text;		/* the report's lines, without prefix, each ending in '\n' */
	size_t text_len;
};

typedef void (*oops_emit_fn)(void *ctx, const struct oops_event *event);

struct oops_stream;

struct oops_options {
	oops_emit_fn emit;
	void *ctx;
	const char *filesystem;		/* the target's name, "" or NULL: none; its errors are incidents */
};

/* Never NULL. `options` is copied, its strings too. */
struct oops_stream *oops_new(const struct oops_options *options);
void oops_free(struct oops_stream *stream);

/*
 * Adds a pattern (PCRE2) to the noise list: an event whose title or first line it
 * matches is flagged. -EINVAL: `pattern` is none, -E2BIG: too many.
 */
int oops_add_noise(struct oops_stream *stream, const char *pattern);

void oops_feed(struct oops_stream *stream, const void *data, size_t len);

/*
 * Nothing has come for a while: closes the reports that have seen their end marker or
 * the end of their stack, or all of them. An incomplete line stays in hand.
 */
void oops_settle(struct oops_stream *stream, bool all);

/* The stream has ended: the incomplete line is one, all reports close. */
void oops_finish(struct oops_stream *stream);

/* Another boot or another guest: forgets everything but patterns and options, offsets go on. */
void oops_reset(struct oops_stream *stream);

/*
 * While a boot is expected, the kernel's first words are no crash. Off at first and
 * after oops_reset().
 */
void oops_expect_boot(struct oops_stream *stream, bool expected);

/* Kernel's time of the last line that had one, ns, or OOPS_NO_TIME. */
uint64_t oops_kernel_time(const struct oops_stream *stream);

/* "panic", "kasan", ... */
const char *oops_class_name(enum oops_class class);

#endif
