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
BEGIN='<!-- faults: begin -->' END='<!-- faults: end -->'
dir=$(mktemp -d -t vexlab-reliability.XXXXXX)
trap 'rm -rf "$dir"' EXIT

# Each fault is a recovery. A short heartbeat limit: what is silent here is known to be dead.
run() {
	"$B/vexlab" run --target faultfs --scenario faults ${FAULTS:+--faults "$FAULTS"} --control none \
		--output "$dir" --set recovery.attempts=1000 --set watch.heartbeat_s=5 >"$dir/out" || status=$?
}

machine() {
	printf 'Made by `make reliability` on %s CPUs, %s, %s; load at its end %s.\n\n' "$(nproc)" \
		"$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(date -u +%Y-%m-%d)" \
		"$(cut -d' ' -f1 /proc/loadavg)"
}

write_page() {
	grep -qF -- "$BEGIN" "$PAGE" && grep -qF -- "$END" "$PAGE" || {
		echo "$PAGE has no place for the table: the lines $BEGIN and $END" >&2
		exit 1
	}
	awk -v begin="$BEGIN" -v end="$END" -v table="$dir/table" '
		$0 == end { skip = 0 }
		!skip { print }
		$0 == begin { skip = 1; while ((getline line <table) > 0) print line }' "$PAGE" >"$dir/page"
	cat "$dir/page" >"$PAGE"
}

status=0
run
# Faults are faults to it, too: anything but a verdict is a failure of the run itself.
if ((status > 4)) || [[ ! -s $dir/latest/faults.md ]]; then
	cat "$dir/out"
	echo "the run did not come to its end: exit status $status" >&2
	exit 1
fi
{ machine; cat "$dir/latest/faults.md"; } >"$dir/table"
cat "$dir/table"
[[ -n $FAULTS ]] || write_page
# "39 faults: 39 done, 39 as they must be."
read -r all _ rows _ good _ < <(tail -n 1 "$dir/latest/faults.md")
((all == rows && rows == good))
