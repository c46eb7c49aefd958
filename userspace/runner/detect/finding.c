// SPDX-License-Identifier: GPL-2.0
#include "finding.h"

#define LINES_MAX 200

static const struct {
	const char *name;
	enum concern concern;
	gboolean hurts;
} classes[] = {
	[FINDING_PANIC]		 = { "KernelPanic", CONCERN_CRITICAL, TRUE },
	[FINDING_OOPS]		 = { "Oops", CONCERN_STABILITY, TRUE },
	[FINDING_BUG]		 = { "BUG", CONCERN_STABILITY, TRUE },
	[FINDING_WARNING]	 = { "Warning", CONCERN_STABILITY, FALSE },
	[FINDING_HANG]		 = { "Hang", CONCERN_STABILITY, TRUE },
	[FINDING_GUEST_LOST]	 = { "GuestLost", CONCERN_CRITICAL, TRUE },
	[FINDING_LOAD_FAILED]	 = { "ModuleLoadFailure", CONCERN_TEST, FALSE },
	[FINDING_UNLOAD_FAILED]	 = { "ModuleUnloadFailure", CONCERN_TEST, FALSE },
	[FINDING_STEP_FAILED]	 = { "StepFailure", CONCERN_TEST, FALSE },
	[FINDING_SLOW_OPERATION] = { "SlowOperation", CONCERN_PERFORMANCE, FALSE },
	[FINDING_MEMORY]	 = { "MemoryCorruption", CONCERN_STABILITY, TRUE },
	[FINDING_UNDEFINED]	 = { "UndefinedBehaviour", CONCERN_STABILITY, FALSE },
	[FINDING_RACE]		 = { "DataRace", CONCERN_STABILITY, FALSE },
	[FINDING_LOCKING]	 = { "LockingError", CONCERN_STABILITY, FALSE },
	[FINDING_LEAK]		 = { "MemoryLeak", CONCERN_STABILITY, FALSE },
	[FINDING_EXHAUSTED]	 = { "ResourceExhaustion", CONCERN_STABILITY, FALSE },
	[FINDING_SEGFAULT]	 = { "Segfault", CONCERN_TEST, FALSE },
	[FINDING_FILESYSTEM]	 = { "FilesystemError", CONCERN_TEST, FALSE },
	[FINDING_RECOVERY_FAILED] = { "RecoveryFailure", CONCERN_CRITICAL, FALSE },
	[FINDING_WRONG_RESULT]	 = { "WrongResult", CONCERN_TEST, FALSE },
	[FINDING_CORRUPTION]	 = { "DataCorruption", CONCERN_STABILITY, FALSE },
	[FINDING_LOST_DATA]	 = { "LostData", CONCERN_STABILITY, FALSE },
	[FINDING_LOST_SPACE]	 = { "LostSpace", CONCERN_STABILITY, FALSE },
	[FINDING_REGRESSION]	 = { "PerformanceRegression", CONCERN_PERFORMANCE, FALSE },
	[FINDING_HIGH_MEMORY]	 = { "HighMemoryUsage", CONCERN_PERFORMANCE, FALSE },
	[FINDING_HIGH_CPU]	 = { "HighCpuUsage", CONCERN_PERFORMANCE, FALSE },
	[FINDING_EXCESSIVE_IO]	 = { "ExcessiveIO", CONCERN_PERFORMANCE, FALSE },
};
_Static_assert(G_N_ELEMENTS(classes) == FINDING_CLASSES, "every class has a name and a concern");

const char *finding_class_name(enum finding_class class)
{
	return class < FINDING_CLASSES ? classes[class].name : "Unknown";
}

enum finding_class finding_class_from(const char *name)
{
	enum finding_class class;

	for (class = 0; class < FINDING_CLASSES; class++)
		if (!g_strcmp0(name, classes[class].name))
			break;
	return class;
}

gboolean finding_class_is_crash(enum finding_class class)
{
	switch (class) {
	case FINDING_PANIC:
	case FINDING_OOPS:
	case FINDING_BUG:
	case FINDING_MEMORY:
	case FINDING_HANG:
	case FINDING_LOCKING:
		return TRUE;
	default:
		return FALSE;
	}
}

enum concern finding_concern(enum finding_class class)
{
	return classes[class].concern;
}

gboolean finding_counts(const struct finding *finding)
{
	return !finding->noise && !finding->expected;
}

gboolean finding_hurts(const struct finding *finding)
{
	return classes[finding->class].hurts && !finding->noise;
}

const char *severity_name(enum severity severity)
{
	static const char *const names[] = { "Low", "Medium", "High", "Critical" };

	return names[severity];
}

const char *blame_name(enum blame blame)
{
	static const char *const names[] = { "module", "kernel", "environment" };

	return names[blame];
}

struct finding *finding_new(enum finding_class class, enum severity severity, const char *title)
{
	struct finding *finding = g_new0(struct finding, 1);

	finding->class = class;
	finding->severity = severity;
	finding->kernel_ns = FINDING_NO_TIME;
	finding->title = g_utf8_make_valid(title, -1);
	finding->lines = g_ptr_array_new_with_free_func(g_free);
	return finding;
}

void finding_free(struct finding *finding)
{
	if (!finding)
		return;
	g_ptr_array_unref(finding->lines);
	g_free(finding->title);
	g_free(finding->function);
	g_free(finding->module);
	g_free(finding->folder);
	g_free(finding->location);
	g_free(finding->during);
	json_decref(finding->violation);
	g_free(finding);
}

void finding_add_line(struct finding *finding, const char *format, ...)
{
	g_autofree char *line = NULL;
	va_list args;

	if (finding->lines->len >= LINES_MAX)
		return;
	va_start(args, format);
	line = g_strdup_vprintf(format, args);
	va_end(args);
	g_ptr_array_add(finding->lines, g_utf8_make_valid(line, -1));
}

json_t *finding_json(const struct finding *finding)
{
	json_t *lines = json_array(), *json;
	guint i;

	for (i = 0; i < finding->lines->len; i++)
		json_array_append_new(lines, json_string(g_ptr_array_index(finding->lines, i)));
	json = json_pack("{s:{s:I, s:I}, s:s, s:s?, s:s, s:s, s:s, s:s?, s:s?, s:I, s:I, s:o, "
			 "s:b, s:b, s:o, s:b, s:b}",
			 "timestamp",
			 "secs_since_epoch", (json_int_t)(finding->realtime_ns / 1000000000),
			 "nanos_since_epoch", (json_int_t)(finding->realtime_ns % 1000000000),
			 "event_type", finding_class_name(finding->class),
			 "kind", finding->kind,
			 "severity", severity_name(finding->severity),
			 "description", finding->title,
			 "blame", blame_name(finding->blame),
			 "function", finding->function, "module", finding->module,
			 "step", (json_int_t)finding->step,
			 "cycle", (json_int_t)finding->cycle,
			 "kernel_messages", lines,
			 "corrupted", finding->corrupted, "noise", finding->noise,
			 "kernel_ns", finding->kernel_ns == FINDING_NO_TIME ? json_null() :
			 json_integer((json_int_t)finding->kernel_ns),
			 "recovery_attempted", (int)finding->recovery_attempted,
			 "recovery_successful", (int)finding->recovery_successful);
	json_object_set_new(json, "evidence", finding->folder ? json_string(finding->folder) : json_null());
	if (finding->expected)
		json_object_set_new(json, "expected", json_true());
	if (finding->during)
		json_object_set_new(json, "scenario_step", json_string(finding->during));
	json_object_set_new(json, "location", finding->location ? json_string(finding->location) : json_null());
	return json;
}
