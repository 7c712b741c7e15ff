#!/usr/bin/env python3
"""Checks tests/PROMISES.md against the names of the tests, in both directions: every id that begins
a name has its line, every line has a test, and the files of a line are those that show it.

An id begins the name of a TEST_CASE, a CRECHE_TEST or, in a Python test or check, the docstring:
`S7, X5: what is shown`.

usage: tools/check_promises.py [--write]      --write: refresh the files of every line
"""
import re
import sys
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "tests" / "PROMISES.md"
COLUMNS = 100

# T7, pain 10, bad input, T.cancel_unbound.a, O25.auto_shutdown
ID = re.compile(r"\b(?:[A-Z]+\d*\.\w+(?:\.[a-z0-9]+)?|[A-Z]\d+|pain \d+|bad input|process)\b")
CASE = re.compile(r'\b(?:TEST_CASE(?:_TEMPLATE)?|CRECHE_TEST)\(\s*((?:"(?:[^"\\]|\\.)*"\s*)+)')
DOCSTRING = re.compile(r'(?:#!.*\n)?"""(.*)')
ENTRY = re.compile(r"- \*\*(?P<id>[^*]+)\*\* (?P<text>.*?)(?P<files>(?:\s*`[^`]+`,?)*)\s*$", re.S)


def names(path):
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".py":
        first = DOCSTRING.match(text)
        return [first.group(1)] if first else []
    return ["".join(re.findall(r'"((?:[^"\\]|\\.)*)"', m.group(1))) for m in CASE.finditer(text)]


def ids_of(name):
    """Those before the colon; a name without one carries none."""
    head, colon, _ = name.partition(": ")
    return ID.findall(head) if colon and ID.match(head) else []


def shown():
    """{id: the files that show it}"""
    found = {}
    tests = [p for p in (ROOT / "tests").rglob("*") if p.suffix in (".cpp", ".hpp", ".py")]
    for path in sorted(tests) + sorted((ROOT / "tools").glob("check_*.py")):
        for name in names(path):
            for each in ids_of(name):
                found.setdefault(each, set()).add(str(path.relative_to(ROOT)))
    return found


def entry_text(name, text, files):
    text = " ".join(text.split())
    said = ", ".join(f"`{f.removeprefix('tests/')}`" for f in sorted(files))
    lines = textwrap.wrap(f"- **{name}** {text}", COLUMNS, subsequent_indent="  ",
                          break_long_words=False, break_on_hyphens=False)
    lines += textwrap.wrap(said, COLUMNS, initial_indent="  ", subsequent_indent="  ",
                           break_long_words=False, break_on_hyphens=False)
    return "\n".join(lines)


def main():
    write = sys.argv[1:] == ["--write"]
    if sys.argv[1:] and not write:
        sys.exit(__doc__)
    found, findings, seen, blocks = shown(), [], set(), []
    before = PAGE.read_text(encoding="utf-8")
    # an entry runs from its dash to the next one, or to an empty line
    for block in re.split(r"\n(?=- \*\*|\n)", before):
        entry = ENTRY.fullmatch(block)
        if not entry:
            blocks.append(block)
            continue
        name = entry["id"]
        if name in seen:
            findings.append(f"{name} stands there twice")
        seen.add(name)
        if name not in found:
            findings.append(f"{name}: no test's name begins with it; remove its line or show it")
        wanted = entry_text(name, entry["text"], found.get(name, ()))
        if not write and wanted != block:
            findings.append(f"{name}: its files are not right; run tools/check_promises.py --write")
        blocks.append(wanted)
    for name in sorted(found.keys() - seen):
        findings.append(f"{name} has no line in tests/PROMISES.md ({min(found[name])})")
    if write:
        PAGE.write_text("\n".join(blocks), encoding="utf-8")
    print("\n".join(findings + [f"check_promises: {len(found)} ids, {len(findings)} findings"]))
    return 1 if findings else 0


sys.exit(main())
