/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The semantic oracle: operations drawn by seed, on the target and on a reference filesystem of the same guest. A program
 * is a list of lines (common/oracle_list.h) with what the host does in between: remount, power-cut, space.
 *
 *	oracle.c	the part: which programs, what is a finding, what is left out from then on
 *	oracle_gen.c	programs by seed; the features that a target may lack
 *	oracle_do.c	a program on the guest
 *	oracle_ref.c	the reference filesystem, and coming back to where both are whole
 *	oracle_reduce.c	a program made as small as it can be
 */
#ifndef VEXLAB_RUN_ORACLE_H
#define VEXLAB_RUN_ORACLE_H


#include "oracle_answer.h"
#include "oracle_list.h"
#include "run_priv.h"

struct oracle_args {
	unsigned int operations, rounds, power_cuts, tries, seconds;
	gboolean geometry, compare;
	char *list;
};

/* How a program ended. */
enum oracle_end { ORACLE_SAME, ORACLE_DIFFERS, ORACLE_FULL, ORACLE_NOT_DONE };

struct oracle_came {
	enum oracle_end end;
	enum finding_class class;	/* of a difference, as all below */
	char *title, *shape, *detail;
	int errs[2];
	guint at;			/* index of the line in the program, from 0; G_MAXUINT: after all of them */
	guint64 step;
};
void oracle_came_clear(struct oracle_came *came);
#define ORACLE_CAME_CLEAR __attribute__((cleanup(oracle_came_clear)))

struct oracle {
	struct run *run;
	const struct oracle_args *args;
	gboolean go_on;			/* FALSE: the guest is lost for good */
	gboolean mounted, has_reference, has_point;
	gboolean cannot_cut;
	char *reference;		/* its mount point in the guest */
	char *loop;			/* under it; NULL: it lies in no loop device */
	const char *reference_type;
	const char *kind;		/* of the steps under way: ORACLE_STEP or ORACLE_TRY */
	GPtrArray *skip;		/* shapes that are left out, char * */
	GHashTable *known;		/* titles of findings */
	gboolean no_remount, no_power_cut, no_caches, no_space;
	guint64 operations;		/* compared so far */
	double agent_s;			/* that they took */
	guint programs, full;
	gint64 until;			/* monotonic, us; 0: no limit */
};

/* oracle_ref.c. There is a reference, empty or not; FALSE with `error`. */
gboolean oracle_make_reference(struct oracle *o, GError **error);
gboolean oracle_drop_reference(struct oracle *o, GError **error);
/* The guest as it was when the part began. *ok FALSE: it cannot be had, o->go_on is FALSE. */
gboolean oracle_home(struct oracle *o, gboolean *ok, GError **error);
/* After something that ended with `ok` and `*local`: the guest lives and is whole, or it is brought home. */
gboolean oracle_survive(struct oracle *o, gboolean ok, GError **local, gboolean *recovered, GError **error);
/* One step on the target, its errors its own matter. */
gboolean oracle_step(struct oracle *o, enum vx_step_op op, const char *name, const char *const *strings,
		     const gint64 *num, enum step_outcome *outcome, struct step_result *res, GError **error);

/*
 * oracle_do.c: `lines` (char *) on a filesystem made anew, compared as a whole at the end. What happens to the guest
 * in it is dealt with (then ORACLE_NOT_DONE). Mount and reference stay.
 */
gboolean oracle_program(struct oracle *o, const GPtrArray *lines, const char *kind, struct oracle_came *ret, GError **error);
/* The same without making it anew: on what is mounted, cleared first. */
gboolean oracle_quick(struct oracle *o, const GPtrArray *lines, const char *kind, struct oracle_came *ret, GError **error);
/* So that it stands in the record, with what is found from now on. */
void oracle_note_program(struct oracle *o, const GPtrArray *lines);
gboolean oracle_unmount(struct oracle *o, GError **error);
/* The power fails; the target's module is loaded again. */
gboolean oracle_cut_power(struct oracle *o, gboolean *done, GError **error);

/* oracle_gen.c. */
enum oracle_profile { ORACLE_MIXED, ORACLE_DATA, ORACLE_NAMES, ORACLE_SYNC, ORACLE_WIDE, ORACLE_DEEP, ORACLE_PROFILES };
struct oracle_wish {
	guint64 seed;
	enum oracle_profile profile;
	guint operations, device_mib;
	gboolean remount, caches, power_cut, space;
};
/* New strings; g_ptr_array_unref(). The same wish gives the same. */
GPtrArray *oracle_generate(const struct oracle_wish *wish);
struct oracle_feature {
	const char *name;		/* as `unsupported` of a target has it */
	const char *shapes;		/* that are left out without it, commas between */
	const char *program;		/* its simplest use, lines */
};
extern const struct oracle_feature oracle_features[];
GPtrArray *oracle_lines(const char *text);

/*
 * oracle_reduce.c: *ret shows the same title as `came`; at worst all of `lines`. It borrows them. `anew`: each try on a
 * filesystem made anew, which takes ten times as long, and tells nothing that an earlier try has caused.
 */
gboolean oracle_reduce(struct oracle *o, const GPtrArray *lines, const struct oracle_came *came, gboolean anew,
		       GPtrArray **ret, GError **error);

#endif
