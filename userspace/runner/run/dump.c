// SPDX-License-Identifier: GPL-2.0
/* The guest's memory, once, at the first finding that matters: for drgn and crash. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "error.h"
#include "evidence.h"
#include "fsutil.h"
#include "run_priv.h"

#define LOOK_MS	20
#define MIB	(G_GUINT64_CONSTANT(1) << 20)

static gboolean look(gpointer ctx)
{
	struct run *run = ctx;

	run_dump(run);
	if (!run->dumped)
		return G_SOURCE_CONTINUE;
	run->dump_timer = 0;
	return G_SOURCE_REMOVE;
}

/*
 * The driver of QEMU's configuration device tells it where the kernel's VMCOREINFO lies; a reader finds
 * the kernel's address by that. A guest without the module gives a dump without it: no reason to stop.
 *
 * After a panic no step ends any more, and a few seconds later there is no guest: somebody must look
 * meanwhile.
 */
gboolean run_prepare_dump(struct run *run, GError **error)
{
	const char *strings[] = { "qemu_fw_cfg", NULL };
	const struct step_spec spec = {
		.op = VX_STEP_MODPROBE, .kind = "other", .name = "tell QEMU of the kernel's vmcoreinfo",
		.strings = strings,
	};
	enum step_outcome outcome;

	if (!run->req->dump || run->req->ssh)
		return TRUE;
	run->dump_timer = g_timeout_add(LOOK_MS, look, run);
	return run_step(run, &spec, &outcome, NULL, error);
}

static const struct finding *first_that_matters(const struct run *run)
{
	const GPtrArray *findings = journal_findings(run->journal);
	guint i;

	for (i = 0; i < findings->len; i++)
		if (evidence_deserved(g_ptr_array_index(findings, i)))
			return g_ptr_array_index(findings, i);
	return NULL;
}

/* Path of what was written, NULL and `error`. */
static char *write_dump(struct run *run, GError **error)
{
	/* QEMU, which writes it, has another current folder. */
	g_autofree char *whole = g_canonicalize_filename(journal_dir(run->journal), NULL);
	g_autofree char *dir = g_build_filename(whole, EVIDENCE_DIR, NULL);
	g_autofree char *path = g_build_filename(dir, "memory.kdump", NULL);
	g_autofree char *elf = g_build_filename(dir, "memory.elf", NULL);
	gboolean kdump;

	if (!run->session || !session_vm_lives(run->session)) {
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "QEMU is gone, or stopped");
		return NULL;
	}
	if (!fs_mkdir(dir, 0755, error) ||
	    !fs_need_space(dir, run->req->config->memory_mib * MIB / 4, error) ||
	    !vm_libvirt.dump(session_vm(run->session), path, &kdump, error))
		return NULL;
	if (kdump)
		return g_steal_pointer(&path);
	if (!rename(path, elf))
		return g_steal_pointer(&elf);
	return g_steal_pointer(&path);
}

void run_dump(struct run *run)
{
	const struct finding *finding = run->req->dump && !run->dumped ? first_that_matters(run) : NULL;
	const gint64 began = g_get_monotonic_time();
	g_autoptr(GError) error = NULL;
	g_autofree char *path = NULL, *text = NULL, *base = NULL;
	struct stat st = { 0 };
	double ms;

	if (!finding)
		return;
	run->dumped = TRUE;
	run->req->progress.tick(run->req->progress.ctx, "keeping the guest's memory", 0, 0);
	path = write_dump(run, &error);
	ms = (double)(g_get_monotonic_time() - began) / 1000;
	if (path) {
		stat(path, &st);
		base = g_path_get_basename(path);
		text = g_strdup_printf("kept the guest's memory: %s, %.1f MiB, in %.1f s", base,
				       (double)st.st_size / MIB, ms / 1000);
	} else {
		text = g_strdup_printf("the guest's memory could not be kept: %s", error->message);
	}
	/* No VX_REC_VM: nothing has befallen the guest. */
	journal_json(run->journal, VX_REC_REQUEST,
		     json_pack("{s:s, s:s, s:I, s:s?, s:I, s:f, s:s?}", "do", "dump", "title", finding->title,
			       "step", (json_int_t)finding->step, "file", base, "bytes", (json_int_t)st.st_size,
			       "ms", ms, "error", error ? error->message : NULL));
	run->req->progress.say(run->req->progress.ctx, text);
	journal_log(run->journal, "%s", text);
}
