#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Boots a guest, runs a filesystem through a scenario, and exits with the verdict's code. Can be called from anywhere.
#
#	tests/vm_testing/run_enhanced_vm_tests.sh [--force] [--logs DIR] [options of `vexlab run`]
#
#	--force     build vexlab anew and boot the guest anew; nothing asks, with it or without it
#	--logs DIR  where runs go (tests/vm_testing/logs/enhanced); DIR/latest is the last
#	--help      this, then the options of `vexlab run`
#
# What is missing is installed, built and made first, as by `make run`. VexFS is tested if its source is named by --source or
# VEXFS_SOURCE, or if vexlab lies in a folder of its repository; else ext4 is, which is said. With VEXLAB=FILE that binary
# runs, and nothing is installed, built or made.
#
# Exit codes: 0 passed, 1 test failures, 2 stability, 3 performance, 4 critical; 64 and above: nothing was judged (docs/CI.md).
set -euo pipefail

readonly EX_USAGE=64 EX_UNAVAILABLE=69
TREE=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)
readonly TREE

say() { printf '  %-8s %s\n' VM-TESTS "$*" >&2; }

usage() { sed -n '3,16s/^# \{0,1\}//p' "${BASH_SOURCE[0]}"; }

# make's own exit codes are no verdict's.
prepare() {
	"$TREE/scripts/setup.sh"
	if ((FORCE)); then make -C "$TREE" clean >&2; fi
	make -C "$TREE" -j"$(nproc)" all >&2 || { say "vexlab does not build: see above"; exit $EX_UNAVAILABLE; }
	"$VEXLAB" guest build
}

# The folder of VexFS's source, if there is any.
find_source() {
	local above
	above=$(dirname "$TREE")
	if [[ -n ${VEXFS_SOURCE:-} ]]; then
		printf '%s\n' "$VEXFS_SOURCE"
	elif [[ -e $above/kernel_module/Kbuild || -e $above/kernel_module/Makefile ]]; then
		printf '%s\n' "$above"
	fi
}

main() {
	local logs=$TREE/tests/vm_testing/logs/enhanced source='' has_target=0 has_source=0 help=0 args=()
	FORCE=0
	while (($#)); do
		case $1 in
		--help | -h) help=1 ;;
		--force) FORCE=1; args+=(--force --cold) ;;
		--logs) [[ $# -ge 2 ]] || { usage >&2; exit $EX_USAGE; }; logs=$(realpath -m -- "$2"); shift ;;
		--logs=*) logs=$(realpath -m -- "${1#*=}") ;;
		*)
			case $1 in
			--target | --target=* | --snapshot | --snapshot=*) has_target=1 ;;
			--source | --source=*) has_source=1 ;;
			esac
			args+=("$1")
			;;
		esac
		shift
	done
	if ((help)); then
		usage
		if [[ -x ${VEXLAB:-$TREE/build/vexlab} ]]; then "${VEXLAB:-$TREE/build/vexlab}" run --help; fi
		exit 0
	fi
	if [[ -n ${VEXLAB:-} ]]; then
		VEXLAB=$(realpath -m -- "$VEXLAB")
	else
		VEXLAB=$TREE/build/vexlab
		prepare
	fi
	if ((!has_target)); then
		if ((!has_source)); then source=$(find_source); fi
		if ((has_source)) || [[ -n $source ]]; then
			args=(--target vexfs ${source:+--source "$source"} "${args[@]}")
		else
			say "no source of VexFS (--source DIR, or VEXFS_SOURCE=DIR): testing the guest kernel's ext4"
			args=(--target ext4 "${args[@]}")
		fi
	fi
	mkdir -p "$logs"
	exec "$VEXLAB" run --output "$logs" "${args[@]}"
}

main "$@"
