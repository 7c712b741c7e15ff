#!/usr/bin/env python3
"""Checks that README.md tells the truth: every ```cpp block stands word for word in a file of
tests/ or tools/ (which the build compiles and runs), every linked or named file exists."""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
readme = ROOT / "README.md"
if not readme.exists():
    print("check_readme: skipped, there is no README.md yet")
    sys.exit(77)
text = readme.read_text(encoding="utf-8")
sources = [path.read_text(encoding="utf-8") for folder in ("tests", "tools")
           for path in sorted((ROOT / folder).rglob("*.cpp"))]
findings = []


def line_of(position):
    return text.count("\n", 0, position) + 1


for block in re.finditer(r"^```cpp\n(.*?)^```", text, re.S | re.M):
    if not any(block.group(1).strip("\n") in source for source in sources):
        findings.append(f"README.md:{line_of(block.start())}: this block is in no file of tests/ "
                        "or tools/: put it in tests/examples/ and copy it from there")
for link in re.finditer(r"\]\(([^)#:]+)(#[^)]*)?\)|`((?:tools|tests)/[\w./-]+)`", text):
    target = link.group(1) or link.group(3)
    if not (ROOT / target).exists() and target != "tools/creche":
        findings.append(f"README.md:{line_of(link.start())}: there is no {target}")

print("\n".join(findings + [f"check_readme: {len(findings)} findings"]))
sys.exit(1 if findings else 0)
