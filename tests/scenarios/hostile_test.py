#!/usr/bin/env python3
"""What bad input does to the demo: the right status, or a close that is counted; nothing else.
usage: hostile_test.py CRECHE [--seed N] [--rounds N]"""

import argparse
import random
import socket
import sys
import threading
import time

from hostile_mix import hostile_client
from scenario import (Demo, Ended, check, check_equal, chunked, ends_well, finish, many, request,
                      until)

MIB = 1 << 20
SHORT = ("--timeout", "0.3")

HOST = b"Host: demo\r\n"
POST = b"POST /echo HTTP/1.1\r\n" + HOST
# what is sent, the status of the answer, after which the connection ends
REFUSED = [
    ("garbage", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03" * 20 + b"\r\n\r\n", 400),
    ("zeros", b"\0" * 100, 400),
    ("no HTTP at all", b"HELO mail.example\r\n\r\n", 400),
    ("a bad method", b"G@T / HTTP/1.1\r\n" + HOST + b"\r\n", 400),
    ("HTTP/2's preface", b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
    ("an old version", b"GET / HTTP/0.9\r\n\r\n", 505),
    ("no host", b"GET / HTTP/1.1\r\n\r\n", 400),
    ("two hosts", b"GET / HTTP/1.1\r\n" + HOST + HOST + b"\r\n", 400),
    ("bare line feeds", b"GET / HTTP/1.1\nHost: demo\n\n", 400),
    ("a folded field", b"GET / HTTP/1.1\r\n" + HOST + b"A: b\r\n c\r\n\r\n", 400),
    ("a space before the colon", b"GET / HTTP/1.1\r\n" + HOST + b"A : b\r\n\r\n", 400),
    ("a zero in a value", b"GET / HTTP/1.1\r\n" + HOST + b"A: b\0c\r\n\r\n", 400),
    ("a long target", b"GET /" + b"a" * 9000 + b" HTTP/1.1\r\n", 414),
    ("an endless target", b"GET /" + b"a" * 200_000, 414),
    ("many fields", b"GET / HTTP/1.1\r\n" + HOST + b"A: b\r\n" * 200 + b"\r\n", 431),
    ("a large head", b"GET / HTTP/1.1\r\n" + HOST + b"A: " + b"b" * 40_000 + b"\r\n\r\n", 431),
    ("length and coding", POST + b"Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
    ("coding and length", POST + b"Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n", 400),
    ("two lengths", POST + b"Content-Length: 5\r\nContent-Length: 6\r\n\r\n", 400),
    ("a list of lengths", POST + b"Content-Length: 5, 5\r\n\r\n", 400),
    ("a negative length", POST + b"Content-Length: -1\r\n\r\n", 400),
    ("a signed length", POST + b"Content-Length: +5\r\n\r\n", 400),
    ("a hexadecimal length", POST + b"Content-Length: 0x5\r\n\r\n", 400),
    ("an overflowing length", POST + b"Content-Length: 18446744073709551617\r\n\r\n", 400),
    ("a very long length", POST + b"Content-Length: " + b"9" * 1000 + b"\r\n\r\n", 400),
    ("an empty length", POST + b"Content-Length:\r\n\r\n", 400),
    ("another coding", POST + b"Transfer-Encoding: gzip, chunked\r\n\r\n", 501),
    ("chunked not last", POST + b"Transfer-Encoding: chunked, gzip\r\n\r\n", 400),
    ("chunked twice", POST + b"Transfer-Encoding: chunked, chunked\r\n\r\n", 400),
    ("a strange expectation", POST + b"Expect: a-miracle\r\nContent-Length: 1\r\n\r\n", 417),
]
CHUNKED = POST + b"Transfer-Encoding: chunked\r\n\r\n"
BAD_CHUNKS = [
    ("no number", b"xyz\r\n"),
    ("a negative size", b"-1\r\nabc\r\n"),
    ("an overflowing size", b"10000000000000000\r\nabc"),
    ("a size of many digits", b"0" * 100 + b"1\r\na\r\n"),
    ("no end", b"3\r\nabcd\r\n"),
    ("a bare line feed", b"3\nabc\n0\n\n"),
    ("a bad trailer", b"0\r\nbad trailer\r\n\r\n"),
]
SMUGGLED = request("GET", "/smuggled")


def refusals(demo):
    before = demo.counts().get("refused", 0)
    for name, bytes_sent, status in REFUSED:
        with demo.connect() as c:
            try:
                c.send(bytes_sent + SMUGGLED)
                r = c.response()
                good = r.status == status and r["Connection"] == "close" and c.is_closed()
                check(f"{name}: {status} and the end", good, (r.status, r.fields, c.rest))
            except (Ended, OSError) as e:
                check(f"{name}: {status} and the end", False, repr(e))
    for name, bytes_sent in BAD_CHUNKS:
        with demo.connect() as c:  # the first chunk is good: the echo has begun
            c.send(CHUNKED + b"4\r\ngood\r\n")
            c.head()
            c.send(bytes_sent + SMUGGLED)
            got = c.until_end()
            good = b"HTTP/1.1" not in got and not got.endswith(b"0\r\n\r\n")
            check(f"in a chunk, {name}: the echo is cut", good, got)
        with demo.connect() as c:
            c.send(CHUNKED + bytes_sent + SMUGGLED)
            got = c.until_end()
            check("  as the first one: 400, or cut",
                  got.count(b"HTTP/1.1") == 1 and b"404" not in got, got)
    sent = len(REFUSED)
    check("refusals are counted", demo.counts().get("refused", 0) - before >= sent, demo.counts())


def silence(program):
    """Half a request, and then nothing."""
    with Demo(program, *SHORT) as demo:
        cases = [("half a request line", b"GET /hel", 408),
                 ("half a head", b"GET /hello HTTP/1.1\r\nHost: de", 408),
                 ("a body that never comes", POST + b"Content-Length: 5\r\n\r\n", 408),
                 ("chunks that never come", CHUNKED, 408),
                 ("nothing", b"", None)]
        with many(demo, len(cases)) as clients:
            for c, (_, bytes_sent, _) in zip(clients, cases):
                c.send(bytes_sent)
            for c, (name, _, status) in zip(clients, cases):
                if status:
                    check_equal(f"{name}: {status}", c.response().status, status)
                check(f"{name}: the end", c.is_closed())
        with demo.connect() as c:
            c.send(POST + b"Content-Length: 10\r\n\r\nhalf,")
            c.head()
            check_equal("half a body: the echo is cut", c.until_end(), b"half,")
        with demo.connect() as c:
            c.send(POST + b"Content-Length: 10\r\n\r\nhalf,")
            c.socket.shutdown(socket.SHUT_WR)
            check("half a body, then the end of it: no whole answer",
                  not c.until_end().endswith(b"half,\r\n0\r\n\r\n"))
        check("each is counted as timeout",
              until(lambda: demo.counts().get("timeout", 0) >= len(cases) + 1), demo.counts())
        ends_well(demo)


def trickling(program):
    """Never silent for long, and never fast enough: 1 KiB a second is the least."""
    with Demo(program, "--timeout", "1") as demo:
        with many(demo, 20) as clients:
            for c in clients:
                c.send(b"POST /hello HTTP/1.1\r\n" + HOST + b"Content-Length: 5000\r\n\r\n")

            def drip():
                for c in clients:
                    try:
                        c.send(b"x")
                    except OSError:
                        pass  # it is over
                time.sleep(0.1)
                return demo.counts().get("timeout", 0) == len(clients)
            check("bodies that drip are cut off", until(drip), demo.counts())
        with many(demo, 20, receive_bytes=4096) as clients:
            for c in clients:
                c.send(request("GET", "/") * 1000)  # answers of megabytes

            def sip():
                for c in clients:
                    try:
                        c.socket.recv(50)
                    except OSError:
                        pass
                time.sleep(0.1)
                return demo.counts().get("timeout", 0) == 2 * len(clients)
            check("and readers that sip", until(sip), demo.counts())
        check_equal("the service goes on", demo.get("/hello").status, 200)
        ends_well(demo)


def dripping(demo):
    with demo.connect() as c:
        for byte in request("POST", "/echo", b"drip") + CHUNKED + chunked(b"drop"):
            c.send(bytes([byte]))
        check_equal("byte by byte", [c.response().body, c.response().body], [b"drip", b"drop"])


def never_reads(program):
    """The kernel's buffers fill, then the server stops reading, and at last it gives up."""
    with Demo(program, "--timeout", "1") as demo:
        before = demo.memory_kib()
        with many(demo, 8, receive_bytes=4096) as clients:
            def pour(c):
                try:
                    c.send(POST + b"Content-Length: %d\r\n\r\n" % (256 * MIB))
                    while True:
                        c.send(b"x" * MIB)
                except OSError:
                    pass  # cut: that is what we want
            threads = [threading.Thread(target=pour, args=(c,)) for c in clients]
            for t in threads:
                t.start()
            most = 0
            for t in threads:
                while t.is_alive():
                    t.join(0.05)
                    most = max(most, demo.memory_kib())
            grown = most - before
            check("clients that never read are cut off",
                  until(lambda: demo.counts().get("timeout", 0) == len(clients)), demo.counts())
            check("  and cost little", grown < 24 * 1024, f"{grown} KiB")
        with demo.connect() as c:
            c.send(request("GET", "/") * 5000)  # answers of 40 MiB
            c.socket.shutdown(socket.SHUT_WR)
            check("nor one that asks for much", until(
                lambda: demo.counts().get("timeout", 0) == len(clients) + 1), demo.counts())
        ends_well(demo)


def out_of_files(program):
    """More connections than descriptors: it waits, and goes on when there are some again."""
    with Demo(program, files_most=256) as demo, demo.connect() as first:
        with many(demo, 8) as clients:  # every loop has opened what it keeps
            for c in clients:
                c.ask("GET", "/hello")
        until(lambda: demo.counts()["open"] == 2)
        files = demo.files()
        ask = lambda: first.ask("GET", "/tree").body.decode()
        with many(demo, 400) as clients:
            check("it takes a pause when it has no descriptors", until(lambda: " pauses" in ask()),
                  ask()[-500:])
            check_equal("  and serves the others", first.ask("GET", "/hello").status, 200)
            for c in clients[:200]:
                c.close()
            served = [c.ask("GET", "/hello").status for c in clients[200:]]
            check_equal("  and those that waited, later", served, [200] * 200)
        check("all descriptors come back", until(lambda: demo.files() <= files),
              f"{demo.files()}, {files} before")
        first.close()
        ends_well(demo)


def full(program):
    with Demo(program, "--connections", "10") as demo, many(demo, 30) as clients:
        for c in clients:
            c.send(request("GET", "/hello", close=True))
        got = [c.response().status for c in clients]
        check_equal("30 clients, 10 at a time", got, [200] * 30)
    with Demo(program, "--connections", "10", *SHORT) as demo, many(demo, 30) as clients:
        clients[-1].send(request("GET", "/hello"))
        check_equal("the idle ones make room", clients[-1].response().status, 200)


def mix(demo, seed, rounds):
    """Many kinds of harm at once; every answer must belong to its request."""
    print(f"seed {seed}: repeat with --seed {seed} --rounds {rounds}")
    wrong, done = [], []

    def work(n):
        chance = random.Random(f"{seed}/{n}")
        for i in range(rounds):
            try:
                done.append(hostile_client(demo, chance, f"{n}.{i}", wrong))
            except Exception as e:  # an error of ours would end the thread in silence
                wrong.append(f"{n}.{i}: {e!r}")

    threads = [threading.Thread(target=work, args=(n,)) for n in range(4)]
    for t in threads:
        t.start()
    for t in threads:
        t.join()
    check(f"{len(done)} hostile connections, {sum(done)} answers: each is the right one",
          not wrong and sum(done) > rounds, wrong[:5])


def main():
    options = argparse.ArgumentParser()
    options.add_argument("program")
    options.add_argument("--seed", type=int, default=random.randrange(1 << 32))
    options.add_argument("--rounds", type=int, default=300)
    o = options.parse_args()
    with Demo(o.program, "--loops", "2") as demo:
        refusals(demo)
        dripping(demo)
        mix(demo, o.seed, o.rounds)
        files, memory = demo.files(), demo.memory_kib()
        mix(demo, o.seed + 1, o.rounds)
        check("all connections are gone", until(lambda: demo.counts()["open"] == 1), demo.counts())
        check("and their descriptors", until(lambda: demo.files() <= files), demo.files())
        grown = demo.memory_kib() - memory
        check("the second time takes no more memory", grown < 16 * 1024, f"{grown} KiB")
        check_equal("the worker knows nothing of it", demo.child("worker")["state"], "running")
        ends_well(demo)
    silence(o.program)
    trickling(o.program)
    never_reads(o.program)
    out_of_files(o.program)
    full(o.program)
    finish()


if __name__ == "__main__":
    sys.exit(main())
