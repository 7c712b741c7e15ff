"""measure_tasks.py: what creche's tasks cost, beside Trio, Erlang, raw CAF and Go.

Each program prints JSON lines {"what", "ns", "cpu_ns", "count"}; see tests/bench/README.md.
"""

import json
import shutil
import subprocess
import sys

RUN_SECONDS = 600

# What is measured, and at most how many ns of CPU, or how often another program's: the sum of what
# is the same work there.
GOALS = (
    ("checkpoint", 5, None, ()),
    ("deadline_scope", 100, None, ()),
    ("start_and_finish", 0.15, "raw CAF", ("spawn_end_observed_one_worker",)),
    ("cancel_sleeping_with_deadline", 0.1, "Erlang", ("start_waiting_process", "kill_all_linked")),
)


def options(parser):
    parser.add_argument("--count", type=int, default=1_000_000, help="tasks or items in each round")


def commands(args, root):
    bench, source = args.build / "tests" / "bench", root / "tests" / "bench"
    yield "creche", [bench / "creche_tasks_bench", "--count", str(args.count)]
    yield "raw CAF", [bench / "raw_caf_bench", "spawn", "hop"]
    yield "Erlang", ["escript", source / "erlang_bench.erl", "--count", str(args.count), "spawn",
                     "cancel"]
    yield "Trio", ["/usr/bin/python3", source / "trio_bench.py", "--count", str(args.count // 10)]
    if shutil.which("go"):
        yield "Go", ["go", "run", source / "go_bench.go", str(args.count)]
    else:
        print("Go is left out: tools/setup peers", file=sys.stderr)


def run(args, root):
    seen = {}
    for name, command in commands(args, root):
        done = subprocess.run(command, check=True, timeout=RUN_SECONDS, stdout=subprocess.PIPE,
                              text=True)
        for line in map(json.loads, done.stdout.splitlines()):
            seen[name, line["what"]] = line
            print(json.dumps({"program": name, **line}), flush=True)
    for what, most, other, others in GOALS:
        mine = seen["creche", what]["cpu_ns"]
        beside = sum(seen[other, each]["cpu_ns"] for each in others) if other else 1
        ratio = mine / beside
        print(json.dumps({"goal": what, "than": other or "ns of CPU", "most": most,
                          "is": round(ratio, 3), "met": ratio <= most}))
