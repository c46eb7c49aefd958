#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Install what building and running vexlab needs on Debian 12, and nothing that is there already.
#
# Backports come from the same mirror, signed by the same key, that the machine's own apt
# configuration names for bookworm: no host is ever written down here.
#
#	scripts/setup.sh            install what is missing (root, or sudo)
#	scripts/setup.sh --check    say what is missing, change nothing; exit 69 if anything is
#	scripts/setup.sh --print    print the commands that would be run
#	scripts/setup.sh --tests    what only tests ask, the tools of the reports' formats; without them tests are skipped
set -euo pipefail

readonly EX_UNAVAILABLE=69 EX_NOPERM=77
readonly SOURCES_FILE=/etc/apt/sources.list.d/vexlab-backports.sources

# Built against, and run: bookworm's own versions.
BASE_PACKAGES=(
	gcc make clang llvm lld pkg-config git ca-certificates
	bpftool libbpf-dev libelf-dev zlib1g-dev libzstd-dev pahole
	libglib2.0-dev libvirt-glib-1.0-dev libjansson-dev libyaml-dev
	libssh-dev libdw-dev libcmocka-dev libcap-dev libpcre2-dev libsqlite3-dev libcurl4-gnutls-dev
	mmdebstrap uidmap e2fsprogs xz-utils zstd lz4 bzip2 lzop kmod cpio patchelf openssh-client openssh-server bc bison flex
	libssl-dev cppcheck xxd man-db jq
)
# QEMU 7.2 corrupts a 6.12 guest under TCG, libvirt 9 is too old for what we ask of it.
BACKPORTS_PACKAGES=(
	qemu-system-x86 qemu-system-common qemu-system-data qemu-utils
	libvirt-dev libvirt0 libvirt-daemon-driver-qemu libvirt-daemon
)
# The ecosystems' own readers of what vexlab reports. promtool, too: see install_promtool().
TEST_PACKAGES=(libxml2-utils python3-jsonschema chromium fonts-dejavu-core)
# Newest of these that is older than this is replaced from backports.
readonly QEMU_MIN=1:10.0 LIBVIRT_MIN=11.0

say() { printf '  %-8s %s\n' "SETUP" "$*" >&2; }
die() { printf 'setup: %s\n' "$1" >&2; exit "${2:-1}"; }

installed() {
	local state
	state=$(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2>/dev/null) || return 1
	[[ $state == ii* ]]
}

at_least() {
	local v
	v=$(dpkg-query -W -f '${Version}' "$1" 2>/dev/null) || return 1
	dpkg --compare-versions "$v" ge "$2"
}

missing_base() {
	local p
	for p in "${BASE_PACKAGES[@]}"; do installed "$p" || printf '%s\n' "$p"; done
}

missing_backports() {
	local p min
	for p in "${BACKPORTS_PACKAGES[@]}"; do
		case $p in qemu-*) min=$QEMU_MIN ;; *) min=$LIBVIRT_MIN ;; esac
		{ installed "$p" && at_least "$p" "$min"; } || printf '%s\n' "$p"
	done
}

# The first "URI|suite|component|signing key" that serves bookworm itself here.
bookworm_source() {
	apt-get indextargets --format '$(REPO_URI)|$(CODENAME)|$(COMPONENT)|$(SIGNED_BY)' \
		'Created-By: Packages' 2>/dev/null |
		awk -F'|' '$2 == "bookworm" && $3 == "main" { print; exit }'
}

