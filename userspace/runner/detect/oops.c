// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <string.h>

#include "oops_report.h"
#include "oops_title.h"

#define NOISE_MAX	256u
#define FS_WORDS	4u	/* ways to write a filesystem's name */
#define LINES_MAX	16384u	/* of the stream, after which a report is over */
#define EARLIER_NS	1000000000ull
#define DYING_NS	10000000000ull	/* how long a task may take to die of an Oops */

/* The crash that was delivered last: what follows it may belong to it. */
struct delivered {
	gboolean valid;
	enum oops_class class;
	enum oops_origin origin;
	guint32 id;
	guint64 kernel_ns, line;
	guint64 killed;			/* task that died of it, 0: none or unknown */
	char title[TITLE_BYTES];
};

struct oops_stream {
	struct oops_options options;
	struct scan *scan;
	struct regexes *res;
	GPtrArray *noise;		/* char *: patterns */
	/* the target's own messages, as if they stood in the table */
	char *fs_pattern;
	struct oops_rule fs_rules[2];
	struct oops_key fs_key;
	/* the line in hand */
	char line[OOPS_LINE_MAX];
	gsize len;
	guint64 offset;			/* bytes fed so far */
	guint64 line_start;
	guint64 lines;
	/* what was heard */
	struct report reports[OOPS_REPORTS_OPEN];
	struct report *header;		/* that the last line opened: a replay takes it back */
	guint64 last_ns;
	gboolean boot_expected;
	struct delivered last;
	char incident[TITLE_BYTES];	/* the last one's title, and its time */
	guint64 incident_ns;
};

const char *oops_class_name(enum oops_class class)
{
	static const char *const names[] = {
		[OOPS_PANIC] = "panic", [OOPS_DIE] = "oops", [OOPS_PROTECTION] = "protection-fault",
		[OOPS_NULL] = "null-pointer", [OOPS_PAGING] = "paging-request",
		[OOPS_DOUBLE_FAULT] = "double-fault", [OOPS_STACK] = "stack-overflow",
		[OOPS_BUG] = "bug", [OOPS_WARNING] = "warning", [OOPS_KASAN] = "kasan",
		[OOPS_KMSAN] = "kmsan", [OOPS_KCSAN] = "kcsan", [OOPS_UBSAN] = "ubsan",
		[OOPS_KFENCE] = "kfence", [OOPS_LOCKDEP] = "lockdep",
		[OOPS_ATOMIC_SLEEP] = "atomic-sleep", [OOPS_HUNG_TASK] = "hung-task",
		[OOPS_SOFT_LOCKUP] = "soft-lockup", [OOPS_HARD_LOCKUP] = "hard-lockup",
		[OOPS_RCU_STALL] = "rcu-stall", [OOPS_REFCOUNT] = "refcount",
		[OOPS_LIST] = "list-corruption", [OOPS_MEMORY] = "memory-corruption",
		[OOPS_BUSY_INODES] = "busy-inodes", [OOPS_SLAB_LEFT] = "slab-objects-left",
		[OOPS_LEAK] = "memory-leak", [OOPS_NO_MEMORY] = "out-of-memory",
		[OOPS_REBOOT] = "reboot", [OOPS_PROGRAM] = "program",
		[OOPS_FILESYSTEM] = "filesystem-error", [OOPS_LOAD_FAILED] = "module-load",
		[OOPS_UNLOAD_FAILED] = "module-unload",
	};
	_Static_assert(G_N_ELEMENTS(names) == OOPS_CLASSES, "every class has a name");

	return (guint)class < OOPS_CLASSES ? names[class] : "unknown";
}

/* ---- the target's own messages ------------------------------------------------------- */

