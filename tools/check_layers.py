#!/usr/bin/env python3
"""Checks the shape of the tree: who may include whom, what a room may know, the limits of a file.

Prints one line per finding, `file:line: what is wrong`, and fails if there is any.
Warnings (files over 400 lines) are printed and fail nothing.
"""
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ROOMS = ("runtime", "protocols", "actors")
TOP_LEVEL = {"CMakeLists.txt", "CMakePresets.json", "README.md", "CHANGELOG.md", "LICENSE",
             "actors", "runtime", "protocols", "tests", "tools"}
LINES_SHOWN, LINES_MAX, COLUMNS_MAX = 400, 700, 100

# who may include whom; a test or a tool may include every room
SEES = {"runtime": {"runtime"}, "protocols": {"protocols"},
        "actors": {"runtime", "protocols", "actors"}}
# The folders of a room, the lowest first: a file includes its own folder and what stands before it.
FOLDERS = {
    "runtime": ("memory", "time", "loop", "task", "sync", "supervision", "messages", "system",
                "interop", "testing"),
    "actors": ("stack", "transport", "layers", "http", "services", "testing"),
}
# whose internals: its own, and actors' shells stand on the runtime's loops
SEES_INTERNAL = {"runtime": {"runtime"}, "protocols": {"protocols"},
                 "actors": {"actors", "runtime"},
                 "bench": {"runtime", "protocols", "actors"}}  # tests/bench/ measures insides

FOREIGN = re.compile(r"(caf|asio|openssl|boost|nghttp2|spdlog|nlohmann|CLI)(/|\.hpp)")
INTEROP = {"runtime/interop/caf.hpp": "caf", "runtime/interop/asio.hpp": "asio",
           "runtime/interop/detail/at_home.hpp": "caf",
           "runtime/interop/detail/caf_plan.hpp": "caf"}
IMPURE = re.compile(r"(thread|mutex|shared_mutex|condition_variable|future|stop_token|semaphore|"
                    r"latch|barrier|ctime|time\.h|pthread\.h|unistd\.h|poll\.h|netdb\.h|fcntl\.h|"
                    r"csignal|signal\.h|sys/.*|netinet/.*|arpa/.*|caf/.*|asio.*|boost/asio.*)")
INCLUDE = re.compile(r'\s*#\s*include\s*([<"])([^">]+)[">]')
LEFTOVER = re.compile(r"\b(" + "|".join(["TO" + "DO", "FIX" + "ME", "X" * 3]) + r")\b")
CODE = {".cpp", ".hpp", ".py", ".cmake", ".sh"}

findings, warnings = [], []


def finding(path, line, text):
    findings.append(f"{path}{f':{line}' if line else ''}: {text}")


