#!/usr/bin/env python3
# SPDX-License-Identifier: GPL-2.0
"""One row of the table: what a run's reports say of one fault. Exit status 1: not as expected."""
import datetime
import glob
import json
import re
import sys

run, row, want_class, want_word = sys.argv[1:]


def struck_at():
    """Host's clock when the console said that the fault is about to strike."""
    for line in open(f"{run}/vm_console.log", errors="replace"):
        if "as faultfs was told" in line and " fault " in line:
            return datetime.datetime.fromisoformat(line[:26] + "+00:00").timestamp()
    return None


def when(finding):
    t = finding["timestamp"]
    return t["secs_since_epoch"] + t["nanos_since_epoch"] / 1e9


def logged_at(title):
    """Host's clock when the finding was made, which is later than its first line came."""
    for path in glob.glob(f"{run}/enhanced_vexfs_test_*.log"):
        for line in open(path, errors="replace"):
            if "FINDING" in line and title in line:
                return datetime.datetime.fromisoformat(line[:26] + "+00:00").timestamp()
    return None


report = json.load(open(f"{run}/comprehensive_report.json"))
findings = report["findings"]
good = [f for f in findings
        if f["event_type"] == want_class and re.search(want_word, f["description"], re.I)]
best = good[0] if good else findings[0] if findings else None
back = [n["ms"] for n in report["vm"] if n.get("event") == "recovered"]
points = [n.get("from", "") for n in report["vm"] if n.get("event") == "recovered"]
struck = struck_at()
if best is None:
    print(f"| `{row}` | **nothing** | | | | |")
    sys.exit(1)
made = logged_at(best["description"])
ms = f"{(made - struck) * 1000:.0f}" if struck and made else ""
print(f"| `{row}` | {'' if good else '**not as expected:** '}{best['event_type']}: {best['description']} "
      f"| {best['severity']}, {best['blame']} | {ms} | {points[0] if points else 'not needed'} "
      f"| {f'{back[0]:.0f}' if back else ''} |")
sys.exit(0 if good else 1)
