// SPDX-License-Identifier: GPL-2.0
/*
 * faults: each fault of the menu once, by ordinary operations, and what became of it: was it found,
 * named and blamed as it must be, how soon, and how long until the guest works again. Each row is
 * one note of the record, {"event": "fault", ...}, of which report/faults.c makes a table.
 */
#include <signal.h>
#include <string.h>

#include "error.h"
#include "faults.h"
#include "part.h"

#define FILES		1
#define FILE_BYTES	4096
#define FIND_MS		2500	/* for a finding, once the operation is over: some reports end by silence only */
#define REST_MS		100	/* for what else is found */

/* One row while it is done. */
struct trial {
	struct run *run;
	const struct fault_row *row;
	guint of;			/* rows in all */
	char *marker;			/* what faultfs says when it strikes */
	guint from;			/* findings that were there before */
	guint64 began_ns;		/* the step that meets the fault; host's realtime */
	gboolean loaded, mounted;	/* as far as we know */
	const struct finding *found;
	const struct finding *found_again;
	const char *back_by;
	double back_ms;
	gboolean gone;			/* the guest was put back: nothing of it remains */
};

static guint64 now_ns(void)
{
	return (guint64)g_get_real_time() * 1000;
}

/* ---- what is done --------------------------------------------------------------------- */

static gboolean insert(struct trial *t, guint deadline_ms, enum step_outcome *outcome, GError **error)
{
	const struct modbuild_result *built = t->run->built;
	const struct modbuild_module *module = &built->modules[built->nmodules - 1];
	g_autofree char *base = g_path_get_basename(module->path), *name = g_strdup_printf("insmod %s", base);
	g_autofree char *remote = g_build_filename(session_workdir(t->run->session), base, NULL);
	g_autofree char *param = t->row->by == FAULT_BY_MODULE ? g_strdup_printf("fault=%s", t->row->name) : g_strdup("");
	const char *strings[] = { remote, param, NULL };
	const struct step_spec spec = {
		.op = VX_STEP_INSMOD, .kind = "load", .on_target = TRUE, .name = name, .strings = strings,
		.deadline_ms = deadline_ms,
	};

	return run_step(t->run, &spec, outcome, NULL, error);
}

static gboolean remove_module(struct trial *t, guint deadline_ms, enum step_outcome *outcome, GError **error)
{
	const struct modbuild_result *built = t->run->built;
	const char *module = built->modules[built->nmodules - 1].info->name;
	g_autofree char *name = g_strdup_printf("rmmod %s", module);
	const char *strings[] = { module, NULL };
	const struct step_spec spec = {
		.op = VX_STEP_RMMOD, .kind = "unload", .on_target = TRUE, .name = name, .strings = strings,
		.deadline_ms = deadline_ms,
	};

	return run_step(t->run, &spec, outcome, NULL, error);
}

static gboolean on_mount(struct trial *t, enum fault_op op, guint deadline_ms, enum step_outcome *outcome,
			 GError **error)
{
	const char *mount[] = { t->run->device, t->run->mountpoint, t->run->fstype, "", NULL };
	const char *point[] = { t->run->mountpoint, NULL };
	const struct step_spec specs[FAULT_OPS] = {
		[FAULT_MOUNT] = { .op = VX_STEP_MOUNT, .kind = "mount", .name = "mount", .strings = mount,
				  .num = { 0, VX_API_MOUNT } },
		[FAULT_WRITE] = { .op = VX_STEP_FILES, .kind = "files", .name = "file work", .strings = point,
				  .num = { FILES, FILE_BYTES } },
		[FAULT_UMOUNT] = { .op = VX_STEP_UMOUNT, .kind = "umount", .name = "umount", .strings = point },
	};
	struct step_spec spec = specs[op];

	spec.on_target = TRUE;
	spec.deadline_ms = deadline_ms;
	return run_step(t->run, &spec, outcome, NULL, error);
}

