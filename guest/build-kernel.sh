#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# A kernel for the guest, from a Debian package that is unpacked privately.
#
#	guest/build-kernel.sh --init FILE [--force] [CACHE]
#
# Makes CACHE/kernels/RELEASE/: vmlinuz, vmlinux (the same, uncompressed: QEMU
# enters it by PVH and the guest does not decompress), initrd.cpio (our init and
# the modules that reach the disks), modules.img (all modules, ready to load),
# headers/ (what out-of-tree modules build against, BTF included), config,
# manifest.json. CACHE/kernels/current points to it. A new init alone makes a
# new initrd.cpio and fetches nothing.
. "$(dirname "$0")/lib.sh"

readonly SUITE=trixie PACKAGE=cloud-amd64
# In loading order, as far as a kernel has them as modules.
BOOT_MODULES=(virtio_blk)
NET_MODULES=(failover net_failover virtio_net)
# What the suite's own kbuild tools are linked with: this machine's glibc may be older.
KBUILD_LIBS=(libc6 libelf1t64 zlib1g libzstd1)
# Each word here is boot time or a clock, as docs/PERFORMANCE.md has it measured:
#  tsc=reliable	else TCG ends on the HPET: 2.1 us a clock reading instead of 0.2
#  cryptomgr.notests, initcall_blacklist, ipv6.disable	2 s of self-tests, keyrings, probes for
#		devices and a network that no guest of ours has
#  delayacct	time that a task waits for block I/O
#  panic=-1	a panic resets at once, QEMU runs with -no-reboot: the death is seen
#  kfence.sample_interval	ms; Debian builds KFENCE and leaves it off: a use after free is then seen by luck only
#  watchdog_thresh, rcu_cpu_stall_timeout, hung_task_timeout_secs	seconds; a soft lockup is told at twice the first
readonly CMDLINE="console=ttyS0 quiet panic=-1 delayacct tsc=reliable no_timer_check \
cryptomgr.notests=1 \
initcall_blacklist=jent_mod_init,init_encrypted,crypto_kdf108_init,sed_opal_init,cec_init,i8042_init \
ipv6.disable=1 random.trust_cpu=on mitigations=off raid=noautodetect 8250.nr_uarts=1 \
kfence.sample_interval=100 watchdog_thresh=3 rcupdate.rcu_cpu_stall_timeout=8 \
sysctl.kernel.hung_task_timeout_secs=30"

apt_dirs() {	# a private apt: the machine's own sources stay as they are
	local d=$WORK/apt mirror
	mirror=$(debian_mirror)
	mkdir -p "$d"/etc/apt/{apt.conf.d,preferences.d,sources.list.d,trusted.gpg.d} \
		"$d"/var/lib/{apt/lists/partial,dpkg} "$d"/var/cache/apt/archives/partial
	: >"$d/var/lib/dpkg/status"
	printf 'deb [signed-by=%s arch=amd64] %s %s main\n' "$KEYRING" "$mirror" "$SUITE" >"$d/etc/apt/sources.list"
	APT_OPTIONS=(-o "Dir=$d" -o "Dir::State::status=$d/var/lib/dpkg/status" -o APT::Architecture=amd64
		-o APT::Sandbox::User=root -o Acquire::Retries=3)
}

dependency() {	# package, pattern
	apt-cache "${APT_OPTIONS[@]}" depends "$1" | awk -v p="$2" '!found && $1 == "Depends:" && $2 ~ p { print $2; found = 1 }'
}

