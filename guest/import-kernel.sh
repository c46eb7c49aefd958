#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# A kernel of the user's own for the guest, from the tree that it was built in.
#
#	guest/import-kernel.sh --init FILE [--keep-tree] TREE [CACHE]
#
# TREE is where `make bzImage modules` of an x86-64 kernel has been done (O=, if there is one). Makes CACHE/kernels/RELEASE/ as
# build-kernel.sh does; headers/build leads to TREE, which out-of-tree modules are built against and which must
# stay where it is. With --keep-tree it is moved into the cache. The current kernel stays the current one: run --kernel RELEASE.
. "$(dirname "$0")/kernel.sh"

# What a guest cannot do without, as far as a configuration tells.
readonly NEEDED=(BLK_DEV_INITRD DEVTMPFS EXT4_FS MODULES PCI SERIAL_8250_CONSOLE TMPFS VIRTIO_BLK VIRTIO_CONSOLE VIRTIO_PCI)

parse_arguments() {
	KEEP=0 INIT=
	while (($#)); do
		case $1 in
		--keep-tree) KEEP=1 ;;
		--init) INIT=${2:-}; shift ;;
		-*) die "unknown option $1" $EX_USAGE ;;
		*) break ;;
		esac
		shift
	done
	[[ -f $INIT ]] || die "--init FILE is needed: the guest's PID 1 (make builds build/vexlab-init)" $EX_USAGE
	[[ -d ${1:-} ]] || die "name the folder in which the kernel was built" $EX_USAGE
	INIT=$(realpath "$INIT") TREE=$(realpath "$1")
	DIR=$(realpath -m "${2:-$(default_cache)}")/kernels
}

check_tree() {
	local option missing=()
	[[ -s $TREE/include/config/kernel.release && -s $TREE/.config ]] ||
		die "$TREE is no folder in which a kernel was built: it has no .config or no include/config/kernel.release"
	[[ -s $TREE/arch/x86/boot/bzImage ]] || die "$TREE has no arch/x86/boot/bzImage: make bzImage modules"
	RELEASE=$(<"$TREE/include/config/kernel.release")
	[[ $RELEASE =~ ^[A-Za-z0-9._+-]{1,63}$ ]] || die "$TREE: $RELEASE is no name for a kernel"
	for option in "${NEEDED[@]}"; do
		grep -qE "^CONFIG_$option=[ym]$" "$TREE/.config" || missing+=("CONFIG_$option")
	done
	((${#missing[@]} == 0)) || die "a guest cannot run $RELEASE: its configuration lacks ${missing[*]}"
	grep -q '^CONFIG_DEBUG_INFO_BTF=y' "$TREE/.config" ||
		say "kernel $RELEASE: without CONFIG_DEBUG_INFO_BTF nothing can be traced in it"
}

main() {
	local started=$SECONDS
	parse_arguments "$@"
	need_tools make mke2fs xz zstd cpio depmod
	check_tree
	lock "$DIR"
	begin "$DIR"
	need_space "$WORK" 1000
	say "kernel $RELEASE: taking it from $TREE"
	cp "$TREE/arch/x86/boot/bzImage" "$WORK/vmlinuz"
	cp "$TREE/.config" "$WORK/config"
	choose_kernel
	mkdir -p "$WORK/modroot/lib/modules/$RELEASE" "$WORK/headers"
	if grep -q '=m$' "$TREE/.config"; then
		run make -C "$TREE" -j"$(nproc)" INSTALL_MOD_PATH="$WORK/modroot" INSTALL_MOD_STRIP=1 modules_install ||
			die "the modules of $RELEASE cannot be installed: make modules in $TREE"
	fi
	rm -f "$WORK/modroot/lib/modules/$RELEASE"/{build,source}
	# What is built in is told where there is no module, too.
	cp "$TREE"/modules.{order,builtin,builtin.modinfo} "$WORK/modroot/lib/modules/$RELEASE/" ||
		die "$TREE does not tell what is built into its kernel: make modules"
	make_modules_image
	collect_boot_modules
	make_initrd "$WORK"
	if ((KEEP)); then mv "$TREE" "$WORK/headers/build"; else ln -s "$TREE" "$WORK/headers/build"; fi
	HASH=own
	write_manifest $KERNEL $((SECONDS - started))
	rm -rf "$WORK"/{modroot,build.log}
	finish "$DIR" "$RELEASE"
	say "kernel $RELEASE: done in $((SECONDS - started)) s; vexlab run --kernel $RELEASE"
}

main "$@"
