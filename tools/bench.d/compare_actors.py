"""compare_actors.py: creche's tasks and letters beside raw CAF and Erlang, and the goals.

Each program prints JSON lines {"what", "ns", "cpu_ns" or "bytes"}; see tests/bench/README.md.
"""

import json
import shutil
import subprocess
from statistics import median

RUN_SECONDS = 600
# For each kind: creche's program, the words that it and the others know, who is beside it, and how
# many waiting tasks or children there are.
KINDS = {
    "hop": ("creche_hop_bench", ["hop", "spawn"], "creche,raw_caf,erlang", 1_000_000),
    "cancel": ("creche_hop_bench", ["cancel"], "creche,raw_caf,erlang", 1_000_000),
    "supervision": ("creche_supervision_bench", ["restart", "children"], "creche,erlang", 100_000),
}

# What is measured, in which unit, at most how many of what. A limit beside another program is a
# factor; one beside none is a number.
GOALS = {
    "hop": [
        ("letter_hop_one_loop", "ns", 20, None),
        ("caf_message_hop_one_loop", "ns", 0.3, ("raw_caf", "caf_message_hop_one_worker")),
        ("spawn_end_task", "ns", 0.15, ("raw_caf", "spawn_end_observed_one_worker")),
    ],
    "cancel": [
        ("cancel_all_sleeping_tasks", "ns", 0.1, ("erlang", "kill_all_linked")),
        ("bytes_sleeping_task", "bytes", 1024, None),
    ],
    "supervision": [
        ("fail_to_running_p50", "ns", 0.5, ("erlang", "fail_to_running_p50")),
        ("stop_supervised", "ns", 0.3, ("erlang", "stop_supervised")),
    ],
}


def options(parser, kind):
    _, _, beside, count = KINDS[kind]
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--count", type=int, default=count,
                        help="waiting tasks, processes or children; CAF's actors a fifth of it")
    parser.add_argument("--only", default=beside, help="which, by commas")


def commands(args, root):
    escript = shutil.which("escript")
    binaries = args.build / "tests" / "bench"
    ours, words, beside, _ = KINDS[args.kind]
    known = {
        "creche": [str(binaries / ours), "--count", str(args.count)],
        "raw_caf": [str(binaries / "raw_caf_bench"), "--count", str(args.count // 5)],
        "erlang": [escript, str(root / "tests" / "bench" / "erlang_bench.erl"),
                   "--count", str(args.count)],
    }
    chosen = {}
    for name in args.only.split(","):
        if name not in beside.split(","):
            raise RuntimeError(f"no program is called {name}: {beside}")
        program = known[name][0]
        if program is None:
            raise RuntimeError("escript is not installed: tools/setup peers")
        if not shutil.which(program):
            raise RuntimeError(
                f"{program} is not built: cmake --preset release && cmake --build "
                f"--preset release --target {program.rsplit('/', 1)[1]}"
            )
        chosen[name] = known[name] + words
    return chosen


def measure(name, command):
    done = subprocess.run(command, capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
    if done.returncode:
        raise RuntimeError(f"{name} ended with {done.returncode}: {done.stdout}{done.stderr}")
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def print_results(seen):
    for (name, what, unit), values in seen.items():
        print(json.dumps({"program": name, "what": what, "unit": unit,
                          "median": round(median(values), 1), "min": round(min(values), 1),
                          "max": round(max(values), 1)}))


def print_goals(kind, seen):
    def of(name, what, unit):
        values = seen.get((name, what, unit))
        return median(values) if values else None

    for what, unit, most, beside in GOALS[kind]:
        line = {"goal": what, "unit": unit, "most": most}
        value = of("creche", what, unit)
        if beside:
            line["of"] = "/".join(beside)
            other = of(*beside, unit)
            cpu, other_cpu = of("creche", what, "cpu_ns"), of(*beside, "cpu_ns")
            if cpu and other_cpu:
                line["by_cpu"] = round(cpu / other_cpu, 3)
            value = value / other if value and other else None
        line["value"] = None if value is None else round(value, 3)
        line["met"] = None if value is None else value <= most
        print(json.dumps(line))


def run(args, root):
    programs = list(commands(args, root).items())
    seen = {}
    for number in range(args.rounds):
        for name, command in programs if number % 2 == 0 else programs[::-1]:
            for line in measure(name, command):
                for unit in ("ns", "cpu_ns", "bytes"):
                    if unit in line:
                        seen.setdefault((name, line["what"], unit), []).append(line[unit])
    print_results(seen)
    if dict(programs).get("creche"):
        print_goals(args.kind, seen)
