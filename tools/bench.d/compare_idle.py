"""compare_idle.py: what an idle connection costs a server, beside the same of others."""

import contextlib
import json
import os
import re
import resource
import socket
import tempfile
import time
from statistics import median

import compare_http
from server import family_of

REQUEST = b"GET /hello HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
SETTLE_SECONDS = 1


def options(parser):
    parser.add_argument("--connections", type=int, default=10_000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--only", default="creche,nginx,beast", help="which, by commas")
    parser.add_argument("--creche", metavar="COMMAND", help="instead of the built creche demo")
    parser.add_argument("--beast", metavar="COMMAND", help="instead of the built beast_server")


def private_kib(pids):
    """Resident memory that no file stands behind, and that is not shared."""
    total = 0
    for pid in pids:
        with open(f"/proc/{pid}/smaps_rollup") as f:
            text = f.read()
        total += int(re.search(r"^Private_Dirty:\s+(\d+)", text, re.M)[1])
    return total


def grown_by(server, connections):
    """Bytes for each connection that has asked once and is silent since."""
    pids = family_of(server._process.pid)
    before = private_kib(pids)
    with contextlib.ExitStack() as stack:
        clients = []
        for n in range(connections):
            # addresses of their own: one has not so many ports
            c = socket.socket()
            stack.callback(c.close)
            c.bind((f"127.0.0.{2 + n // 5000}", 0))
            c.connect(("127.0.0.1", server.port))
            c.sendall(REQUEST)
            clients.append(c)
        for c in clients:
            c.settimeout(20)
            if not c.recv(4096).startswith(b"HTTP/1.1 200 "):
                raise RuntimeError(f"{server.name} answered otherwise")
        time.sleep(SETTLE_SECONDS)
        return (private_kib(pids) - before) * 1024 / connections


def run(args, root):
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = args.connections + 200
    if hard != resource.RLIM_INFINITY and hard < wanted:
        raise RuntimeError(f"{wanted} descriptors are needed, {hard} are allowed: ulimit -n")
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, wanted), hard))
    for name in args.only.split(","):
        if name not in compare_http.STARTERS:
            raise RuntimeError(f"no server is called {name}: {', '.join(compare_http.STARTERS)}")
        each = []
        for _ in range(args.rounds):  # a fresh server: memory that was used once is kept
            with tempfile.TemporaryDirectory(prefix="creche_bench_") as scratch:
                server = compare_http.STARTERS[name](args, scratch)
                try:
                    each.append(grown_by(server, args.connections))
                finally:
                    server.stop()
        line = {"server": name, "connections": args.connections,
                "bytes_each": round(median(each)), "min": round(min(each)), "max": round(max(each))}
        if name == "creche":
            line["goal"], line["met"] = 2560, median(each) <= 2560
        print(json.dumps(line), flush=True)
