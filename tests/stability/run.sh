#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make stability: each planted defect under the scenario stability, in real guests, and the table of docs/STABILITY.md.
#
#	tests/stability/run.sh BUILD [DEFECT...]
#
# The defects stand in tests/stability/defects. With some of them the table is only shown, else it is written between the marks of the
# page. VEXLAB_STABILITY_REPLAYS=N: also how often of N tries each finding is seen again by `vexlab replay`, and that table.
# To find out sooner, a row does only those steps of the scenario that its defect is for. Exit status 1: one was not found, or something was where nothing is planted. A run ends when it has found what was planted.
# VEXLAB_STABILITY_KEEP=DIR: the runs, to look at; VEXLAB_STABILITY_JOBS=N: so many at a time (2).
set -euo pipefail

B=${1:?usage: tests/stability/run.sh BUILD [DEFECT...]}
shift
PAGE=docs/STABILITY.md
LIST=tests/stability/defects
SEED=${VEXLAB_STABILITY_SEED:-1}
JOBS=${VEXLAB_STABILITY_JOBS:-2}
REPLAYS=${VEXLAB_STABILITY_REPLAYS:-0}
WHOLE=$(($# == 0))
. tests/page.sh
dir=$(mktemp -d -t vexlab-stability.XXXXXX)
trap 'rm -rf "$dir"' EXIT

defects() { grep -vE '^(#|$)' "$LIST"; }

# The first finding of that title, as TSV: class, title, step of the scenario, seconds after the first step's entry.
FIND='
def at: .timestamp | .secs_since_epoch + .nanos_since_epoch / 1e9;
[.[] | select((.description | test($title)) and .blame != "environment")] | first |
if . then [.event_type, .description, (.scenario_step // "set-up"), ((at - $began) * 10 | round / 10 | if . < 0 then 0 else . end)]
else ["-", "not found", "-", "-"] end | @tsv'

# What is told of a run without a defect: everything that counts.
NONE='[.[] | select(.blame != "environment" and (.noise | not) and (.expected | not))] |
if length == 0 then ["-", "nothing", "-", "-"] else [first.event_type, first.description, (first.scenario_step // "-"), "-"] end | @tsv'

# The number of its folder of evidence, by which it is done again.
NUMBER='[.[] | select((.description | test($title)) and .blame != "environment")] | first | .evidence // "" | capture("/(?<n>[0-9]+)-").n | tonumber'

# name title where: the row of its replays.
replay_row() {
	local name=$1 title=$2 where=$3 number status=0 said seen tries race right=no start=$SECONDS
	number=$(jq -rs --arg title "$title" "$NUMBER" "$where/latest/crash_events.jsonl" 2>/dev/null) || number=
	if [[ -z $number ]]; then
		# Only what is High or Critical has a folder of evidence, from which it is done again.
		said=$(jq -rs --arg title "$title" '[.[] | select(.description | test($title))] | first | .description // ""' \
			"$where/latest/crash_events.jsonl" 2>/dev/null) || said=
		printf '| %s | %s | - | - | - | %s |\n' "$name" "${said:-not found}" "$([[ $said ]] && echo "Medium: it has no replay" || echo no)" \
			>"$dir/replay.$name"
		return
	fi
	"$B/vexlab" replay "$where/latest" "$number" --times "$REPLAYS" --json --output "$where" >"$dir/$name.json" 2>"$dir/$name.out" || status=$?
	if ((status > 1)); then
		cat "$dir/$name.out" >&2
		printf '| %s | exit status %s | - | - | - | no |\n' "$name" "$status" >"$dir/replay.$name"
		return
	fi
	IFS=$'\t' read -r said seen tries race < <(jq -r '[.finding, .times_seen, .attempts, .race] | @tsv' "$dir/$name.json")
	# Of a race the rate is told; what is none must come back.
	if [[ $race == true ]] || ((seen * 10 >= tries * 9)); then right=yes; fi
	printf '| %s | %s | %s | %s of %s | %s | %s |\n' "$name" "${said//|/\\|}" "$([[ $race == true ]] && echo yes || echo no)" "$seen" "$tries" \
		$((SECONDS - start)) "$right" >"$dir/replay.$name"
	echo "$name, again: $right, $seen of $tries" >&2
}

# When the run's first step of the scenario began, by its own log; 0: it never came so far.
began() {
	local stamp
	stamp=$(grep -m1 '"event":"step"' "$1"/enhanced_vexfs_test_*.log | cut -d' ' -f1)
	[[ -n $stamp ]] && date -u -d "$stamp" +%s.%N || echo 0
}

# name target parameters steps title...
row() {
	local name=$1 target=$2 params=$3 steps=$4 title=$5 where=$dir/$1 status=0 found class said step after right=yes seconds start=$EPOCHREALTIME
	local more=()

	[[ $params == - ]] || more=(--module-params "${params//;/ }")
	[[ $title == - ]] || more+=(--until "$title")
	[[ $steps == - ]] || more+=(--steps "${steps//;/ }")
	"$B/vexlab" run --target "$target" --scenario stability --seed "$SEED" --control none --history none --output "$where" "${more[@]}" \
		>"$dir/$name.out" 2>&1 || status=$?
	seconds=$(((${EPOCHREALTIME/./} - ${start/./}) / 1000000))
	if ((status > 4)) || [[ ! -e $where/latest/crash_events.jsonl ]]; then
		cat "$dir/$name.out"
		echo "$name: the run did not come to its end: exit status $status" >&2
		printf '| %s | `%s` | - | the run did not come to its end | - | - | %s | no |\n' "$name" "$target" "$seconds" >"$dir/row.$name"
		return
	fi
	if [[ $title == - ]]; then
		found=$(jq -rs "$NONE" "$where/latest/crash_events.jsonl")
	else
		found=$(jq -rs --arg title "$title" --argjson began "$(began "$where/latest")" "$FIND" "$where/latest/crash_events.jsonl")
	fi
	IFS=$'\t' read -r class said step after <<<"$found"
	[[ $title == - && $said == nothing ]] || [[ $title != - && $said != "not found" ]] || right=no
	printf '| %s | `%s` | %s | %s | %s | %s | %s | %s |\n' "$name" "$target${params:+ $params}" "$class" "${said//|/\\|}" "$step" \
		"$after" "$seconds" "$right" >"$dir/row.$name"
	echo "$name: $right, $said, in $step after $after s; $seconds s in all" >&2
	if ((REPLAYS)) && [[ $title != - ]]; then replay_row "$name" "$title" "$where"; fi
	[[ -z ${VEXLAB_STABILITY_KEEP:-} ]] || { mkdir -p "$VEXLAB_STABILITY_KEEP"; cp -a "$where" "$dir/$name.out" "$VEXLAB_STABILITY_KEEP/"; }
	rm -rf "$where"
}

for name in "$@"; do
	defects | awk -v n="$name" '$1 == n { found = 1 } END { exit !found }' ||
		{ echo "there is no defect $name: $(defects | awk '{ print $1 }' | paste -sd' ')" >&2; exit 64; }
done
names=() planted=()
while read -r -u 3 name target params steps title; do
	if (($#)) && [[ " $* " != *" $name "* ]]; then continue; fi
	names+=("$name")
	[[ $title == - ]] || planted+=("$name")
	while (($(jobs -rp | wc -l) >= JOBS)); do wait -n || true; done
	row "$name" "$target" "$params" "$steps" "$title" &
done 3< <(defects)
wait

# rows KIND NAME...: in the order of the list, whoever was first.
rows() {
	local kind=$1 name
	shift
	for name; do
		cat "$dir/$kind.$name" 2>/dev/null || echo "| $name | the run did not come to its end | - | - | - | no |"
	done >"$dir/rows"
}

# NAME-ON-THE-PAGE COMMAND WHAT-IS-COUNTED, the table's head on stdin: the whole table of `rows`, and into the page if it is of all
# defects. Status 1: a row is not as it must be.
page() {
	local name=$1 command=$2 what=$3 all good
	all=$(grep -cE '\| (yes|no) \|$' "$dir/rows" || true) good=$(grep -c '| yes |$' "$dir/rows" || true)
	{
		made_by "$command"
		cat - "$dir/rows"
		echo
		echo "$all $what: $good as they must be."
	} >"$dir/table"
	cat "$dir/table"
	((WHOLE == 0)) || insert "$PAGE" "$name" "$dir/table"
	((all > 0 && all == good))
}

status=0
rows row "${names[@]}"
page stability 'make stability' planted <<-'END' || status=1
| Planted | In | Class | Found | In the step | After, s | Whole run, s | Right |
|---|---|---|---|---|--:|--:|---|
END
if ((REPLAYS)); then
	rows replay "${planted[@]}"
	page replays "make stability REPLAYS=$REPLAYS" findings <<-'END' || status=1
	| Planted | Found | A race | Seen again | Seconds | As it must be |
	|---|---|---|---|--:|---|
	END
fi
exit $status
