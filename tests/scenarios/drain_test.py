#!/usr/bin/env python3
"""A drain loses no request: a thousand in flight, in every phase that a request has, and a SIGTERM.
Also while the worker waits for its restart, and is started again. usage: drain_test.py CRECHE"""

import itertools
import resource
import shutil
import signal
import subprocess
import sys

from scenario import Demo, Ended, check, check_equal, finish, is_refused, many, until

HALF, SILENT, UNREAD, CURLS = 500, 300, 160, 40  # a thousand
BIG = b"0123456789abcdef" * 4096


def allow_files(wanted):
    """For us, and for the server, which inherits it."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(wanted, most), most))


def post(body_size):
    return b"POST /echo HTTP/1.1\r\nHost: demo\r\nContent-Length: %d\r\n\r\n" % body_size


class Curl:
    """Uploads what it is given, and prints what comes back; it decides itself what is an error."""

    def __init__(self, port):
        self.process = subprocess.Popen(
            ["curl", "-sS", "-N", "-m", "60", "-T", "-", f"http://127.0.0.1:{port}/echo"],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)

    def begin(self):
        self.process.stdin.write(b"begun ")
        self.process.stdin.flush()

    def end(self):
        out, said = self.process.communicate(b"and ended", timeout=60)
        return self.process.returncode, out, said

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()


def outcome(client, wanted):
    """What became of a request: None if all is well. Closes the connection, as a client does: for
    those who do not, the server lingers."""
    try:
        body = client.response().body if not hasattr(client, "flight") else client.take(len(wanted))
        if body != wanted:
            return f"other bytes: {body[:40]!r}"
        return None if client.is_closed() else "more than the answer"
    except (Ended, OSError, TypeError, ValueError) as e:
        return repr(e)
    finally:
        client.close()


def thousand(program):
    curls = []
    with Demo(program) as demo, many(demo, HALF) as half, many(demo, SILENT) as silent, \
            many(demo, UNREAD) as unread:
        before, looks = demo.counts()["requests"], itertools.count(1)

        def begun():  # beside those that ask how many there are
            return demo.counts()["requests"] - before - next(looks)

        try:
            if shutil.which("curl"):
                curls += [Curl(demo.port) for _ in range(CURLS)]
            else:
                print("SKIP  curl is not installed")
            for c in curls:
                c.begin()
            for c in half:  # its answer has begun
                c.send(post(8) + b"half")
            for c in silent:  # not one byte of body, nor of an answer
                c.send(post(4))
            for c in unread:  # the answer is on its way, and nobody reads it
                c.send(post(len(BIG)) + BIG)
            for c in half:
                c.flight = c.head()
                c.take(4)
            wanted = HALF + SILENT + UNREAD + len(curls)
            check(f"{wanted} requests have begun", until(lambda: begun() >= wanted))

            demo.signal(signal.SIGTERM)
            check("the port is closed", until(lambda: is_refused(demo.port)))
            check("the server waits for them", demo.process.poll() is None)
            for c in half:
                c.send(b"done")
            for c in silent:
                c.send(b"body")
            lost = [o for c in half if (o := outcome(c, b"done"))]
            check(f"{HALF} answers that had begun are whole", not lost, lost[:3])
            lost = [o for c in silent if (o := outcome(c, b"body"))]
            check(f"{SILENT} that had not begun are whole", not lost, lost[:3])
            lost = [o for c in unread if (o := outcome(c, BIG))]
            check(f"{UNREAD} that nobody had read are whole", not lost, lost[:3])
            ends = [c.end() for c in curls]
            lost = [end for end in ends if end != (0, b"begun and ended", b"")]
            check(f"{len(curls)} times curl: exit 0 and all bytes", not lost, lost[:3])
            check_equal("exit 0", demo.ended(), 0)
            check_equal("nothing is said", demo.stderr(), "")
        finally:
            for c in curls:
                c.kill()


def backlog(program):
    """Whom the kernel has accepted is served: connected and sent when the server could not look."""
    with Demo(program) as demo:
        demo.signal(signal.SIGSTOP)
        with many(demo, 100) as clients:
            for c in clients:
                c.send(b"GET /hello HTTP/1.1\r\nHost: demo\r\n\r\n")
            demo.signal(signal.SIGTERM)
            demo.signal(signal.SIGCONT)
            lost = [o for c in clients if (o := outcome(c, b"hello world\n"))]
            check("100 that wait in the kernel's queue are served", not lost, lost[:3])
        check_equal("  exit 0", demo.ended(), 0)


def while_restarting(program):
    """The first wait is 0.08 to 0.1 s: the rounds come to its begin, middle, end and after it."""
    for rounds in (0, 1, 10, 100, 200):
        with Demo(program) as demo, many(demo, 20) as busy:
            for c in busy:
                c.send(post(8) + b"half")
                c.flight = c.head()
                c.take(4)
            check_equal(f"a crash, {rounds} looks later SIGTERM", demo.get("/crash").status, 202)
            until(lambda: demo.child("worker").get("failure"))
            for _ in range(rounds):
                worker = demo.child("worker")
            demo.signal(signal.SIGTERM)
            check("  the port is closed", until(lambda: is_refused(demo.port)))
            for c in busy:
                c.send(b"done")
            lost = [o for c in busy if (o := outcome(c, b"done"))]
            check("  no request is lost", not lost, lost[:3])
            check_equal("  exit 0", demo.ended(), 0)
            check("  the worker failed once", demo.stderr().count("failed:") == 1, demo.stderr())


def while_waiting_long(program):
    """Four crashes: it waits 0.64 s at least. A stop waits for no restart."""
    with Demo(program) as demo:
        for n in range(4):
            until(lambda: demo.get("/crash").status == 202)
            until(lambda n=n: (w := demo.child("worker"))["restarts"] >= n and w.get("failure")
                  and (n < 3 or w["state"] == "waiting for restart"))
        demo.signal(signal.SIGTERM)
        check_equal("a stop during a long backoff: exit 0", demo.ended(), 0)
        check_equal("  it was not started again", demo.stderr().count("failed:"), 4)


def main(program):
    allow_files(4096)
    thousand(program)
    backlog(program)
    while_restarting(program)
    while_waiting_long(program)
    finish()


main(sys.argv[1])
