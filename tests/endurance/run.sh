#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make endurance: crash after crash in one run, kill -9 at random moments, disks that fill up, a libvirt that goes
# away; and what it gave, between the marks of docs/RELIABILITY.md.
#
#	tests/endurance/run.sh BUILD [SEED]
#
# SEED chooses the moments; without one, it is a new one, which is printed. About 20 minutes. The cut connection
# needs a libvirtd: /usr/sbin/libvirtd, or the one that $VEXLAB_LIBVIRTD names. Exit status 1: something was not as
# it must be.
set -euo pipefail

B=${1:?usage: tests/endurance/run.sh BUILD [SEED]}
PAGE=docs/RELIABILITY.md
. tests/page.sh
dir=$(mktemp -d -t vexlab-endurance.XXXXXX)
trap 'rm -rf "$dir"' EXIT

export ENDURANCE=1 ENDURANCE_TABLE=$dir/table ENDURANCE_SEED=${2:-$((RANDOM * 32768 + RANDOM))}
export VEXLAB_BUILD=$B VEXLAB=$B/vexlab VEXLAB_AGENT=$B/vexlab-agent
passed=0 failed=0 skipped=0

sum() {	# log, word
	local n
	n=$(sed -n "s/^\[ *$2 *\] \([0-9][0-9]*\) test(s).*/\1/p" "$1" | tail -n 1)
	echo "${n:-0}"
}

for name in endurance survival; do
	log=$dir/$name.log rc=0
	"$B/tests/integration/test_$name" 2>&1 </dev/null | tee "$log" || rc=$?
	passed=$((passed + $(sum "$log" PASSED))) skipped=$((skipped + $(sum "$log" SKIPPED)))
	bad=$(sum "$log" FAILED)
	# One that dies has failed, whatever it counted.
	if ((rc && !bad)); then bad=1; fi
	failed=$((failed + bad))
done
{ made_by 'make endurance'; cat "$dir/table"; echo; } >"$dir/page"
if ((!failed)); then insert "$PAGE" endurance "$dir/page"; fi
echo "seed $ENDURANCE_SEED"
echo "$passed passed, $failed failed, $skipped skipped"
((failed == 0 && passed > 0))