/* "vexfs", "VEXFS", "Vexfs", "VexFS". */
static guint spell(const char *name, char words[FS_WORDS][OOPS_NAME_MAX])
{
	gsize len = strlen(name);
	guint i;

	for (i = 0; i < FS_WORDS; i++)
		g_strlcpy(words[i], name, OOPS_NAME_MAX);
	len = MIN(len, OOPS_NAME_MAX - 1);
	for (i = 0; i < len; i++) {
		words[1][i] = g_ascii_toupper(name[i]);
		words[2][i] = i ? g_ascii_tolower(name[i]) : g_ascii_toupper(name[i]);
		words[3][i] = i && i + 2 < len ? g_ascii_tolower(name[i]) : g_ascii_toupper(name[i]);
	}
	return FS_WORDS;
}

static void learn_filesystem(struct oops_stream *s, const char *name)
{
	g_autofree char *quoted = g_regex_escape_string(name, -1);

	s->fs_pattern = g_strdup_printf("^\\W{0,2}((?i:%s)(?:[-_ ]?[fF][sS])?\\b.*"
					"\\b(?i:errors?|corrupt(?:ed|ion)?|critical|fatal|inconsistent|"
					"fail(?:ed|ure)?|bug|panic)\\b(?!=).*)", quoted);
	s->fs_rules[0] = (struct oops_rule){
		.line = s->fs_pattern, .title = "$1", .class = OOPS_FILESYSTEM,
		.severity = OOPS_MEDIUM, .flags = RULE_NO_STACK | RULE_INCIDENT,
	};
	s->fs_key = (struct oops_key){
		.unless = "module verification failed|taint|\\b(?i:no|0) errors?\\b|errors?[:=] ?(?:0|no)",
		.rules = s->fs_rules, .class = OOPS_FILESYSTEM, .severity = OOPS_MEDIUM,
		.flags = KEY_LINE, .word = "",	/* it is spelled in more than one way */
	};
}

/* ---- life -------------------------------------------------------------------------- */

static struct scan *make_scan(const char *filesystem)
{
	char spelled[FS_WORDS][OOPS_NAME_MAX];
	const char *words[SCAN_WORDS_MAX];
	guint n = 0, i;

	g_assert(oops_nkeys + MARKS + FS_WORDS <= SCAN_WORDS_MAX);
	for (i = 0; i < oops_nkeys; i++)
		words[n++] = oops_keys[i].word;
	for (i = 0; i < MARKS; i++)
		words[n++] = oops_marks[i];
	if (filesystem && *filesystem)
		for (i = 0; i < spell(filesystem, spelled); i++)
			words[n++] = spelled[i];
	return scan_new(words, n);
}

struct oops_stream *oops_new(const struct oops_options *options)
{
	struct oops_stream *s = g_new0(struct oops_stream, 1);
	guint i;

	s->options = *options;
	s->options.filesystem = NULL;
	s->scan = make_scan(options->filesystem);
	s->res = regexes_new();
	s->noise = g_ptr_array_new_with_free_func(g_free);
	for (i = 0; i < OOPS_REPORTS_OPEN; i++)
		s->reports[i].text = g_string_new(NULL);
	if (options->filesystem && *options->filesystem)
		learn_filesystem(s, options->filesystem);
	oops_reset(s);
	return s;
}

void oops_free(struct oops_stream *s)
{
	guint i;

	if (!s)
		return;
	for (i = 0; i < OOPS_REPORTS_OPEN; i++)
		g_string_free(s->reports[i].text, TRUE);
	scan_free(s->scan);
	regexes_free(s->res);
	g_ptr_array_unref(s->noise);
	g_free(s->fs_pattern);
	g_free(s);
}

void oops_reset(struct oops_stream *s)
{
	guint i;

	for (i = 0; i < OOPS_REPORTS_OPEN; i++)
		s->reports[i].open = FALSE;
	s->header = NULL;
	s->len = 0;
	s->line_start = s->offset;
	s->last.valid = FALSE;
	s->last_ns = OOPS_NO_TIME;
	s->incident[0] = '\0';
	s->boot_expected = FALSE;
}

