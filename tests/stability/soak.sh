#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make stability SOAK=SECONDS: the whole scenario stability on the filesystems that the guest's kernel has, with one seed after the
# other, until so many seconds of runs are done; and the table of docs/STABILITY.md.
#
#	tests/stability/soak.sh BUILD SECONDS [TARGET...]
#
# Seconds are those of runs: two at a time make two of them a second. Exit status 1: something was blamed on one of them.
# VEXLAB_SOAK_KEEP=DIR: where runs with findings are kept.
set -euo pipefail

B=${1:?usage: tests/stability/soak.sh BUILD SECONDS [TARGET...]} LIMIT=${2:?how many seconds}
shift 2
(($#)) || set -- ext4 xfs btrfs
PAGE=docs/STABILITY.md
FIRST_SEED=${VEXLAB_STABILITY_SEED:-100}
JOBS=${VEXLAB_STABILITY_JOBS:-2}
KEEP=${VEXLAB_SOAK_KEEP:-}
. tests/page.sh
dir=$(mktemp -d -t vexlab-soak.XXXXXX)
trap 'rm -rf "$dir"' EXIT

# What counts, one title a line.
BLAMED='.[] | select(.blame != "environment" and (.noise | not) and (.expected | not)) | .description'

# A line "target seed seconds status titles" is its result: a single write, since others write beside it.
one() {
	local target=$1 seed=$2 where=$dir/$1-$2 status=0 start=$SECONDS titles=
	"$B/vexlab" run --target "$target" --scenario stability --seed "$seed" --history none --output "$where" >"$where.out" 2>&1 || status=$?
	if [[ -e $where/latest/crash_events.jsonl ]]; then
		titles=$(jq -rs "$BLAMED" "$where/latest/crash_events.jsonl" | sort | uniq -c | sed 's/^ *\([0-9]*\) /\1 x /' | paste -sd';')
	elif ((status)); then
		titles="the run did not come to its end"
	fi
	printf '%s\t%s\t%s\t%s\t%s\n' "$target" "$seed" $((SECONDS - start)) "$status" "$titles" >>"$dir/results"
	echo "$target, seed $seed: exit status $status in $((SECONDS - start)) s: ${titles:-nothing found}" >&2
	if [[ -n $KEEP && -n $titles ]]; then mkdir -p "$KEEP"; cp -a "$where" "$where.out" "$KEEP/"; fi
	rm -rf "$where"
}

done_seconds() { awk -F'\t' '{ s += $3 } END { print s + 0 }' "$dir/results"; }

: >"$dir/results"
seed=$FIRST_SEED
while (($(done_seconds) < LIMIT)); do
	for target; do
		while (($(jobs -rp | wc -l) >= JOBS)); do wait -n || true; done
		(($(done_seconds) < LIMIT)) || break 2
		one "$target" "$seed" &
	done
	seed=$((seed + 1))
done
wait

{
	made_by "make stability SOAK=$LIMIT"
	echo '| Filesystem | Runs | Seconds | Found and blamed on it |'
	echo '|---|--:|--:|---|'
	for target; do
		awk -F'\t' -v t="$target" '$1 == t { n++; s += $3; if ($5 != "") found = found (found == "" ? "" : "; ") "seed " $2 ": " $5 }
			END { gsub(/\|/, "\\|", found); printf "| %s | %d | %d | %s |\n", t, n, s, found == "" ? "nothing" : found }' "$dir/results"
	done
} >"$dir/table"
cat "$dir/table"
insert "$PAGE" soak "$dir/table"
awk -F'\t' '$5 != "" { exit 1 }' "$dir/results"
