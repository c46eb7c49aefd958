#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# The peers that `make bench` stands beside vexlab in one guest, as a tar file of the guest's Debian suite:
# libbpf-tools and bpftrace with all they need. Made once, kept in the cache; prints its path.
source "$(dirname "${BASH_SOURCE[0]}")/../../guest/lib.sh"

SUITE=trixie
dir=$(default_cache)/bench
tar=$dir/peers-$SUITE.tar

lock "$dir"
if [[ ! -s $tar ]]; then
	need_tools mmdebstrap
	need_space "$dir" 1000
	say "peers of the bench: libbpf-tools and bpftrace of Debian $SUITE (about 30 s)"
	LOG=$dir/peers.log
	run mmdebstrap --format=tar --variant=extract --include=libbpf-tools,bpftrace --keyring="$KEYRING" \
		--aptopt='APT::Install-Recommends "false"' --aptopt='Acquire::Retries "3"' \
		--dpkgopt='path-exclude=/usr/share/doc/*' --dpkgopt='path-exclude=/usr/share/man/*' \
		--dpkgopt='path-exclude=/usr/share/locale/*' \
		--setup-hook='for d in bin lib lib64 sbin; do ln -s "usr/$d" "$1/$d"; done' \
		"$SUITE" "$tar.new" "deb [signed-by=$KEYRING] $(debian_mirror) $SUITE main" || {
		tail -n 5 "$LOG" >&2
		die "the bench's peers cannot be had"
	}
	mv "$tar.new" "$tar"
fi
printf '%s\n' "$tar"