void oops_expect_boot(struct oops_stream *s, bool expected)
{
	s->boot_expected = expected;
}

uint64_t oops_kernel_time(const struct oops_stream *s)
{
	return s->last_ns;
}

int oops_add_noise(struct oops_stream *s, const char *pattern)
{
	if (!regex_valid(pattern))
		return -EINVAL;
	if (s->noise->len >= NOISE_MAX)
		return -E2BIG;
	g_ptr_array_add(s->noise, g_strdup(pattern));
	return 0;
}

/* ---- out ---------------------------------------------------------------------------- */

static gboolean is_noise(struct oops_stream *s, const char *title, const char *text, gsize len)
{
	const char *nl = memchr(text, '\n', len);
	guint i;

	for (i = 0; i < s->noise->len; i++) {
		const char *pattern = g_ptr_array_index(s->noise, i);

		if (regex_match(s->res, pattern, title, strlen(title), NULL) ||
		    regex_match(s->res, pattern, text, nl ? (gsize)(nl - text) : len, NULL))
			return TRUE;
	}
	return FALSE;
}

static void deliver(struct oops_stream *s, const struct report *report,
		    const struct oops_verdict *verdict)
{
	const struct oops_rule *rule = verdict->rule;
	const struct oops_event event = {
		.class = report->follows ? OOPS_PANIC : rule ? rule->class : report->key->class,
		.severity = report->panicked ? OOPS_CRITICAL :
			    rule ? rule->severity : report->key->severity,
		.title = report->follows ? s->last.title :
			 verdict->title[0] ? verdict->title : report->key->word,
		.function = verdict->function, .module = verdict->module,
		.crash = !rule || !(rule->flags & RULE_INCIDENT),
		.corrupted = verdict->corrupted,
		.noise = is_noise(s, verdict->title, report->text->str, report->text->len),
		.panicked = report->panicked, .follows = report->follows,
		.folded = report->folded, .kernel_ns = report->kernel_ns,
		.start = report->start, .end = report->end,
		.text = report->text->str, .text_len = report->text->len,
	};

	s->options.emit(s->options.ctx, &event);
}

/* "CPU: 0 PID: 211 Comm: mount": the task that a report is about, 0: it does not say. */
static guint64 task_of(struct oops_stream *s, const struct report *report)
{
	const char *p = report->text->str, *end = p + report->text->len;
	struct captures match;

	p = memmem(p, (gsize)(end - p), "PID: ", 5);
	if (!p || !regex_match(s->res, "^PID: ([0-9]{1,9}) ", p, MIN((gsize)(end - p), 32), &match))
		return 0;
	return g_ascii_strtoull(match.group[1].p, NULL, 10);
}

/* A task that was killed by a crash complains while it dies: of locks held, of the wrong context. */
static gboolean dying_words(const struct oops_stream *s, const struct report *report, guint64 task)
{
	const struct delivered *last = &s->last;

	if (!last->valid || !last->killed || last->killed != task)
		return FALSE;
	return report->kernel_ns == OOPS_NO_TIME || last->kernel_ns == OOPS_NO_TIME ||
	       report->kernel_ns < last->kernel_ns + DYING_NS;
}

static void close_report(struct oops_stream *s, struct report *report)
{
	guint64 task = task_of(s, report);
	struct oops_verdict verdict;

	report->open = FALSE;
	if (s->header == report)
		s->header = NULL;
	if (dying_words(s, report, task)) {
		if (!report->panicked)
			return;
		report->follows = TRUE;
	}
	oops_judge(s->res, report->key, report->text->str, report->title_len, report->text->len,
		   &verdict);
	deliver(s, report, &verdict);
	if (!report->follows)
		s->last.killed = report_is_fatal(report->class) ? task : 0;
	s->last.valid = TRUE;
	s->last.class = verdict.rule ? verdict.rule->class : report->key->class;
	s->last.origin = report->origin;
	s->last.id = report->id;
	s->last.kernel_ns = report->last_ns;
	s->last.line = s->lines;
	if (!report->follows)
		g_strlcpy(s->last.title, verdict.title, sizeof(s->last.title));
}

