# SPDX-License-Identifier: GPL-2.0
# For scripts whose figures a page of docs/ shows: `. tests/page.sh`.

# made_by COMMAND: the line above the figures.
made_by() {
	printf 'Made by `%s` on %s CPUs, %s, %s; load at its end %s.\n\n' "$1" "$(nproc)" \
		"$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1)" "$(date -u +%Y-%m-%d)" \
		"$(cut -d' ' -f1 /proc/loadavg)"
}

# insert PAGE NAME FILE: FILE in place of what stands between <!-- NAME: begin --> and <!-- NAME: end -->.
insert() {
	local page=$1 begin="<!-- $2: begin -->" end="<!-- $2: end -->" file=$3 new
	grep -qF -- "$begin" "$page" && grep -qF -- "$end" "$page" || {
		echo "$page has no place for it: the lines $begin and $end" >&2
		return 1
	}
	new=$(mktemp -t vexlab-page.XXXXXX)
	awk -v begin="$begin" -v end="$end" -v file="$file" '
		$0 == end { skip = 0 }
		!skip { print }
		$0 == begin { skip = 1; while ((getline line <file) > 0) print line }' "$page" >"$new"
	cat "$new" >"$page"
	rm -f "$new"
}
