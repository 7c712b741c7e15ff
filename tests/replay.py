#!/usr/bin/env python3
"""Plays random scripts on what creche is compared with, and on creche, and compares.

usage: replay.py trio|otp REPLAY [COUNT [SEED]]
  REPLAY: the program that reads the oracle's lines: build/<preset>/tests/trio_replay, otp_replay
  COUNT: 2000 programs of Trio, 300 scripts of OTP; SEED: a fresh one, which is printed
Repeat a difference with the seed that was printed.

Who of several can run first is free, so a program of Trio has several ends. What came of it on
creche is looked for among them; where it is missing Trio performs the program in more orders.
"""
import pathlib
import random
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
MORE_ORDERS = [100, 1000, 4000]
MOST_TEXT = 20_000
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
    with tempfile.TemporaryDirectory() as place:
        left = pathlib.Path(place) / "differences"
        oracle = [*command, str(seed), str(count)]
        text, different = replayed(oracle, None, [replay, left], package)
        for orders in MORE_ORDERS if sys.argv[1] == "trio" and different else []:
            lines = left.read_bytes()
            print(text.splitlines()[-1] + f": Trio performs those in {orders} orders", flush=True)
            again = [*command, "again", str(orders)]
            text, different = replayed(again, lines, [replay, left], package)
            if not different:
                break
    print(text if len(text) < MOST_TEXT else text[:MOST_TEXT] + "\n[...]\n" + text[-1000:])
    sys.exit(different)


def replayed(oracle, lines, replay, package):
    """The oracle reads the lines, and the replay what it says: that one's text and exit status."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as said:
        given.write(lines or b"")
        given.seek(0)
        first = subprocess.Popen(oracle, stdin=given, stdout=subprocess.PIPE)
        second = subprocess.run(replay, stdin=first.stdout, stdout=said, check=False)
        first.stdout.close()
        if first.wait() != 0:
            sys.exit(f"the oracle failed: is {package} installed? tools/setup")
        said.seek(0)
        return said.read().decode(), second.returncode


if __name__ == "__main__":
    main()
