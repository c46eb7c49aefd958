// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "digest.h"
#include "error.h"

#define SMALL_HOLE	(256 << 10)
#define CHUNK		(1u << 20)

#if defined(__x86_64__)
static gboolean have_crc32c(void)
{
	return __builtin_cpu_supports("sse4.2");
}

__attribute__((target("sse4.2")))
static guint32 crc32c(guint32 crc, const char *data, gsize len)
{
	guint64 c = crc, word;

	for (; len >= sizeof(word); len -= sizeof(word), data += sizeof(word)) {
		memcpy(&word, data, sizeof(word));
		c = __builtin_ia32_crc32di(c, word);
	}
	for (; len; len--)
		c = __builtin_ia32_crc32qi(c, *data++);
	return c;
}
#else
static gboolean have_crc32c(void)
{
	return FALSE;
}

static guint32 crc32c(guint32 crc, const char *data, gsize len)
{
	g_assert_not_reached();
}
#endif

const char *digest_name(void)
{
	return have_crc32c() ? "crc32c" : "crc32";
}

static guint32 sum_up(guint32 crc, const void *data, gsize len)
{
	return have_crc32c() ? crc32c(crc, data, len) : crc32(crc, data, len);
}

static GArray *find_data(int fd, gint64 from)
{
	GArray *ranges = g_array_new(FALSE, FALSE, sizeof(struct digest_range));
	off_t data, hole = from;

	while ((data = lseek(fd, hole, SEEK_DATA)) >= 0) {
		struct digest_range *last = ranges->len ? &g_array_index(ranges, struct digest_range, ranges->len - 1) : NULL;

		hole = lseek(fd, data, SEEK_HOLE);
		if (hole < 0)
			break;
		if (last && data - (last->start + last->len) < SMALL_HOLE)
			last->len = hole - last->start;
		else
			g_array_append_val(ranges, ((struct digest_range) { data, hole - data }));
	}
	return ranges;
}

static gboolean sum_up_range(int fd, struct digest_range range, char *buf, guint32 *crc)
{
	*crc = sum_up(*crc, &range.start, sizeof(range.start));
	while (range.len > 0) {
		ssize_t n = pread(fd, buf, MIN(range.len, (gint64)CHUNK), range.start);

		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			return FALSE;
		*crc = sum_up(*crc, buf, n);
		range.start += n;
		range.len -= n;
	}
	return TRUE;
}

GArray *digest_ranges(const char *path, gint64 from, GError **error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	GArray *ranges;

	if (fd < 0) {
		vx_error_set_errno(error, errno, "cannot open %s", path);
		return NULL;
	}
	ranges = find_data(fd, from);
	close(fd);
	return ranges;
}

GArray *digest_file(const char *path, GArray *ranges, guint32 *ret, GError **error)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	g_autofree char *buf = NULL;
	guint32 crc = 0;
	gboolean ok = TRUE;

	if (fd < 0) {
		vx_error_set_errno(error, errno, "cannot open %s", path);
		return NULL;
	}
	buf = g_malloc(CHUNK);
	ranges = ranges ? g_array_ref(ranges) : find_data(fd, 0);
	for (guint i = 0; ok && i < ranges->len; i++)
		ok = sum_up_range(fd, g_array_index(ranges, struct digest_range, i), buf, &crc);
	close(fd);
	if (!ok) {
		g_array_unref(ranges);
		g_set_error(error, VX_ERROR, VX_ERROR_IO, "cannot read %s", path);
		return NULL;
	}
	*ret = crc;
	return ranges;
}
