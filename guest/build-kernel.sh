#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# A kernel for the guest, from a Debian package that is unpacked privately.
#
#	guest/build-kernel.sh --init FILE [--force] [--suite SUITE] [CACHE]
#
# Makes CACHE/kernels/RELEASE/: vmlinuz, vmlinux (the same, uncompressed: QEMU
# enters it by PVH and the guest does not decompress), initrd.cpio (our init and
# the modules that reach the disks), modules.img (all modules, ready to load),
# headers/ (what out-of-tree modules build against, BTF included), config,
# manifest.json. CACHE/kernels/SUITE points to it, and so does
# CACHE/kernels/current if SUITE is the default one. A new init alone makes a
# new initrd.cpio and fetches nothing.
. "$(dirname "$0")/kernel.sh"

readonly DEFAULT_SUITE=trixie PACKAGE=cloud-amd64
readonly SUITES=(bullseye bookworm bookworm-backports trixie trixie-backports sid)
apt_dirs() {	# a private apt: the machine's own sources stay as they are
	local d=$WORK/apt mirror
	mirror=$(debian_mirror)
	mkdir -p "$d"/etc/apt/{apt.conf.d,preferences.d,sources.list.d,trusted.gpg.d} \
		"$d"/var/lib/{apt/lists/partial,dpkg} "$d"/var/cache/apt/archives/partial
	: >"$d/var/lib/dpkg/status"
	# Backports' kernels lean on what their suite has.
	printf "deb [signed-by=$KEYRING arch=amd64] $mirror %s main\n" "${SUITE%-backports}" "$SUITE" | uniq >"$d/etc/apt/sources.list"
	APT_OPTIONS=(-o "Dir=$d" -o "Dir::State::status=$d/var/lib/dpkg/status" -o APT::Architecture=amd64 -o "APT::Default-Release=$SUITE"
		-o APT::Sandbox::User=root -o Acquire::Retries=3)
}

dependencies() {	# package, pattern
	apt-cache "${APT_OPTIONS[@]}" depends "$1" | awk -v p="$2" '$1 == "Depends:" && $2 ~ p { print $2 }'
}

dependency() { dependencies "$@" | sed -n 1p; }

