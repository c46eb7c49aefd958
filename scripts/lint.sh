#!/usr/bin/env bash
# SPDX-License-Identifier: GPL-2.0
# make lint: what a machine can say about the code beyond the compiler's warnings.
set -uo pipefail
cd "$(dirname "$0")/.."
bad=0

complain() { printf '  LINT     %s\n' "$1"; bad=1; }

cppcheck --quiet --error-exitcode=1 --std=c11 --enable=warning,portability --inline-suppr \
	--suppress=missingInclude --suppress=unknownMacro --suppress=nullPointerRedundantCheck -Iinclude -Iuserspace/common \
	userspace guest/init.c || complain "cppcheck found something"
for f in scripts/*.sh guest/*.sh tests/*.sh tests/bench/*.sh tests/reliability/*.sh tests/endurance/*.sh tests/leaks/*.sh tests/stability/*.sh tests/regression/*.sh tests/vm_testing/*.sh .ci/run; do
	bash -n "$f" || complain "$f does not parse"
done
if command -v shellcheck >/dev/null; then
	shellcheck tests/vm_testing/*.sh || complain "shellcheck found something"
fi
# Direction is held by -I; a relative include would walk around it.
grep -rnE '#include "\.\./' userspace bpf include kmod-probe && complain "includes that go up"
grep -rnE '[[:space:]]+$' --include='*.[ch]' userspace bpf include kmod-probe tests guest && complain "trailing white space"
for f in $(git ls-files '*.c' '*.h' '*.sh'); do
	head -n 3 "$f" | grep -q SPDX-License-Identifier || complain "$f has no SPDX line"
done
man --warnings -l docs/vexlab.1 2>&1 >/dev/null | grep . && complain "the man page has warnings"
scripts/lint-docs.sh build || bad=1
((bad)) || printf '  LINT     clean\n'
exit $bad