static gboolean do_op(struct trial *t, enum fault_op op, guint deadline_ms, enum step_outcome *outcome,
		      GError **error)
{
	gboolean ok = op == FAULT_LOAD ? insert(t, deadline_ms, outcome, error) :
		      op == FAULT_UNLOAD ? remove_module(t, deadline_ms, outcome, error) :
		      on_mount(t, op, deadline_ms, outcome, error);

	if (ok && *outcome == STEP_OK && (op == FAULT_LOAD || op == FAULT_UNLOAD))
		t->loaded = op == FAULT_LOAD;
	if (ok && *outcome == STEP_OK && (op == FAULT_MOUNT || op == FAULT_UMOUNT))
		t->mounted = op == FAULT_MOUNT;
	return ok;
}

static gboolean by_module(struct trial *t, GError **error)
{
	enum step_outcome outcome = STEP_OK;
	enum fault_op op;

	for (op = FAULT_LOAD; op <= t->row->until && outcome == STEP_OK; op++) {
		t->began_ns = now_ns();
		if (!do_op(t, op, op == t->row->until ? t->row->deadline_ms : 0, &outcome, error))
			return FALSE;
	}
	return TRUE;
}

static gboolean nop(struct run *run, GError **error)
{
	const struct step_spec spec = { .op = VX_STEP_NOP, .kind = "other", .name = "the next step" };
	enum step_outcome outcome;

	return run_step(run, &spec, &outcome, NULL, error);
}

static gboolean by_agent(struct trial *t, GError **error)
{
	const struct step_spec spec = {
		.op = VX_STEP_FAULT, .kind = "other", .name = t->row->name,
		.num = { t->row->what, t->row->amount },
	};
	enum step_outcome outcome;

	t->began_ns = now_ns();
	/* A signal strikes when the system call has returned: the answer may come before. */
	return run_step(t->run, &spec, &outcome, NULL, error) && nop(t->run, error);
}

static gboolean by_host(struct trial *t, GError **error)
{
	gint64 pid = vm_libvirt.pid(session_vm(t->run->session));

	if (pid <= 0) {
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "QEMU's process is not known");
		return FALSE;
	}
	t->began_ns = now_ns();
	kill((pid_t)pid, t->row->what);
	return nop(t->run, error);
}

/* ---- what was found ----------------------------------------------------------------------- */

static gboolean is_expected(const struct finding *finding, const struct fault_expected *expected)
{
	return expected->title && finding->class == expected->class && !finding->corrupted &&
	       !g_strcmp0(finding->kind, expected->kind) && !strcmp(finding->title, expected->title) &&
	       finding->blame == expected->blame;
}

static const struct finding *find(const struct trial *t, const struct fault_expected *expected)
{
	const GPtrArray *findings = journal_findings(t->run->journal);
	guint i;

	for (i = t->from; i < findings->len; i++)
		if (is_expected(g_ptr_array_index(findings, i), expected))
			return g_ptr_array_index(findings, i);
	return NULL;
}

/* What stands in for it when it was not: the gravest. */
static const struct finding *find_any(const struct trial *t)
{
	const GPtrArray *findings = journal_findings(t->run->journal);
	const struct finding *ret = NULL;
	guint i;

	for (i = t->from; i < findings->len; i++) {
		const struct finding *finding = g_ptr_array_index(findings, i);

		if (!ret || finding->severity > ret->severity)
			ret = finding;
	}
	return ret;
}

/* A step that fails of a crash says so, too. */
static gboolean is_echo(const struct trial *t, const struct finding *finding)
{
	return finding == t->found || finding == t->found_again || finding->class == FINDING_STEP_FAILED ||
	       finding->class == FINDING_LOAD_FAILED || finding->class == FINDING_UNLOAD_FAILED ||
	       finding_concern(finding->class) == CONCERN_PERFORMANCE || (t->row->late && finding->class == FINDING_HANG);
}

/* New reference: titles of findings that one fault must not have, after it. */
static json_t *others(const struct trial *t, guint upto)
{
	const GPtrArray *findings = journal_findings(t->run->journal);
	json_t *list = json_array();
	guint i;

	for (i = t->from; i < upto; i++) {
		const struct finding *finding = g_ptr_array_index(findings, i);

		if (!is_echo(t, finding))
			json_array_append_new(list, json_string(finding->title));
	}
	return list;
}

static gboolean wake(gpointer data)
{
	return G_SOURCE_CONTINUE;
}