fetch_packages() {
	local image headers common kbuild lib libs=() parts
	say "kernel: asking the mirror for the newest of $SUITE"
	run apt-get "${APT_OPTIONS[@]}" -qq -o APT::Update::Error-Mode=any update
	image=$(dependency "linux-image-$PACKAGE" '^linux-image-')
	headers=$(dependency "linux-headers-$PACKAGE" '^linux-headers-')
	[[ -n $image && -n $headers ]] || die "the mirror has no linux-image-$PACKAGE in $SUITE"
	# From 7 on, kernel, modules and configuration are packages of their own.
	mapfile -t parts < <(dependencies "$image" '^linux-(binary|modules|base)-[0-9]')
	common=$(dependency "$headers" '-common$')
	kbuild=$(dependency "$headers" '^linux-kbuild-')
	RELEASE=${image#linux-image-}
	# What the suite's own kbuild tools and pahole are linked with, where they are newer than this machine.
	for lib in libc6 libelf1t64 libdw1t64 liblzma5 libbz2-1.0 libbpf1 libdwarves1 zlib1g libzstd1 pahole; do
		[[ -z $(apt-cache "${APT_OPTIONS[@]}" show "$lib" 2>/dev/null) ]] || libs+=("$lib")
	done
	say "kernel $RELEASE: downloading"
	mkdir "$WORK/debs"
	cd "$WORK/debs"
	run apt-get "${APT_OPTIONS[@]}" -qq download "$image" "${parts[@]}" "$headers" "$common" "$kbuild" "${libs[@]}"
	cd /
	local deb
	for deb in "$WORK"/debs/linux-*.deb; do dpkg-deb -x "$deb" "$WORK/x"; done
	VERSION=$(dpkg-deb -f "$WORK"/debs/"${image}"_*.deb Version)
}

# Debian's headers name each other by absolute paths: make them name themselves by where they lie.
relocate_headers() {
	local base=$WORK/headers final=$DIR/$RELEASE/headers
	mkdir -p "$base"
	mv "$WORK/x/usr/src/linux-headers-$RELEASE" "$base/build"
	mv "$WORK"/x/usr/src/linux-headers-*-common "$base/common"
	mv "$WORK"/x/usr/lib/linux-kbuild-* "$base/kbuild"
	ln -sfn ../kbuild/scripts "$base/build/scripts"
	ln -sfn ../kbuild/tools "$base/build/tools"
	local link
	for link in "$base"/common/scripts "$base"/common/tools; do
		[[ ! -L $link ]] || ln -sfn "../kbuild/$(basename "$link")" "$link"
	done
	sed -i "s|/usr/src/linux-headers-$RELEASE|$final/build|g; s|/usr/src/linux-headers-[^ /]*-common|$final/common|g" "$base/build/Makefile"
	# What the suite's gcc has and bookworm's gcc 12 has not; kbuild and headers then do without, or take -falign-functions.
	sed -i -E '/CONFIG_CC_HAS_(MIN_FUNCTION_ALIGNMENT|COUNTED_BY|COUNTED_BY_PTR|MULTIDIMENSIONAL_NONSTRING)\b/d' "$base/build/include/config/auto.conf" \
		"$base/build/include/generated/autoconf.h"
	sed -i "s|\$(CROSS_COMPILE)gcc-[0-9]*|gcc|; s|^override CROSS_COMPILE.*||" "$base/build/.kernelvariables"
}

borrow() {	# program: it runs with the suite's loader and libraries
	/usr/bin/patchelf --set-interpreter "$final/runtime/ld-linux-x86-64.so.2" --force-rpath --set-rpath "$final/runtime" "$1" >>"$LOG" 2>&1
}

# kbuild's own programs come from the kernel's suite. If they do not run here, they get that suite's loader and
# libraries, which lie beside them, and kbuild that suite's pahole.
make_kbuild_run() {
	local base=$WORK/headers final=$DIR/$RELEASE/headers deb f foreign=0
	while IFS= read -r -d '' f; do
		is_elf "$f" || continue
		[[ $(ldd "$f" 2>&1) == *'not found'* ]] || continue
		borrow "$f"
		foreign=1
	done < <(find "$base/kbuild" -type f -perm /111 -print0)
	((foreign)) || return 0
	mkdir -p "$WORK/rt" "$base/runtime"
	for deb in "$WORK"/debs/{lib,zlib,pahole}*.deb; do dpkg-deb -x "$deb" "$WORK/rt"; done
	find "$WORK/rt" -path '*/x86_64-linux-gnu/*' ! -path '*/gconv/*' -name '*.so*' -exec cp -a {} "$base/runtime/" \;
	cp "$WORK/rt/usr/bin/pahole" "$base/runtime/"
	borrow "$base/runtime/pahole"
	printf 'PAHOLE = %s/runtime/pahole\n' "$final" >>"$base/build/.kernelvariables"
	rm -rf "$WORK/rt"
}

# Below /usr or /, the kernel itself in /boot or, from 7 on, beside its modules.
unpack() {
	local modules
	say "kernel $RELEASE: unpacking"
	modules=$(find "$WORK/x" -path "*/lib/modules/$RELEASE" -print -quit)
	[[ -n $modules ]] || die "the mirror's linux-image-$RELEASE has no modules"
	if [[ -e $modules/vmlinuz ]]; then
		mv "$modules/vmlinuz" "$modules/config" "$WORK/"
	else
		cp "$WORK/x/boot/vmlinuz-$RELEASE" "$WORK/vmlinuz"
		cp "$WORK/x/boot/config-$RELEASE" "$WORK/config"
	fi
	choose_kernel
	mkdir -p "$WORK/modroot/lib/modules"
	mv "$modules" "$WORK/modroot/lib/modules/"
	make_modules_image
}

parse_arguments() {
	FORCE=0 INIT= SUITE=$DEFAULT_SUITE
	while (($#)); do
		case $1 in
		--force) FORCE=1 ;;
		--suite) SUITE=${2:-}; shift ;;
		--init) INIT=${2:-}; shift ;;
		-*) die "unknown option $1" $EX_USAGE ;;
		*) break ;;
		esac
		shift
	done
	[[ -f $INIT ]] || die "--init FILE is needed: the guest's PID 1 (make builds build/vexlab-init)" $EX_USAGE
	[[ " ${SUITES[*]} " == *" $SUITE "* ]] || die "there is no suite $SUITE: ${SUITES[*]}" $EX_USAGE
	INIT=$(realpath "$INIT")
	DIR=$(realpath -m "${1:-$(default_cache)}")/kernels
}

kernel_is_there() {
	((!FORCE)) && grep -qs "\"recipe\": \"$HASH\"" "$DIR/$SUITE/manifest.json"
}

init_is_there() { [[ $(cat "$DIR/$SUITE/init.hash" 2>/dev/null) == "$(init_hash)" ]]; }

main() {
	local started=$SECONDS links=()
	parse_arguments "$@"
	links+=("$SUITE")
	HASH=$(printf '%s %s\n' "$SUITE" "$PACKAGE" | recipe_hash "$GUEST_DIR/build-kernel.sh" "$GUEST_DIR/kernel.sh" "$GUEST_DIR/lib.sh" -)
	if kernel_is_there && init_is_there; then return 0; fi
	need_tools apt-get dpkg-deb mke2fs xz zstd lz4 cpio depmod patchelf pahole
	lock "$DIR"
	if kernel_is_there; then
		if init_is_there; then return 0; fi
		make_initrd "$(realpath "$DIR/$SUITE")"
		say "initrd: made anew, the init is another one"
		return 0
	fi

	begin "$DIR"
	need_space "$WORK" 1500
	apt_dirs
	fetch_packages
	unpack
	collect_boot_modules
	make_initrd "$WORK"
	relocate_headers
	make_kbuild_run
	write_manifest $KERNEL $((SECONDS - started))
	rm -rf "$WORK"/{x,debs,apt,modroot,build.log}
	if [[ $SUITE == "$DEFAULT_SUITE" ]]; then links+=(current); fi
	finish "$DIR" "$RELEASE" "${links[@]}"
	say "kernel $RELEASE: done in $((SECONDS - started)) s"
}

main "$@"
