// SPDX-License-Identifier: GPL-2.0
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "kdump.h"

#define NAMES_AT	12	/* behind the signature and the version: struct new_utsname */
#define NAME_LEN	65
#define HEAD_MAX	(64u << 10)	/* headers and VMCOREINFO stand in front of all else */

enum { SYSNAME, NODENAME, RELEASE, VERSION, MACHINE, DOMAINNAME, NAMES };

/* Of the guest's own words: only what a release may consist of. */
static void find_release(const char *head, gsize len, char *ret, gsize size)
{
	static const char key[] = "OSRELEASE=";
	const char *p = memmem(head, len, key, sizeof(key) - 1);
	gsize n = 0;

	g_strlcpy(ret, "(not known)", size);
	if (!p)
		return;
	for (p += sizeof(key) - 1; p + n < head + len && n + 1 < size; n++)
		if (!g_ascii_isalnum(p[n]) && !strchr("+-._~", p[n]))
			break;
	if (n) {
		memcpy(ret, p, n);
		ret[n] = '\0';
	}
}

static gboolean fill_names(char *names, const char *release)
{
	const char *const values[NAMES] = {
		[SYSNAME] = "Linux", [NODENAME] = "guest", [RELEASE] = release,
		[VERSION] = "(not known)", [MACHINE] = "x86_64", [DOMAINNAME] = "(none)",
	};
	gboolean changed = FALSE;
	guint i;

	for (i = 0; i < NAMES; i++) {
		char *name = names + i * NAME_LEN;

		if (*name && strcmp(name, "Unknown"))
			continue;
		memset(name, 0, NAME_LEN);
		g_strlcpy(name, values[i], NAME_LEN);
		changed = TRUE;
	}
	return changed;
}

static gboolean name_system(int fd)
{
	g_autofree char *head = g_malloc0(HEAD_MAX + 1);
	char release[NAME_LEN];
	ssize_t n = pread(fd, head, HEAD_MAX, 0);

	if (n < NAMES_AT + NAMES * NAME_LEN || memcmp(head, "KDUMP   ", 8))
		return FALSE;
	find_release(head, (gsize)n, release, sizeof(release));
	return !fill_names(head + NAMES_AT, release) ||
	       pwrite(fd, head + NAMES_AT, NAMES * NAME_LEN, NAMES_AT) == NAMES * NAME_LEN;
}

gboolean kdump_name_system(const char *path)
{
	gboolean ok;
	int fd;

	/* QEMU makes it read-only; it is ours. The guest's memory stays nobody else's business. */
	if (chmod(path, 0600))
		return FALSE;
	fd = open(path, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
	if (fd < 0)
		return FALSE;
	ok = name_system(fd);
	close(fd);
	return ok;
}
