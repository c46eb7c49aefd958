/* SPDX-License-Identifier: GPL-2.0 */
/* Between evidence.c and evidence_files.c. */
#ifndef VEXLAB_EVIDENCE_PRIV_H
#define VEXLAB_EVIDENCE_PRIV_H

#include "evidence.h"
#include "symbolize.h"

/* With the run's modules as far as their files are still there. Never NULL. */
struct symbolizer *evidence_symbolizer(const char *dir, const struct analysis *an);
/* "file:line" of a frame, NULL: not known. Caller frees. */
char *evidence_place(const struct symbolizer *sym, const struct stack_frame *frame);

#endif
