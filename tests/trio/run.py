#!/usr/bin/env python3
"""Plays random programs on real Trio and on creche, and compares.

usage: run.py TRIO_REPLAY [COUNT [SEED]]    COUNT: 2000; SEED: a fresh one, which is printed
Repeat a difference with the seed that was printed.
"""
import pathlib
import random
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
PYTHON = "/usr/bin/python3"  # Debian's, which has python3-trio


def main():
    if not 2 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    replay = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 2000
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.SystemRandom().randrange(10**9)
    print(f"seed {seed}, {count} programs", flush=True)
    oracle = subprocess.Popen(
        [PYTHON, str(HERE / "oracle.py"), str(seed), str(count)], stdout=subprocess.PIPE
    )
    replayed = subprocess.run([replay], stdin=oracle.stdout, check=False)
    oracle.stdout.close()
    if oracle.wait() != 0:
        sys.exit("the oracle failed: is python3-trio installed? tools/setup")
    sys.exit(replayed.returncode)


if __name__ == "__main__":
    main()
