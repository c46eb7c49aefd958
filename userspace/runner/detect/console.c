// SPDX-License-Identifier: GPL-2.0
/*
 * Crashes told by the kernel's console: console entries into an oops stream, its
 * events out as findings. What is added here is what the stream cannot know:
 * which step a message belongs to, and who is to blame.
 */
#include <string.h>

#include "detect.h"
#include "oops.h"

#define STEPS_KEPT	512u			/* a report may take a second to be over, a step half a millisecond */
#define CHUNKS_KEPT	512u
#define TITLES_KEPT	32u
#define TOLD_MAX	100u			/* findings a step: a guest may flood its console */
#define NS_PER_MS	1000000ull
#define QUIET_NS	(DETECT_QUIET_MS * NS_PER_MS)
#define SILENT_NS	(DETECT_SILENT_MS * NS_PER_MS)
/* Frames and console bytes take their time. */
#define CLOCK_SLACK_NS	(500 * NS_PER_MS)

struct step_mark {
	guint64 offset;			/* of the console's bytes when it began */
	guint64 host_ns;		/* host's CLOCK_MONOTONIC then */
	guint64 step, cycle;
	gboolean on_target, may_fail, provokes;
};

struct console {
	char module[VX_NAME_LEN];
	struct oops_stream *stream;
	guint64 offset;			/* console bytes so far */
	guint64 host_ns;		/* when the last of them came */
	/* newest last; `n` of them */
	struct step_mark steps[STEPS_KEPT];
	guint nsteps;
	struct { guint64 offset, realtime_ns; } chunks[CHUNKS_KEPT];
	guint nchunks;			/* all of them: the ring's next is nchunks % CHUNKS_KEPT */
	char *told[TITLES_KEPT];	/* "step/title": the same crash again is no news */
	guint ntold;
	guint told_in_step;
	/*
	 * The log's clock against the host's, from both sides: the latest heartbeat's,
	 * which has another epoch than the log's, and the largest that a console line
	 * had, which a pause of the guest makes too large. The smaller is safe: no
	 * message is taken for older than it is.
	 */
	gint64 beat_ahead_ns, print_ahead_ns;
	gboolean beat_known, print_known;
	GPtrArray *findings;		/* of the call under way, borrowed */
};

static const enum finding_class classes[OOPS_CLASSES] = {
	[OOPS_PANIC]		= FINDING_PANIC,
	[OOPS_DIE]		= FINDING_OOPS,
	[OOPS_PROTECTION]	= FINDING_OOPS,
	[OOPS_NULL]		= FINDING_OOPS,
	[OOPS_PAGING]		= FINDING_OOPS,
	[OOPS_DOUBLE_FAULT]	= FINDING_OOPS,
	[OOPS_STACK]		= FINDING_OOPS,
	[OOPS_BUG]		= FINDING_BUG,
	[OOPS_WARNING]		= FINDING_WARNING,
	[OOPS_KASAN]		= FINDING_MEMORY,
	[OOPS_KMSAN]		= FINDING_UNDEFINED,
	[OOPS_KCSAN]		= FINDING_RACE,
	[OOPS_UBSAN]		= FINDING_UNDEFINED,
	[OOPS_KFENCE]		= FINDING_MEMORY,
	[OOPS_LOCKDEP]		= FINDING_LOCKING,
	[OOPS_ATOMIC_SLEEP]	= FINDING_LOCKING,
	[OOPS_HUNG_TASK]	= FINDING_HANG,
	[OOPS_SOFT_LOCKUP]	= FINDING_HANG,
	[OOPS_HARD_LOCKUP]	= FINDING_HANG,
	[OOPS_RCU_STALL]	= FINDING_HANG,
	[OOPS_REFCOUNT]		= FINDING_MEMORY,
	[OOPS_LIST]		= FINDING_MEMORY,
	[OOPS_MEMORY]		= FINDING_MEMORY,
	[OOPS_BUSY_INODES]	= FINDING_BUG,
	[OOPS_SLAB_LEFT]	= FINDING_LEAK,
	[OOPS_LEAK]		= FINDING_LEAK,
	[OOPS_NO_MEMORY]	= FINDING_EXHAUSTED,
	[OOPS_REBOOT]		= FINDING_GUEST_LOST,
	[OOPS_PROGRAM]		= FINDING_SEGFAULT,
	[OOPS_FILESYSTEM]	= FINDING_FILESYSTEM,
	[OOPS_LOAD_FAILED]	= FINDING_LOAD_FAILED,
	[OOPS_UNLOAD_FAILED]	= FINDING_UNLOAD_FAILED,
};

