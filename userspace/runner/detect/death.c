// SPDX-License-Identifier: GPL-2.0
#include <string.h>

#include "death.h"
#include "detect.h"
#include "event.h"

#define PENDING_MAX	16u
#define TOLD_MAX	32u
#define TRAP_BUG	6u	/* x86: invalid opcode, which BUG() is made of */
#define TRAP_GPF	13u
#define TRAP_PAGE	14u
#define NULL_PAGE	4096u
#define REGS_A_LINE	4u

struct told {
	guint64 step, realtime_ns;
};

struct deaths {
	char module[VX_NAME_LEN];
	struct death pending[PENDING_MAX];
	guint64 monotonic_ns;		/* when the last of them came */
	gboolean on_target;
	guint64 cycle;
	guint n;
	struct told told[TOLD_MAX];	/* crashes that others have found, the newest overwrite the oldest */
	guint ntold;
};

/* ---- words ----------------------------------------------------------------------------- */

static char *place(const struct vx_event_oops *oops)
{
	g_autofree char *module = oops->module[0] ? g_strdup_printf(" [%s]", oops->module) : g_strdup("");

	if (oops->function[0])
		return g_strdup_printf("%s+0x%x/0x%x%s", oops->function, oops->offset, oops->size, module);
	return oops->ip ? g_strdup_printf("0x%llx", (unsigned long long)oops->ip) : g_strdup("an unknown place");
}

char *death_text(const struct vx_event_oops *oops)
{
	g_autofree char *where = place(oops);

	return g_strdup_printf("%s: %s at %s, CPU %u, task %s/%u", vx_oops_kind_name(oops->kind),
			       oops->message[0] ? oops->message : "no message", where, oops->head.cpu,
			       oops->head.comm, oops->head.pid);
}

/* As the console's finding would be called, as far as the event tells. */
static char *title_of(const struct vx_event_oops *oops)
{
	const char *function = oops->function[0] ? oops->function : "unknown function";

	if (oops->kind == VX_OOPS_PANIC)
		return g_strdup_printf("kernel panic: %s", oops->message);
	switch (oops->trap) {
	case TRAP_BUG:
		return g_strdup_printf("kernel BUG in %s", function);
	case TRAP_GPF:
		return g_strdup_printf("general protection fault in %s", function);
	case TRAP_PAGE:
		return g_strdup_printf(oops->regs[VX_REG_CR2] < NULL_PAGE ?
				       "BUG: unable to handle kernel NULL pointer dereference in %s" :
				       "BUG: unable to handle kernel paging request in %s", function);
	default:
		return g_strdup_printf("%s in %s", oops->message[0] ? oops->message : "Oops", function);
	}
}

static void add_registers(struct finding *finding, const struct vx_event_oops *oops)
{
	g_autoptr(GString) line = g_string_new(NULL);
	guint i;

	for (i = 0; i < VX_REGS; i++) {
		g_string_append_printf(line, "%s%s: %016llx", line->len ? " " : "", vx_reg_name(i),
				       (unsigned long long)oops->regs[i]);
		if (i % REGS_A_LINE != REGS_A_LINE - 1 && i != VX_REGS - 1)
			continue;
		finding_add_line(finding, "vexprobe: %s", line->str);
		g_string_truncate(line, 0);
	}
}

static void add_stack(struct finding *finding, const struct vx_event_oops *oops)
{
	g_autoptr(GString) line = g_string_new(NULL);
	guint i;

	for (i = 0; i < oops->frames; i++)
		g_string_append_printf(line, " %016llx", (unsigned long long)oops->stack[i]);
	finding_add_line(finding, "vexprobe: stack:%s%s", line->str,
			 oops->flags & VX_OOPS_STACK_CUT ? " ..." : "");
}

void death_add_to(const struct death *death, struct finding *finding)
{
	const struct vx_event_oops *oops = &death->oops;
	g_autofree char *text = death_text(oops);

	if (oops->kind == VX_OOPS_DIE)
		finding_add_line(finding, "vexprobe: %s, trap %u, error code 0x%x", text, oops->trap,
				 (guint)oops->err);
	else
		finding_add_line(finding, "vexprobe: %s", text);
	if (oops->flags & VX_OOPS_REGS_VALID)
		add_registers(finding, oops);
	if (oops->frames)
		add_stack(finding, oops);
	if (!finding->function && oops->function[0]) {
		finding->function = g_utf8_make_valid(oops->function, -1);
		if (!finding->module && oops->module[0])
			finding->module = g_utf8_make_valid(oops->module, -1);
	}
}

/* ---- whose crash is it ------------------------------------------------------------------- */

static guint64 distance(guint64 a, guint64 b)
{
	return a > b ? a - b : b - a;
}

static gboolean same_step(const struct death *death, guint64 step)
{
	return step && step == death->oops.head.step;
}

/* Rather too often than that one crash counts twice. */
static gboolean same_crash(const struct death *death, guint64 step, guint64 realtime_ns)
{
	return same_step(death, step) || distance(death->realtime_ns, realtime_ns) <= DEATH_NEAR_NS;
}

struct finding *death_find(const struct death *death, const GPtrArray *findings)
{
	guint64 nearest = DEATH_NEAR_NS + 1;
	struct finding *ret = NULL;
	guint i;

	for (i = 0; i < findings->len; i++) {
		struct finding *finding = g_ptr_array_index(findings, i);
		guint64 far = distance(death->realtime_ns, finding->realtime_ns);

		if (finding->class == FINDING_GUEST_LOST || !finding_hurts(finding))
			continue;
		if (same_step(death, finding->step))
			return finding;
		if (far < nearest) {
			nearest = far;
			ret = finding;
		}
	}
	return ret;
}