fetch_packages() {
	local image headers common kbuild
	say "kernel: asking the mirror for the newest of $SUITE"
	run apt-get "${APT_OPTIONS[@]}" -qq -o APT::Update::Error-Mode=any update
	image=$(dependency "linux-image-$PACKAGE" '^linux-image-')
	headers=$(dependency "linux-headers-$PACKAGE" '^linux-headers-')
	[[ -n $image && -n $headers ]] || die "the mirror has no linux-image-$PACKAGE in $SUITE"
	common=$(dependency "$headers" '-common$')
	kbuild=$(dependency "$headers" '^linux-kbuild-')
	RELEASE=${image#linux-image-}
	say "kernel $RELEASE: downloading"
	mkdir "$WORK/debs"
	cd "$WORK/debs"
	run apt-get "${APT_OPTIONS[@]}" -qq download "$image" "$headers" "$common" "$kbuild" "${KBUILD_LIBS[@]}"
	cd /
	local deb
	for deb in "$WORK"/debs/linux-*.deb; do dpkg-deb -x "$deb" "$WORK/x"; done
	VERSION=$(dpkg-deb -f "$WORK"/debs/"${image}"_*.deb Version)
}

u32_at() { od -An -t u4 -j "$2" -N 4 "$1" | tr -d ' '; }

# Documentation/arch/x86/boot.rst: the payload lies payload_offset (0x248) behind the setup sectors (0x1f1).
extract_vmlinux() {
	local in=$1 out=$2 sects offset length
	sects=$(od -An -t u1 -j $((0x1f1)) -N 1 "$in" | tr -d ' ')
	offset=$(((sects + 1) * 512 + $(u32_at "$in" $((0x248)))))
	length=$(u32_at "$in" $((0x24c)))
	tail -c +$((offset + 1)) "$in" | head -c $((length - 4)) >"$WORK/payload"	# without the size word
	case $(od -An -t x1 -N 4 "$WORK/payload" | tr -d ' ') in
	28b52ffd) zstd -dcq "$WORK/payload" >"$out" || true ;;
	fd377a58) xz -dcq --single-stream "$WORK/payload" >"$out" || true ;;
	1f8b*) gzip -dcq "$WORK/payload" >"$out" || true ;;
	*) return 1 ;;
	esac 2>>"$LOG"
	rm -f "$WORK/payload"
	[[ $(od -An -t x1 -N 4 "$out" | tr -d ' ') == 7f454c46 ]]
}

unpack_modules() {
	local dir=$1
	find "$dir" -name '*.ko.xz' -print0 | xargs -0 -r -n 32 -P "$(nproc)" xz -dq
	run /sbin/depmod -b "$WORK/modroot" "$RELEASE"
}

add_modules() {	# list file, names...
	local list=$1 name file
	shift
	for name in "$@"; do
		file=$(find "$WORK/modroot" -name "$name.ko" -print -quit)
		[[ -n $file ]] || continue	# built in
		cp "$file" "$WORK/boot-modules/"
		printf '%s.ko\n' "$name" >>"$list"
	done
}

collect_boot_modules() {
	mkdir "$WORK/boot-modules"
	add_modules "$WORK/boot-modules/order" "${BOOT_MODULES[@]}"
	add_modules "$WORK/boot-modules/order-net" "${NET_MODULES[@]}"
}

init_hash() { recipe_hash "$INIT"; }

# In a folder, from its boot-modules and INIT. Replaced in one step: a guest may be starting.
make_initrd() {
	local dir=$1 tree
	tree=$(mktemp -d "$dir/.initrd-XXXXXX")
	mkdir -p "$tree"/{dev,proc,sys,newroot,vexlab}
	cp "$INIT" "$tree/init"
	chmod 755 "$tree" "$tree/init"
	cp -r "$dir/boot-modules" "$tree/modules"
	(cd "$tree" && find . -print0 | sort -z |
		cpio --null -o -H newc -R 0:0 --reproducible --quiet) >"$dir/.initrd.cpio"
	rm -rf "$tree"
	mv "$dir/.initrd.cpio" "$dir/initrd.cpio"
	init_hash >"$dir/init.hash"
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
	printf 'include %s/common/Makefile\n' "$final" >"$base/build/Makefile"
	# What gcc 14 has and bookworm's gcc 12 has not; kbuild then takes -falign-functions.
	sed -i '/CONFIG_CC_HAS_MIN_FUNCTION_ALIGNMENT/d' "$base/build/include/config/auto.conf" \
		"$base/build/include/generated/autoconf.h"
	# kbuild picks pahole's flags by the version the kernel was built with: name the one that is here.
	sed -i "s/^CONFIG_PAHOLE_VERSION=.*/CONFIG_PAHOLE_VERSION=$(pahole --version | tr -dc 0-9)/" \
		"$base/build/include/config/auto.conf"
	sed -i "s|\$(CROSS_COMPILE)gcc-[0-9]*|gcc|; s|^override CROSS_COMPILE.*||" "$base/build/.kernelvariables"
}

is_elf() { [[ $(od -An -t x1 -N 4 "$1" | tr -d ' ') == 7f454c46 ]]; }

