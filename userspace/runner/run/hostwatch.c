// SPDX-License-Identifier: GPL-2.0
/*
 * What the guest costs the host, into the record as VX_REC_METRICS: CPU, memory and I/O of its QEMU, room left where the
 * run and the cache are, bytes that wait for the guest. Counters are QEMU's since it began; "pid" tells when it is another.
 */
#include <stdio.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "procstat.h"
#include "run_priv.h"

#define INTERVAL_MIN	10u	/* ms */

static char *proc_text(gint64 pid, const char *name)
{
	g_autofree char *path = g_strdup_printf("/proc/%" G_GINT64_FORMAT "/%s", pid, name);
	char *text = NULL;

	return g_file_get_contents(path, &text, NULL, NULL) ? text : NULL;
}

static void add_cpu(json_t *json, gint64 pid)
{
	const struct procstat stat = procstat_read(pid);

	if (stat.state != '?')
		json_object_set_new(json, "cpu_ms", json_integer((json_int_t)(stat.cpu * 1000 / (unsigned long)sysconf(_SC_CLK_TCK))));
}

static void add_memory(json_t *json, gint64 pid)
{
	g_autofree char *text = proc_text(pid, "statm");
	unsigned long long pages;

	if (text && sscanf(text, "%*u %llu", &pages) == 1)
		json_object_set_new(json, "rss_kb", json_integer((json_int_t)(pages * (unsigned long)sysconf(_SC_PAGESIZE) / 1024)));
}

/* Another user's, as with a system-wide libvirt, may not be read. */
static void add_io(json_t *json, gint64 pid)
{
	static const char *const names[] = { "read_bytes", "write_bytes" };
	g_autofree char *text = proc_text(pid, "io");
	guint i;

	for (i = 0; text && i < G_N_ELEMENTS(names); i++) {
		g_autofree char *line = g_strdup_printf("\n%s: ", names[i]);
		const char *at = strstr(text, line);

		if (at)
			json_object_set_new(json, names[i], json_integer((json_int_t)g_ascii_strtoull(at + strlen(line), NULL, 10)));
	}
}

static void add_room(json_t *json, const char *key, const char *dir)
{
	struct statvfs st;

	if (!statvfs(dir, &st))
		json_object_set_new(json, key, json_integer((json_int_t)((guint64)st.f_bavail * st.f_frsize / 1024)));
}

static gboolean look(gpointer data)
{
	struct run *run = data;
	struct vm *vm = run->session ? session_vm(run->session) : NULL;
	const gint64 pid = vm ? vm_libvirt.pid(vm) : 0;
	json_t *json = json_object();

	if (pid) {
		json_object_set_new(json, "pid", json_integer(pid));
		add_cpu(json, pid);
		add_memory(json, pid);
		add_io(json, pid);
	}
	if (vm)
		json_object_set_new(json, "waiting_bytes", json_integer((json_int_t)vm_libvirt.channel_pending(vm)));
	add_room(json, "run_free_kb", journal_dir(run->journal));
	add_room(json, "cache_free_kb", run->req->cachedir);
	journal_json(run->journal, VX_REC_METRICS, json);
	return G_SOURCE_CONTINUE;
}

void hostwatch_start(struct run *run)
{
	const guint ms = run->req->config->monitor_interval_ms;

	if (!ms || run->watch_timer)
		return;
	look(run);
	run->watch_timer = g_timeout_add(MAX(ms, INTERVAL_MIN), look, run);
}

void hostwatch_stop(struct run *run)
{
	g_clear_handle_id(&run->watch_timer, g_source_remove);
}
