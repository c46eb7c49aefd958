#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# Options and settings: what `vexlab --help` has is in docs/vexlab.1 and docs/USAGE.md, and no page names one that is not there.
#
#	scripts/lint-docs.sh BUILD
set -uo pipefail
export LC_ALL=C
V=${1:?usage: scripts/lint-docs.sh BUILD}/vexlab
bad=0

complain() { printf '  LINT     %s\n' "$1"; bad=1; }

[[ -x $V ]] || { complain "there is no $V: make first"; exit 1; }

# Option words of a text: not the second half of a longer word, nor a line of dashes. As in --no-trace.
words() { grep -oE '(^|[^[:alnum:]-])--[a-z][a-z0-9-]*' | grep -oE -- '--[a-z0-9-]+' | sort -u; }

commands=$("$V" --help | sed -n 's/^  \([a-z]*\) .*/\1/p')
has=$({ echo --help; echo --version; for c in $commands; do "$V" "$c" --help; done; } | words)
# Of programs that are not vexlab.
others=$(printf '%s\n' --logs --print --tests | sort -u)

# page, words: all of them are there, each on its own.
compare() {
	local page=$1 names=$2 missing
	missing=$(comm -23 <(echo "$has") <(echo "$names") | tr '\n' ' ')
	[[ -z ${missing// } ]] || complain "$page does not have: $missing"
}

no_strangers() {
	local page=$1 names=$2 unknown
	unknown=$(comm -13 <(printf '%s\n' $has $others | sort -u) <(echo "$names") | tr '\n' ' ')
	[[ -z ${unknown// } ]] || complain "$page has options that vexlab has not: $unknown"
}

man_text() { MANWIDTH=1000 man -E ascii -l docs/vexlab.1 2>/dev/null | sed 's/.\x08//g'; }

man=$(man_text | words)
compare docs/vexlab.1 "$man"
no_strangers docs/vexlab.1 "$man"
usage=$(words <docs/USAGE.md)
compare docs/USAGE.md "$usage"
for page in README.md CONTRIBUTING.md docs/*.md targets/*.md; do
	no_strangers "$page" "$(words <"$page")"
done

# Settings, as vexlab run --list tells them; GROUP.KEY=VALUE.
settings=$("$V" run --list | sed -n 's/^  \([a-z]*\.[a-z_]*\)=.*/\1/p' | sort -u)
[[ -n $settings ]] || complain "vexlab run --list tells no settings"
groups=$(cut -d. -f1 <<<"$settings" | sort -u | paste -sd'|')
for page in docs/vexlab.1 docs/USAGE.md; do
	text=$([[ $page == *.1 ]] && man_text || cat "$page")
	named=$(grep -oE "\\b($groups)\\.[a-z_]+" <<<"$text" | sort -u)
	missing=$(comm -23 <(echo "$settings") <(echo "$named") | tr '\n' ' ')
	[[ -z ${missing// } ]] || complain "$page does not have the settings: $missing"
	# A misspelt one is an example of a message; and a file of that name is none.
	unknown=$(comm -13 <(echo "$settings") <(grep -vE '\.(cycels|vxl|db)$' <<<"$named") | tr '\n' ' ')
	[[ -z ${unknown// } ]] || complain "$page has settings that vexlab has not: $unknown"
done
exit $bad