/* Until `expected` (NULL: nothing in particular) is found, for `ms` at most. */
static void look_out(struct trial *t, const struct fault_expected *expected, guint ms)
{
	const gint64 until = g_get_monotonic_time() + (gint64)ms * 1000;
	guint timer = g_timeout_add(5, wake, NULL);

	while (!(expected && find(t, expected)) && g_get_monotonic_time() < until)
		g_main_context_iteration(NULL, TRUE);
	g_source_remove(timer);
}

/* ---- the guest's way back ------------------------------------------------------------------ */

static const char *way_back(const struct run *run)
{
	return run->has_point ? "the point after set-up" : "the ready state";
}

/* Nothing mounted and no module: what a row begins with. FALSE: what run_step() says. */
static gboolean tidy(struct trial *t, GError **error)
{
	enum step_outcome outcome = STEP_OK;

	if (t->mounted && !do_op(t, FAULT_UMOUNT, 0, &outcome, error))
		return FALSE;
	return outcome != STEP_OK || !t->loaded || do_op(t, FAULT_UNLOAD, 0, &outcome, error);
}

/* Whatever it takes: nothing, or going back. */
static gboolean put_right(struct trial *t, gboolean ok, GError **local, gboolean *go_on, GError **error)
{
	const char *way = way_back(t->run);

	if (!run_survive(t->run, ok, local, go_on, &t->gone, error))
		return FALSE;
	if (*go_on && !t->gone) {
		ok = tidy(t, local);
		if (!run_survive(t->run, ok, local, go_on, &t->gone, error))
			return FALSE;
	}
	if (*go_on && !t->gone && (t->mounted || t->loaded)) {
		if (!run_put_back(t->run, "the module cannot be removed", go_on, error))
			return FALSE;
		t->gone = *go_on;
	}
	t->back_by = !*go_on ? NULL : t->gone ? way : "not needed";
	return TRUE;
}

/* The whole way: from knowing what happened to a step that works. */
static gboolean bring_back(struct trial *t, gboolean ok, GError **local, gboolean *go_on, GError **error)
{
	const guint64 began = now_ns();

	if (!put_right(t, ok, local, go_on, error))
		return FALSE;
	if (*go_on && !nop(t->run, error))
		return FALSE;
	t->back_ms = (double)(now_ns() - began) / 1e6;
	return TRUE;
}

/* ---- one row ---------------------------------------------------------------------------------- */

/* From the fault itself, as its own line on the console tells, or from the deadline that must tell. */
static double detect_ms(const struct trial *t)
{
	const guint64 came = journal_came_ns(t->run->journal);
	guint64 since = t->row->by_deadline ? t->began_ns + (guint64)t->row->deadline_ms * 1000000 :
			came ? came : t->began_ns;

	return t->found && t->found->found_ns > since ? (double)(t->found->found_ns - since) / 1e6 : 0;
}

static void note_row(const struct trial *t, json_t *also)
{
	const struct fault_row *row = t->row;
	const struct finding *f = t->found;
	const gboolean right = (row->expected.title ? f && is_expected(f, &row->expected) : !f) &&
			       (!row->again.title || t->found_again) && !json_array_size(also);
	json_t *json = json_pack("{s:s, s:s, s:i, s:b, s:s?, s:s?, s:s?, s:s?, s:s?, s:s?, s:s?, s:f, s:b, s:s?, s:f, s:o}",
				 "event", "fault", "fault", row->name, "of", (int)t->of,
				 "as_expected", right,
				 "expected", row->expected.title,
				 "class", f ? finding_class_name(f->class) : NULL,
				 "kind", f ? f->kind : NULL,
				 "severity", f ? severity_name(f->severity) : NULL,
				 "blame", f ? blame_name(f->blame) : NULL,
				 "title", f ? f->title : NULL,
				 "then", t->found_again ? t->found_again->title : NULL,
				 "detect_ms", detect_ms(t), "from_deadline", row->by_deadline,
				 "back_by", t->back_by, "back_ms", t->back_ms, "also", also);
	g_autofree char *text = json_dumps(json, JSON_COMPACT);

	journal_log(t->run->journal, "%s", text);
	journal_json(t->run->journal, VX_REC_VM, json);
}

