// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#include "error.h"
#include "frame.h"
#include "record.h"

static const char rec_magic[8] = "VXRECORD";

struct rec_file_header {
	char magic[8];
	guint32 version;
	guint32 pad;
};

struct record {
	char *path;
	int fd;
	off_t end;		/* a torn write is cut back to here */
	guint64 seq;		/* of the host's own entries */
};

/* Entries start on 8 bytes, so that a mapped record can be read in place. */
static gsize padding(gsize len)
{
	return -len & 7;
}

static guint64 clock_ns(clockid_t id)
{
	struct timespec ts;

	clock_gettime(id, &ts);
	return (guint64)ts.tv_sec * 1000000000 + (guint64)ts.tv_nsec;
}

struct record *record_create(const char *dir, GError **error)
{
	g_autofree char *path = g_build_filename(dir, REC_FILE_NAME, NULL);
	struct rec_file_header header = { .version = REC_VERSION };
	struct record *rec;
	int fd;

	memcpy(header.magic, rec_magic, sizeof(rec_magic));
	fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
	if (fd < 0) {
		g_set_error(error, VX_ERROR, VX_ERROR_IO, "cannot create %s: %s", path,
			    g_strerror(errno));
		return NULL;
	}
	if (write(fd, &header, sizeof(header)) != sizeof(header)) {
		vx_error_set_write(error, errno ? errno : ENOSPC, path);
		close(fd);
		return NULL;
	}
	rec = g_new0(struct record, 1);
	rec->fd = fd;
	rec->path = g_steal_pointer(&path);
	rec->end = sizeof(header);
	return rec;
}

void record_close(struct record *rec)
{
	if (!rec)
		return;
	close(rec->fd);
	g_free(rec->path);
	g_free(rec);
}

gboolean record_frame(struct record *rec, const struct vx_frame *frame, const void *payload,
		      struct rec_entry *ret, GError **error)
{
	struct rec_entry entry = {
		.stamp = { clock_ns(CLOCK_REALTIME), clock_ns(CLOCK_MONOTONIC) },
		.frame = *frame,
		.payload = payload,
	};
	struct iovec iov[] = {
		{ &entry.stamp, sizeof(entry.stamp) },
		{ &entry.frame, sizeof(entry.frame) },
		{ (void *)payload, frame->length },
		{ (void *)"\0\0\0\0\0\0\0", padding(frame->length) },
	};
	gsize want = sizeof(entry.stamp) + sizeof(entry.frame) + frame->length +
		     padding(frame->length);
	ssize_t n;

	do {
		n = pwritev(rec->fd, iov, G_N_ELEMENTS(iov), rec->end);
	} while (n < 0 && errno == EINTR);
	if (n != (ssize_t)want) {
		int err = n < 0 ? errno : ENOSPC;

		/* Half an entry helps nobody: leave the file as it was. */
		if (n > 0 && ftruncate(rec->fd, rec->end))
			err = errno;
		vx_error_set_write(error, err, rec->path);
		return FALSE;
	}
	rec->end += (off_t)want;
	if (ret)
		*ret = entry;
	return TRUE;
}

gboolean record_bytes(struct record *rec, enum vx_frame_type type, const void *data, gsize len,
		      struct rec_entry *ret, GError **error)
{
	struct vx_frame frame;

	vx_frame_seal(&frame, type, 0, rec->seq++, data, (guint32)MIN(len, VX_FRAME_PAYLOAD_MAX));
	return record_frame(rec, &frame, data, ret, error);
}

struct rec_reader {
	GMappedFile *file;
	const char *data;
	gsize size, at;
	gsize torn;
};

struct rec_reader *rec_reader_open(const char *dir, GError **error)
{
	g_autofree char *path = g_build_filename(dir, REC_FILE_NAME, NULL);
	g_autoptr(GError) local = NULL;
	struct rec_reader *reader;
	struct rec_file_header header;
	GMappedFile *file;

	file = g_mapped_file_new(path, FALSE, &local);
	if (!file) {
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE,
			    "%s holds no run: %s", dir, local->message);
		return NULL;
	}
	if (g_mapped_file_get_length(file) < sizeof(header)) {
		g_set_error(error, VX_ERROR, VX_ERROR_UNAVAILABLE,
			    "%s holds nothing: its run was cut off as it began", path);
		g_mapped_file_unref(file);
		return NULL;
	}
	memcpy(&header, g_mapped_file_get_contents(file), sizeof(header));
	if (memcmp(header.magic, rec_magic, sizeof(rec_magic)) || header.version != REC_VERSION) {
		g_set_error(error, VX_ERROR, VX_ERROR_CONFIG,
			    "%s is not a record this vexlab can read (version %u wanted)", path,
			    REC_VERSION);
		g_mapped_file_unref(file);
		return NULL;
	}
	reader = g_new0(struct rec_reader, 1);
	reader->file = file;
	reader->data = g_mapped_file_get_contents(file);
	reader->size = g_mapped_file_get_length(file);
	reader->at = sizeof(header);
	return reader;
}

void rec_reader_close(struct rec_reader *reader)
{
	if (!reader)
		return;
	g_mapped_file_unref(reader->file);
	g_free(reader);
}

gboolean rec_reader_next(struct rec_reader *reader, struct rec_entry *ret)
{
	const gsize head = sizeof(ret->stamp) + sizeof(ret->frame);
	gsize left = reader->size - reader->at;
	const char *p = reader->data + reader->at;
	struct rec_entry entry;

	if (!left || reader->torn)
		return FALSE;
	if (left >= head) {
		memcpy(&entry.stamp, p, sizeof(entry.stamp));
		memcpy(&entry.frame, p + sizeof(entry.stamp), sizeof(entry.frame));
		entry.payload = p + head;
		if (entry.frame.magic == VX_FRAME_MAGIC &&
		    entry.frame.length <= VX_FRAME_PAYLOAD_MAX &&
		    entry.frame.length + padding(entry.frame.length) <= left - head &&
		    entry.frame.crc == vx_frame_crc(&entry.frame, entry.payload)) {
			reader->at += head + entry.frame.length + padding(entry.frame.length);
			*ret = entry;
			return TRUE;
		}
	}
	reader->torn = left;
	return FALSE;
}

gsize rec_reader_torn(const struct rec_reader *reader)
{
	return reader->torn;
}

json_t *rec_entry_json(const struct rec_entry *entry)
{
	if (entry->frame.type < VX_REC_RUN || entry->frame.type == VX_REC_CONSOLE ||
	    entry->frame.type == VX_REC_BLACKBOX)
		return NULL;
	return json_loadb(entry->payload, entry->frame.length, 0, NULL);
}
