#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Runs the test programs one after the other and adds up what they say.
#
#	tests/run.sh BUILD [unit|integration]
#
# Unit tests run under sanitizers and need no guest. Integration tests boot one
# (under TCG if need be); without a QEMU they are skipped, and it is said.
set -uo pipefail

B=${1:?usage: tests/run.sh BUILD [unit|integration]}
ONLY=${2:-all}
LOGS=$B/test-logs
PASSED=0 FAILED=0 SKIPPED=0 BROKEN=()
mkdir -p "$LOGS"

count() {	# log, word: the number in cmocka's "[  WORD  ] N test(s)"
	sed -n "s/^\[ *$2 *\] \([0-9][0-9]*\) test(s).*/\1/p" "$1" | tail -n 1
}

run_one() {
	local program=$1 name log start=$SECONDS rc
	name=$(basename "$program")
	log=$LOGS/$name.log
	"$program" >"$log" 2>&1 </dev/null
	rc=$?
	local ran passed failed skipped
	ran=$(sed -n 's/^\[==========\] [^:]*: *\([0-9][0-9]*\) test(s) run\..*/\1/p; s/^\[==========\] \([0-9][0-9]*\) test(s) run\..*/\1/p' "$log" | tail -n 1)
	passed=$(count "$log" PASSED) failed=$(count "$log" FAILED) skipped=$(count "$log" SKIPPED)
	passed=${passed:-0} failed=${failed:-0} skipped=${skipped:-0}
	# A program that dies, or says nothing, has failed whatever it counted.
	if ((rc != 0 && failed == 0)) || [[ -z $ran ]]; then
		failed=$((failed + 1))
	fi
	PASSED=$((PASSED + passed)) FAILED=$((FAILED + failed)) SKIPPED=$((SKIPPED + skipped))
	printf '  %-8s %-24s %3d passed, %d failed, %d skipped  (%d s)\n' TEST "$name" \
		"$passed" "$failed" "$skipped" $((SECONDS - start))
	if ((failed)); then
		BROKEN+=("$name")
		printf '           exit status %d; its log, %s, ends with:\n' "$rc" "$log"
		tail -n 40 "$log" | sed 's/^/           | /'
	elif ((skipped)); then
		grep -iE 'skip' "$log" | head -n 5 | sed 's/^/           | /'
	fi
}

# A program whose source is gone is an old build's.
is_test() {
	[[ -x $1 && $1 != *.* && -e tests/${1#"$B"/tests/}.c ]]
}

main() {
	local program start=$SECONDS
	export ASAN_OPTIONS=${ASAN_OPTIONS:-detect_leaks=1:abort_on_error=0}
	export UBSAN_OPTIONS=${UBSAN_OPTIONS:-print_stacktrace=1}
	export VEXLAB_BUILD=$B VEXLAB=$B/vexlab VEXLAB_AGENT=$B/vexlab-agent
	if [[ $ONLY != integration ]]; then
		for program in "$B"/tests/unit/test_*; do
			is_test "$program" && run_one "$program"
		done
	fi
	if [[ $ONLY != unit ]]; then
		if ! command -v qemu-system-x86_64 >/dev/null; then
			echo "  SKIPPED  INTEGRATION TESTS: there is no qemu-system-x86_64 on this machine (scripts/setup.sh installs it)"
			SKIPPED=$((SKIPPED + 1))
		else
			for program in "$B"/tests/integration/test_*; do
				is_test "$program" && run_one "$program"
			done
		fi
	fi
	((${#BROKEN[@]})) && printf '  failed: %s\n' "${BROKEN[*]}"
	printf '  tests took %d s\n' $((SECONDS - start))
	printf '%d passed, %d failed, %d skipped\n' "$PASSED" "$FAILED" "$SKIPPED"
	((FAILED == 0 && PASSED > 0))
}

main
