"""scenario.py: a running `creche demo`, a client that sees every byte, and checks that are counted.

Nothing here waits for a fixed time: what is expected is looked for until a deadline.
"""

import json
import os
import re
import resource
import select
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager

DEADLINE_SECONDS = 20  # for anything that should happen at once, also under sanitizers
failures = []


def check(name, good, detail=""):
    """One line per check; `detail` is shown when it fails."""
    print(f"{'PASS' if good else 'FAIL'}  {name}" + ("" if good else f": {detail}"), flush=True)
    if not good:
        failures.append(name)
    return good


def check_equal(name, got, wanted):
    shown = f"{got!r:.300}, not {wanted!r:.300}"
    return check(name, got == wanted, shown)


def finish():
    print(f"{len(failures)} failed" if failures else "all passed")
    sys.exit(1 if failures else 0)


def until(condition, seconds=DEADLINE_SECONDS):
    """The first true value of `condition()`, or its last one at the deadline."""
    deadline = time.monotonic() + seconds
    while True:
        value = condition()
        if value or time.monotonic() > deadline:
            return value
        time.sleep(0.005)


def memory_kib(pid):
    """What it holds; 0 under AddressSanitizer, which keeps what is freed and finds leaks."""
    with open(f"/proc/{pid}/status") as f:
        status = f.read()
    size, held = (int(re.search(rf"{name}:\s+(\d+)", status)[1]) for name in ("VmSize", "VmRSS"))
    return 0 if size > 1 << 30 else held  # its shadow is terabytes


class Demo:
    """The server under test, on a port of its own; a context manager that leaves nothing behind."""

    def __init__(self, program, *options, files_most=None):
        def limit():
            if files_most:
                resource.setrlimit(resource.RLIMIT_NOFILE, (files_most, files_most))
        self.said = tempfile.TemporaryFile()  # its standard error
        self.process = subprocess.Popen(
            [program, "demo", "--calm", "--http", "127.0.0.1:0", *options],
            stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=self.said, preexec_fn=limit)
        self.pid = self.process.pid
        ready = select.select([self.process.stdout], [], [], DEADLINE_SECONDS)[0]
        self.first_line = self.process.stdout.readline().decode() if ready else ""
        found = re.fullmatch(r"listening on 127\.0\.0\.1:(\d+)\n", self.first_line)
        if not found:
            self.kill()
            raise RuntimeError(f"it did not begin: {self.first_line!r} {self.stderr()[-500:]!r}")
        self.port = int(found[1])

    def __enter__(self):
        return self

    def __exit__(self, error, *_):
        if error and self.process.poll() is not None:
            print(f"FAIL  it ended with {self.process.poll()}: {self.stderr()[-5000:]}")
        self.kill()
        self.process.stdout.close()
        self.said.close()

    def kill(self):
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()

    def signal(self, number):
        os.kill(self.pid, number)

    def ended(self, seconds=DEADLINE_SECONDS):
        """The exit status (negative: the signal that killed it), or None if it goes on."""
        try:
            return self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            return None

    def stderr(self):
        size = os.fstat(self.said.fileno()).st_size
        return os.pread(self.said.fileno(), size, 0).decode(errors="replace")

    def connect(self, **options):
        return Client(self.port, **options)

    def get(self, path):
        with self.connect() as c:
            return c.ask("GET", path, close=True)

    def tree(self):
        return json.loads(self.get("/tree").body)

    def child(self, name):
        return next((c for c in self.tree()["children"] if c["name"] == name), None)

    def counts(self):
        """What the listener counts: {"open": 1, "accepted": 3, ...}; we are one of them."""
        detail = self.child("http")["detail"]
        return {what: int(n) for n, what in re.findall(r"(\d+) (?:ended )?(\w+)", detail)}

    def files(self):
        return len(os.listdir(f"/proc/{self.pid}/fd"))

    def memory_kib(self):
        return memory_kib(self.pid)


