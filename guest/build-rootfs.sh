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

# Runs on the finished tree, $1, as its root. Without a right to read $WORK when a user builds: the keys are uploaded before.
readonly CUSTOMIZE='set -e
	cd "$1"
	rm -f etc/ssh/ssh_host_*
	mv vexlab-keys/host_key etc/ssh/ssh_host_ed25519_key
	mv vexlab-keys/host_key.pub etc/ssh/ssh_host_ed25519_key.pub
	mkdir -p -m 700 root/.ssh
	mv vexlab-keys/id_ed25519.pub root/.ssh/authorized_keys
	chmod 600 etc/ssh/ssh_host_ed25519_key root/.ssh/authorized_keys
	chown -R 0:0 etc/ssh root/.ssh
	rmdir vexlab-keys
	cat >etc/ssh/sshd_config <<-CONF
		HostKey /etc/ssh/ssh_host_ed25519_key
		PermitRootLogin prohibit-password
		PasswordAuthentication no
		KbdInteractiveAuthentication no
		UsePAM no
		UseDNS no
		PrintMotd no
		Subsystem sftp internal-sftp
	CONF
	echo vexlab-guest >etc/hostname
	echo "127.0.0.1 localhost vexlab-guest" >etc/hosts
	: >etc/resolv.conf
	rm -rf var/lib/apt/lists/* var/cache/apt/*
	mkdir -p mnt lib/modules vexlab run/sshd'

build_tree() {
	local mirror=$1 f uploads=() tmp=${TMPDIR:-/tmp}
	for f in host_key host_key.pub id_ed25519.pub; do
		uploads+=(--customize-hook="upload $WORK/$f /vexlab-keys/$f")
	done
	# As root, what a killed build leaves lies in WORK and goes with it; a user's namespace may not reach it.
	((EUID)) || tmp=$WORK
	run env TMPDIR="$tmp" mmdebstrap --variant=essential --include="$(IFS=,; echo "${PACKAGES[*]}")" \
		--keyring="$KEYRING" \
		--aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Retries "3"' \
		--dpkgopt=force-unsafe-io \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' --dpkgopt='path-exclude=/usr/share/info/*' \
		--customize-hook='mkdir "$1/vexlab-keys"' "${uploads[@]}" --customize-hook="$CUSTOMIZE" \
		"$SUITE" "$WORK/root.tar" \
		"deb [signed-by=$KEYRING] $mirror $SUITE main"
}

# A user owns nothing as root but in a namespace of their own; there everything in the image is root's.
image_from_tar() {
	local ns=()
	((EUID == 0)) || ns=(unshare --map-root-user)
	mkdir "$WORK/tree"
	run "${ns[@]}" tar -C "$WORK/tree" --exclude='./dev/*' \
		$( ((EUID)) && echo --no-same-owner || echo --numeric-owner) -xpf "$WORK/root.tar"
	make_image "$WORK/tree" "$WORK/rootfs.img" vexlab-root $SIZE_MIB "${ns[@]}"
}

write_manifest() {	# seconds
	cat >"$WORK/manifest.json" <<-JSON
	{
	  "kind": "rootfs",
	  "suite": "$SUITE",
	  "recipe": "$HASH",
	  "packages": "${PACKAGES[*]}",
	  "image_bytes": $(stat -c %s "$WORK/rootfs.img"),
	  "built": "$(date -u +%Y-%m-%dT%H:%M:%SZ)",
	  "seconds": $1
	}
	JSON
}

main() {
	local force=0 dir mirror started=$SECONDS
	[[ ${1:-} == --force ]] && { force=1; shift; }
	dir=${1:-$(default_cache)}/rootfs
	HASH=$(printf '%s\n' "$SUITE" | recipe_hash "$GUEST_DIR/build-rootfs.sh" "$GUEST_DIR/lib.sh" -)
	is_there() { ((!force)) && [[ -f $dir/$HASH/manifest.json ]]; }
	if is_there && [[ $(readlink "$dir/current") == "$HASH" ]]; then return 0; fi
	lock "$dir"
	if is_there; then point "$dir" current "$HASH"; return 0; fi

	need_tools mmdebstrap mke2fs ssh-keygen
	mirror=$(debian_mirror)
	begin "$dir"
	need_space "$WORK" 1500
	say "root filesystem: Debian $SUITE (about 40 s)"
	ssh-keygen -q -t ed25519 -N '' -C "$HOSTKEY_NAME" -f "$WORK/host_key"
	ssh-keygen -q -t ed25519 -N '' -C vexlab -f "$WORK/id_ed25519"
	build_tree "$mirror"
	image_from_tar
	printf '[127.0.0.1]:* %s\n%s %s\n' "$(cut -d' ' -f1,2 "$WORK/host_key.pub")" \
		"$HOSTKEY_NAME" "$(cut -d' ' -f1,2 "$WORK/host_key.pub")" >"$WORK/known_hosts"
	write_manifest $((SECONDS - started))
	rm -rf "$WORK/tree" "$WORK/root.tar" "$WORK/host_key" "$WORK/build.log"
	finish "$dir" "$HASH" current
	say "root filesystem: done in $((SECONDS - started)) s"
}

main "$@"
