// SPDX-License-Identifier: GPL-2.0
/*
 * libsystemd is looked for when it is asked for: nearly each Debian has it, its headers are of one exact version only, and all
 * that is wanted of it is one function of its stable interface.
 */
#include <dlfcn.h>
#include <errno.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "error.h"
#include "log.h"

#define JOURNAL_SOCKET	"/run/systemd/journal/socket"

typedef int (*sendv_fn)(const struct iovec *fields, int n);	/* sd_journal_sendv(3) */

/* Progress would drown the rest. */
static void write_journald(void *ctx, const struct log_entry *entry)
{
	g_autofree char *json = entry->fields ? json_dumps(entry->fields, JSON_COMPACT) : NULL;
	char *fields[] = {
		g_strconcat("MESSAGE=", entry->message, NULL), g_strdup_printf("PRIORITY=%d", (int)entry->level),
		g_strdup("SYSLOG_IDENTIFIER=vexlab"), g_strconcat("VEXLAB_EVENT=", entry->event, NULL),
		g_strconcat("VEXLAB_RUN=", entry->run ? entry->run : "", NULL), g_strconcat("VEXLAB_FIELDS=", json ? json : "{}", NULL),
	};
	struct iovec iov[G_N_ELEMENTS(fields)];
	guint i;

	for (i = 0; i < G_N_ELEMENTS(fields); i++)
		iov[i] = (struct iovec){ fields[i], strlen(fields[i]) };
	if (entry->level != LOG_LEVEL_DEBUG)
		((sendv_fn)ctx)(iov, G_N_ELEMENTS(fields));
	for (i = 0; i < G_N_ELEMENTS(fields); i++)
		g_free(fields[i]);
}

gboolean log_add_journald(struct log *log, GError **error)
{
	void *library = dlopen("libsystemd.so.0", RTLD_NOW), *send = library ? dlsym(library, "sd_journal_sendv") : NULL;

	if (!send) {
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "--log-journald: there is no libsystemd.so.0 on this machine: leave it out");
		return FALSE;
	}
	/* Without one, it drops what it is given and says nothing. */
	if (access(JOURNAL_SOCKET, W_OK)) {
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE, "--log-journald: journald does not listen at " JOURNAL_SOCKET
			    ": %s; leave it out", g_strerror(errno));
		return FALSE;
	}
	log_add(log, write_journald, send);
	return TRUE;
}
