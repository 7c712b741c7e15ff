#!/usr/bin/env python3
"""Plays random scripts on OTP's supervisor and on creche, and compares.

usage: run.py OTP_REPLAY [COUNT [SEED]]    COUNT: 300; SEED: a fresh one, which is printed
Repeat a difference with the seed that was printed.
"""
import pathlib
import random
import subprocess
import sys

HERE = pathlib.Path(__file__).parent

def main():
    if not 2 <= len(sys.argv) <= 4:
        sys.exit(__doc__)
    replay = sys.argv[1]
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 300
    seed = int(sys.argv[3]) if len(sys.argv) > 3 else random.SystemRandom().randrange(10**9)
    print(f"seed {seed}, {count} scripts", flush=True)
    oracle = subprocess.Popen(
        ["escript", str(HERE / "oracle.escript"), str(seed), str(count)], stdout=subprocess.PIPE
    )
    replayed = subprocess.run([replay], stdin=oracle.stdout, check=False)
    oracle.stdout.close()
    if oracle.wait() != 0:
        sys.exit("the oracle failed: is erlang-base installed? tools/setup")
    sys.exit(replayed.returncode)


if __name__ == "__main__":
    main()
