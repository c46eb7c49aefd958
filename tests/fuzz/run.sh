#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make fuzz: every fuzzer for a while, from its seeds. What it finds stays below BUILD/fuzz.
#
#	tests/fuzz/run.sh BUILD SECONDS
set -uo pipefail

B=${1:?usage: tests/fuzz/run.sh BUILD SECONDS}
SECONDS_EACH=${2:?usage: tests/fuzz/run.sh BUILD SECONDS}
bad=0

for program in "$B"/tests/fuzz/fuzz_*; do
	[[ -x $program ]] || continue
	name=${program##*/fuzz_}
	corpus=$B/fuzz/$name
	seeds=$(dirname "$0")/seeds/$name
	mkdir -p "$corpus"
	printf '  %-8s %s for %s s\n' FUZZ "$name" "$SECONDS_EACH"
	dirs=("$corpus")
	[[ -d $seeds ]] && dirs+=("$seeds")
	if ! "$program" -max_total_time="$SECONDS_EACH" -timeout=20 -rss_limit_mb=2048 -max_len=16384 \
		-artifact_prefix="$corpus/found-" "${dirs[@]}" >"$corpus.log" 2>&1; then
		printf '           a report; its log, %s, ends with:\n' "$corpus.log"
		tail -n 30 "$corpus.log" | sed 's/^/           | /'
		bad=1
	fi
	tail -n 1 "$corpus.log" | sed 's/^/           | /'
done
exit $bad