def files():
    """Every file that git tracks or would track; without git every file outside build/."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
            cwd=ROOT, check=True, capture_output=True, text=True).stdout.split("\0")
        names = sorted({name for name in listed if name})
    except (OSError, subprocess.CalledProcessError):
        names = sorted(str(p.relative_to(ROOT)) for p in ROOT.rglob("*") if p.is_file()
                       and p.relative_to(ROOT).parts[0] not in ("build", ".git"))
    return [name for name in names if (ROOT / name).is_file()]


def is_code(name):
    path = Path(name)
    return (path.suffix in CODE or path.name == "CMakeLists.txt"
            or (path.suffix == "" and (ROOT / name).read_bytes()[:2] == b"#!"))


def check_direction(name, number, target):
    """Between the folders of one room. The umbrella and what stands in no folder may see all."""
    order = FOLDERS[Path(name).parts[0]]
    here, there = Path(name).parts[1], Path(target).parts[1]
    if here not in order:
        return
    if there in order and order.index(there) > order.index(here):
        finding(name, number, f"{here}/ may not include {there}/ ({target})")


def check_include(name, number, quote, target):
    room, suffix = Path(name).parts[0], Path(name).suffix
    internal_file = "internal" in Path(name).parts
    target = target.removeprefix("creche/") if quote == "<" else target
    there = target.split("/")[0]

    if there in ROOMS:
        if room in SEES and there not in SEES[room]:
            finding(name, number, f"{room}/ may not include {there}/ ({target})")
        if "/internal/" in target:
            # tests/<room>/ sees the internals of <room>; anything else outside the rooms sees none
            own = Path(name).parts[1] if room == "tests" else room
            if there not in SEES_INTERNAL.get(own, set()):
                finding(name, number, f"may not include another room's internals ({target})")
            if suffix != ".cpp" and not internal_file and room != "tests":
                finding(name, number, f"a public header may not include {target}")
        if not (ROOT / target).exists() and target != "creche.hpp":
            finding(name, number, f"there is no {target}")
        if there == room and room in FOLDERS:
            check_direction(name, number, target)
    elif quote == '"' and room in ROOMS and (ROOT / name).parent.joinpath(target).exists():
        finding(name, number, f'write the include from the root, not "{target}"')

    foreign = FOREIGN.match(target) if quote == "<" else None
    if foreign and room in ROOMS:
        what = foreign.group(1)
        if suffix == ".hpp" and not internal_file and INTEROP.get(name) != what:
            finding(name, number, f"a public header may not name <{target}>")
        if what == "boost":
            finding(name, number, f"the library is built without Boost (<{target}>)")
    if room == "protocols" and quote == "<" and IMPURE.fullmatch(target):
        finding(name, number, f"protocols/ is pure: no thread, clock or socket (<{target}>)")


def check_file(name):
    try:
        text = (ROOT / name).read_text(encoding="utf-8")
    except UnicodeDecodeError:
        return  # test data
    if len(ROOT.parts) > 2 and str(ROOT) in text:  # a folder of / may be called as anything is
        finding(name, 0, "names a path of this machine")
    if not is_code(name):
        if name.endswith(".md") and (m := LEFTOVER.search(text)):
            finding(name, 0, f"a leftover {m.group(1)}")
        return

    lines = text.split("\n")
    count = len(lines) - 1
    if count > LINES_MAX:
        finding(name, 0, f"{count} lines: split it (at most {LINES_MAX})")
    elif count > LINES_SHOWN:
        warnings.append(f"{name}: {count} lines, more than {LINES_SHOWN}: is it one table?")
    for number, line in enumerate(lines, 1):
        if len(line) > COLUMNS_MAX:
            finding(name, number, f"{len(line)} columns (at most {COLUMNS_MAX})")
        if "\t" in line:
            finding(name, number, "a tab")
        if m := LEFTOVER.search(line):
            finding(name, number, f"a leftover {m.group(1)}")
        if name.endswith((".cpp", ".hpp")):
            if m := INCLUDE.match(line):
                check_include(name, number, *m.groups())
            elif name.startswith("protocols/") and "_clock::now" in line.split("//")[0]:
                finding(name, number, "protocols/ is pure: the caller passes the time")
    if name.endswith(".hpp") and "#pragma once" not in text and "included again" not in text:
        finding(name, 0, "a header without #pragma once")


def check_lists(names):
    """Every source and every public header stands in its room's CMakeLists.txt, and exists."""
    for room in (*ROOMS, "tests"):
        path = ROOT / room / "CMakeLists.txt"
        if not path.exists():
            continue
        text = re.sub(r"#.*", "", path.read_text())
        words = set(text.replace("(", " ").replace(")", " ").split())
        for name in names:
            inner = name.removeprefix(room + "/")
            if inner == name or not name.endswith((".cpp", ".hpp")):
                continue
            if room == "tests":
                # written without their first folder: creche_tests(runtime FILES clock_test.cpp)
                if not inner.endswith("_test.cpp"):
                    continue
                inner = inner.split("/", 1)[-1]
            elif inner.endswith(".hpp") and ("internal" in Path(inner).parts
                                             or name == "actors/creche.hpp"):
                continue
            if inner not in words:
                finding(name, 0, f"is in no list of {room}/CMakeLists.txt")
        if room == "tests":
            continue
        for word in words:
            if word.startswith("${"):  # not one of this room's own
                continue
            if word.endswith((".cpp", ".hpp")) and not (ROOT / room / word).exists():
                finding(f"{room}/CMakeLists.txt", 0, f"lists {word}, which does not exist")


def main():
    names = files()
    for top in sorted({Path(name).parts[0] for name in names}):
        if top not in TOP_LEVEL and not top.startswith("."):
            finding(top, 0, "does not belong at the top level")
    for name in names:
        check_file(name)
    check_lists(names)
    for line in warnings:
        print("warning:", line)
    for line in findings:
        print(line)
    print(f"check_layers: {len(names)} files, {len(findings)} findings")
    return 1 if findings else 0


sys.exit(main())