static const enum severity severities[] = {
	[OOPS_LOW] = SEV_LOW, [OOPS_MEDIUM] = SEV_MEDIUM, [OOPS_HIGH] = SEV_HIGH,
	[OOPS_CRITICAL] = SEV_CRITICAL,
};

/* ---- when, and during which step ------------------------------------------------------- */

/* The step during which the message was printed; NULL: before the first. */
static const struct step_mark *step_of(const struct console *con, const struct oops_event *event)
{
	guint i;

	for (i = con->nsteps; i; i--) {
		const struct step_mark *mark = &con->steps[i - 1];
		gint64 began = (gint64)mark->host_ns + MIN(con->beat_ahead_ns, con->print_ahead_ns);

		if (mark->offset > event->start)
			continue;
		/* Printed before the step began, however late it came. */
		if (con->beat_known && con->print_known && event->kernel_ns != OOPS_NO_TIME &&
		    (gint64)(event->kernel_ns + CLOCK_SLACK_NS) < began)
			continue;
		return mark;
	}
	return NULL;
}

static guint64 realtime_of(const struct console *con, const struct oops_event *event)
{
	guint64 realtime_ns = 0;
	guint i;

	for (i = con->nchunks > CHUNKS_KEPT ? con->nchunks - CHUNKS_KEPT : 0; i < con->nchunks; i++) {
		if (con->chunks[i % CHUNKS_KEPT].offset > event->start && realtime_ns)
			break;
		realtime_ns = con->chunks[i % CHUNKS_KEPT].realtime_ns;
	}
	return realtime_ns;
}

static void note_step(struct console *con, const struct detect_now *now,
		      const struct rec_entry *entry)
{
	if (con->nsteps == STEPS_KEPT)
		memmove(con->steps, con->steps + 1, --con->nsteps * sizeof(con->steps[0]));
	con->told_in_step = 0;
	con->steps[con->nsteps++] = (struct step_mark){
		.offset = con->offset, .host_ns = entry->stamp.monotonic_ns,
		.step = now->step, .cycle = now->cycle, .on_target = now->on_target,
		.may_fail = now->may_fail, .provokes = now->provokes,
	};
}

static void note_clock(struct console *con, const struct rec_entry *entry)
{
	struct vx_msg_heartbeat beat;

	if (entry->frame.length < sizeof(beat))
		return;
	memcpy(&beat, entry->payload, sizeof(beat));
	con->beat_ahead_ns = (gint64)beat.monotonic_ns - (gint64)entry->stamp.monotonic_ns;
	con->beat_known = TRUE;
}

static void note_printed(struct console *con, const struct rec_entry *entry)
{
	guint64 printed = oops_kernel_time(con->stream);
	gint64 ahead = (gint64)printed - (gint64)entry->stamp.monotonic_ns;

	if (printed == OOPS_NO_TIME)
		return;
	if (!con->print_known || ahead > con->print_ahead_ns)
		con->print_ahead_ns = ahead;
	con->print_known = TRUE;
}

/* ---- whom to blame --------------------------------------------------------------------- */

/* "func+0x12/0x340 [vexfs]", not "Modules linked in: vexfs(OE)": the first of them, NULL: none. */
static const char *in_frames(const struct console *con, const struct oops_event *event)
{
	g_autofree char *tag = g_strdup_printf(" [%s", con->module);
	const char *p = event->text, *end = event->text + event->text_len;
	gsize len = strlen(tag);

	if (!con->module[0])
		return NULL;
	while ((p = memmem(p, (gsize)(end - p), tag, len))) {
		p += len;
		if (p < end && (*p == ']' || *p == ' ' || *p == '('))
			return p - len;
	}
	return NULL;
}

static gboolean is_name(char c)
{
	return g_ascii_isalnum(c) || c == '_' || c == '.';
}

/*
 * A title names what the convention wants: of a stall the system call, of a recursion too.
 * Where that is not the target's, the guilty one is the target's innermost.
 */
