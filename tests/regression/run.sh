#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make regression: identical runs, and runs with a planted delay, in real guests: how often a regression is told where there is
# none, and where there is one; the table of docs/SCORING.md.
#
#	tests/regression/run.sh BUILD [IDENTICAL [PLANTED]]	200 comparisons of identical runs, 20 runs of each delay
#
# Started again, it goes on where it was: its runs are kept in BUILD/regression (VEXLAB_REGRESSION_DIR=DIR). In the guest the clock counts
# instructions; VEXLAB_REGRESSION_CLOCK=time has the clock of this machine instead, in a folder of its own. Exit status 1:
# more than 1 % false alarms, or less than 95 % of the delays of 20 % and more found.
set -euo pipefail

B=${1:?usage: tests/regression/run.sh BUILD [IDENTICAL [PLANTED]]}
IDENTICAL=${2:-200} PLANTED=${3:-20}
PAGE=docs/SCORING.md
BEFORE=8	# earlier runs that the first comparison has
CYCLES=30
BASE_US=300	# of each mount: as long as that of a filesystem that reads a little; faultfs alone has next to none
CLOCK=${VEXLAB_REGRESSION_CLOCK:-instructions}
. tests/page.sh
dir=${VEXLAB_REGRESSION_DIR:-$B/regression}/$CLOCK
mkdir -p "$dir/planted"
tmp=$(mktemp -d -t vexlab-regression.XXXXXX)
trap 'rm -rf "$tmp"' EXIT

options=(--target faultfs --cycles "$CYCLES" --control none --memory 512 --vcpus 1 --quiet --set watch.boot_deadline_s=600)
if [[ $CLOCK == instructions ]]; then options+=(--icount); fi

# Runs below a folder that came to their end, oldest first.
whole() {
	local report

	for report in "$1"/2*/comprehensive_report.json; do
		[[ -e $report ]] && jq -e .test_execution.complete "$report" >/dev/null && dirname "$report"
	done
	return 0
}

# run DIR HISTORY [OPTION...]: one run; what keeps it from judging ends the study.
run() {
	local to=$1 history=$2 status=0
	shift 2
	"$B/vexlab" run "${options[@]}" --output "$to" --history "$history" "$@" >"$tmp/out" 2>&1 || status=$?
	if ((status > 4)); then
		cat "$tmp/out" >&2
		exit 1
	fi
}

identical() {
	local done_ all=$((IDENTICAL + BEFORE))

	done_=$(whole "$dir/identical" | wc -l)
	for (( ; done_ < all; done_++)); do
		run "$dir/identical" "$dir/history.db" --module-params "fill_spin_us=$BASE_US"
		if ((done_ % 10 == 9)); then echo "$((done_ + 1)) of $all identical runs" >&2; fi
	done
}

# The figure of a mount that a share is planted of, ns.
mount_p50() {
	"$B/vexlab" history trend mount.total --history "$dir/history.db" --last 0 --json |
		jq '[.points[].value] | sort | .[length / 2 | floor]'
}

planted() {	# PERCENT
	local to=$dir/planted/$1 us done_

	us=$(jq -n --argjson p50 "$P50" --argjson percent "$1" '[$p50 * $percent / 100000 | round, 1] | max')
	done_=$(whole "$to" | wc -l)
	for (( ; done_ < PLANTED; done_++)); do
		run "$to" none --module-params "fill_spin_us=$((BASE_US + us))"
	done
}

# Each against the identical runs alone: a history of its own that has them and it.
found() {	# PERCENT: how many, and what they were measured slower by, in the middle
	local run n=0 seen=0

	: >"$tmp/levels"
	while read -r run; do
		cp "$dir/history.db" "$tmp/history.db"
		"$B/vexlab" history import "$run" --history "$tmp/history.db" >/dev/null
		"$B/vexlab" history compare "$run" --across module_params --history "$tmp/history.db" --json >"$tmp/compare"
		n=$((n + 1))
		if jq -e '[.metrics[] | select((.metric | startswith("mount.")) and .outcome == "slower")] | length > 0' "$tmp/compare" >/dev/null
		then seen=$((seen + 1)); fi
		jq '.metrics[] | select(.metric == "mount.total") | .level[0] * 100' "$tmp/compare" >>"$tmp/levels"
	done < <(whole "$dir/planted/$1" | head -n "$PLANTED")
	echo "$seen $n $(sort -g "$tmp/levels" | awk '{ v[NR] = $1 } END { printf "%+.1f", v[int((NR + 1) / 2)] }')"
}

# Of identical runs: comparisons made, and those in which anything was called slower. From the runs' own records.
alarms() {
	local run

	whole "$dir/identical" | while read -r run; do jq -c .history.comparison "$run/comprehensive_report.json"; done |
		jq -s '[.[] | select(. and .why == null)] | [length, (map(select([.metrics[] | select(.outcome == "slower")] | length > 0)) | length)] |
		@tsv' -r
}

identical
P50=$(mount_p50)
for percent in 5 20 100; do
	planted "$percent"
done
read -r pairs false_ < <(alarms)
bad=0
((pairs > 0 && false_ * 100 <= pairs)) || bad=1
{
	made_by 'make regression'
	echo "Clock: $CLOCK. A mount takes $(jq -n "$P50 / 1000 * 10 | round / 10") us in the middle; $CYCLES cycles a run."
	echo
	echo '| Planted in each mount | Runs | Called slower | Share | Measured, in the middle |'
	echo '|---|--:|--:|--:|--:|'
	echo "| nothing | $pairs | $false_ | $(awk "BEGIN { printf \"%.1f\", 100 * $false_ / ($pairs ? $pairs : 1) }") % | |"
	for percent in 5 20 100; do
		read -r seen n level < <(found "$percent")
		echo "| +$percent % | $n | $seen | $(awk "BEGIN { printf \"%.1f\", 100 * $seen / ($n ? $n : 1) }") % | $level % |"
		if ((percent >= 20 && seen * 100 < n * 95)); then touch "$tmp/missed"; fi
	done
} >"$tmp/table"
[[ ! -e $tmp/missed ]] || bad=1
cat "$tmp/table"
insert "$PAGE" "regression-$CLOCK" "$tmp/table"
exit $bad
