#!/usr/bin/env python3
"""How the demo fails and how it ends: restarts, the budget, signals, a bad start.
usage: ending_test.py CRECHE"""

import re
import signal
import subprocess
import sys

from scenario import Demo, Ended, check, check_equal, ends_well, finish, is_refused, many, until

BUDGET = 5


def crash(demo, method="GET"):
    """Waits for the worker to be up, and makes it fail."""
    def asked():
        with demo.connect() as c:
            return c.ask(method, "/crash", close=True).status == 202
    return until(asked)


def restarts(program):
    with Demo(program) as demo:
        r = demo.get("/crash")
        check_equal("/crash", r.status, 202)
        states = []

        def is_back():
            worker = demo.child("worker")
            states.append(worker["state"])
            return worker["restarts"] == 1 and worker["state"] == "running" and worker

        worker = until(is_back)
        check("the worker is restarted", bool(worker), states)
        check_equal("  its failure is shown", worker.get("failure"), "/crash asked for it")
        crash(demo)
        waiting = until(lambda: (w := demo.child("worker"))["state"] == "waiting for restart" and w)
        check("the tree shows that it waits", bool(waiting))
        check("  and for how long", 0 < waiting["restart_in_s"] <= 0.2, waiting)
        r = demo.get("/crash")
        check_equal("/crash while it is down", (r.status, r["Retry-After"]), (503, "1"))
        check("/crash by POST", crash(demo, "POST"))
        for _ in range(BUDGET - 3):
            crash(demo)
        check("it lives on its whole budget", until(
            lambda: (w := demo.child("worker"))["restarts"] == BUDGET and w["state"] == "running"))
        try:
            crash(demo)
        except (Ended, ConnectionError):
            pass  # the end was faster than the answer
        check_equal("past its budget it exits with 1", demo.ended(), 1)
        said = demo.stderr()
        delays = [float(s) for s in re.findall(r"restart \d in ([\d.]+) s", said)]
        doubled = all(0.79 < d / (0.1 * 2**n) < 1.01 for n, d in enumerate(delays))
        check("the waits double, with jitter", len(delays) == BUDGET and doubled, delays)
        check("the chain of failures is printed", re.search(
            r"demo/worker: restart budget exhausted: 5 in 10 s.*\n"
            r" +because demo/worker: /crash asked for it", said), said)


def command(program, *arguments):
    return subprocess.run([program, *arguments], capture_output=True, text=True, timeout=30,
                          check=False)


def bad_starts(program):
    with Demo(program, "--loops", "1") as demo:
        taken = f"127.0.0.1:{demo.port}"
        cases = [(("demo", "--http", taken), "in use"),
                 (("demo", "--http", "192.0.2.1:80"), "192.0.2.1:80"),
                 (("demo", "--http", "localhost:80"), "not numeric"),
                 (("demo", "--http", "127.0.0.1"), "no port"),
                 (("demo", "--http", "127.0.0.1:65536"), "65535"),
                 (("demo", "--loops", "0"), "--loops"),
                 (("demo", "--loops", "many"), "--loops"),
                 *((("demo", f"--timeout={seconds}"), f"--timeout: {seconds} is not")
                   for seconds in ("-1", "0", "0.001", "nan", "-nan", "NAN", "nan(1)", "inf",
                                   "-inf", "infinity", "1e400", "86401", "ten", "10s")),
                 (("demo", "--timeout", "-1"), "--timeout: -1 is not"),
                 (("demo", "--colour"), "--colour"),
                 (("demo", "more"), "more"),
                 (("dmeo",), "dmeo"),
                 ((), "sub-command")]
        for arguments, word in cases:
            p = command(program, *arguments)
            name = " ".join(("creche", *arguments)).replace(taken, "a port in use")
            one_line = p.stderr.count("\n") == 1 and p.stderr.startswith("creche: ")
            check(f"exit 2 and one line: {name}", (p.returncode, p.stdout) == (2, "") and one_line
                  and word in p.stderr, (p.returncode, p.stdout, p.stderr))
        ends_well(demo)
    for arguments, word in [(("--version",), "creche "), (("--help",), "demo"),
                            (("demo", "--help"), "--http ADDR:PORT")]:
        p = command(program, *arguments)
        check(f"creche {' '.join(arguments)}",
              p.returncode == 0 and word in p.stdout and not p.stderr, p)


def begin_echo(clients):
    """A request of which half has come: in flight."""
    for n, c in enumerate(clients):
        c.send(b"POST /echo HTTP/1.1\r\nHost: demo\r\nContent-Length: 8\r\n\r\n%04d" % n)
    for n, c in enumerate(clients):
        c.flight = c.head()
        c.take(4)


def drain(program):
    with Demo(program) as demo, many(demo, 50) as busy, many(demo, 50) as idle:
        for c in idle:
            c.ask("GET", "/hello")
        begin_echo(busy)
        demo.signal(signal.SIGTERM)
        check("draining closes the port", until(lambda: is_refused(demo.port)))
        check("  and idle connections", all(c.is_closed() for c in idle))
        for c in busy:
            c.send(b"done")
        check("  and loses no request in flight", all(c.take(4) == b"done" for c in busy))
        check("  whose connections end then", all(c.is_closed() for c in busy))
        check_equal("  exit 0", demo.ended(), 0)
        check_equal("  and nothing is said", demo.stderr(), "")


def pipelined_drain(program):
    """What was sent before the signal is answered or closed in order; never a half answer."""
    with Demo(program) as demo, many(demo, 20) as clients:
        for c in clients:
            c.send(b"GET /hello HTTP/1.1\r\nHost: demo\r\n\r\n" * 100)
        demo.signal(signal.SIGTERM)
        whole, cut = 0, []
        for c in clients:
            try:
                while (r := c.response()).body == b"hello world\n":
                    whole += 1
                cut.append(r.body)
            except Ended:
                cut += [c.rest] if c.rest else []
        check(f"{whole} of 2000 pipelined answers, each whole", not cut, cut)
        check_equal("  exit 0", demo.ended(), 0)


def hurried(program):
    with Demo(program) as demo, many(demo, 5) as busy:
        begin_echo(busy)
        demo.signal(signal.SIGINT)
        check("SIGINT drains", until(lambda: is_refused(demo.port)))
        check("  and waits for requests", demo.process.poll() is None)
        demo.signal(signal.SIGINT)
        check_equal("the second ends it by the signal", demo.ended(), -signal.SIGINT)
        check("  and connections with it", all(c.is_closed() for c in busy))
    with Demo(program) as demo, many(demo, 5) as busy:
        begin_echo(busy)
        demo.signal(signal.SIGINT)
        until(lambda: is_refused(demo.port))
        demo.signal(signal.SIGSTOP)  # so that it finds two more at once
        demo.signal(signal.SIGINT)
        demo.signal(signal.SIGTERM)
        demo.signal(signal.SIGCONT)
        check_equal("three of them: exit 130", demo.ended(), 130)


def shows_tree(program):
    with Demo(program) as demo:
        demo.signal(signal.SIGUSR1)
        check("SIGUSR1 prints the tree", until(
            lambda: re.search(r"^demo +nursery +open +at most 5 restarts in 10 s\n(  .*\n)*"
                              r"  http +listener", demo.stderr(), re.M)), demo.stderr())
        check_equal("  and it goes on", demo.get("/hello").status, 200)
        ends_well(demo)


def main(program):
    restarts(program)
    bad_starts(program)
    drain(program)
    pipelined_drain(program)
    hurried(program)
    shows_tree(program)
    finish()


main(sys.argv[1])