static void name_the_guilty(struct finding *finding, const struct console *con, const struct oops_event *event)
{
	const char *end = in_frames(con, event), *name;

	finding->function = event->function[0] ? g_strdup(event->function) : NULL;
	finding->module = event->module[0] ? g_strdup(event->module) : NULL;
	if (!end || !g_strcmp0(finding->module, con->module))
		return;
	while (end > event->text && *end != '+' && *end != '\n')
		end--;
	for (name = end; name > event->text && is_name(name[-1]); name--)
		;
	if (*end != '+' || name == end)
		return;
	g_free(finding->function);
	g_free(finding->module);
	finding->function = g_strndup(name, MIN((gsize)(end - name), OOPS_NAME_MAX));
	finding->module = g_strdup(con->module);
}

static gboolean is_null_jump(const struct oops_event *event)
{
	return event->crash && g_strstr_len(event->text, (gssize)event->text_len, "RIP: 0010:0x0\n");
}

static enum blame blame(const struct console *con, const struct oops_event *event,
			const struct step_mark *mark)
{
	gboolean on_target = mark && mark->on_target;

	if (!mark && con->nsteps)
		return BLAME_ENVIRONMENT;	/* older than anything that was done here */
	if (in_frames(con, event) || event->class == OOPS_LOAD_FAILED ||
	    event->class == OOPS_UNLOAD_FAILED || event->class == OOPS_FILESYSTEM)
		return con->module[0] ? BLAME_MODULE : BLAME_KERNEL;
	/* A null pointer called by the kernel itself: an operation that the module does not fill in. */
	if (on_target && con->module[0] && (!event->function[0] || is_null_jump(event)))
		return BLAME_MODULE;
	return event->crash || on_target ? BLAME_KERNEL : BLAME_ENVIRONMENT;
}

/* ---- events to findings ------------------------------------------------------------------ */

static gboolean told_before(struct console *con, const struct step_mark *mark, const char *title)
{
	g_autofree char *key = g_strdup_printf("%" G_GUINT64_FORMAT "/%s", mark ? mark->step : 0,
					       title);
	guint i;

	for (i = 0; i < TITLES_KEPT; i++)
		if (!g_strcmp0(con->told[i], key))
			return TRUE;
	g_free(con->told[con->ntold % TITLES_KEPT]);
	con->told[con->ntold++ % TITLES_KEPT] = g_steal_pointer(&key);
	return FALSE;
}

static void add_lines(struct finding *finding, const struct oops_event *event)
{
	const char *p = event->text, *end = event->text + event->text_len;

	while (p < end) {
		const char *nl = memchr(p, '\n', (gsize)(end - p)) ?: end;

		finding_add_line(finding, "%.*s", (int)(nl - p), p);
		p = nl + 1;
	}
}

/* Of an image that was damaged on purpose, of a device that was made to fail, it is right to complain. */
static gboolean is_provoked(const struct step_mark *mark, enum oops_class class)
{
	return (class == OOPS_FILESYSTEM && (mark->may_fail || mark->provokes)) ||
	       (class == OOPS_NO_MEMORY && mark->provokes);
}

static void on_event(void *ctx, const struct oops_event *event)
{
	struct console *con = ctx;
	const struct step_mark *mark = step_of(con, event);
	gboolean dead = event->panicked || event->follows;
	struct finding *finding;

	if (!dead && mark && is_provoked(mark, event->class))
		return;
	if (!dead && (con->told_in_step >= TOLD_MAX || told_before(con, mark, event->title)))
		return;
	con->told_in_step++;
	finding = finding_new(dead ? FINDING_PANIC : classes[event->class],
			      dead ? SEV_CRITICAL : severities[event->severity], event->title);
	finding->kind = oops_class_name(event->class);
	finding->blame = blame(con, event, mark);
	finding->step = mark ? mark->step : 0;
	finding->cycle = mark ? mark->cycle : 0;
	finding->realtime_ns = realtime_of(con, event);
	finding->kernel_ns = event->kernel_ns;
	name_the_guilty(finding, con, event);
	finding->corrupted = event->corrupted;
	finding->noise = event->noise;
	add_lines(finding, event);
	if (con->findings)
		g_ptr_array_add(con->findings, finding);
	else
		finding_free(finding);
}

/* ---- a detector ---------------------------------------------------------------------------- */

static gpointer console_create(const struct detect_config *config)
{
	struct console *con = g_new0(struct console, 1);
	const struct oops_options options = {
		.emit = on_event, .ctx = con, .filesystem = config->target,
	};
	size_t i;

	g_strlcpy(con->module, config->module, sizeof(con->module));
	con->stream = oops_new(&options);
	oops_expect_boot(con->stream, TRUE);
	for (i = 0; i < json_array_size(config->noise); i++) {
		const char *pattern = json_string_value(json_array_get(config->noise, i));

		/* What is no pattern was refused before the run; an edited record is its editor's. */
		if (pattern)
			(void)oops_add_noise(con->stream, pattern);
	}
	return con;
}

