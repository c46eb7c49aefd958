/* SPDX-License-Identifier: GPL-2.0 */
/* What the files of resources*.c share: lines of "NAME VALUE" on the way to a step's output. */
#ifndef VEXLAB_AGENT_RESOURCES_OUT_H
#define VEXLAB_AGENT_RESOURCES_OUT_H

#include <stdbool.h>
#include <stddef.h>

#define RESOURCES_TEXT_MAX	(60u << 10)
#define RESOURCES_NAME_MAX	95	/* bytes; longer ones are cut */

struct resources_out {
	size_t len;
	unsigned int cut;	/* lines that found no room */
	char text[RESOURCES_TEXT_MAX];
	char page[16384];	/* of the file that is being read */
};

/* Bytes that are no part of a word become '_'. */
void resources_say(struct resources_out *out, long long value, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* Each line of the file, without its end, cut at sizeof(page); FALSE ends it. A file that is not there has none. */
typedef bool (*resources_line)(struct resources_out *out, char *line, void *ctx);
void resources_lines(struct resources_out *out, const char *path, resources_line fn, void *ctx);
/* The same of an open file; -1: it has none. */
void resources_lines_of(struct resources_out *out, int fd, resources_line fn, void *ctx);
/* The first number of a file; -1: there is none. */
long long resources_number(const char *path);
/* The same of an open file, or of none (-1). */
long long resources_number_of(int fd);

/*
 * Names counted as they come: kernel threads, callers of vmalloc. What does not find room is counted under
 * "other".
 */
#define RESOURCES_TALLY_MAX	512
struct resources_tally {
	unsigned int n;
	struct {
		char name[48];
		long long count;
	} item[RESOURCES_TALLY_MAX];
};
void resources_count(struct resources_tally *tally, const char *name, long long more);
void resources_say_tally(struct resources_out *out, const char *family, const struct resources_tally *tally);

/* resources_mem.c: memory, pages, slab caches, vmalloc */
void resources_memory(struct resources_out *out);
void resources_slab(struct resources_out *out);
void resources_vmalloc(struct resources_out *out);
/* resources_proc.c: tasks and their descriptors */
void resources_tasks(struct resources_out *out);

#endif
