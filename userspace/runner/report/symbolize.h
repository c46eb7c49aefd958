/* SPDX-License-Identifier: GPL-2.0 */
/*
 * From "function+offset/size [module]", as the kernel prints a frame, to file and
 * line, by the debug information in the module's file as it was built. Only that
 * file is read: no separate debug files, no debuginfod.
 */
#ifndef VEXLAB_SYMBOLIZE_H
#define VEXLAB_SYMBOLIZE_H

#include <glib.h>
#include "guard.h"

#define SYMBOLIZE_DEPTH_MAX 16u	/* inlined functions within one frame */

/* A frame of a stack as printed. Strings borrowed or owned, as its holder says. */
struct stack_frame {
	char *function, *module;	/* module NULL: the kernel itself */
	guint64 offset, size;
	gboolean exact;			/* the instruction itself (RIP), not a return address */
	gboolean unsure;		/* printed with "?": found on the stack, perhaps a leftover */
};

/* One place in the source. All strings are as the debug information has them: not printable for sure. */
struct source_place {
	char *function;
	char *file;
	int line;
	gboolean inlined;		/* into the next place of the list */
};

struct symbolizer;

struct symbolizer *symbolizer_new(void);
void symbolizer_free(struct symbolizer *symbolizer);
VX_DEFINE_GUARD(struct symbolizer, symbolizer_free);

/* Adds a module's file. VX_ERROR_UNAVAILABLE: it is no ELF file, or has no symbols. */
gboolean symbolizer_add(struct symbolizer *symbolizer, const char *module, const char *path,
			GError **error);

enum symbolized {
	SYMBOLIZED,
	SYMBOLIZED_AMBIGUOUS,		/* several functions of that name and size: the places of the first */
	SYMBOLIZED_NO_MODULE,		/* no file was added for it, or it is the kernel's own */
	SYMBOLIZED_NO_FUNCTION,		/* the file has none of that name where the offset lies */
	SYMBOLIZED_NO_LINES,		/* built without debug information */
};

/*
 * Places of `frame`, innermost first: new array of struct source_place *, empty unless
 * SYMBOLIZED or SYMBOLIZED_AMBIGUOUS. Caller frees (g_ptr_array_unref).
 */
enum symbolized symbolizer_resolve(const struct symbolizer *symbolizer,
				   const struct stack_frame *frame, GPtrArray **ret);

/* The innermost of `places` that is no inlined helper of the kernel's own headers; NULL only of none. Borrowed. */
const struct source_place *source_place_own(const GPtrArray *places);

/*
 * The first frame in a line of a kernel's report, NULL when there is none. Names are
 * letters, digits, '_' and '.', cut at nothing: a longer one is no name. stack_frame_free() it.
 */
struct stack_frame *stack_frame_parse(const char *line);
void stack_frame_free(struct stack_frame *frame);
VX_DEFINE_GUARD(struct stack_frame, stack_frame_free);

#endif
