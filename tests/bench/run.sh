#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make bench: every figure of docs/PERFORMANCE.md, as a Markdown table on stdout.
#
#	tests/bench/run.sh BUILD [cold|warm|trace|channel|step|restore|metrics|console|crash|run|leaks|history]...
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

# The whole command, as a user waits for it: warm guest, 100 cycles, reports written.
whole_run() {
	local start
	for _ in 1 2 3 4 5; do
		start=$(date +%s%N)
		"$B/vexlab" run --quiet --cycles 100 --output "$dir/runs" >/dev/null
		echo $((($(date +%s%N) - start) / 1000000))
	done | awk '{ print $1 / 1000 }' | row "vexlab run, 100 cycles, all included" s "<= 5"
}

(($#)) || set -- cold warm trace channel step restore metrics crash console run leaks history
own=()
for name; do
	case $name in console|crash|run|leaks|history) ;; *) own+=("$name") ;; esac
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
	history)
		"$B/tests/bench/bench_history"
		"$B/tests/bench/bench_history" power ;;
	leaks)
		"$B/tests/bench/bench_leaks" "$B/vexlab-agent" "$PWD" "$(tests/bench/peers.sh)" ;;
	esac
done
