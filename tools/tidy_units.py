#!/usr/bin/env python3
"""Writes what clang-tidy reads in tools/check: one unit per folder of a room, which includes the
folder's .cpp files, and how each is compiled.

    tools/tidy_units.py BUILD [FILE...]     BUILD is configured; without FILEs all of git's

Most of clang-tidy's time goes into the headers of CAF and asio, which it walks through in every
unit: one unit per folder takes a quarter of it. So names in anonymous namespaces must differ within
a folder; what clashes is an error of the compiler, which names both.

Prints the units. They are in BUILD/units, with a compile_commands.json.
"""

import json
import pathlib
import shlex
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parent.parent
ROOMS = ("runtime", "protocols", "actors", "tools")


def folder_of(file):
    """internal/ and detail/ belong to the folder that has them."""
    return "_".join(part for part in file.parent.parts[:2])


def main():
    build = pathlib.Path(sys.argv[1]).resolve()
    files = sys.argv[2:] or subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--",
         *(f"{room}/*.cpp" for room in ROOMS)],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout.split()
    commands = {c["file"]: c for c in json.loads((build / "compile_commands.json").read_text())}
    folders = {}
    for file in sorted({pathlib.Path(f) for f in files}):
        if file.suffix == ".cpp" and str(ROOT / file) in commands:
            folders.setdefault(folder_of(file), []).append(file)

    units = build / "units"
    units.mkdir(exist_ok=True)
    database = []
    for folder, members in folders.items():
        unit = units / f"{folder}.cpp"
        unit.write_text("".join(
            f'#include "{ROOT / m}" // NOLINT(bugprone-suspicious-include)\n' for m in members
        ))
        command = commands[str(ROOT / members[0])]
        words = shlex.split(command["command"])
        words[words.index("-c") + 1] = str(unit)
        database.append({"directory": command["directory"], "file": str(unit),
                         "command": shlex.join(words)})
        print(unit)
    (units / "compile_commands.json").write_text(json.dumps(database, indent=1))


if __name__ == "__main__":
    main()
