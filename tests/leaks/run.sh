#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make leaks: every leak that faultfs can plant, and what only looks like one, in real guests; and the table of docs/LEAKS.md.
#
#	tests/leaks/run.sh BUILD [HUNT...]
#
# A HUNT is one run of the scenario leak-hunt, many leaks planted in it: hunts() has them all. With some of them the
# table is only shown, else it is written between the marks of docs/LEAKS.md. Exit status 1: a leak was not found where it is,
# or something that is none was called one.
set -euo pipefail

B=${1:?usage: tests/leaks/run.sh BUILD [HUNT...]}
shift
PAGE=docs/LEAKS.md
LIST=tests/guest/faultfs/leak_list.h
. tests/page.sh
dir=$(mktemp -d -t vexlab-leaks.XXXXXX)
trap 'rm -rf "$dir"' EXIT

# kinds IS...: the kinds of the list that are so, in its order.
kinds() {
	sed -nE 's/^\tX\((\w+),\s*(LEAK|BUSY|LATE|KEPT),.*/\2 \1/p' "$LIST" |
		awk -v want=" $* " 'index(want, " " $1 " ") { print $2 }'
}

# at PLACE KIND...: "KIND@PLACE,..."
at() { local place=$1; shift; local IFS=,; local list=("${@/%/@$place}"); echo "${list[*]}"; }

field() { sed -nE "s/^\tX\($1,\s*(\w+),\s*\w+,\s*\w+,\s*\"(.*)\"\).*/\\$2/p" "$LIST"; }

# A reference that keeps the module in stands alone, and each of those of which the kernel itself stops.
# NAME CYCLES EVERY SIZE MORE-PARAMETERS PLANTED, one hunt a line; "-": no more parameters, nothing planted.
hunts() {
	local leaks=() late k

	for k in $(kinds LEAK); do
		[[ $k == modref ]] || leaks+=("$k")
	done
	mapfile -t late < <(kinds LATE KEPT)
	echo "nothing 30 1 128 - -"
	# At most 16 at once.
	echo "fill-1 20 1 128 - $(at fill "${leaks[@]:0:12}")"
	echo "fill-2 20 1 128 - $(at fill "${leaks[@]:12}")"
	echo "places 20 1 128 space_kib=4096 kzalloc@init,percpu@init,kmalloc@fill_error,vmalloc@fill_error,cache@fill_error,$(
		)pages@put,bh@put,kvmalloc@put,kmemdup@write,dentry@write,kstrdup@create,free_pages@create,kasprintf@enospc,krealloc@enospc"
	echo "size-8 20 1 8 - $(at fill kmalloc kvmalloc vmalloc pages)"
	echo "size-4096 20 1 4096 - $(at fill kmalloc kvmalloc vmalloc pages)"
	echo "size-1M 20 1 1048576 - $(at fill kmalloc kvmalloc vmalloc pages)"
	echo "rare 220 100 128 - $(at fill kmalloc kzalloc krealloc kvmalloc kmemdup cache bulk percpu),kasprintf@create,$(
		)vmalloc@put,free_pages@put,pages@write,kstrdup@create"
	# No call of the module's shows these: beside one that does, they would be looked for longer than by themselves.
	echo "rare-kernel 250 100 128 - $(at fill bh page inode dentry file)"
	echo "rare-named 220 100 128 - $(at fill workqueue kthread kobject proc cache_left)"
	echo "late-1 30 1 128 - $(at fill "${late[@]}")"
	echo "late-2 30 1 4096 - rcu@fill_error,callrcu@put,work@put,timer@write,irq@create,given@put,warmup@write,lru@create,work@init"
	echo "modref 60 1 128 - modref@fill"
	for k in $(kinds BUSY); do
		echo "$k 3 1 128 - $k@fill"
	done
}

# leak_kinds.c: what takes the size as it is; kvmalloc at least four pages.
size_words() {	# kind, bytes
	local bytes=$2

	case $1 in
	kmalloc|kzalloc|vmalloc|pages|free_pages|irq|given|warmup|lru) ;;
	kvmalloc) bytes=$((bytes < 16384 ? 16384 : bytes)) ;;
	*) return ;;
	esac
	if ((bytes == 1 << 20)); then echo "1 MiB"; else echo "$bytes B"; fi
}