/* A message of one line. The same again and again is told once a second of the kernel's. */
static void incident(struct oops_stream *s, const struct oops_key *key, const struct heard *heard)
{
	struct report report = { .text = NULL };
	guint64 now = heard->line.kernel_ns;
	struct oops_verdict verdict;

	if (!oops_rule_for(s->res, key, heard->line.text, heard->line.len))
		return;
	report.text = g_string_sized_new(heard->line.len + 2);
	report_open(&report, key, NULL, heard);
	report_hear(&report, heard, TRUE);
	oops_judge(s->res, key, report.text->str, report.title_len, report.text->len, &verdict);
	if (verdict.rule && (strcmp(verdict.title, s->incident) ||
			     (now != OOPS_NO_TIME && now > s->incident_ns + EARLIER_NS))) {
		g_strlcpy(s->incident, verdict.title, sizeof(s->incident));
		s->incident_ns = now;
		deliver(s, &report, &verdict);
	}
	g_string_free(report.text, TRUE);
}

/* ---- which crash a header belongs to ---------------------------------------------------- */

static gboolean same_task(enum oops_origin origin, guint32 id, const struct heard *heard)
{
	return origin == ORIGIN_TASK && oops_line_same_origin(&heard->line, origin, id);
}

/* Watchdogs take turns, and a cache that is destroyed is told of twice. */
static gboolean tells_again(enum oops_class class, const struct oops_rule *rule)
{
	return rule && ((report_is_hang(class) && report_is_hang(rule->class)) ||
			(class == OOPS_SLAB_LEFT && rule->class == OOPS_SLAB_LEFT));
}

/* Does the header tell of a crash that `report`, still open, has told of? */
static gboolean folds(struct oops_stream *s, const struct report *report,
		      const struct oops_key *key, const struct heard *heard)
{
	const struct oops_rule *rule;

	if (key->flags & KEY_AFTER)
		return TRUE;
	if (report_is_fatal(report->class) && same_task(report->origin, report->id, heard))
		return TRUE;
	if (!report_near(report->class, report->kernel_ns, report->first_line, heard))
		return FALSE;
	rule = oops_rule_for(s->res, key, heard->line.text, heard->line.len);
	if (report->ended)
		return report->class == OOPS_SLAB_LEFT && tells_again(report->class, rule);
	if (key->severity <= report->severity)
		return TRUE;
	return rule && rule->severity <= report->severity;
}

/* A panic that is not the sequel of what it follows: its words are its own, and that was nothing to die of. */
static gboolean panics_by_itself(enum oops_class before, const struct oops_rule *rule)
{
	return rule && rule->class == OOPS_PANIC && !(rule->flags & RULE_CORRUPTED) && !report_is_fatal(before) &&
	       !report_is_hang(before);
}

static gboolean folds_into_delivered(const struct oops_stream *s, const struct oops_key *key,
				     const struct oops_rule *rule, const struct heard *heard)
{
	const struct delivered *last = &s->last;

	if (!last->valid || !report_near(last->class, last->kernel_ns, last->line, heard) ||
	    panics_by_itself(last->class, rule))
		return FALSE;
	return (key->flags & KEY_AFTER) || same_task(last->origin, last->id, heard) ||
	       tells_again(last->class, rule);
}

static struct report *free_report(struct oops_stream *s)
{
	struct report *oldest = &s->reports[0];
	guint i;

	for (i = 0; i < OOPS_REPORTS_OPEN; i++) {
		if (!s->reports[i].open)
			return &s->reports[i];
		if (s->reports[i].first_line < oldest->first_line)
			oldest = &s->reports[i];
	}
	close_report(s, oldest);
	return oldest;
}

