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
	local mirror
	mirror=$(apt-get indextargets --format '$(REPO_URI)|$(CODENAME)|$(COMPONENT)' 'Created-By: Packages' 2>/dev/null |
		awk -F'|' '!found && $2 ~ /^(bookworm|trixie)$/ && $3 == "main" { print $1; found = 1 }') || true
	[[ -n $mirror ]] || die "apt knows no Debian mirror: add one to /etc/apt, run apt-get update, then this again"
	printf '%s\n' "$mirror"
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

# lock DIR: one build at a time below it. Call it before deciding that something must be built:
# who had to wait may find it done. Its children hold the lock too, so nobody cleans up under them.
lock() {
	mkdir -p "$1" 2>/dev/null && [[ -w $1 ]] || die "cannot write to $1: set VEXLAB_CACHE to a folder of yours" $EX_IOERR
	exec {LOCK_FD}>"$1/.lock"
	flock -n "$LOCK_FD" || { say "waiting for another build"; flock "$LOCK_FD"; }
}

# begin DIR: sets WORK, a private folder in DIR that vanishes unless finish() is reached. DIR is locked.
begin() {
	find "$1" -maxdepth 1 \( -name '.new-*' -o -name '.old-*' \) -exec rm -rf {} +
	WORK=$(mktemp -d "$1/.new-XXXXXX")
	chmod 755 "$WORK"
	LOG=$WORK/build.log
	CHILD=
	trap 'ended $?' EXIT
	trap 'stop 130' INT
	trap 'stop 143' TERM HUP
}

# A long command, quiet. In the background, since bash would let it end before it looks at a
# signal, and in a group of its own, so that stop() reaches all that it has started.
run() {
	local rc=0
	setsid "$@" >>"$LOG" 2>&1 &
	CHILD=$!
	wait "$CHILD" || rc=$?
	CHILD=
	return $rc
}

stop() {
	trap '' INT TERM HUP
	if [[ -n $CHILD ]]; then
		kill -TERM -- "-$CHILD" 2>/dev/null || true
		wait "$CHILD" || true
	fi
	exit "$1"
}

ended() {
	local code=$1 kept
	trap - EXIT
	if ((code && code < 128)) && [[ -s $LOG ]]; then
		tail -n 15 "$LOG" >&2
		if kept=$(mktemp -t vexlab-guest.XXXXXX.log 2>/dev/null) && cp "$LOG" "$kept" 2>/dev/null; then
			say "the whole log: $kept"
		fi
		if grep -q 'No space left on device' "$LOG"; then
			code=$EX_IOERR
			printf 'vexlab guest: no space left on the disk of %s\n' "$WORK" >&2
		elif grep -qE 'Could not (resolve|connect)|Temporary failure|Failed to fetch|Unable to connect' "$LOG"; then
			printf 'vexlab guest: the Debian mirror cannot be reached: building the guest needs it once\n' >&2
		fi
	fi
	rm -rf "$WORK"
	case $code in 0 | 64 | 69 | 74 | 130 | 143) exit "$code" ;; *) exit $EX_UNAVAILABLE ;; esac
}

# finish DIR NAME [LINK...]: WORK becomes DIR/NAME, and each DIR/LINK leads to it. A guest that runs from an older one keeps its open files.
finish() {
	local old= dir=$1 name=$2 link
	shift 2
	if [[ -e $dir/$name ]]; then
		old=$(mktemp -d "$dir/.old-XXXXXX")
		mv "$dir/$name" "$old/"
	fi
	mv "$WORK" "$dir/$name"
	trap - EXIT INT TERM HUP
	for link; do point "$dir" "$link" "$name"; done
	[[ -z $old ]] || rm -rf "$old"
}

point() {	# folder, link, name
	[[ $(readlink "$1/$2" 2>/dev/null) != "$3" ]] || return 0
	ln -s "$3" "$1/.link-$$"
	mv -T "$1/.link-$$" "$1/$2"
}

# An ext4 image of a folder, read-only in use. No mount, no loop device.
make_image() {	# folder, image, label, MiB, [command to run it with]
	rm -f "$2"
	run "${@:5}" /usr/sbin/mke2fs -q -t ext4 -b 4096 -L "$3" -m 0 -O ^has_journal,^metadata_csum,^huge_file \
		-E lazy_itable_init=0,root_owner=0:0 \
		-d "$1" "$2" "${4}M"
}

recipe_hash() { cat "$@" | sha256sum | cut -c1-16; }
