#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make kernels: every program in a guest of each kernel that there is a recipe for, and the table of docs/KERNELS.md.
#
#	tests/kernels/run.sh BUILD [SUITE...]
#
# With some of the suites the table is only shown. Exit status 1: on one of them nothing could be attached.
set -euo pipefail

B=${1:?usage: tests/kernels/run.sh BUILD [SUITE...]}
shift
PAGE=docs/KERNELS.md
WHOLE=$(($# == 0))
(($#)) || set -- bullseye bookworm bookworm-backports trixie trixie-backports sid
. tests/page.sh
dir=$(mktemp -d -t vexlab-kernels.XXXXXX)
trap 'rm -rf "$dir"' EXIT

# Of all kernels' answers, in the order given: a row a program, a column a kernel, and below it why what is not attached is not.
TABLE='
def mark: {fentry: "f", kprobe: "k", tracepoint: "t", not: "-"}[.];
. as $answers |
(reduce .[].programs[] as $p ([]; if any(.[]; .name == $p.name) then . else . + [$p] end)) as $all |
"| Program | Hooks | " + ([.[].kernel] | join(" | ")) + " |",
"|---|---|" + ([.[] | ":-:|"] | add),
($all[] | . as $p | "| `" + .name + "` | `" + .hooks + "` | " +
 ([$answers[] | [.programs[] | select(.name == $p.name) | .by | mark][0] // ""] | join(" | ")) + " |"),
"",
"Not attached:",
"",
(.[] | .kernel as $k | .programs[] | select(.by == "not") | "- " + $k + ", `" + .name + "`: " + .why)'

status=0
for suite; do
	"$B/vexlab" guest build --kernel "$suite"
	"$B/vexlab" doctor --guest --kernel "$suite" --json >"$dir/$suite.json" || status=1
done
{
	made_by 'make kernels'
	jq -rs "$TABLE" $(printf "$dir/%s.json " "$@")
} >"$dir/table"
cat "$dir/table"
((WHOLE == 0)) || insert "$PAGE" kernels "$dir/table"
exit $status
