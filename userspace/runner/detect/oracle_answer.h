/* SPDX-License-Identifier: GPL-2.0 */
/* What the oracle's steps have answered: read here, for the detector and for the scenario that reduces a difference. */
#ifndef VEXLAB_ORACLE_ANSWER_H
#define VEXLAB_ORACLE_ANSWER_H

#include <vexlab/request.h>
#include "detect.h"

/* Kinds of steps: what is found in the first is a finding; the second only search for one, or make it smaller. */
#define ORACLE_STEP	"oracle"
#define ORACLE_TRY	"oracle-try"

#define ORACLE_SAMPLES	4u		/* of free space, each after the same operations and their removal */

/* Of an answer with a difference; strings are the caller's, made valid. */
struct oracle_answer {
	enum vx_oracle_result result;
	guint64 done;			/* operations */
	guint line;			/* of the list, from 1; 0: none */
	int errs[2];			/* of the target, of the reference */
	char *title, *shape, *detail;	/* never NULL */
};
/* Bounded, whatever the guest has sent. `err`: the step's own. */
void oracle_answer_parse(const struct vx_msg_step *msg, const char *text, gsize len, struct oracle_answer *ret);
void oracle_answer_clear(struct oracle_answer *answer);
#define ORACLE_ANSWER_CLEAR __attribute__((cleanup(oracle_answer_clear)))

enum finding_class oracle_class(enum vx_oracle_result result);

/* What the step STATFS has printed. FALSE: it is not that. */
struct oracle_space {
	guint64 block, blocks, bfree, files, ffree;
};
gboolean oracle_space_parse(const char *text, struct oracle_space *ret);
/* Title if each of the ORACLE_SAMPLES samples has less than the one before, else NULL. What a filesystem keeps, it keeps once. */
const char *oracle_space_lost(const struct oracle_space *samples, guint n);

#endif
