// SPDX-License-Identifier: GPL-2.0
/* What a run's figures hang on beside its settings: noted in the record, for whoever compares it with another. */
#include <gelf.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "run_priv.h"

#define QEMU "qemu-system-x86_64"

/* A program's first line. NULL: it has none to give. Caller frees. */
static char *first_line(const char *const *argv)
{
	g_autofree char *out = NULL;
	int status = 0;

	if (!g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH | G_SPAWN_STDERR_TO_DEV_NULL, NULL, NULL, &out, NULL,
			  &status, NULL) || status)
		return NULL;
	strtok(out, "\n");
	return *out ? g_utf8_make_valid(out, -1) : NULL;
}

static char *cpu_model(void)
{
	g_autofree char *text = NULL;
	const char *line, *colon;

	if (!g_file_get_contents("/proc/cpuinfo", &text, NULL, NULL))
		return NULL;
	line = strstr(text, "model name");
	colon = line ? strchr(line, ':') : NULL;
	return colon ? g_strstrip(g_strndup(colon + 1, strcspn(colon + 1, "\n"))) : NULL;
}

/* 100 means: as many tasks wanted to run as there are CPUs, before the run began. */
static json_t *load_percent(void)
{
	double load;

	return getloadavg(&load, 1) == 1 ? json_integer((json_int_t)(100 * load / g_get_num_processors())) : json_null();
}

/* The note that the linker leaves in a module; NULL: none. Caller frees. */
static char *note_of(Elf_Data *data)
{
	const char *bytes = data->d_buf;
	size_t at = 0, name, desc;
	GElf_Nhdr note;

	while ((at = gelf_getnote(data, at, &note, &name, &desc)) > 0) {
		GString *text;
		guint i;

		if (note.n_type != NT_GNU_BUILD_ID || note.n_namesz != 4 || memcmp(bytes + name, "GNU", 4))
			continue;
		text = g_string_new(NULL);
		for (i = 0; i < note.n_descsz && i < 64; i++)
			g_string_append_printf(text, "%02x", (guint8)bytes[desc + i]);
		return g_string_free(text, FALSE);
	}
	return NULL;
}

static char *build_id(const char *path)
{
	const int fd = open(path, O_RDONLY | O_CLOEXEC);
	Elf_Scn *section = NULL;
	char *found = NULL;
	GElf_Shdr shdr;
	Elf *elf;

	elf_version(EV_CURRENT);
	elf = fd >= 0 ? elf_begin(fd, ELF_C_READ, NULL) : NULL;
	while (elf && !found && (section = elf_nextscn(elf, section))) {
		Elf_Data *data = gelf_getshdr(section, &shdr) && shdr.sh_type == SHT_NOTE ? elf_getdata(section, NULL) : NULL;

		found = data && data->d_buf ? note_of(data) : NULL;
	}
	if (elf)
		elf_end(elf);
	if (fd >= 0)
		close(fd);
	return found;
}

/* Of the source tree; with "-dirty" when files of it are not what that revision has. NULL: it is in no repository. */
static char *revision(const struct run_request *req)
{
	struct target_source source = { 0 };
	char *line = NULL;

	if (req->target->module != TARGET_SOURCE || !target_find_source(req->target, req->source, &source, NULL))
		return NULL;
	line = first_line((const char *const []){ "git", "-C", source.module_dir, "describe", "--always", "--dirty", "--abbrev=40",
						  "--exclude=*", NULL });
	target_source_clear(&source);
	return line;
}

/* What the scenario was asked for beyond its settings, as one word. */
static char *arguments(const struct run_request *req)
{
	g_autofree char *args = req->args ? g_strjoinv(" ", req->args) : NULL;

	return g_strconcat(args ? args : "", req->faults ? " faults=" : "", req->faults ? req->faults : "",
			   req->operations ? " operations=" : "", req->operations ? req->operations : "", NULL);
}

static void set(json_t *json, const char *key, char *word)
{
	if (word)
		json_object_set_new(json, key, json_string(word));
	g_free(word);
}

void run_note_environment(const struct run *run)
{
	const struct run_request *req = run->req;
	const char *qemu[] = { QEMU, "--version", NULL };
	const char *path = run->built ? run->built->modules[run->built->nmodules - 1].path : NULL;
	json_t *json = json_pack("{s:s, s:i, s:o, s:s, s:s}", "event", "environment", "cpus", (int)g_get_num_processors(),
				 "load", load_percent(), "clock", req->icount ? "instructions" : "time",
				 "probe", !req->probe_source ? "none" : req->box == VM_BOX_SHMEM ? "shmem" :
				 req->box == VM_BOX_PORT ? "port" : "no box");
	const unsigned long libvirt = vm_libvirt_version();

	set(json, "cpu", cpu_model());
	set(json, "qemu", req->ssh || req->uri ? NULL : first_line(qemu));
	set(json, "revision", revision(req));
	set(json, "build_id", path ? build_id(path) : NULL);
	set(json, "arguments", arguments(req));
	if (libvirt)
		set(json, "libvirt", g_strdup_printf("%lu.%lu.%lu", libvirt / 1000000, libvirt / 1000 % 1000, libvirt % 1000));
	if (req->version)
		json_object_set_new(json, "vexlab", json_string(req->version));
	journal_json(run->journal, VX_REC_VM, json);
}
