/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A guest VM, whatever runs it. Only a driver knows libvirt; no type of it
 * leaves this folder. All calls come from the main context's thread.
 *
 * Nothing here calls into a detector or a report: bytes and the guest's death
 * go to the one `struct vm_sink` the owner (run/) gives.
 */
#ifndef VEXLAB_VM_H
#define VEXLAB_VM_H

#include <glib.h>

enum vm_accel { VM_ACCEL_AUTO, VM_ACCEL_KVM, VM_ACCEL_TCG };

/* By which way a dying guest's black box gets out (take_box). */
enum vm_box { VM_BOX_NONE, VM_BOX_SHMEM, VM_BOX_PORT };

enum vm_gone {
	VM_GONE_SHUTDOWN,	/* the guest powered off */
	VM_GONE_REBOOT,		/* reset or triple fault (QEMU runs with -no-reboot) */
	VM_GONE_CRASHED,	/* QEMU died */
	VM_GONE_KILLED,		/* vm_destroy */
};

struct vm_disk {
	const char *path;	/* raw or qcow2, on the host */
	const char *format;	/* "raw", "qcow2" */
	const char *serial;	/* how the guest finds it, <= 20 bytes */
	gboolean readonly;
};

/* Borrowed by the driver for the life of the VM: the caller keeps it. */
struct vm_config {
	const char *name;	/* domain name, [a-z0-9-]; two VMs at a time in one rundir differ in it */
	const char *uri;	/* NULL: qemu:///embed with a root of our own */
	const char *kernel, *initrd, *cmdline;
	enum vm_accel accel;	/* AUTO is resolved before (vm_probe_accel) */
	unsigned int memory_mib, vcpus;
	gboolean icount;	/* TCG only: a guest's clock that counts instructions, one a ns; one CPU at a time */
	gboolean io_uring;	/* disks' requests through io_uring instead of threads */
	gboolean vmcoreinfo;	/* a place for the kernel to say what a reader of its memory must know */
	const char *firmware;	/* a ROM image on the host (accel.h); NULL: the machine's own */
	const struct vm_disk *disks;
	unsigned int ndisks;
	enum vm_box box;	/* with libvirt's embedded driver only: another's QEMU does not reach `rundir` */
	unsigned int ssh_port;	/* not 0: restricted user network, 127.0.0.1:port to the guest's 22 */
	const char *rundir;	/* private folder of this run (rundir.h): sockets, libvirt root, logs; one a process */
	const char *cachedir;	/* survives runs: libvirt's capability cache */
	const void *driver_data; /* the fake's script (vm_fake.h); NULL for libvirt */
};

/*
 * Called from the main context. `data` is only valid during the call. console() and channel() must not
 * destroy the VM; gone() may, it is the last call the driver makes.
 *
 * failed(): what carries the guest has failed, and the guest is no more to blame than to be used: libvirt's connection
 * is cut, a disk of its cannot grow. Told once; QEMU may live on until destroy(). May be NULL. `error` is borrowed.
 */
struct vm_sink {
	void (*console)(void *ctx, const void *data, gsize len);
	void (*channel)(void *ctx, const void *data, gsize len);
	void (*gone)(void *ctx, enum vm_gone why);
	void (*failed)(void *ctx, const GError *error);
	void *ctx;
};

struct vm;

struct vm_driver {
	const char *name;
	/*
	 * Everything a saved state depends on but the contents of this config's files: machine, devices, versions of
	 * QEMU and libvirt. Caller frees. NULL and `error` if it cannot be found out.
	 */
	char *(*fingerprint)(const struct vm_config *config, GError **error);
	/* Create without starting. On failure NULL and `error`. */
	struct vm *(*create)(const struct vm_config *config, const struct vm_sink *sink,
			     GError **error);
	/* Kill the domain if it runs, remove everything the VM left, free. NULL-safe. */
	void (*destroy)(struct vm *vm);
	gboolean (*boot)(struct vm *vm, GError **error);
	/* Write a ready-state to `path` (a new file); the guest is gone afterwards (VM_GONE_KILLED is not told). */
	gboolean (*save)(struct vm *vm, const char *path, GError **error);
	/*
	 * Start from what save() wrote, with this config's disks, paths and sockets. Was it a guest of another name,
	 * which must be as long, the file is changed: it must be the caller's own then.
	 */
	gboolean (*restore)(struct vm *vm, const char *path, GError **error);
	/*
	 * The same, but it stands still, and says nothing, not even that it is gone, until wake(). It takes as long as
	 * restore(), but may be called in another thread while nobody else touches this VM.
	 */
	gboolean (*standby)(struct vm *vm, const char *path, GError **error);
	gboolean (*wake)(struct vm *vm, GError **error);
	/* Hands over what it has said already, and ends it without waiting: it says nothing more. destroy() follows. */
	void (*kill)(struct vm *vm);
	gboolean (*pause)(struct vm *vm, gboolean on, GError **error);
	gboolean (*nmi)(struct vm *vm, GError **error);
	/*
	 * Writes the memory of a guest whose QEMU lives to a new file, an absolute path; it stands still meanwhile, then goes on.
	 * *kdump: in makedumpfile's compressed format, else as an ELF core, where QEMU has no other.
	 */
	gboolean (*dump)(struct vm *vm, const char *path, gboolean *kdump, GError **error);
	/* Of config.disks, writable; told to a running guest's driver, which takes its time to believe it. */
	gboolean (*resize_disk)(struct vm *vm, unsigned int index, guint64 bytes, GError **error);
	/* Queue bytes to the agent's channel; never blocks, keeps order. */
	void (*channel_write)(struct vm *vm, GBytes *bytes);
	/* Bytes queued and not yet taken by the guest: what back-pressure looks at. */
	gsize (*channel_pending)(struct vm *vm);
	gint64 (*pid)(struct vm *vm);	/* QEMU's, 0 when unknown */
	/* How the process ended and what it said last, for VM_GONE_CRASHED; one line, NULL if unknown. Caller frees. */
	char *(*last_words)(struct vm *vm);
	/*
	 * The black box (<vexlab/blackbox.h>) that the guest has written since the last call, alive or not: each is
	 * had once, and none after restore(). Unchecked: userspace/common/box.h. NULL: none. Caller frees.
	 */
	GBytes *(*take_box)(struct vm *vm);
};

extern const struct vm_driver vm_libvirt;
/* Of the library in use: major * 1000000 + minor * 1000 + micro; 0 before its first fingerprint() or create(). */
unsigned long vm_libvirt_version(void);
/* Below this it cannot write states that are read back fast: no warm start. */
#define VM_LIBVIRT_VERSION_MIN	11002000ul
extern const struct vm_driver vm_fake;

#endif
