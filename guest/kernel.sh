# SPDX-License-Identifier: GPL-2.0
# What a kernel becomes in the cache, wherever it is from. Shared by build-kernel.sh and import-kernel.sh.
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

# As far as a kernel has them as modules; what they depend on comes with them.
readonly BOOT_MODULES=(virtio_pci virtio_blk virtio_console ext4) NET_MODULES=(virtio_net)
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

is_elf() { [[ $(od -An -t x1 -N 4 "$1" | tr -d ' ') == 7f454c46 ]]; }


u32_at() { od -An -t u4 -j "$2" -N 4 "$1" | tr -d ' '; }

# Documentation/arch/x86/boot.rst: the payload lies payload_offset (0x248) behind the setup sectors (0x1f1).
extract_vmlinux() {
	local in=$1 out=$2 sects offset length
	sects=$(od -An -t u1 -j $((0x1f1)) -N 1 "$in" | tr -d ' ')
	offset=$(((sects + 1) * 512 + $(u32_at "$in" $((0x248)))))
	length=$(u32_at "$in" $((0x24c)))
	tail -c +$((offset + 1)) "$in" | head -c $((length - 4)) >"$WORK/payload"	# without the size word
	unpacked "$WORK/payload" 2>>"$LOG" >"$out" || true	# padding behind the end is no error of ours
	rm -f "$WORK/payload"
	is_elf "$out"
}

# By the magic numbers of lib/decompress.c.
unpacked() {
	case $(od -An -t x1 -N 4 "$1" | tr -d ' ') in
	1f8b*) gzip -dcq "$1" ;;
	425a68*) bzip2 -dcq "$1" ;;
	5d0000*) xz -dcq --format=lzma "$1" ;;
	fd377a58) xz -dcq --single-stream "$1" ;;
	894c5a4f) lzop -dcq "$1" ;;
	02214c18) lz4 -dcq "$1" - ;;
	28b52ffd) zstd -dcq "$1" ;;
	7f454c46) cat "$1" ;;
	*) return 1 ;;
	esac
}

unpack_modules() {
	local dir=$1
	find "$dir" -name '*.ko.xz' -print0 | xargs -0 -r -n 32 -P "$(nproc)" xz -dq
	find "$dir" -name '*.ko.zst' -print0 | xargs -0 -r -n 32 -P "$(nproc)" zstd -dq --rm
	find "$dir" -name '*.ko.gz' -print0 | xargs -0 -r -n 32 -P "$(nproc)" gzip -dq
	run /sbin/depmod -b "$WORK/modroot" "$RELEASE"
}

# list file, module: it and what it depends on, in loading order; nothing of what is built in.
add_module() {
	local verb file _
	while read -r verb file _; do
		[[ $verb == insmod ]] || continue
		cp "$file" "$WORK/boot-modules/"
		file=$(basename "$file")
		grep -qsxF "$file" "$1" || printf '%s\n' "$file" >>"$1"
	done < <(/sbin/modprobe -d "$WORK/modroot" -S "$RELEASE" --show-depends "$2" 2>>"$LOG")
}

collect_boot_modules() {
	local name
	mkdir "$WORK/boot-modules"
	for name in "${BOOT_MODULES[@]}"; do add_module "$WORK/boot-modules/order" "$name"; done
	for name in "${NET_MODULES[@]}"; do add_module "$WORK/boot-modules/order-net" "$name"; done
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

# vmlinuz and config are in WORK: sets KERNEL to what QEMU is given, uncompressed if the kernel can be entered so.
choose_kernel() {
	KERNEL=vmlinux
	extract_vmlinux "$WORK/vmlinuz" "$WORK/vmlinux" && grep -q '^CONFIG_PVH=y' "$WORK/config" || {
		rm -f "$WORK/vmlinux"
		KERNEL=vmlinuz
	}
}

# Of WORK/modroot/lib/modules/RELEASE.
make_modules_image() {
	local mib
	unpack_modules "$WORK/modroot/lib/modules/$RELEASE"
	mib=$(du -sm "$WORK/modroot" | cut -f1)
	make_image "$WORK/modroot/lib/modules" "$WORK/modules.img" vexlab-mods $((mib + mib / 6 + 16))
}

write_manifest() {
	cat >"$WORK/manifest.json" <<-JSON
	{
	  "kind": "kernel",
	  "release": "$RELEASE",
	  "package_version": "${VERSION:-}",
	  "suite": "${SUITE:-}",
	  "recipe": "$HASH",
	  "kernel": "$1",
	  "cmdline": "$CMDLINE",
	  "seconds": $2,
	  "built": "$(date -u +%Y-%m-%dT%H:%M:%SZ)"
	}
	JSON
}
