# SPDX-License-Identifier: GPL-2.0
# Shared by build-rootfs.sh and build-kernel.sh: a cache entry is built in a
# temporary folder beside its place and renamed when it is whole.
set -euo pipefail
umask 022

readonly EX_USAGE=64 EX_UNAVAILABLE=69 EX_IOERR=74
readonly KEYRING=/usr/share/keyrings/debian-archive-keyring.gpg
GUEST_DIR=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
readonly GUEST_DIR

say() { printf '  %-8s %s\n' GUEST "$*" >&2; }
die() { printf 'vexlab guest: %s\n' "$1" >&2; exit "${2:-$EX_UNAVAILABLE}"; }

default_cache() {
	if [[ -n ${VEXLAB_CACHE:-} ]]; then printf '%s\n' "$VEXLAB_CACHE"
	elif ((EUID == 0)); then printf '/var/cache/vexlab\n'
	else printf '%s/vexlab\n' "${XDG_CACHE_HOME:-$HOME/.cache}"; fi
}

# The mirror this machine's own apt uses for its Debian; nothing is written down here.
debian_mirror() {
	apt-get indextargets --format '$(REPO_URI)|$(CODENAME)|$(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
		awk -F'|' '$2 ~ /^(bookworm|trixie)$/ && $3 == "main" { print $1; exit }'
}

need_tools() {
	local t
	for t in "$@"; do
		command -v "$t" >/dev/null || [[ -x /usr/sbin/$t ]] ||
			die "$t is missing: run scripts/setup.sh"
	done
}

need_space() {	# directory, MiB
	local free
	free=$(df --output=avail -BM "$1" | tail -n 1 | tr -dc 0-9)
	((free >= $2)) || die "$1 has $free MiB free, $2 MiB are needed: free some, or set VEXLAB_CACHE to a larger disk" $EX_IOERR
}

# begin FINAL: sets WORK, a private folder beside FINAL that vanishes unless finish() is reached.
begin() {
	FINAL=$1
	mkdir -p "$(dirname "$FINAL")" || die "cannot make $(dirname "$FINAL")" $EX_IOERR
	exec {LOCK_FD}>"$(dirname "$FINAL")/.lock"
	flock -n "$LOCK_FD" || { say "waiting for another build"; flock "$LOCK_FD"; }
	find "$(dirname "$FINAL")" -maxdepth 1 -name '.new-*' -exec rm -rf {} +
	WORK=$(mktemp -d "$(dirname "$FINAL")/.new-XXXXXX")
	chmod 755 "$WORK"
	LOG=$WORK/build.log
	trap 'fail $?' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

fail() {
	trap - EXIT
	if (($1)) && [[ -s $LOG ]] && (($1 < 128)); then
		local kept
		kept=$(mktemp -t vexlab-guest.XXXXXX.log)
		cp "$LOG" "$kept"
		tail -n 15 "$LOG" >&2
		printf 'vexlab guest: the build failed; its whole log: %s\n' "$kept" >&2
	fi
	rm -rf "$WORK"
	case $1 in 0 | 64 | 69 | 74 | 130 | 143) exit "$1" ;; *) exit $EX_UNAVAILABLE ;; esac
}

finish() {
	rm -rf "$FINAL"
	mv "$WORK" "$FINAL"
	trap - EXIT
}

# A read-only ext4 image of a folder or tar, as small as it goes. No mount, no loop device.
make_image() {	# source, image, label, MiB
	rm -f "$2"
	/usr/sbin/mke2fs -q -t ext4 -L "$3" -m 0 -O ^has_journal,^metadata_csum,^huge_file \
		-E lazy_itable_init=0 -d "$1" "$2" "${4}M" >>"$LOG" 2>&1
}

recipe_hash() { cat "$@" | sha256sum | cut -c1-16; }

json_escape() { sed -e 's/\\/\\\\/g' -e 's/"/\\"/g' | tr -d '\n'; }