# kbuild's own programs come from the kernel's suite. One that does not run here
# gets that suite's loader and libraries, which lie beside it.
make_kbuild_run() {
	local base=$WORK/headers final=$DIR/$RELEASE/headers deb f patched=0
	while IFS= read -r -d '' f; do
		is_elf "$f" || continue
		[[ $(ldd "$f" 2>&1) == *'not found'* ]] || continue
		/usr/bin/patchelf --set-interpreter "$final/runtime/ld-linux-x86-64.so.2" \
			--set-rpath "$final/runtime" "$f" >>"$LOG" 2>&1
		patched=1
	done < <(find "$base/kbuild" -type f -perm /111 -print0)
	((patched)) || return 0
	mkdir -p "$WORK/rt" "$base/runtime"
	for deb in "$WORK"/debs/lib*.deb "$WORK"/debs/zlib*.deb; do dpkg-deb -x "$deb" "$WORK/rt"; done
	find "$WORK/rt" -path '*/x86_64-linux-gnu/*' ! -path '*/gconv/*' -name '*.so*' -exec cp -a {} "$base/runtime/" \;
	rm -rf "$WORK/rt"
}

write_manifest() {
	cat >"$WORK/manifest.json" <<-JSON
	{
	  "kind": "kernel",
	  "release": "$RELEASE",
	  "package_version": "$VERSION",
	  "suite": "$SUITE",
	  "recipe": "$HASH",
	  "kernel": "$1",
	  "cmdline": "$CMDLINE",
	  "seconds": $2,
	  "built": "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
	}
	JSON
}

unpack() {
	local mib
	say "kernel $RELEASE: unpacking"
	cp "$WORK/x/boot/vmlinuz-$RELEASE" "$WORK/vmlinuz"
	cp "$WORK/x/boot/config-$RELEASE" "$WORK/config"
	KERNEL=vmlinux
	extract_vmlinux "$WORK/vmlinuz" "$WORK/vmlinux" && grep -q '^CONFIG_PVH=y' "$WORK/config" || {
		rm -f "$WORK/vmlinux"
		KERNEL=vmlinuz
	}
	mkdir -p "$WORK/modroot/lib"
	mv "$WORK/x/usr/lib/modules" "$WORK/modroot/lib/modules" 2>/dev/null ||
		mv "$WORK/x/lib/modules" "$WORK/modroot/lib/modules"
	unpack_modules "$WORK/modroot/lib/modules/$RELEASE"
	mib=$(du -sm "$WORK/modroot" | cut -f1)
	make_image "$WORK/modroot/lib/modules" "$WORK/modules.img" vexlab-mods $((mib + mib / 6 + 16))
}

parse_arguments() {
	FORCE=0 INIT=
	while (($#)); do
		case $1 in
		--force) FORCE=1 ;;
		--init) INIT=${2:-}; shift ;;
		-*) die "unknown option $1" $EX_USAGE ;;
		*) break ;;
		esac
		shift
	done
	[[ -f $INIT ]] || die "--init FILE is needed: the guest's PID 1 (make builds build/vexlab-init)" $EX_USAGE
	INIT=$(realpath "$INIT")
	DIR=$(realpath -m "${1:-$(default_cache)}")/kernels
}

kernel_is_there() {
	((!FORCE)) && grep -qs "\"recipe\": \"$HASH\"" "$DIR/current/manifest.json"
}

init_is_there() { [[ $(cat "$DIR/current/init.hash" 2>/dev/null) == "$(init_hash)" ]]; }

main() {
	local started=$SECONDS
	parse_arguments "$@"
	HASH=$(printf '%s %s\n' "$SUITE" "$PACKAGE" | recipe_hash "$GUEST_DIR/build-kernel.sh" "$GUEST_DIR/lib.sh" -)
	if kernel_is_there && init_is_there; then return 0; fi
	need_tools apt-get dpkg-deb mke2fs xz zstd cpio depmod patchelf pahole
	lock "$DIR"
	if kernel_is_there; then
		if init_is_there; then return 0; fi
		make_initrd "$(realpath "$DIR/current")"
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
	finish "$DIR" "$RELEASE"
	say "kernel $RELEASE: done in $((SECONDS - started)) s"
}

main "$@"
