#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make reliability: each fault of the test filesystem's menu (tests/guest/faultfs/menu.c) in a real
# guest, one run each. What was made of it goes as a Markdown table to stdout, and
# between the marks of docs/RELIABILITY.md.
#
#	tests/reliability/run.sh BUILD [FAULT@POINT]...
#
# Exit status 1 if any fault was not found as expected, or the run did not go on after it.
set -uo pipefail

B=${1:?usage: tests/reliability/run.sh BUILD [FAULT@POINT...]}
command -v python3 >/dev/null || { echo "make reliability needs python3: apt install python3" >&2; exit 69; }
shift
DOC=docs/RELIABILITY.md
dir=$(mktemp -d -t vexlab-reliability.XXXXXX)
trap 'rm -rf "$dir"' EXIT

# Fault and point; then what its finding has to say: class, and a word of its title.
ROWS='
oops@fill		Oops			NULL
oops@put		Oops			NULL
null-jump@fill		Oops			.
bug@fill		BUG			kernel.BUG
warn@fill		Warning			WARNING
panic@write		KernelPanic		panic
use-after-free@fill	MemoryCorruption	use-after-free
double-free@put		MemoryCorruption	free
stack-overflow@fill	Oops			stack
atomic-sleep@fill	LockingError		atomic
spin@fill		Hang			spinning
spin@put		Hang			spinning
spin@write		Hang			spinning
sleep@fill		Hang			blocked
sleep@put		Hang			blocked
sleep@write		Hang			blocked
soft-lockup@fill	Hang			.
hard-lockup@fill	Hang			.
dead@fill		GuestLost		kernel
rcu-stall@fill		Hang			.
list@fill		MemoryCorruption	list
refcount@fill		MemoryCorruption	refcount
kept-lock@write		Oops			NULL
exhaust@fill		ResourceExhaustion	.
slab-leak@fill		MemoryLeak		.
fail@fill		StepFailure		mount
pin@fill		ModuleUnloadFailure	.
triple@fill		GuestLost		reset
'

wanted() {	# is this row asked for?
	local want
	(($#)) || return 0
	for want; do [[ $want == "$row" ]] && return 0; done
	return 1
}

bad=0
table=$dir/table
{
	printf '| Fault | Found as | Severity, blame | ms from fault to finding | Recovered | ms to the next step |\n'
	printf '|---|---|---|---|---|---|\n'
} >"$table"
while read -r row class word; do
	[[ -n $row ]] && wanted "$@" || continue
	printf '  %-8s %s\n' FAULT "$row" >&2
	"$B/vexlab" run --quiet --target faultfs --cycles 2 --warmup 1 --control none \
		--module-params "fault=$row" --set watch.step_deadline_ms=3000 \
		--set recovery.attempts=1 --output "$dir/runs" >"$dir/out" 2>&1
	tests/reliability/row.py "$dir/runs/latest" "$row" "$class" "$word" >>"$table" || {
		bad=1
		tail -n 30 "$dir/out" >&2
	}
done <<<"$ROWS"

cat "$table"
if ((!$#)) && [[ -e $DOC ]]; then
	{
		sed '/<!-- TABLE BEGIN -->/q' "$DOC"
		printf '\n'
		cat "$table"
		printf '\n'
		sed -n '/<!-- TABLE END -->/,$p' "$DOC"
	} >"$dir/doc" && cat "$dir/doc" >"$DOC"
fi
exit $bad
