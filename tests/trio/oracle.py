#!/usr/bin/env python3
"""Runs random nursery and cancel-scope programs on real Trio, under its virtual clock.

usage: oracle.py SEED COUNT    prints COUNT lines for trio_replay:
  {"prog": the program, "trace": [[virtual time, leaf, what happened]...], "top": [errors, sorted]}

A program is a tree of
  ["sleep", id, t]  ["raise", id, t]     sleeps t, then ends or raises Boom(id)
  ["cancel_nursery", id, t]              cancels the innermost nursery after t
  ["cleanup", id, t, u, shielded]        sleeps t; however that ends, sleeps u
  ["seq", [node...]]
  ["scope", deadline or null, shielded, node]
  ["nursery", [child...], body]
Times are whole microseconds; no two things happen at once but by cancelling, and the order of those
has no meaning.
"""
import json
import random
import sys
import warnings

warnings.simplefilter("ignore")  # Trio 0.22 warns that its MultiError will go
import trio
import trio.testing

LEAVES = ["sleep", "sleep", "raise", "cleanup"]
NODES = ["sleep", "raise", "cancel_nursery", "cleanup", "seq"] + 2 * ["nursery", "scope"]


class Boom(Exception):
    pass


class Author:
    """Writes one program."""

    def __init__(self, chance):
        self.chance = chance
        microseconds = chance.sample(range(10**6, 10**9), 400)  # no two sums meet, but by a miracle
        self.times = [t / 10**6 for t in microseconds]
        self.ids = 0

    def time(self):
        return self.times.pop()

    def leaf(self, kind):
        self.ids += 1
        if kind == "cleanup":
            return [kind, self.ids, self.time(), self.time(), self.chance.random() < 0.5]
        return [kind, self.ids, self.time()]

    def node(self, depth, in_nursery):
        kind = self.chance.choice(NODES if depth else LEAVES)
        if kind == "cancel_nursery" and not in_nursery:
            kind = "sleep"
        if kind == "seq":
            return [kind, self.nodes(2, 3, depth - 1, in_nursery)]
        if kind == "scope":
            deadline = self.time() if self.chance.random() < 0.7 else None
            return [kind, deadline, self.chance.random() < 0.4, self.node(depth - 1, in_nursery)]
        if kind == "nursery":
            return self.nursery(depth)
        return self.leaf(kind)

    def nodes(self, least, most, depth, in_nursery):
        return [self.node(depth, in_nursery) for _ in range(self.chance.randint(least, most))]

    def nursery(self, depth):
        return ["nursery", self.nodes(1, 3, depth - 1, True), self.node(depth - 1, True)]


class Stage:
    """Plays one program on Trio."""

    def __init__(self):
        self.trace = []
        self.start = trio.current_time()

    def note(self, leaf, what):
        self.trace.append([round(trio.current_time() - self.start, 6), leaf, what])

    async def wait(self, leaf, t, done, stopped):
        try:
            await trio.sleep(t)
        except trio.Cancelled:
            self.note(leaf, stopped)
            raise
        self.note(leaf, done)

    async def play(self, node, innermost):
        kind = node[0]
        if kind == "sleep":
            await self.wait(node[1], node[2], "done", "cancelled")
        elif kind == "raise":
            await self.wait(node[1], node[2], "raise", "cancelled")
            raise Boom(node[1])
        elif kind == "cancel_nursery":
            await self.wait(node[1], node[2], "cancel_nursery", "cancelled")
            innermost.cancel_scope.cancel()
        elif kind == "cleanup":
            try:
                await self.wait(node[1], node[2], "done", "cancelled")
            finally:
                with trio.CancelScope(shield=node[4]):
                    await self.wait(node[1], node[3], "cleanup-done", "cleanup-cancelled")
        elif kind == "seq":
            for part in node[1]:
                await self.play(part, innermost)
        elif kind == "scope":
            deadline = float("inf") if node[1] is None else trio.current_time() + node[1]
            with trio.CancelScope(deadline=deadline, shield=node[2]) as scope:
                await self.play(node[3], innermost)
            self.note("scope", "caught" if scope.cancelled_caught else "passed")
        elif kind == "nursery":
            async with trio.open_nursery() as nursery:
                for child in node[1]:
                    nursery.start_soon(self.play, child, nursery)
                await self.play(node[2], nursery)


def errors_in(error):
    if hasattr(error, "exceptions"):
        return [name for inner in error.exceptions for name in errors_in(inner)]
    return [f"Boom{error}" if isinstance(error, Boom) else type(error).__name__]


def judge(program):
    stage = None

    async def main():
        nonlocal stage
        stage = Stage()
        await stage.play(program, None)

    clock = trio.testing.MockClock(autojump_threshold=0)
    try:
        trio.run(main, clock=clock, strict_exception_groups=True)
        errors = []
    except BaseException as error:
        errors = sorted(errors_in(error))
    return {"prog": program, "trace": stage.trace, "top": errors}


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__)
    chance = random.Random(int(sys.argv[1]))
    for _ in range(int(sys.argv[2])):
        program = Author(chance).nursery(chance.choice([3, 4, 4, 5]))
        print(json.dumps(judge(program), separators=(",", ":")))


if __name__ == "__main__":
    main()
