#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# The guest's root filesystem: Debian, no kernel, read-only in use.
#
#	guest/build-rootfs.sh [--force] [CACHE]
#
# Makes CACHE/rootfs/HASH/ with rootfs.img, known_hosts, id_ed25519(.pub) and
# manifest.json; CACHE/rootfs/current points to it. HASH is of the recipe: this
# file, lib.sh and the suite.
. "$(dirname "$0")/lib.sh"

readonly SUITE=trixie SIZE_MIB=480
PACKAGES=(openssh-server kmod e2fsprogs xfsprogs btrfs-progs)

readonly HOSTKEY_NAME=vexlab-guest

build_tree() {
	local mirror=$1
	mmdebstrap --quiet --variant=essential --include="$(IFS=,; echo "${PACKAGES[*]}")" \
		--keyring="$KEYRING" \
		--aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Retries "3"' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
		--customize-hook="$WORK/customize \"\$1\"" \
		"$SUITE" "$WORK/root.tar" \
		"deb [signed-by=$KEYRING] $mirror $SUITE main" >>"$LOG" 2>&1
}

# Runs outside the tree, with its path as first argument.
write_customize() {
	cat >"$WORK/customize" <<-HOOK
	#!/bin/sh
	set -e
	root=\$1
	rm -f "\$root"/etc/ssh/ssh_host_*
	install -m 600 "$WORK/host_key" "\$root/etc/ssh/ssh_host_ed25519_key"
	install -m 644 "$WORK/host_key.pub" "\$root/etc/ssh/ssh_host_ed25519_key.pub"
	install -d -m 700 "\$root/root/.ssh"
	install -m 600 "$WORK/id_ed25519.pub" "\$root/root/.ssh/authorized_keys"
	cat >"\$root/etc/ssh/sshd_config" <<CONF
	HostKey /etc/ssh/ssh_host_ed25519_key
	PermitRootLogin prohibit-password
	PasswordAuthentication no
	KbdInteractiveAuthentication no
	UsePAM no
	UseDNS no
	PrintMotd no
	Subsystem sftp internal-sftp
	CONF
	echo vexlab-guest >"\$root/etc/hostname"
	printf '127.0.0.1 localhost vexlab-guest\n' >"\$root/etc/hosts"
	: >"\$root/etc/resolv.conf"
	rm -rf "\$root"/var/lib/apt/lists/* "\$root"/var/cache/apt/*
	mkdir -p "\$root/mnt" "\$root/lib/modules" "\$root/vexlab" "\$root/run/sshd"
	HOOK
	chmod 755 "$WORK/customize"
}

main() {
	local force=0 cache mirror hash started=$SECONDS
	[[ ${1:-} == --force ]] && { force=1; shift; }
	cache=${1:-$(default_cache)}
	hash=$(printf '%s\n' "$SUITE" | recipe_hash "$GUEST_DIR/build-rootfs.sh" "$GUEST_DIR/lib.sh" -)
	if ((!force)) && [[ -f $cache/rootfs/$hash/manifest.json ]]; then
		ln -sfn "$hash" "$cache/rootfs/current"
		return 0
	fi
	need_tools mmdebstrap mke2fs ssh-keygen
	begin "$cache/rootfs/$hash"
	need_space "$WORK" 1500
	mirror=$(debian_mirror)
	[[ -n $mirror ]] || die "apt knows no Debian mirror: add one to /etc/apt, run apt-get update, then this again"

	say "root filesystem: Debian $SUITE (about 40 s)"
	ssh-keygen -q -t ed25519 -N '' -C "$HOSTKEY_NAME" -f "$WORK/host_key"
	ssh-keygen -q -t ed25519 -N '' -C vexlab -f "$WORK/id_ed25519"
	write_customize
	build_tree "$mirror"
	mkdir "$WORK/tree"
	tar -C "$WORK/tree" --numeric-owner --exclude='./dev/*' -xpf "$WORK/root.tar" >>"$LOG" 2>&1
	make_image "$WORK/tree" "$WORK/rootfs.img" vexlab-root $SIZE_MIB
	printf '[127.0.0.1]:* %s\n%s %s\n' "$(cut -d' ' -f1,2 "$WORK/host_key.pub")" \
		"$HOSTKEY_NAME" "$(cut -d' ' -f1,2 "$WORK/host_key.pub")" >"$WORK/known_hosts"
	cat >"$WORK/manifest.json" <<-JSON
	{
	  "kind": "rootfs",
	  "suite": "$SUITE",
	  "recipe": "$hash",
	  "packages": "${PACKAGES[*]}",
	  "image_bytes": $(stat -c %s "$WORK/rootfs.img"),
	  "built": "$(date -u +%Y-%m-%dT%H:%M:%SZ)",
	  "seconds": $((SECONDS - started))
	}
	JSON
	rm -rf "$WORK/tree" "$WORK/root.tar" "$WORK/customize" "$WORK/host_key" "$WORK/build.log"
	finish
	ln -sfn "$hash" "$cache/rootfs/current"
	say "root filesystem: done in $((SECONDS - started)) s"
}

main "$@"
