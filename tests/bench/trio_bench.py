#!/usr/bin/python3
"""trio_bench.py: what Trio's tasks cost, in the shapes that creche's are measured in.

    trio_bench.py [--count N]

Prints one JSON line for each measurement; the medians of three rounds.
"""
import argparse
import json
import statistics
import time
import warnings

warnings.simplefilter("ignore")
import trio


async def start_and_finish(count):
    async def nothing():
        pass

    async with trio.open_nursery() as nursery:
        for _ in range(count):
            nursery.start_soon(nothing)


async def cancel_sleeping_with_deadline(count):
    async def sleeper(limit):
        with trio.move_on_after(limit):
            await trio.sleep_forever()

    async with trio.open_nursery() as nursery:
        for i in range(count):
            nursery.start_soon(sleeper, 100 + i * 7919 % 3500)
        await trio.sleep(0)
        await trio.sleep(0)
        nursery.cancel_scope.cancel()


async def checkpoint(count):
    for _ in range(count):
        await trio.lowlevel.checkpoint()


async def deadline_scope(count):
    for _ in range(count):
        with trio.move_on_after(10):
            await trio.lowlevel.checkpoint()


async def channel_64_one_loop(count):
    send, receive = trio.open_memory_channel(64)

    async def sender():
        async with send:
            for i in range(count):
                await send.send(i)

    async with trio.open_nursery() as nursery:
        nursery.start_soon(sender)
        async for _ in receive:
            pass


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=100_000)
    count = parser.parse_args().count
    for what in (checkpoint, deadline_scope, start_and_finish, cancel_sleeping_with_deadline,
                 channel_64_one_loop):
        ns, cpu = [], []
        for _ in range(3):
            began, cpu_began = time.perf_counter_ns(), time.process_time_ns()
            trio.run(what, count)
            ns.append((time.perf_counter_ns() - began) / count)
            cpu.append((time.process_time_ns() - cpu_began) / count)
        print(json.dumps({"what": what.__name__, "ns": round(statistics.median(ns), 1),
                          "cpu_ns": round(statistics.median(cpu), 1), "count": count}), flush=True)


if __name__ == "__main__":
    main()