static struct report *fold_target(struct oops_stream *s, const struct oops_key *key,
				  const struct heard *heard)
{
	struct report *target = NULL;
	guint i;

	for (i = 0; i < OOPS_REPORTS_OPEN; i++) {
		struct report *report = &s->reports[i];

		if (report->open && folds(s, report, key, heard) &&
		    (!target || oops_line_same_origin(&heard->line, report->origin, report->id)))
			target = report;
	}
	return target;
}

/*
 * A header that is no report's aftermath: those that have ended make room for
 * it, and those whose lines could not be told from its own. A task that crashes
 * while it reports may come back to its first report: that stays.
 */
static void close_ended(struct oops_stream *s, const struct heard *heard)
{
	guint i;

	for (i = 0; i < OOPS_REPORTS_OPEN; i++) {
		struct report *report = &s->reports[i];
		gboolean told_apart = report->origin == ORIGIN_TASK || report->origin == ORIGIN_CPU;

		if (report->open &&
		    (report->ended ||
		     (oops_line_same_origin(&heard->line, report->origin, report->id) &&
		      !(told_apart && report_near(report->class, report->kernel_ns,
						  report->first_line, heard)))))
			close_report(s, report);
	}
}

/* The report that `heard` opens, NULL when it tells nothing new. */
static struct report *on_header(struct oops_stream *s, const struct oops_key *key,
				const struct heard *heard)
{
	struct report *report = fold_target(s, key, heard);
	gboolean panic = heard_mark(heard, MARK_PANIC), follows = FALSE;
	const struct oops_rule *rule = NULL;
	guint i;

	if (report) {
		report->folded++;
		report->panicked |= panic;
	} else {
		close_ended(s, heard);
		rule = oops_rule_for(s->res, key, heard->line.text, heard->line.len);
		follows = folds_into_delivered(s, key, rule, heard);
		if (follows && !panic)
			return NULL;
	}
	for (i = 0; i < OOPS_REPORTS_OPEN; i++)
		if (s->reports[i].open && !(key->flags & KEY_AFTER))
			s->reports[i].second = TRUE;
	if (report)
		return NULL;
	report = free_report(s);
	report_open(report, key, rule, heard);
	report->panicked = panic;
	report->follows = follows;
	return report;
}

/* ---- lines ---------------------------------------------------------------------------- */

/* The first key that the line has and that nothing speaks against. */
static const struct oops_key *key_of(struct oops_stream *s, const struct heard *heard)
{
	guint i;

	for (i = 0; i < oops_nkeys; i++) {
		const struct oops_key *key = &oops_keys[i];

		if (!scan_has(&heard->hits, i) ||
		    (key->unless && regex_match(s->res, key->unless, heard->line.raw,
						heard->line.raw_len, NULL)))
			continue;
		if ((key->flags & KEY_BOOT) && s->boot_expected)
			continue;
		if ((key->flags & KEY_EARLIER) &&
		    (heard->line.kernel_ns == OOPS_NO_TIME || s->last_ns == OOPS_NO_TIME ||
		     heard->line.kernel_ns + EARLIER_NS > s->last_ns))
			continue;
		return key;
	}
	for (i = oops_nkeys + MARKS; s->fs_pattern && i < oops_nkeys + MARKS + FS_WORDS; i++)
		if (scan_has(&heard->hits, i))
			return regex_match(s->res, s->fs_pattern, heard->line.text, heard->line.len,
					   NULL) &&
			       !regex_match(s->res, s->fs_key.unless, heard->line.raw,
					    heard->line.raw_len, NULL) ? &s->fs_key : NULL;
	return NULL;
}

static gboolean any_open(const struct oops_stream *s)
{
	guint i;

	for (i = 0; i < OOPS_REPORTS_OPEN; i++)
		if (s->reports[i].open)
			return TRUE;
	return FALSE;
}