static gboolean strike(struct trial *t, GError **error)
{
	enum step_outcome outcome;

	if (t->row->by == FAULT_BY_HOST)
		return by_host(t, error);
	if (t->row->by == FAULT_BY_AGENT)
		return by_agent(t, error);
	if (!by_module(t, error))
		return FALSE;
	if (!t->row->again.title)
		return TRUE;
	look_out(t, &t->row->expected, FIND_MS);
	return do_op(t, t->row->until, t->row->deadline_ms, &outcome, error);
}

static gboolean one_row(struct trial *t, gboolean *go_on, GError **error)
{
	g_autoptr(GError) local = NULL;
	gboolean ok;
	guint upto;

	t->from = journal_findings(t->run->journal)->len;
	journal_watch_for(t->run->journal, t->marker);
	ok = strike(t, &local);
	look_out(t, &t->row->expected, t->row->expected.title ? FIND_MS : 0);
	look_out(t, NULL, REST_MS);
	upto = journal_findings(t->run->journal)->len;
	t->found = find(t, &t->row->expected);
	if (!t->found)
		t->found = find_any(t);
	if (t->row->again.title)
		t->found_again = find(t, &t->row->again);
	if (!bring_back(t, ok, &local, go_on, error))
		return FALSE;
	note_row(t, others(t, upto));
	return TRUE;
}

static const struct fault_row *row_named(const char *name)
{
	const struct fault_row *row;

	for (row = fault_rows; row->name; row++)
		if (!strcmp(row->name, name))
			return row;
	return NULL;
}

/* All of the table, or what the user named, as often as it is named. */
static GPtrArray *rows_wanted(const struct run *run, GError **error)
{
	g_auto(GStrv) words = g_strsplit(run->req->faults ? run->req->faults : "", ",", -1);
	g_autoptr(GPtrArray) rows = g_ptr_array_new();
	const struct fault_row *row;
	guint i;

	if (!run->built || strcmp(run->req->target->name, "faultfs")) {
		g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "the scenario faults is for the target faultfs");
		return NULL;
	}
	for (row = fault_rows; !words[0] && row->name; row++)
		g_ptr_array_add(rows, (gpointer)row);
	for (i = 0; words[i]; i++) {
		row = row_named(words[i]);
		if (!row) {
			g_set_error(error, VX_ERROR, VX_ERROR_USAGE, "--faults: there is no %s", words[i]);
			return NULL;
		}
		g_ptr_array_add(rows, (gpointer)row);
	}
	return g_steal_pointer(&rows);
}

static gboolean all_rows(struct run *run, const GPtrArray *rows, gboolean *go_on, GError **error)
{
	gboolean loaded = TRUE;
	guint i;

	for (i = 0; i < rows->len && *go_on; i++) {
		const struct fault_row *row = rows->pdata[i];
		struct trial t = { .run = run, .row = row, .of = rows->len, .loaded = loaded };
		enum step_outcome outcome;
		gboolean ok;

		run->cycle++;
		run->req->progress.tick(run->req->progress.ctx, row->name, (guint)run->cycle, rows->len);
		/* The module is there as set-up left it: without a fault. */
		if (t.loaded && !do_op(&t, FAULT_UNLOAD, 0, &outcome, error))
			return FALSE;
		t.marker = row->by != FAULT_BY_MODULE ? NULL :
			g_strdup_printf("fault %.*s at ", (int)strcspn(row->name, "@"), row->name);
		ok = one_row(&t, go_on, error);
		journal_watch_for(run->journal, NULL);
		g_free(t.marker);
		if (!ok)
			return FALSE;
		loaded = t.gone;
	}
	return TRUE;
}

static gboolean faults(struct run *run, const void *args, gboolean *go_on, GError **error)
{
	g_autoptr(GPtrArray) rows = rows_wanted(run, error);

	if (!rows || !run_trace(run, run_latency_probes(run), TRUE, error))
		return FALSE;
	run->phase = "faults";
	return all_rows(run, rows, go_on, error);
}

const struct part part_faults = {
	.name = "faults",
	.description = "each fault of faultfs' menu: is it found, named, and is the guest back",
	.run = faults, .own_trace = TRUE,
};