# What is said of one planted kind, as TSV: found as, right (yes or no), rate, cycles. Resources only where no site tells.
JUDGE='
def leak: .verdict | startswith("leak");
# One in so many was planted: the interval must have it. It is of objects, of which one leak may have several.
def truth: (.objects / ([.events, 1] | max) / $every) as $is | if .low_95 <= $is and $is <= .high_95 then "" else ": WRONG" end;
([.sites[] | select(.function == "leak_" + $kind)] | ([.[] | select(leak)] + .) | first) as $site |
([.resources[] | select($resource != "" and (.name | startswith($resource)))] | first) as $held |
($site != null and ($site.location // "" | test("leak_(kinds|late)\\.c:[0-9]+$"))) as $named |
(.checkpoints | map(.cycle) | max // 0) as $last |
if $site != null and ($site | leak) then
	["\($site.verdict), \($site.kind)", (if $named then "`\($site.function)`, `\($site.location | sub(".*/"; ""))`" else "no" end),
	 "\($site.objects_per_unit * 1000 | round / 1000) a \($site.unit)\($site | truth)", ($site.certain_from // $last)]
elif $held != null then
	["\($held.verdict | gsub("-"; " ")): `\($held.name)`", "`\($held.name)`",
	 (if $held.verdict == "grows" then "\($held.per_cycle * 1000 | round / 1000) a cycle" else "\($held.last - $held.first) in all" end), $last]
elif $site != null then [$site.verdict, "-", "-", $last]
else ["nothing", "-", "-", $last]
end | @tsv'

# row HUNT-DIR SECONDS EVERY SIZE KIND@PLACE
row() {
	local kind=${5%@*} place=${5#*@} is resource said named rate cycles expected right=yes

	is=$(field "$kind" 1) resource=$(field "$kind" 2)
	IFS=$'\t' read -r said named rate cycles < <(jq -r --arg kind "$kind" --arg resource "$resource" --argjson every "$3" "$JUDGE" \
		"$1/latest/leaks.json")
	# The unmount is the last thing that this guest does: what it says is all there is.
	if [[ $is == BUSY ]]; then
		named="by the kernel, at the unmount" rate=-
		said=$(jq -rs 'map(select(.blame == "module" and (.description | test("[Bb]usy inodes|[Dd]entry.*in use")))) |
			first | if . then "\(.event_type): \(.description)" else "nothing" end' "$1/latest/crash_events.jsonl")
		cycles=$(jq -rs 'map(.cycle) | min' "$1/latest/crash_events.jsonl")
	fi
	case $is in
	LEAK|BUSY) expected="a leak"; [[ $said != nothing && $said != acquitted && $said != suspected &&
		$said != "not judged" && $named != no && $named != - && $rate != *WRONG ]] || right=no ;;
	*) expected="none"; [[ $said == nothing || $said == acquitted ]] || right=no ;;
	esac
	printf '| %s@%s | %s | %s | %s | %s | %s | %s | %s | %s | %s |\n' "$kind" "$place" "$3" "$(size_words "$kind" "$4")" \
		"$expected" "$said" "$named" "$rate" "$cycles" "$2" "$right" >>"$dir/rows"
}

# Leaks that nobody has planted, of the target's code or left behind.
false_leaks() {	# HUNT-DIR PLANTED
	local kinds resources=() k r
	kinds=$(tr , '\n' <<<"$2" | sed 's/@.*//' | sort -u)
	for k in $kinds; do
		r=$(field "$k" 2)
		[[ -z $r ]] || resources+=("$r")
		# Its caller has no name any more.
		if [[ $k == *vmalloc ]]; then resources+=(vmalloc.unknown); fi
	done
	jq -r --arg kinds "$kinds" --arg held "$(printf '%s\n' "${resources[@]:-}")" '
		($kinds | split("\n") | map("leak_" + .)) as $ours | ($held | split("\n") | map(select(. != ""))) as $held |
		(.sites[] | select((.verdict | startswith("leak")) and (.function as $f | $ours | index($f) | not)) | .site),
		(.resources[] | select(.exact and (.name as $n | $held | map(. as $h | $n | startswith($h)) | any | not)) | .name)' \
		"$1/latest/leaks.json"
}

hunt() {
	local name=$1 cycles=$2 every=$3 size=$4 more=$5 planted=$6 params status=0 begin planted_one
	local where=$dir/$1

	[[ $more != - ]] && more=" $more" || more=
	[[ $planted != - ]] || planted=
	params="${planted:+leak=$planted }leak_every=$every leak_size=$size$more"
	begin=$EPOCHREALTIME
	"$B/vexlab" run --target faultfs --scenario leak-hunt --control none --output "$where" --cycles "$cycles" \
		--set recovery.attempts=10 --module-params "$params" >"$dir/$name.out" 2>&1 || status=$?
	local seconds=$(((${EPOCHREALTIME/./} - ${begin/./}) / 1000000))
	if ((status > 4)) || [[ ! -s $where/latest/leaks.json ]]; then
		cat "$dir/$name.out"
		echo "the hunt $name did not come to its end: exit status $status" >&2
		exit 1
	fi
	# A thread is not made for a mount that is being killed: that one may fail.
	if grep -aE 'faultfs: .*(there is no leak|has not what)' "$where"/latest/vm_console.log >&2; then
		echo "the hunt $name: not all was planted" >&2
		exit 1
	fi
	echo "$name: $seconds s, $(jq -r .end "$where/latest/leaks.json")" >&2
	for planted_one in ${planted//,/ }; do
		row "$where" "$seconds" "$every" "$size" "$planted_one"
	done
	false_leaks "$where" "$planted" | sed "s/^/$name: /" >>"$dir/false"
	[[ -n $planted ]] || printf '| nothing | | | none | %s | - | - | %s | %s | %s |\n' \
		"$(jq -r 'if .leaks then "\(.leaks) leaks, \(.suspected) suspected" else "?" end' "$where/latest/leaks.json")" \
		"$(jq -r '.checkpoints | map(.cycle) | max' "$where/latest/leaks.json")" "$seconds" \
		"$(jq -r 'if .leaks == 0 and .suspected == 0 and .cleanup.verified then "yes" else "no" end' "$where/latest/leaks.json")" >>"$dir/rows"
	# VEXLAB_LEAKS_KEEP=DIR: the runs, to look at.
	[[ -z ${VEXLAB_LEAKS_KEEP:-} ]] || { mkdir -p "$VEXLAB_LEAKS_KEEP"; cp -a "$where" "$dir/$name.out" "$VEXLAB_LEAKS_KEEP/"; }
}

: >"$dir/rows"
: >"$dir/false"
hunts >"$dir/hunts"
for name in "$@"; do
	grep -q "^$name " "$dir/hunts" || { echo "there is no hunt $name: $(cut -d' ' -f1 "$dir/hunts" | paste -sd' ')" >&2; exit 64; }
done
while read -r -u 3 name rest; do
	if (($#)) && [[ " $* " != *" $name "* ]]; then continue; fi
	# shellcheck disable=SC2086
	hunt "$name" $rest
done 3<"$dir/hunts"

all=$(wc -l <"$dir/rows") good=$(grep -c '| yes |$' "$dir/rows" || true) wrong=$(wc -l <"$dir/false")
{
	made_by 'make leaks'
	echo '| Planted | One in, cycles | Size | It is | Called | Where | Objects | Cycles until then | Seconds of the hunt | Right |'
	echo '|---|--:|--:|---|---|---|---|--:|--:|---|'
	cat "$dir/rows"
	echo
	echo "$all planted: $good as they must be; $wrong false leaks."
	((!wrong)) || sed 's/^/- /' "$dir/false"
} >"$dir/table"
cat "$dir/table"
(($#)) || insert "$PAGE" leaks "$dir/table"
((all > 0 && all == good && !wrong))
