#!/usr/bin/env python3
"""Makes programs that differ as small as they can be.

usage: shrink.py REPLAY < DIFFERENCES
  REPLAY: build/<preset>/tests/trio_replay; DIFFERENCES: the file that it wrote
"""
import json
import subprocess
import sys
import tempfile

from oracle import judge

ORDERS = 48
TIMED = ["raise", "cancel", "shield", "deadline", "set", "spawn", "started"]


def is_node(x):
    return isinstance(x, list) and x and isinstance(x[0], str)


def smaller(node):
    """What a node may be replaced by, the smallest first."""
    for part in node[1:]:
        if is_node(part):
            yield part
        elif isinstance(part, list):
            yield from part
    for i, part in enumerate(node):
        if i == 0 or i == 1 and isinstance(part, int):
            continue
        if isinstance(part, list) and not is_node(part):
            for k in range(len(part)):
                if len(part) > 1 or node[0] == "nursery":
                    yield [*node[:i], part[:k] + part[k + 1:], *node[i + 1:]]
            for k, inner in enumerate(part):
                for other in smaller(inner):
                    yield [*node[:i], part[:k] + [other] + part[k + 1:], *node[i + 1:]]
        elif is_node(part):
            for other in smaller(part):
                yield [*node[:i], other, *node[i + 1:]]
            if part[0] != "sleep":
                yield [*node[:i], ["sleep", 0, 0], *node[i + 1:]]
        elif part is True:
            yield [*node[:i], False, *node[i + 1:]]
        elif i == 2 and part is not None and node[0] in TIMED:
            yield [*node[:i], None, *node[i + 1:]]


def differing(replay, lines):
    with tempfile.NamedTemporaryFile("r") as out:
        text = "".join(json.dumps(line) + "\n" for line in lines)
        done = subprocess.run([replay, out.name], input=text, text=True, stdout=subprocess.PIPE)
        return [json.loads(line) for line in out], done.stdout


def shrink(replay, line):
    while True:
        others = [p for p in smaller(line["prog"]) if p[0] == "nursery"]
        for begin in range(0, len(others), 12):
            judged = [judge(p, line["seed"], ORDERS) for p in others[begin: begin + 12]]
            found, _ = differing(replay, judged)
            if found:
                line = found[0]
                break
        else:
            return line


def main():
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    for text in sys.stdin:
        line = shrink(sys.argv[1], json.loads(text))
        print(differing(sys.argv[1], [line])[1].split("\nnever")[0], flush=True)


if __name__ == "__main__":
    main()
