"""measure_slow.py: what a peer that reads slowly, or not at all, costs creche.

`slow` streams to a reader that stops and goes, and looks at the memory of the process; `neighbour`
asks on one connection while another one on the same loop is stalled.
"""

import json
import subprocess

RUN_SECONDS = 3600
SLABS = 2 * 64 * 1024  # at hand on every loop: for what is read, and for what is written
PAGES = 64 * 1024  # what malloc and the pools take ahead


def slow_options(parser):
    parser.add_argument("--mib", type=int, default=10240, help="how much each of the two streams")


def neighbour_options(parser):
    parser.add_argument("--rounds", type=int, default=3)


def told(args, *words):
    program = args.build / "tests" / "bench" / "creche_slow_bench"
    done = subprocess.run([program, *words], capture_output=True, text=True, timeout=RUN_SECONDS,
                          check=False)
    if done.returncode:
        raise RuntimeError(f"{program} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines()]


def run_slow(args, root):
    for what in ("http", "frames"):
        for line in told(args, "--mib", str(args.mib), what):
            line["most"] = line["marks_bytes"] + SLABS + PAGES
            line["met"] = line["grown_bytes"] <= line["most"]
            print(json.dumps(line), flush=True)


def run_neighbour(args, root):
    for _ in range(args.rounds):
        alone, beside = told(args, "neighbour")
        ratios = {key: round(beside[key] / alone[key], 3) for key in alone if key.endswith("_us")}
        print(json.dumps({"alone": alone, "beside a stalled one": beside, "ratio": ratios}),
              flush=True)
