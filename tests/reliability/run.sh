#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make reliability: every fault of the menu in a real guest, and the table of docs/RELIABILITY.md.
#
#	tests/reliability/run.sh BUILD [FAULT,...]
#
# Without FAULTs (as `vexlab run --faults` takes them) the table is written between the markers of
# docs/RELIABILITY.md, else only shown. Exit status 1: something was not detected or recovered as it must be.
set -euo pipefail

B=${1:?usage: tests/reliability/run.sh BUILD [FAULT,...]}
FAULTS=${2:-}
PAGE=docs/RELIABILITY.md
. tests/page.sh
dir=$(mktemp -d -t vexlab-reliability.XXXXXX)
trap 'rm -rf "$dir"' EXIT

# Each fault is a recovery. A short heartbeat limit: what is silent here is known to be dead.
run() {
	"$B/vexlab" run --target faultfs --scenario faults ${FAULTS:+--faults "$FAULTS"} --control none \
		--output "$dir" --set recovery.attempts=1000 --set watch.heartbeat_s=5 >"$dir/out" || status=$?
}

status=0
run
# Faults are faults to it, too: anything but a verdict is a failure of the run itself.
if ((status > 4)) || [[ ! -s $dir/latest/faults.md ]]; then
	cat "$dir/out"
	echo "the run did not come to its end: exit status $status" >&2
	exit 1
fi
{ made_by 'make reliability'; cat "$dir/latest/faults.md"; } >"$dir/table"
cat "$dir/table"
[[ -n $FAULTS ]] || insert "$PAGE" faults "$dir/table"
# "39 faults: 39 done, 39 as they must be."
read -r all _ rows _ good _ < <(tail -n 1 "$dir/latest/faults.md")
((all == rows && rows == good))