static void console_destroy(gpointer state)
{
	struct console *con = state;
	guint i;

	oops_free(con->stream);
	for (i = 0; i < TITLES_KEPT; i++)
		g_free(con->told[i]);
	g_free(con);
}

/* The guest is another one, or as it was some time ago: what it says is of no step until the next begins. */
static void leave_step(struct console *con, const struct rec_entry *entry)
{
	const struct detect_now nothing = { 0 };

	note_step(con, &nothing, entry);
}

/*
 * Before "ready", and after the guest was given up, a kernel that boots is no crash. Whatever befell the guest, its
 * clock and the host's stand anew: it stood still while a point was made, and went back by a restore.
 */
static void on_vm(struct console *con, const struct rec_entry *entry)
{
	json_t *json = rec_entry_json(entry);
	const char *what = json_string_value(json_object_get(json, "event"));
	const gboolean ready = !g_strcmp0(what, "ready") || !g_strcmp0(what, "restored") ||
			       !g_strcmp0(what, "point made");
	const gboolean gone = !g_strcmp0(what, "lost") || !g_strcmp0(what, "restoring") ||
			      !g_strcmp0(what, "left") || !g_strcmp0(what, "ready state discarded");

	if (ready || gone) {
		oops_finish(con->stream);
		if (gone)
			oops_reset(con->stream);
		oops_expect_boot(con->stream, gone);
		con->beat_known = con->print_known = FALSE;
	}
	if (!g_strcmp0(what, "restoring") || !g_strcmp0(what, "left"))
		leave_step(con, entry);
	json_decref(json);
}

/* A serial port comes in by a few bytes: within a millisecond, the first speaks for all. */
static void note_chunk(struct console *con, const struct rec_entry *entry)
{
	guint64 last = con->nchunks ? con->chunks[(con->nchunks - 1) % CHUNKS_KEPT].realtime_ns : 0;

	if (last && entry->stamp.realtime_ns >= last && entry->stamp.realtime_ns - last < NS_PER_MS)
		return;
	con->chunks[con->nchunks % CHUNKS_KEPT].offset = con->offset;
	con->chunks[con->nchunks++ % CHUNKS_KEPT].realtime_ns = entry->stamp.realtime_ns;
}

static void on_console(struct console *con, const struct rec_entry *entry)
{
	note_chunk(con, entry);
	oops_feed(con->stream, entry->payload, entry->frame.length);
	note_printed(con, entry);
	con->offset += entry->frame.length;
	con->host_ns = entry->stamp.monotonic_ns;
}

static void settle(struct console *con, guint64 monotonic_ns)
{
	guint64 quiet = monotonic_ns > con->host_ns ? monotonic_ns - con->host_ns : 0;

	if (quiet >= QUIET_NS)
		oops_settle(con->stream, quiet >= SILENT_NS);
}

static void console_feed(gpointer state, const struct detect_now *now,
			 const struct rec_entry *entry, GPtrArray *findings)
{
	struct console *con = state;

	con->findings = findings;
	settle(con, entry->stamp.monotonic_ns);
	switch (entry->frame.type) {
	case VX_REC_CONSOLE:
		on_console(con, entry);
		break;
	case VX_MSG_HEARTBEAT:
		note_clock(con, entry);
		break;
	case VX_MSG_STEP:
		oops_settle(con->stream, FALSE);
		break;
	case VX_REC_STEP_BEGIN:
		oops_settle(con->stream, FALSE);
		note_step(con, now, entry);
		break;
	case VX_REC_VM:
		on_vm(con, entry);
		break;
	default:
		break;
	}
	con->findings = NULL;
}

static void console_idle(gpointer state, const struct detect_now *now, guint64 monotonic_ns,
			 GPtrArray *findings)
{
	struct console *con = state;

	con->findings = findings;
	settle(con, monotonic_ns);
	con->findings = NULL;
}

static void console_finish(gpointer state, const struct detect_now *now, GPtrArray *findings)
{
	struct console *con = state;

	con->findings = findings;
	oops_finish(con->stream);
	con->findings = NULL;
}

const struct detector detector_console = {
	.name = "console",
	.create = console_create,
	.destroy = console_destroy,
	.feed = console_feed,
	.idle = console_idle,
	.finish = console_finish,
};
