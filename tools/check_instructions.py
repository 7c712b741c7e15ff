#!/usr/bin/env python3
"""Counts the instructions of six paths by callgrind, so that a slip is seen on the day it is made:
an HTTP request, a layer that only forwards, a task's life, a cancel, an item through a channel, a
restart. Fails when one takes more than 3 % above its figure in tests/bench/instructions.json.

Two runs of different length for each path: their difference has no start and no end in it. A busy
machine changes nothing. A compiler without figures is measured, and fails nothing.

usage: tools/check_instructions.py [--write] PROGRAM
  PROGRAM    build/release/tests/bench/creche_counted_paths
  --write    the figures of this compiler become what was measured: do so when a path got cheaper,
             or when it must cost more, and say why in the commit
"""
import argparse
import json
import re
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
FIGURES = ROOT / "tests" / "bench" / "instructions.json"
MARGIN = 0.03
RUN_SECONDS = 300
LAYERS = 8  # of echo8
COUNTS = {"http": 400, "echo": 500, "echo8": 500, "life": 2000, "cancel": 2000, "channel": 10_000,
          "restart": 1000}


def instructions(program, path, count):
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", program, path,
         str(count)], capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found:
        sys.exit(f"check_instructions: {program} {path} {count}: {done.stdout}{done.stderr}")
    return int(found[1])


def measure(program):
    def each(path):
        count = COUNTS[path]
        return (instructions(program, path, 2 * count) - instructions(program, path, count)) / count
    with ThreadPoolExecutor(2) as pool:
        cost = dict(zip(COUNTS, pool.map(each, COUNTS)))
    return {"HTTP request": round(cost["http"]),
            "forwarding layer": round((cost["echo8"] - cost["echo"]) / LAYERS),
            "task life": round(cost["life"]),
            "cancel": round(cost["cancel"]),
            "channel": round(cost["channel"]),
            "restart": round(cost["restart"])}


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    parser.add_argument("program")
    args = parser.parse_args()
    if not shutil.which("valgrind"):
        sys.exit("check_instructions: valgrind is not installed: tools/setup test")
    compiler = subprocess.run([args.program, "compiler"], capture_output=True, text=True,
                              check=True).stdout.strip()
    every = json.loads(FIGURES.read_text()) if FIGURES.exists() else {}
    known, failed = every.get(compiler, {}), False
    measured = measure(args.program)
    for path, now in measured.items():
        figure = known.get(path)
        change = f"{100 * (now / figure - 1):+6.1f} % of {figure}" if figure else "no figure"
        slipped = bool(figure) and now > figure * (1 + MARGIN)
        failed |= slipped
        print(f"{'FAILED' if slipped else 'ok':7} {path:17} {now:7}  {change}")
    if args.write:
        every[compiler] = measured
        FIGURES.write_text(json.dumps(every, indent=2) + "\n")
        return 0
    if not known:
        print(f"there are no figures of {compiler} in {FIGURES.relative_to(ROOT)}: --write")
    return 1 if failed else 0


sys.exit(main())
