#!/usr/bin/env python3
"""Plays random scripts on what creche is compared with, and on creche, and compares.

usage: replay.py trio|otp REPLAY [COUNT [SEED]]
  REPLAY: the program that reads the oracle's lines: build/<preset>/tests/trio_replay, otp_replay
  COUNT: 2000 programs of Trio, 300 scripts of OTP; SEED: a fresh one, which is printed
Repeat a difference with the seed that was printed.
"""
import pathlib
import random
import subprocess
import sys

HERE = pathlib.Path(__file__).parent
ORACLES = {  # the command, how many, of what, and the package without which it fails
    # Debian's python, which has python3-trio
    "trio": (["/usr/bin/python3", HERE / "trio" / "oracle.py"], 2000, "programs", "python3-trio"),
    "otp": (["escript", HERE / "otp" / "oracle.escript"], 300, "scripts", "erlang-base"),
}


def main():
    if not 3 <= len(sys.argv) <= 5 or sys.argv[1] not in ORACLES:
        sys.exit(__doc__)
    command, usual, what, package = ORACLES[sys.argv[1]]
    replay = sys.argv[2]
    count = int(sys.argv[3]) if len(sys.argv) > 3 else usual
    seed = int(sys.argv[4]) if len(sys.argv) > 4 else random.SystemRandom().randrange(10**9)
    print(f"seed {seed}, {count} {what}", flush=True)
    oracle = subprocess.Popen([*command, str(seed), str(count)], stdout=subprocess.PIPE)
    replayed = subprocess.run([replay], stdin=oracle.stdout, check=False)
    oracle.stdout.close()
    if oracle.wait() != 0:
        sys.exit(f"the oracle failed: is {package} installed? tools/setup")
    sys.exit(replayed.returncode)


if __name__ == "__main__":
    main()
