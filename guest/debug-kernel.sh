#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# A kernel that looks for mistakes itself: KASAN, lockdep, kmemleak, UBSAN's bounds, list and reference checks.
#
#	guest/debug-kernel.sh --init FILE [CACHE]
#
# From Debian's linux-source package, fetched privately from the machine's own mirror, with no more in it than a guest needs: half an
# hour on two CPUs. It stands beside the current kernel under its release, which is printed: run --kernel RELEASE.
# Interrupted, it goes on where it was when it is called again: the tree stays in CACHE/debug-kernel until the kernel is made.
. "$(dirname "$0")/kernel.sh"

readonly PACKAGE=linux-source-6.12 SUFFIX=-vexlab-debug

# Beyond allnoconfig, one subject a line.
options() {
	cat <<-END
	64BIT SMP MODULES MODULE_UNLOAD MODVERSIONS PRINTK PRINTK_TIME PRINTK_CALLER TTY UNIX NET INET SYSFS PROC_FS PROC_SYSCTL MULTIUSER
	PCI PCI_MSI ACPI HYPERVISOR_GUEST PARAVIRT KVM_GUEST PVH HIGH_RES_TIMERS NO_HZ_IDLE X86_X2APIC SERIAL_8250 SERIAL_8250_CONSOLE
	VIRTIO_MENU VIRTIO_PCI VIRTIO_BLK VIRTIO_CONSOLE VIRTIO_NET NETDEVICES NET_CORE HW_RANDOM HW_RANDOM_VIRTIO
	BLOCK BLK_DEV BLK_DEV_LOOP MD BLK_DEV_DM DM_DELAY DM_FLAKEY BLK_DEV_INITRD DEVTMPFS TMPFS TMPFS_XATTR SHMEM
	EXT4_FS EXT4_FS_POSIX_ACL XFS_FS BTRFS_FS FUSE_FS QUOTA FILE_LOCKING FS_POSIX_ACL
	BINFMT_ELF BINFMT_SCRIPT FUTEX EPOLL SIGNALFD TIMERFD EVENTFD AIO IO_URING ADVISE_SYSCALLS MEMBARRIER POSIX_TIMERS SYSVIPC FHANDLE
	CGROUPS MEMCG NAMESPACES UTS_NS PID_NS USER_NS
	BPF_SYSCALL BPF_JIT BPF_JIT_ALWAYS_ON BPF_EVENTS PERF_EVENTS KPROBES KPROBE_EVENTS FTRACE FUNCTION_TRACER DYNAMIC_FTRACE FPROBE
	TASKSTATS TASK_DELAY_ACCT TASK_XACCT SCHED_INFO SCHEDSTATS PSI VM_EVENT_COUNTERS SLUB_DEBUG SLAB_FREELIST_HARDENED
	KALLSYMS KALLSYMS_ALL STACKTRACE UNWINDER_ORC FRAME_WARN=2048 DEBUG_KERNEL DEBUG_FS MAGIC_SYSRQ IKCONFIG IKCONFIG_PROC
	DEBUG_INFO_DWARF_TOOLCHAIN_DEFAULT DEBUG_INFO_BTF DEBUG_INFO_BTF_MODULES
	KASAN KASAN_GENERIC KASAN_INLINE KASAN_STACK KASAN_VMALLOC VMAP_STACK
	PROVE_LOCKING DEBUG_ATOMIC_SLEEP LOCKDEP_BITS=17 LOCKDEP_CHAINS_BITS=18
	DEBUG_KMEMLEAK DEBUG_KMEMLEAK_DEFAULT_OFF=n DEBUG_KMEMLEAK_AUTO_SCAN=n DEBUG_KMEMLEAK_MEM_POOL_SIZE=40000
	UBSAN UBSAN_BOUNDS UBSAN_SHIFT DEBUG_LIST BUG_ON_DATA_CORRUPTION REFCOUNT_FULL SCHED_STACK_END_CHECK
	DETECT_HUNG_TASK SOFTLOCKUP_DETECTOR HARDLOCKUP_DETECTOR WQ_WATCHDOG PANIC_TIMEOUT=-1 FAULT_INJECTION=n
	END
}

write_fragment() {
	local word
	printf 'CONFIG_LOCALVERSION="%s"\n' "$SUFFIX"
	for word in $(options); do
		case $word in
		*=*) printf 'CONFIG_%s\n' "$word" ;;
		*) printf 'CONFIG_%s=y\n' "$word" ;;
		esac
	done
}

parse_arguments() {
	INIT=
	if [[ ${1:-} == --init ]]; then INIT=${2:-}; shift 2; fi
	[[ -f $INIT ]] || die "--init FILE is needed: the guest's PID 1 (make builds build/vexlab-init)" $EX_USAGE
	INIT=$(realpath "$INIT") CACHE=$(realpath -m "${1:-$(default_cache)}")
}

# TREE, with a configuration. Whole or not there, so that what is there is worth going on with, unless the recipe has changed since.
prepare_tree() {
	local recipe
	recipe=$(recipe_hash "${BASH_SOURCE[0]}")
	if [[ $(cat "$TREE/.vexlab-recipe" 2>/dev/null) == "$recipe" ]]; then
		say "debug kernel: going on with what was compiled before"
		return
	fi
	rm -rf "$TREE"
	need_space "$WORK" 6000
	fetch_source
	write_fragment >"$WORK/fragment"
	run make -C "$WORK/tree" KCONFIG_ALLCONFIG="$WORK/fragment" allnoconfig ||
		die "the debug kernel cannot be configured"
	echo "$recipe" >"$WORK/tree/.vexlab-recipe"
	mv "$WORK/tree" "$TREE"
}

fetch_source() {
	say "debug kernel: fetching $PACKAGE"
	mkdir "$WORK/deb" "$WORK/tree"
	cd "$WORK/deb"
	run apt-get -qq download "$PACKAGE" ||
		die "apt cannot fetch $PACKAGE: apt-get update, then this again"
	run dpkg-deb -x linux-source-*.deb "$WORK/deb/x"
	run tar -C "$WORK/tree" --strip-components=1 -xf "$WORK"/deb/x/usr/src/linux-source-*.tar.xz
	cd /
	rm -rf "$WORK/deb"
}

# A line each half minute: this takes minutes.
build() {
	local pid rc=0
	(while sleep 30; do say "debug kernel: compiling, $(find "$TREE" -name '*.o' | wc -l) objects of some 2500"; done) &
	pid=$!
	run make -C "$TREE" -j"$(nproc)" bzImage modules || rc=$?
	kill $pid
	((rc == 0)) || die "the debug kernel does not build"
}

main() {
	parse_arguments "$@"
	need_tools apt-get dpkg-deb make gcc bc flex bison pahole cpio
	lock "$CACHE/debug-kernel"
	begin "$CACHE/debug-kernel"
	TREE=$CACHE/debug-kernel/tree
	prepare_tree
	say "debug kernel: compiling (half an hour on two CPUs)"
	build
	# What modules build against is kept, what they do not read is not: from here on there is nothing to go on with.
	rm "$TREE/.vexlab-recipe"
	find "$TREE" \( -name '*.o' -o -name '*.a' -o -name '.*.cmd' \) ! -path '*/scripts/*' ! -path '*/tools/*' -delete
	rm -rf "$TREE"/{Documentation,drivers,sound,samples}
	"$GUEST_DIR/import-kernel.sh" --init "$INIT" --keep-tree "$TREE" "$CACHE"
	rm -rf "$WORK"
	trap - EXIT INT TERM HUP
}

main "$@"
