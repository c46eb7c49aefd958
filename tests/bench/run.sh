#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make bench: every figure of docs/PERFORMANCE.md, as a Markdown table on stdout.
#
#	tests/bench/run.sh BUILD [cold|warm|trace|channel|step|restore|metrics|console|crash|run|operations|leaks|history]...
set -euo pipefail

B=${1:?usage: tests/bench/run.sh BUILD [NAME...]}
shift
dir=$(mktemp -d -t vexlab-bench.XXXXXX)
trap 'rm -rf "$dir"' EXIT

printf 'machine: %s CPUs, %s; load %s; %s\n\n' "$(nproc)" \
	"$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" \
	"$(cut -d' ' -f1-3 /proc/loadavg)" "$(date -u +%Y-%m-%dT%H:%MZ)"

# Lines of one number each: the row of their minimum, median and maximum.
row() {	# what, unit, goal
	sort -n | awk -v what="$1" -v unit="$2" -v goal="$3" '{ v[NR] = $1 } END {
		printf "| %-44s | %10.3f | %10.3f | %10.3f | %-6s | %3d | %s |\n",
			what, v[1], v[int((NR + 1) / 2)], v[NR], unit, NR, goal }'
}

times() {	# n, word: "word,word,..."
	local out=$2 i
	for ((i = 1; i < $1; i++)); do out+=,$2; done
	echo "$out"
}

# Faults of the menu, again and again, in one run: when the host knew, when the guest worked again.
crashes() {	# n, fault, what, goal
	local table
	"$B/vexlab" run --quiet --target faultfs --scenario faults --faults "$(times "$1" "$2")" \
		--control none --set recovery.attempts=100 --output "$dir/crashes" >/dev/null || true
	table=$(grep -h "^| $2 |" "$dir/crashes/latest/faults.md")
	[[ $(grep -c '| yes |$' <<<"$table") == "$1" ]] || echo "bench: not all $2 are as they must be" >&2
	awk -F'|' '{ print $4 + 0 }' <<<"$table" | row "$3" ms "$4"
	# The first makes the point to which the others go back.
	awk -F'|' 'NR > 1 { print $6 + 0 }' <<<"$table" | row "$2: crash known to next step" ms "<= 300"
}

# Operations a second in the agent, by its own clock: one list of 6000, each on the target and compared with the reference, or alone.
operations() {	# what, yes or no, goal
	for _ in 1 2 3 4 5; do
		"$B/vexlab" run --quiet --target ext4 --scenario oracle --arg list="$dir/operations.list" --arg compare="$2" \
			--control none --history none --output "$dir/oracle" >/dev/null || true
		sed -n 's/^[^{]*\({"event":"oracle summary".*}\).*/\1/p' "$dir/oracle/latest/"enhanced_vexfs_test_*.log | jq .per_second
	done | row "$1" 1/s "$3"
}

# A file's life, a thousand times; 32 of them are there at a time.
operation_list() {
	for ((i = 0; i < 1000; i++)); do
		printf 'create f%d\nwrite f%d off=0 len=4096 seed=%d\nread f%d off=0 len=4096\nstat f%d\nrename f%d g%d\n' \
			"$i" "$i" "$i" "$i" "$i" "$i" "$i"
		((i < 32)) || printf 'unlink g%d\n' $((i - 32))
	done
}

# The whole command, as a user waits for it: warm guest, 100 cycles, reports written.
whole_run() {
	local start
	for _ in 1 2 3 4 5; do
		start=$(date +%s%N)
		"$B/vexlab" run --quiet --cycles 100 --output "$dir/runs" >/dev/null
		echo $((($(date +%s%N) - start) / 1000000))
	done | awk '{ print $1 / 1000 }' | row "vexlab run, 100 cycles, all included" s "<= 5"
}

(($#)) || set -- cold warm trace channel step restore metrics crash console run operations leaks history
own=()
for name; do
	case $name in console|crash|run|operations|leaks|history) ;; *) own+=("$name") ;; esac
done
if ((${#own[@]})); then
	"$B/tests/bench/bench_vexlab" "$B/vexlab-agent" "${own[@]}"
fi
for name; do
	case $name in
	console)
		"$B/tests/bench/bench_console" ;;
	crash)
		crashes 20 oops@put "oops to event on the host" "<= 50"
		crashes 20 panic@fill "panic to event on the host" "<= 50"
		crashes 8 sleep@fill "step's limit to hang with its stack, blocked" "<= 3000"
		crashes 8 spin@write "step's limit to hang with its stack, spinning" "<= 3000" ;;
	run)
		whole_run ;;
	operations)
		operation_list >"$dir/operations.list"
		operations "agent: file operations alone" no ">= 1000"
		operations "the same, each compared with a reference" yes "" ;;
	history)
		"$B/tests/bench/bench_history"
		"$B/tests/bench/bench_history" power ;;
	leaks)
		"$B/tests/bench/bench_leaks" "$B/vexlab-agent" "$PWD" "$(tests/bench/peers.sh)" ;;
	esac
done
