#!/usr/bin/env python3
"""Performs random programs on real Trio, and says what may come of them.

usage: oracle.py SEED COUNT     writes COUNT programs (author.py) and performs each
       oracle.py again ORDERS   performs those that trio_replay printed on standard input

Trio runs those who can run at one time in an order that is drawn. A program is performed in three
orders, and in more if they differ. Prints a line for trio_replay for each program:
  {"prog": the program, "seed": for creche's own order, "ends": [{"trace": [[time, node, what]...],
   "errors": [names, sorted]}...]}
"""
import json
import random
import sys

from author import Author
from stage import TriosFault, perform

AT_LEAST, IF_THEY_DIFFER = 3, 24


def judge(program, seed, orders=None):
    chance = random.Random(seed)
    ends = []
    performed = 0
    while performed < (orders or (AT_LEAST if len(ends) < 2 else IF_THEY_DIFFER)):
        performed += 1
        try:
            trace, errors = perform(program, chance.random())
        except TriosFault:
            continue
        if (end := {"trace": trace, "errors": errors}) not in ends:
            ends.append(end)
    return {"prog": program, "seed": seed, "ends": ends}


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    if sys.argv[1] == "again":
        lines = map(json.loads, sys.stdin)
        judged = (judge(line["prog"], line["seed"], int(sys.argv[2])) for line in lines)
    else:
        chance = random.Random(int(sys.argv[1]))
        judged = (judge(Author(chance).program(), chance.randrange(1, 2**32))
                  for _ in range(int(sys.argv[2])))
    for line in judged:
        print(json.dumps(line, separators=(",", ":")), flush=True)


if __name__ == "__main__":
    main()
