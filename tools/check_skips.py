#!/usr/bin/env python3
"""Fails on any skipped test that tests/permitted_skips does not name.

Looks for test cases with doctest's skip() in the sources; in each LOG for tests that ctest did not
run, and for lines `SKIP  why` that a script printed.

usage: tools/check_skips.py [LOG...]   LOG: what ctest printed, or LastTest.log of a build
"""
import fnmatch
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LIST = ROOT / "tests" / "permitted_skips"
CASE = re.compile(r'(?:TEST_CASE|CRECHE_TEST)\(\s*((?:"(?:[^"\\]|\\.)*"\s*)+)\*\s*doctest::skip')
NOT_RUN = re.compile(r"\s*\d+ - (\S+) \((?:Skipped|Disabled|Not Run)\)")
STARTED = re.compile(r"\d+/\d+ Test: (\S+)")
PART = re.compile(r"SKIP\s+(.*)")


def permitted():
    lines = LIST.read_text(encoding="utf-8").splitlines()
    rules = [line.split(" -- ", 1) for line in lines if line and not line.startswith("#")]
    for rule in rules:
        if len(rule) != 2 or not rule[1].strip():
            sys.exit(f"check_skips: {' -- '.join(rule)!r} gives no reason")
    return [rule[0].strip() for rule in rules]


def skipped_cases():
    for path in sorted((ROOT / "tests").rglob("*.cpp")):
        for m in CASE.finditer(path.read_text(encoding="utf-8")):
            yield "".join(re.findall(r'"((?:[^"\\]|\\.)*)"', m.group(1)))


def skipped_tests(log):
    test = "?"
    for line in log.read_text(encoding="utf-8", errors="replace").splitlines():
        if m := NOT_RUN.fullmatch(line):
            yield m.group(1)
        elif m := STARTED.fullmatch(line):
            test = m.group(1)
        elif m := PART.fullmatch(line):
            yield f"{test}: {m.group(1)}"


def main():
    if any(word.startswith("-") for word in sys.argv[1:]):
        sys.exit(__doc__)
    found = set(skipped_cases())
    for log in map(Path, sys.argv[1:]):
        found.update(skipped_tests(log))
    rules = permitted()
    wrong = sorted(s for s in found if not any(fnmatch.fnmatchcase(s, rule) for rule in rules))
    for name in wrong:
        print(f"skipped, and not in tests/permitted_skips: {name}")
    print(f"check_skips: {len(found)} skipped, {len(wrong)} of them without permission")
    return 1 if wrong else 0


sys.exit(main())