signing_key() {
	local key=$1
	[[ $key == /* && -e $key ]] && { printf '%s\n' "$key"; return; }
	key=/usr/share/keyrings/debian-archive-keyring.gpg
	[[ -e $key ]] && printf '%s\n' "$key"
}

have_backports() {
	apt-get indextargets --format '$(CODENAME)' 'Created-By: Packages' 2>/dev/null |
		grep -qx bookworm-backports
}

enable_backports() {
	local src uri key
	src=$(bookworm_source)
	[[ -n $src ]] || { "${SUDO[@]}" apt-get -qq update >&2 || true; src=$(bookworm_source); }
	[[ -n $src ]] || die "apt knows no mirror for bookworm: add one to /etc/apt, then run this again" $EX_UNAVAILABLE
	uri=${src%%|*}
	key=$(signing_key "${src##*|}")
	say "enabling bookworm-backports from this machine's own mirror"
	"${SUDO[@]}" tee "$SOURCES_FILE" >/dev/null <<-SOURCES
	# Written by vexlab's setup: same mirror as bookworm itself. Packages from
	# here are installed only when asked for by name.
	Types: deb
	URIs: $uri
	Suites: bookworm-backports
	Components: main
	${key:+Signed-By: $key}
	SOURCES
}

apt_install() {
	"${SUDO[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -y -o Dpkg::Use-Pty=0 \
		-o Acquire::Retries=3 install --no-install-recommends "$@" >"$LOG" 2>&1 || {
		tail -n 20 "$LOG" >&2
		die "apt-get install failed (whole log: $LOG). Without a network, ask who runs this machine to install: $*" \
			$EX_UNAVAILABLE
	}
}

# The tests start an sshd of their own, on 127.0.0.1. Having the package must not open this
# machine to anyone: it is neither started now nor at boot, unless somebody had it already.
install_sshd() {
	local policy=/usr/sbin/policy-rc.d ours=

	if [[ ! -e $policy ]]; then
		printf '#!/bin/sh\nexit 101\n' | "${SUDO[@]}" tee "$policy" >/dev/null
		"${SUDO[@]}" chmod 755 "$policy"
		ours=$policy
		trap '"${SUDO[@]}" rm -f '"$policy" EXIT
	fi
	apt_install openssh-server
	[[ -n $ours ]] && "${SUDO[@]}" rm -f "$ours"
	trap - EXIT
	if command -v systemctl >/dev/null; then
		"${SUDO[@]}" systemctl disable ssh.service ssh.socket >>"$LOG" 2>&1 || true
	fi
}

# Below vexlab's cache, wherever that is (default_cache() in guest/lib.sh).
tools_dir() {
	local cache=${XDG_CACHE_HOME:-$HOME/.cache}/vexlab

	((EUID)) || cache=/var/cache/vexlab
	printf '%s/tools\n' "${VEXLAB_CACHE:-$cache}"
}

# The package that has it brings a server, which would be started, and a user of its own: only this one file is taken.
install_promtool() {
	local dir work
	dir=$(tools_dir)
	if command -v promtool >/dev/null || [[ -x $dir/promtool ]]; then return 0; fi
	work=$(mktemp -d -t vexlab-promtool.XXXXXX)
	chmod 755 "$work"
	(
		cd "$work" && mkdir -p "$dir" && apt-get -qq -o Acquire::Retries=3 download prometheus &&
			dpkg-deb --fsys-tarfile prometheus_*.deb | tar -x ./usr/bin/promtool &&
			mv usr/bin/promtool "$dir/promtool"
	) >"$work/log" 2>&1 || { say "promtool cannot be had: $(tail -n 1 "$work/log")"; rm -rf "$work"; return 1; }
	rm -rf "$work"
}

# Never fails: a test whose tool is not there says so and is skipped.
install_test_tools() {
	local p missing=()
	for p in "${TEST_PACKAGES[@]}"; do installed "$p" || missing+=("$p"); done
	if ((${#missing[@]})); then
		say "installing what tests ask: ${missing[*]}"
		LOG=$(mktemp -t vexlab-setup.XXXXXX.log)
		if (find_sudo && apt_install "${missing[@]}"); then
			rm -f "$LOG"
		else
			say "cannot install ${missing[*]}: the tests that ask them will be skipped"
		fi
	fi
	install_promtool || true
}

# May nothing be installed, ends this shell.
find_sudo() {
	SUDO=()
	((EUID == 0)) && return 0
	if command -v sudo >/dev/null && { sudo -n true 2>/dev/null || [[ -t 0 ]]; }; then
		SUDO=(sudo)
		return 0
	fi
	printf 'setup: packages are missing and this user may not install them. Run:\n' >&2
	print_commands >&2
	exit $EX_NOPERM
}

print_commands() {
	printf 'sudo %s\n' "$(realpath "$0")"
	((${#BASE[@]})) && printf '# which runs: apt-get install --no-install-recommends %s\n' "${BASE[*]}"
	((${#BPO[@]})) && printf '# and:        apt-get install --no-install-recommends -t bookworm-backports %s\n' "${BPO[*]}"
	return 0
}

main() {
	local mode=${1:-install} started=$SECONDS

	case $mode in
	install | --check | --print | --tests) ;;
	*) sed -n '2,11s/^# \{0,1\}//p' "$0"; [[ $mode == --help ]] && exit 0 || exit 64 ;;
	esac
	command -v dpkg-query >/dev/null || die "this is not Debian: install by hand what $0 lists" $EX_UNAVAILABLE

	if [[ $mode == --tests ]]; then
		BASE=("${TEST_PACKAGES[@]}") BPO=()
		install_test_tools
		exit 0
	fi
	mapfile -t BASE < <(missing_base)
	mapfile -t BPO < <(missing_backports)
	if ((${#BASE[@]} + ${#BPO[@]} == 0)); then
		[[ $mode == install ]] || say "nothing is missing"
		exit 0
	fi
	[[ $mode == --print ]] && { print_commands; exit 0; }
	[[ $mode == --check ]] && { print_commands; exit $EX_UNAVAILABLE; }

	find_sudo
	LOG=$(mktemp -t vexlab-setup.XXXXXX.log)

	say "installing $((${#BASE[@]} + ${#BPO[@]})) packages (log: $LOG)"
	if ((${#BPO[@]})); then have_backports || enable_backports; fi
	"${SUDO[@]}" apt-get -qq -o Acquire::Retries=3 update >"$LOG" 2>&1 || {
		tail -n 5 "$LOG" >&2
		say "apt-get update failed; trying with the lists that are there"
	}
	if [[ " ${BASE[*]} " == *" openssh-server "* ]]; then install_sshd; fi
	# Bookworm's own first: with -t, apt takes what backports' packages need from there too,
	# libelf1 for one, and bookworm's libelf-dev could then not be installed any more.
	if ((${#BASE[@]})); then apt_install "${BASE[@]}"; fi
	if ((${#BPO[@]})); then apt_install -t bookworm-backports "${BPO[@]}"; fi
	rm -f "$LOG"
	say "done in $((SECONDS - started)) s"
}

main "$@"
