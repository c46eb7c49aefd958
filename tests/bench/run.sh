#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make bench: every figure of docs/PERFORMANCE.md, as a Markdown table on stdout.
#
#	tests/bench/run.sh BUILD [cold|warm|trace|channel|step|restore|console]...
set -euo pipefail

B=${1:?usage: tests/bench/run.sh BUILD [NAME...]}
shift
dir=$(mktemp -d -t vexlab-bench.XXXXXX)
trap 'rm -rf "$dir"' EXIT

printf 'machine: %s CPUs, %s; load %s; %s\n\n' "$(nproc)" \
	"$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" \
	"$(cut -d' ' -f1-3 /proc/loadavg)" "$(date -u +%Y-%m-%dT%H:%MZ)"
rest=()
for name; do [[ $name == console ]] || rest+=("$name"); done
((!$# || ${#rest[@]})) && "$B/tests/bench/bench_vexlab" "$B/vexlab-agent" "${rest[@]}"
((!$# || ${#rest[@]} < $#)) && "$B/tests/bench/bench_console"
(($#)) && exit 0

# The whole command, as a user waits for it: warm guest, 100 cycles, reports written.
for _ in 1 2 3 4 5; do
	start=$(date +%s%N)
	"$B/vexlab" run --quiet --cycles 100 --output "$dir/runs" >/dev/null
	echo $((($(date +%s%N) - start) / 1000000))
done | sort -n | awk '{ v[NR] = $1 / 1000 } END {
	printf "| %-44s | %10.3f | %10.3f | %10.3f | %-6s | %3d | <= 5 |\n",
		"vexlab run, 100 cycles, all included", v[1], v[int((NR + 1) / 2)], v[NR], "s", NR }'
