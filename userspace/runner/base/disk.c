// SPDX-License-Identifier: GPL-2.0
#include <errno.h>
#include <fcntl.h>
#include <gio/gio.h>
#include <string.h>
#include <unistd.h>

#include "disk.h"
#include "error.h"
#include "fsutil.h"

/*
 * An empty qcow2 (version 3, docs/interop/qcow2.txt of QEMU) is four clusters: header, refcount table,
 * one refcount block, L1 table. Written here because starting qemu-img costs more than all the rest of
 * preparing a warm start's disks.
 */
#define CLUSTER_BITS	16
#define CLUSTER		(1u << CLUSTER_BITS)
#define L2_BYTES	((guint64)CLUSTER / 8 * CLUSTER)	/* guest bytes that one L2 table maps */

struct qcow2_header {
	guint32 magic, version;
	guint64 backing_file_offset;
	guint32 backing_file_size, cluster_bits;
	guint64 size;
	guint32 crypt_method, l1_size;
	guint64 l1_table_offset, refcount_table_offset;
	guint32 refcount_table_clusters, nb_snapshots;
	guint64 snapshots_offset, incompatible, compatible, autoclear;
	guint32 refcount_order, header_length;
	guint64 end_of_extensions;
};
G_STATIC_ASSERT(sizeof(struct qcow2_header) == 112);

enum { AT_HEADER, AT_REFTABLE, AT_REFBLOCK, AT_L1, CLUSTERS };

/* After the header: the format of the image below, the end of extensions (zeros), then that image's name. */
#define BACKING_FORMAT	0xe2792acau
struct backing {
	guint32 type, length;
	char format[8];		/* "qcow2", zeros */
	guint64 end;
};
#define AT_BACKING	104u
#define AT_NAME		(AT_BACKING + sizeof(struct backing))
#define NAME_MAX_LEN	1023u

static gboolean write_backing(int fd, const char *below)
{
	const struct backing backing = {
		.type = GUINT32_TO_BE(BACKING_FORMAT), .length = GUINT32_TO_BE(5), .format = "qcow2",
	};
	gssize len = below ? (gssize)strlen(below) : 0;

	return !below || (pwrite(fd, &backing, sizeof(backing), AT_BACKING) == sizeof(backing) &&
			  pwrite(fd, below, (size_t)len, AT_NAME) == len);
}

static gboolean write_image(int fd, guint64 bytes, const char *below)
{
	const struct qcow2_header header = {
		.backing_file_offset = GUINT64_TO_BE(below ? AT_NAME : 0),
		.backing_file_size = GUINT32_TO_BE(below ? strlen(below) : 0),
		.magic = GUINT32_TO_BE(0x514649fb),
		.version = GUINT32_TO_BE(3),
		.cluster_bits = GUINT32_TO_BE(CLUSTER_BITS),
		.size = GUINT64_TO_BE(bytes),
		.l1_size = GUINT32_TO_BE((bytes + L2_BYTES - 1) / L2_BYTES),
		.l1_table_offset = GUINT64_TO_BE(AT_L1 * (guint64)CLUSTER),
		.refcount_table_offset = GUINT64_TO_BE(AT_REFTABLE * (guint64)CLUSTER),
		.refcount_table_clusters = GUINT32_TO_BE(1),
		.refcount_order = GUINT32_TO_BE(4),
		.header_length = GUINT32_TO_BE(104),
	};
	const guint64 refblock = GUINT64_TO_BE(AT_REFBLOCK * (guint64)CLUSTER);
	guint16 refcounts[CLUSTERS];

	for (guint i = 0; i < CLUSTERS; i++)
		refcounts[i] = GUINT16_TO_BE(1);
	return !ftruncate(fd, (off_t)CLUSTERS * CLUSTER) &&
	       pwrite(fd, &header, sizeof(header), 0) == sizeof(header) && write_backing(fd, below) &&
	       pwrite(fd, &refblock, sizeof(refblock), AT_REFTABLE * CLUSTER) == sizeof(refblock) &&
	       pwrite(fd, refcounts, sizeof(refcounts), AT_REFBLOCK * CLUSTER) == sizeof(refcounts);
}

static gboolean create(const char *path, guint64 bytes, const char *below, guint64 reserve, GError **error)
{
	g_autofree char *dir = g_path_get_dirname(path);
	int fd, err;

	if (!bytes || bytes % 512 || bytes > DISK_SCRATCH_MAX) {
		g_set_error(error, VX_ERROR, VX_ERROR_CONFIG,
			    "a disk of %" G_GUINT64_FORMAT " bytes cannot be made: a multiple of 512 up to 4 TiB is needed", bytes);
		return FALSE;
	}
	if (!fs_need_space(dir, reserve, error))
		return FALSE;
	fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
	if (fd < 0) {
		vx_error_set_errno(error, errno, "cannot make the scratch disk %s", path);
		return FALSE;
	}
	if (!write_image(fd, bytes, below)) {
		err = errno ? errno : EIO;
		close(fd);
		unlink(path);
		vx_error_set_errno(error, err, "cannot write the scratch disk %s", path);
		return FALSE;
	}
	close(fd);
	return TRUE;
}

gboolean disk_create_scratch(const char *path, guint64 bytes, guint64 reserve, GError **error)
{
	return create(path, bytes, NULL, reserve, error);
}

gboolean disk_create_overlay(const char *path, guint64 bytes, const char *below, guint64 reserve, GError **error)
{
	if (g_path_is_absolute(below) && strlen(below) <= NAME_MAX_LEN)
		return create(path, bytes, below, reserve, error);
	g_set_error(error, VX_ERROR, VX_ERROR_INTERNAL, "%s cannot be the disk below another", below);
	return FALSE;
}
