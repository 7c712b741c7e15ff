#!/usr/bin/env python3
"""Checks that the pages tell the truth.

README.md and the guide (tests/examples/README.md): every ```cpp block stands word for word in a
source file that the build compiles and runs, every ```text block in an .out file.
Every README: linked files exist, and so do files named in the tables under a heading that begins
with "Where is". There a path is written from the root, and may end in an extension or not:
`runtime/loop/internal/loop` means at least one file loop.*.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
GUIDE = ROOT / "tests/examples/README.md"


def pages():
    return [page for page in sorted(ROOT.rglob("*.md"))
            if not any(part == "build" or part[0] == "." for part in page.relative_to(ROOT).parts)]


def texts(*folders_and_patterns):
    return [path.read_text(encoding="utf-8") for folder, pattern in folders_and_patterns
            for path in sorted((ROOT / folder).rglob(pattern))]


def exists(path):
    """With its extension, or without one."""
    return path.exists() or any(path.parent.glob(path.name + ".*"))


def check_blocks(page, text, sources, outputs):
    for block in re.finditer(r"^```(cpp|text)\n(.*?)^```", text, re.S | re.M):
        kind, words = block.group(1), block.group(2).strip("\n")
        where = sources if kind == "cpp" else outputs
        if not any(words in source for source in where):
            yield page, text, block, (
                "this block is in no .cpp or .hpp of tests/ or tools/: put it in tests/examples/ "
                "and copy it from there" if kind == "cpp" else "no .out in tests/examples/ says so")


def check_links(page, text):
    for link in re.finditer(r"\]\(([^)#:\s]+)(#[^)]*)?\)", text):
        if not (page.parent / link.group(1)).exists():
            yield page, text, link, f"there is no {link.group(1)}"
    for link in re.finditer(r"\]\(([^)#:\s]*)#([^)]*)\)", text):
        target = page.parent / link.group(1) if link.group(1) else page
        if target.suffix == ".md" and target.exists() and link.group(2) not in anchors(target):
            yield page, text, link, f"{target.name} has no heading #{link.group(2)}"


def anchors(page):
    """As GitHub makes them of headings."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.M)
    return {re.sub(r"[^\w\- ]", "", h.lower()).replace(" ", "-") for h in headings}


def check_where(page, text):
    section = re.compile(r"^#+ Where is.*?(?=^#|\Z)", re.S | re.M)
    for table in section.finditer(text):
        for name in re.compile(r"`([\w.-]+/[\w./-]+)`").finditer(text, *table.span()):
            if not exists(ROOT / name.group(1)):
                yield page, text, name, f"there is no {name.group(1)}"


def check_named(page, text):
    for name in re.finditer(r"`((?:tools|tests)/[\w./-]+)`", text):
        if not exists(ROOT / name.group(1)):
            yield page, text, name, f"there is no {name.group(1)}"


sources = texts(("tests", "*.cpp"), ("tests/examples", "*.hpp"), ("tools", "*.cpp"))
outputs = texts(("tests/examples", "*.out"))
findings = []
for page in pages():
    text = page.read_text(encoding="utf-8")
    findings += check_links(page, text)
    findings += check_where(page, text)
    if page in (ROOT / "README.md", GUIDE):
        findings += check_blocks(page, text, sources, outputs)
        findings += check_named(page, text)
for page, text, at, why in findings:
    line = text.count("\n", 0, at.start()) + 1
    print(f"{page.relative_to(ROOT)}:{line}: {why}")
print(f"check_readme: {len(findings)} findings")
sys.exit(1 if findings else 0)
