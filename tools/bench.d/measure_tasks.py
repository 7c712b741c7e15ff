"""measure_tasks.py: what creche's tasks pay to speak with each other; see tests/bench/README.md."""

import subprocess

RUN_SECONDS = 600


def options(parser):
    parser.add_argument("--count", type=int, default=1_000_000, help="items sent in each round")


def run(args, _root):
    program = args.build / "tests" / "bench" / "creche_tasks_bench"
    subprocess.run([program, "--count", str(args.count)], check=True, timeout=RUN_SECONDS)