static void close_stale(struct oops_stream *s, const struct heard *heard)
{
	guint i;

	for (i = 0; i < OOPS_REPORTS_OPEN; i++) {
		struct report *report = &s->reports[i];

		if (report->open && (report_stale(report, heard) ||
				     heard->number - report->first_line > LINES_MAX))
			close_report(s, report);
	}
}

static void hear(struct oops_stream *s, const struct heard *heard)
{
	gboolean over = heard_mark(heard, MARK_END_PANIC) || heard_mark(heard, MARK_REBOOTING);
	gboolean foreign = heard_mark(heard, MARK_FOREIGN_1) || heard_mark(heard, MARK_FOREIGN_2) ||
			   heard_mark(heard, MARK_FOREIGN_3);
	const struct oops_key *key = scan_any(&heard->hits) ? key_of(s, heard) : NULL;
	struct report *opened = NULL;
	guint i;

	/* The message before was cut off and comes again, whole. */
	if (heard_mark(heard, MARK_REPLAY) && s->header)
		s->header->open = FALSE;
	s->header = NULL;
	close_stale(s, heard);
	if (key && (key->flags & KEY_LINE))
		incident(s, key, heard);
	else if (key)
		s->header = opened = on_header(s, key, heard);
	for (i = 0; i < OOPS_REPORTS_OPEN; i++) {
		struct report *report = &s->reports[i];

		if (!report->open)
			continue;
		report->second |= foreign && report != opened;
		report_hear(report, heard, report == opened);
		if (over)
			close_report(s, report);
	}
}

static void take_line(struct oops_stream *s, const char *p, gsize len, guint64 start)
{
	struct heard heard = { .start = start, .end = start + len, .number = ++s->lines };
	char clean[OOPS_LINE_MAX];
	gboolean escapes, matters;

	while (len && p[len - 1] == '\r')
		len--;
	heard.hits = scan_line(s->scan, p, len);
	escapes = heard.hits.unclean && memchr(p, 0x1b, len);
	matters = any_open(s) || escapes || scan_any(&heard.hits);
	if (heard.hits.unclean && matters) {
		memcpy(clean, p, len);
		len = oops_line_clean(clean, len);
		p = clean;
		/* An escape sequence's letters may have parted a word. */
		if (escapes)
			heard.hits = scan_line(s->scan, p, len);
	}
	oops_line_parse(p, len, &heard.line);
	if (matters)
		hear(s, &heard);
	else
		s->header = NULL;
	if (heard.line.kernel_ns != OOPS_NO_TIME)
		s->last_ns = heard.line.kernel_ns;
}

/* Takes bytes up to and with a newline, or as many as a line may have. Returns how many. */
static gsize take_some(struct oops_stream *s, const char *p, gsize len)
{
	gsize room = sizeof(s->line) - s->len;
	gsize part = MIN(len, room);
	const char *nl = memchr(p, '\n', part);
	gsize n = nl ? (gsize)(nl - p) : part;
	gboolean whole = nl || n == room;

	if (whole && !s->len) {
		take_line(s, p, n, s->line_start);
	} else {
		memcpy(s->line + s->len, p, n);
		s->len += n;
		if (whole)
			take_line(s, s->line, s->len, s->line_start);
	}
	n += nl != NULL;
	s->offset += n;
	if (whole) {
		s->len = 0;
		s->line_start = s->offset;
	}
	return n;
}

void oops_feed(struct oops_stream *s, const void *data, size_t len)
{
	const char *p = data;

	while (len) {
		gsize n = take_some(s, p, len);

		p += n;
		len -= n;
	}
}

void oops_settle(struct oops_stream *s, bool all)
{
	guint i;

	for (i = 0; i < OOPS_REPORTS_OPEN; i++)
		if (s->reports[i].open && (all || s->reports[i].ended))
			close_report(s, &s->reports[i]);
}

void oops_finish(struct oops_stream *s)
{
	if (s->len)
		take_line(s, s->line, s->len, s->line_start);
	s->len = 0;
	s->line_start = s->offset;
	oops_settle(s, TRUE);
}