class Response:
    def __init__(self, status, fields, body):
        self.status, self.fields, self.body = status, fields, body

    def __getitem__(self, name):
        return self.fields.get(name.lower(), "")


class Ended(Exception):
    """The peer closed (or reset) where more was due."""


class Client:
    """One connection; reads exactly what belongs to a response."""

    def __init__(self, port, timeout=DEADLINE_SECONDS, receive_bytes=None):
        self.socket = socket.socket()
        self.socket.settimeout(timeout)
        if receive_bytes:
            self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        self.socket.connect(("127.0.0.1", port))
        self.rest = b""

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        self.socket.close()

    def reset(self):
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        self.socket.close()

    def send(self, data):
        self.socket.sendall(data)

    def ask(self, method, path, body=None, fields=(), close=False):
        self.send(request(method, path, body, fields, close))
        return self.response(method)

    def more(self):
        try:
            part = self.socket.recv(1 << 18)
        except ConnectionError as e:
            raise Ended(str(e)) from None
        if not part:
            raise Ended(f"closed after {self.rest[-200:]!r}")
        self.rest += part

    def take(self, n):
        parts, missing = [], n
        while missing > len(self.rest):
            parts.append(self.rest)
            missing -= len(self.rest)
            self.rest = b""
            self.more()
        parts.append(self.rest[:missing])
        self.rest = self.rest[missing:]
        return b"".join(parts)

    def line(self):
        while b"\r\n" not in self.rest:
            self.more()
        line, self.rest = self.rest.split(b"\r\n", 1)
        return line.decode("latin-1")

    def head(self):
        status = re.fullmatch(r"HTTP/1\.1 (\d{3}) .*", self.line())
        fields = {}
        while line := self.line():
            name, value = line.split(": ", 1)
            fields[name.lower()] = value
        return Response(int(status[1]), fields, b"")

    def response(self, method="GET"):
        r = self.head()
        if r.status < 200 or r.status in (204, 304) or method == "HEAD":
            return r
        if r["Transfer-Encoding"] == "chunked":
            while n := int(self.line(), 16):
                r.body += self.take(n)
                self.line()
            self.line()
        elif "content-length" in r.fields:
            r.body = self.take(int(r["Content-Length"]))
        else:
            r.body = self.until_end()
        return r

    def until_end(self):
        """All that is still sent; a reset counts as the end."""
        parts = [self.rest]
        try:
            while part := self.socket.recv(1 << 18):
                parts.append(part)
        except ConnectionError:
            pass
        self.rest = b""
        return b"".join(parts)

    def is_closed(self):
        return self.until_end() == b""


def is_refused(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) != 0


def request(method, path, body=None, fields=(), close=False):
    lines = [f"{method} {path} HTTP/1.1", "Host: demo", *fields]
    if body is not None:
        lines.append(f"Content-Length: {len(body)}")
    if close:
        lines.append("Connection: close")
    return "\r\n".join([*lines, "", ""]).encode() + (body or b"")


def chunked(*pieces):
    return b"".join(b"%x\r\n%s\r\n" % (len(p), p) for p in pieces) + b"0\r\n\r\n"


@contextmanager
def many(demo, n, **options):
    """`n` connections at once."""
    clients = []
    try:
        for _ in range(n):
            clients.append(demo.connect(**options))
        yield clients
    finally:
        for c in clients:
            c.close()


def ends_well(demo):
    """The last check of every server: a signal, the drain, status 0, no failure inside, no word of
    a sanitizer."""
    demo.signal(signal.SIGTERM)
    status = demo.ended()
    said = demo.stderr()
    check("SIGTERM ends it with 0", status == 0, f"{status}; it said: {said[-1500:]}")
    check("no sanitizer said anything", "Sanitizer" not in said and "runtime error" not in said,
          said[-2000:])
    inside = [line for line in said.splitlines() if "[error]" in line]
    check("no layer failed", not inside, inside[:3])
