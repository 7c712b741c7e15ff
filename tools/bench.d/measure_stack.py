"""measure_stack.py: instructions that a layer which only forwards costs each request.

callgrind counts them, so a busy machine changes nothing. Two runs of different length for each
number of layers: their difference has no start and no end in it.
"""

import json
import re
import shutil
import subprocess

RUN_SECONDS = 600
MOST = 400


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


def per_request(program, layers, speech, requests):
    def run(n):
        return instructions([program, "--layers", str(layers), "--requests", str(n),
                             *(["--frames"] if speech == "frames" else [])])
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
