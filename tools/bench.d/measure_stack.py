"""measure_stack.py: instructions that a layer costs each request; what a message costs on each
transport, and whether a rate limit keeps its rate.

callgrind counts them, so a busy machine changes nothing. Two runs of different length for each
number of layers: their difference has no start and no end in it.
"""

import json
import re
import shutil
import statistics
import subprocess

RUN_SECONDS = 600
MOST = 400
RATE_LIMIT = "rate_limit(100GiB/s)"  # which holds nothing: what is counted is the counting
MOST_OF_RATE_LIMIT = 200  # for a piece, beside what any layer costs


def options(parser):
    parser.add_argument("--layers", default="0,1,2,4,8", help="how many, by commas; 0 is needed")
    parser.add_argument("--requests", type=int, default=2000, help="of the longer run; half as "
                        "many in the shorter one")


def instructions(command):
    done = subprocess.run(
        ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null", *command],
        capture_output=True, text=True, timeout=RUN_SECONDS, check=False)
    found = re.search(r"Collected : (\d+)", done.stderr)
    if done.returncode or not found:
        raise RuntimeError(f"callgrind of {command[0]}: {done.stdout}{done.stderr}")
    return int(found[1])


def per_request(program, layers, speech, requests, layer=""):
    def run(n):
        return instructions([program, "--layers", str(layers), "--requests", str(n),
                             *(["--frames"] if speech == "frames" else []),
                             *(["--layer", layer] if layer else [])])
    return (run(requests) - run(requests // 2)) / (requests - requests // 2)


def run(args, root):
    if not shutil.which("valgrind"):
        raise RuntimeError("valgrind is not installed: tools/setup peers")
    program = str(args.build / "tests" / "bench" / "creche_stack_bench")
    counts = sorted({0, *map(int, args.layers.split(","))})
    for speech in ("octets", "frames"):
        each, bare = [], 0
        for layers in counts:
            cost = per_request(program, layers, speech, args.requests)
            line = {"speech": speech, "layers": layers, "instructions": round(cost)}
            if layers:
                each.append((cost - bare) / layers)
                line["per_layer"] = round(each[-1])
            else:
                bare = cost
            print(json.dumps(line), flush=True)
        if each:
            print(json.dumps({"goal": f"instructions per layer and request, {speech}",
                              "most": MOST, "is": round(max(each)), "met": max(each) <= MOST}))
    plain, limited = (per_request(program, 1, "octets", args.requests, layer)
                      for layer in ("", RATE_LIMIT))
    more = round((limited - plain) / 2)  # a request is a piece each way
    print(json.dumps({"goal": "instructions per piece of a rate limit, beside a plain layer",
                      "most": MOST_OF_RATE_LIMIT, "is": more, "met": more <= MOST_OF_RATE_LIMIT}))


# ---- transports

UNIX_BESIDE_TCP = 0.9
RATE_OFF_BY = 0.02


def transport_options(parser):
    parser.add_argument("--rounds", type=int, default=5, help="of the messages; medians count")
    parser.add_argument("--seconds", type=int, default=10, help="of the rate limit")


def run_transports(args, root):
    program = str(args.build / "tests" / "bench" / "creche_transport_bench")

    def said(*words):
        done = subprocess.run([program, *words], check=True, timeout=RUN_SECONDS,
                              stdout=subprocess.PIPE, text=True)
        return [json.loads(line) for line in done.stdout.splitlines()]

    seen = {"tcp": [], "unix": [], "udp": []}
    for _ in range(args.rounds):
        for line in said(*seen):
            print(json.dumps(line), flush=True)
            seen[line["what"]].append(line["cpu_ns"])
    medians = {what: statistics.median(times) for what, times in seen.items()}
    print(json.dumps({"medians of cpu_ns": medians}))
    ratio = round(medians["unix"] / medians["tcp"], 3)
    print(json.dumps({"goal": "CPU of a message on unix beside tcp", "most": UNIX_BESIDE_TCP,
                      "is": ratio, "met": ratio <= UNIX_BESIDE_TCP}))
    rate, = said("--seconds", str(args.seconds), "rate")
    print(json.dumps({"goal": "a rate limit of 50 MiB/s", **rate, "most_off": RATE_OFF_BY,
                      "met": abs(rate["off_by"]) <= RATE_OFF_BY}))