static void drop_told(struct deaths *d, guint64 step, guint64 realtime_ns)
{
	guint i, kept = 0;

	for (i = 0; i < d->n; i++)
		if (!same_crash(&d->pending[i], step, realtime_ns))
			d->pending[kept++] = d->pending[i];
	d->n = kept;
}

static void note_crash(struct deaths *d, guint64 step, guint64 realtime_ns)
{
	d->told[d->ntold++ % TOLD_MAX] = (struct told){ step, realtime_ns };
	drop_told(d, step, realtime_ns);
}

static gboolean was_told(const struct deaths *d, const struct death *death)
{
	guint i;

	for (i = 0; i < MIN(d->ntold, TOLD_MAX); i++)
		if (same_crash(death, d->told[i].step, d->told[i].realtime_ns))
			return TRUE;
	return FALSE;
}

/* What others have found of this very entry, and have not told yet. */
static void look_at(struct deaths *d, const GPtrArray *findings)
{
	guint i;

	for (i = 0; i < findings->len; i++) {
		const struct finding *finding = g_ptr_array_index(findings, i);

		/* Known noise is told too: it is the same crash, whatever is thought of it. */
		if (finding_class_is_crash(finding->class))
			note_crash(d, finding->step, finding->realtime_ns);
	}
}

static void note_record(struct deaths *d, const struct rec_entry *entry)
{
	json_t *json = rec_entry_json(entry);

	if (finding_class_is_crash(finding_class_from(json_string_value(json_object_get(json, "event_type")))))
		note_crash(d, (guint64)json_integer_value(json_object_get(json, "step")),
			   entry->stamp.realtime_ns);
	json_decref(json);
}

/* ---- a detector ---------------------------------------------------------------------------- */

static gpointer deaths_create(const struct detect_config *config)
{
	struct deaths *d = g_new0(struct deaths, 1);

	g_strlcpy(d->module, config->module, sizeof(d->module));
	return d;
}

static enum blame blame(const struct deaths *d, const struct vx_event_oops *oops)
{
	if (d->module[0] && !strcmp(oops->module, d->module))
		return BLAME_MODULE;
	return d->on_target && d->module[0] && !oops->function[0] ? BLAME_MODULE : BLAME_KERNEL;
}

/* The console keeps silent: all that is pending is one crash, named by what came first. */
static void report(struct deaths *d, GPtrArray *findings)
{
	const struct death *first = &d->pending[0];
	g_autofree char *title = NULL;
	struct finding *finding;
	gboolean panic = FALSE;
	guint i;

	if (!d->n)
		return;
	for (i = 0; i < d->n; i++)
		panic |= d->pending[i].oops.kind == VX_OOPS_PANIC;
	title = title_of(&first->oops);
	finding = finding_new(panic ? FINDING_PANIC : FINDING_OOPS, panic ? SEV_CRITICAL : SEV_HIGH, title);
	finding->kind = "die";
	finding->blame = blame(d, &first->oops);
	finding->step = first->oops.head.step;
	finding->cycle = d->cycle;
	finding->realtime_ns = first->realtime_ns;
	finding_add_line(finding, "The console does not tell of it.");
	for (i = 0; i < d->n; i++)
		death_add_to(&d->pending[i], finding);
	d->n = 0;
	g_ptr_array_add(findings, finding);
}

static void note_events(struct deaths *d, const struct detect_now *now, const struct rec_entry *entry)
{
	const struct vx_event *event;
	struct vx_event_iter it;

	vx_event_iter_init(&it, entry->payload, entry->frame.length);
	while ((event = vx_event_iter_next(&it))) {
		struct death *death = &d->pending[d->n];

		if (event->type != VX_EVENT_OOPS || d->n == PENDING_MAX)
			continue;
		death->oops = *(const struct vx_event_oops *)event;
		death->realtime_ns = entry->stamp.realtime_ns;
		if (death->oops.kind == VX_OOPS_NMI || was_told(d, death))
			continue;
		d->on_target = now->on_target;
		d->cycle = now->cycle;
		d->monotonic_ns = entry->stamp.monotonic_ns;
		d->n++;
	}
}

static gboolean waited_enough(const struct deaths *d, guint64 monotonic_ns)
{
	return monotonic_ns > d->monotonic_ns && monotonic_ns - d->monotonic_ns > DEATH_NEAR_NS;
}

/* A guest that is lost says no more: what the console has of it stands in `findings` by now. */
static gboolean is_lost(const struct rec_entry *entry)
{
	json_t *json = rec_entry_json(entry);
	gboolean lost = json_object_get(json, "lost") != NULL;

	json_decref(json);
	return lost;
}

static void deaths_feed(gpointer state, const struct detect_now *now, const struct rec_entry *entry,
			GPtrArray *findings)
{
	struct deaths *d = state;

	look_at(d, findings);
	if (entry->frame.type == VX_REC_FINDING)
		note_record(d, entry);
	else if (entry->frame.type == VX_MSG_EVENTS)
		note_events(d, now, entry);
	if (d->n && (waited_enough(d, entry->stamp.monotonic_ns) ||
		     (entry->frame.type == VX_REC_VM && is_lost(entry))))
		report(d, findings);
}

static void deaths_idle(gpointer state, const struct detect_now *now, guint64 monotonic_ns, GPtrArray *findings)
{
	struct deaths *d = state;

	look_at(d, findings);
	if (d->n && waited_enough(d, monotonic_ns))
		report(d, findings);
}

static void deaths_finish(gpointer state, const struct detect_now *now, GPtrArray *findings)
{
	look_at(state, findings);
	report(state, findings);
}

const struct detector detector_death = {
	.name = "death",
	.create = deaths_create,
	.destroy = g_free,
	.feed = deaths_feed,
	.idle = deaths_idle,
	.finish = deaths_finish,
};
