/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The ordinary file operations that the scenario file-operations goes through, one by one: the agent
 * does them (VX_STEP_FILE_OP), the host chooses among them. The one list of them is VX_FILE_OPS below.
 */
#ifndef VEXLAB_FILE_OPS_H
#define VEXLAB_FILE_OPS_H

#include <errno.h>

/* Errors that say "not here" of a feature, for every operation; a row may add one of its own. */
#define VX_FILE_OP_LACKS	{ EOPNOTSUPP, ENOSYS, ENOTTY, EINVAL, EPERM }

#define VX_FILE_OP_WHOLE	1	/* touches more than its directory: wants the mount point, and to be alone */
#define VX_FILE_OP_AGAIN	2	/* looks at what the operation before it in the table has left, after a new mount */

/*
 *	name, function in the agent, group, flags, its own error for "not here" (0: none), what is done
 *
 * What an operation answers: 0, and VX_FILE_DONE or, if what it is about is refused by such an error,
 * VX_FILE_UNSUPPORTED; any other error is the target's failure, and so is content that is read back wrong.
 * Between groups the filesystem is unmounted and mounted again.
 */
#define VX_FILE_OPS(X)												\
	X("write",		write,		"data", 0, 0,	"write, in pieces of odd sizes; read back")		\
	X("overwrite",		overwrite,	"data", 0, 0,	"write over parts of what is there, off the blocks' bounds")\
	X("append",		append,		"data", 0, 0,	"two writers with O_APPEND")				\
	X("truncate-down",	truncate_down,	"data", 0, 0,	"cut a file within a block, then write behind the cut")	\
	X("truncate-up",	truncate_up,	"data", 0, 0,	"lengthen a file: zeros behind what was there")		\
	X("truncate-far",	truncate_far,	"data", 0, EFBIG, "lengthen a file to 100000 bytes")			\
	X("vectored",		vectored,	"data", 0, 0,	"writev, readv, pwritev, preadv")			\
	X("big-file",		big_file,	"data", 0, EFBIG, "a megabyte, written and read back")			\
	X("large-offset",	large_offset,	"data", 0, EFBIG, "a sparse file, written beyond 2 and beyond 4 GiB")	\
	X("random-mix",		random_mix,	"data", 0, 0,	"write, read, truncate by chance, held against a copy in memory")\
	X("two-writers",	two_writers,	"data", 0, 0,	"two threads write to one file")				\
	X("sendfile",		sendfile,	"data", 0, 0,	"sendfile to another file")				\
	X("copy-file-range",	copy_file_range, "data", 0, EXDEV, "copy_file_range to another file")			\
	X("splice",		splice,		"data", 0, 0,	"splice from a file to a pipe, and from it to a file")	\
	X("fsync",		fsync,		"sync", 0, 0,	"fsync after a write")					\
	X("fdatasync",		fdatasync,	"sync", 0, 0,	"fdatasync after a write")				\
	X("sync-file-range",	sync_file_range, "sync", 0, 0,	"sync_file_range, waiting")				\
	X("syncfs",		syncfs,		"sync", 0, 0,	"syncfs after a write")					\
	X("o-sync",		o_sync,		"sync", 0, 0,	"write with O_SYNC and O_DSYNC")			\
	X("fadvise",		fadvise,	"sync", 0, 0,	"posix_fadvise and readahead")				\
	X("drop-caches",	drop_caches,	"sync", VX_FILE_OP_WHOLE, 0, "drop the kernel's caches, then read again")	\
	X("direct-write",	direct_write,	"direct", 0, 0,	"write with O_DIRECT, read through the page cache")	\
	X("direct-read",	direct_read,	"direct", 0, 0,	"write through the page cache, read with O_DIRECT")	\
	X("async-io",		async_io,	"direct", 0, 0,	"io_submit of writes, then of reads")			\
	X("async-direct",	async_direct,	"direct", 0, 0,	"the same with O_DIRECT")				\
	X("io-uring",		io_uring,	"direct", 0, ENOMEM, "write, fsync and read by io_uring")		\
	X("seek-hole",		seek_hole,	"space", 0, ENXIO, "lseek with SEEK_DATA and SEEK_HOLE")			\
	X("fallocate",		fallocate,	"space", 0, 0,	"fallocate: the file grows, and reads as zeros")	\
	X("keep-size",		keep_size,	"space", 0, 0,	"fallocate with FALLOC_FL_KEEP_SIZE")			\
	X("punch-hole",		punch_hole,	"space", 0, 0,	"fallocate with FALLOC_FL_PUNCH_HOLE")			\
	X("zero-range",		zero_range,	"space", 0, 0,	"fallocate with FALLOC_FL_ZERO_RANGE")			\
	X("collapse-range",	collapse_range,	"space", 0, 0,	"fallocate with FALLOC_FL_COLLAPSE_RANGE")		\
	X("insert-range",	insert_range,	"space", 0, 0,	"fallocate with FALLOC_FL_INSERT_RANGE")		\
	X("mmap-read",		mmap_read,	"map", 0, ENODEV, "a mapping shows what is written by write")		\
	X("mmap-private",	mmap_private,	"map", 0, ENODEV, "what is stored into a private mapping stays out of the file")\
	X("mmap-shared",	mmap_shared,	"map", 0, ENODEV, "what is stored into a shared mapping gets into the file by msync")\
	X("mmap-end",		mmap_end,	"map", 0, ENODEV, "the rest of a mapping's last page is zeros and stays out of the file")\
	X("mmap-hole",		mmap_hole,	"map", 0, ENODEV, "store into a mapping of a file without blocks")	\
	X("mmap-truncate",	mmap_truncate,	"map", 0, ENODEV, "a mapping of a file that is cut and lengthened")	\
	X("create-exclusive",	create_exclusive, "names", 0, 0, "create with O_EXCL, twice")				\
	X("mkdir",		mkdir,		"names", 0, 0,	"mkdir, rmdir, also of what is not empty")		\
	X("rename",		rename,		"names", 0, 0,	"rename within a directory, and into another")		\
	X("rename-over",	rename_over,	"names", 0, 0,	"rename over a file that is there and open")		\
	X("rename-noreplace",	rename_noreplace, "names", 0, 0, "renameat2 with RENAME_NOREPLACE")			\
	X("rename-exchange",	rename_exchange, "names", 0, 0,	"renameat2 with RENAME_EXCHANGE")			\
	X("rename-directory",	rename_directory, "names", 0, 0, "a directory with a file, to another parent")		\
	X("link",		link,		"names", 0, 0,	"a second name for a file, then only that")		\
	X("symlink",		symlink,	"names", 0, 0,	"symlink and readlink, short and long; through it")	\
	X("mknod",		mknod,		"names", 0, 0,	"a fifo and a socket's node")				\
	X("unlinked",		unlinked,	"names", 0, 0,	"use a file that has no name any more")			\
	X("tmpfile",		tmpfile,	"names", 0, EISDIR, "open with O_TMPFILE, then give it a name")		\
	X("readdir",		readdir,	"names", 0, 0,	"60 files: all listed, each once")			\
	X("many-files",		many_files,	"names", 0, 0,	"500 files in a directory: all listed, each once")	\
	X("readdir-change",	readdir_change,	"names", 0, 0,	"files come and go while the directory is being read")	\
	X("deep-directories",	deep_directories, "names", 0, 0, "40 directories, one in the other")			\
	X("long-names",		long_names,	"names", 0, ENAMETOOLONG, "names of 255 bytes; 256 are refused")		\
	X("odd-names",		odd_names,	"names", 0, EILSEQ, "names with blanks, line breaks, bytes that are no UTF-8")\
	X("xattr",		xattr,		"meta", 0, ERANGE, "extended attributes: set, get, list, remove")	\
	X("chmod",		chmod,		"meta", 0, 0,	"chmod of a file and of a directory")			\
	X("chown",		chown,		"meta", 0, 0,	"chown to another user and group")			\
	X("utimens",		utimens,	"meta", 0, 0,	"set the times of a file")				\
	X("times",		times,		"meta", 0, 0,	"a write moves the time of change on")			\
	X("statfs",		statfs,		"meta", 0, 0,	"statfs: figures that fit each other")			\
	X("statx",		statx,		"meta", 0, 0,	"statx, and blocks that grow with the file")		\
	X("flock",		flock,		"meta", 0, 0,	"flock: shared, exclusive, refused")			\
	X("fcntl-lock",		fcntl_lock,	"meta", 0, 0,	"fcntl locks of ranges, refused and released")		\
	X("ioctl-unknown",	ioctl_unknown,	"meta", 0, 0,	"an ioctl that nobody knows is refused")		\
	X("ioctl-flags",	ioctl_flags,	"meta", 0, 0,	"FS_IOC_GETFLAGS, FS_IOC_FIEMAP")			\
	X("poll",		poll,		"meta", 0, 0,	"a file is always ready")				\
	X("race-read",		race_read,	"race", 0, 0,	"one thread writes, another reads")			\
	X("race-sync",		race_sync,	"race", 0, 0,	"one thread writes, another syncs")			\
	X("race-truncate",	race_truncate,	"race", 0, 0,	"one thread cuts and writes, another reads")		\
	X("race-create",	race_create,	"race", 0, 0,	"two threads create and remove in one directory")	\
	X("race-same-name",	race_same_name,	"race", 0, 0,	"the same, all of one name")				\
	X("race-rename",	race_rename,	"race", 0, 0,	"one thread renames, another opens")			\
	X("freeze",		freeze,		"mount", VX_FILE_OP_WHOLE, 0, "FIFREEZE, FITHAW, and a write that waits in between")\
	X("trim",		trim,		"mount", VX_FILE_OP_WHOLE, 0, "FITRIM: the free blocks are given back")		\
	X("remount-read-only",	remount,	"mount", VX_FILE_OP_WHOLE, 0, "remount read-only: refused while written to, then obeyed")\
	X("keep",		keep,		"mount", VX_FILE_OP_WHOLE, 0, "files that are to outlast an unmount")		\
	X("kept",		kept,		"kept", VX_FILE_OP_WHOLE | VX_FILE_OP_AGAIN, 0,				\
	  "what keep has left, after the new mount")								\
	X("reuse",		reuse,		"full", 0, 0,	"make and remove a file 1500 times: nothing is used up")	\
	X("fill-up",		fill_up,	"full", VX_FILE_OP_WHOLE, 0, "write until nothing fits any more (at most 64 MiB), remove it all, write again")

/* A row as the host sees it. */
struct vx_file_op {
	const char *name, *group, *what;
	unsigned int flags;		/* VX_FILE_OP_* */
};
extern const struct vx_file_op vx_file_ops[];	/* name NULL at the end */

#endif
