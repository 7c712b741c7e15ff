#!/usr/bin/env python3
"""`creche cat` as a pipe between files, sockets and TLS. usage: cat_test.py CRECHE"""

import fcntl
import os
import re
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import contextmanager

from scenario import DEADLINE_SECONDS, check, check_equal, finish, memory_kib, until

PROGRAM = sys.argv[1]


class Cat(subprocess.Popen):
    """One that runs, and its standard error."""

    def __init__(self, *arguments, **options):
        self.said = tempfile.TemporaryFile()
        settings = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, "stderr": self.said}
        super().__init__([PROGRAM, "cat", *arguments], **(settings | options))

    def text(self):
        size = os.fstat(self.said.fileno()).st_size
        return os.pread(self.said.fileno(), size, 0).decode(errors="replace")

    def address(self):
        """Where it listens."""
        found = until(lambda: re.search(r"listening on (.+)\n", self.text()))
        return found[1] if found else None

    def port(self):
        return int(self.address().rsplit(":", 1)[1])

    def status(self):
        try:
            return self.wait(DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            return "still running"

    def done(self, data=b""):
        """All that it writes when it is given this, and its status."""
        try:
            out = self.communicate(data, DEADLINE_SECONDS)[0]
        except subprocess.TimeoutExpired:
            return "still running", b""
        return self.returncode, out

    def __exit__(self, *_):
        if self.poll() is None:
            self.kill()
        for file in (self.stdin, self.stdout):
            if file:
                try:
                    file.close()
                except BrokenPipeError:
                    pass
        self.wait()


@contextmanager
def server(serve):
    """At a port of its own; one connection is given to `serve`."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(DEADLINE_SECONDS)

    def accept():
        peer, _ = listening.accept()
        peer.settimeout(DEADLINE_SECONDS)
        with peer:
            serve(peer)

    thread = threading.Thread(target=accept)
    thread.start()
    try:
        yield f"tcp(127.0.0.1:{listening.getsockname()[1]})"
    finally:
        thread.join()
        listening.close()


def read_all(peer):
    parts = []
    while part := peer.recv(1 << 16):
        parts.append(part)
    return b"".join(parts)


def after_the_end(peer):
    peer.sendall(b"heard " + read_all(peer))


def both_ways(folder):
    with server(after_the_end) as at, Cat(at) as cat:
        check_equal("an end is passed on, and the answer comes back",
                    cat.done(b"question"), (0, b"heard question"))
    large = os.urandom(20_000_000)
    path = os.path.join(folder, "large")
    with open(path, "wb") as f:
        f.write(large)
    copy = os.path.join(folder, "copy")
    with server(after_the_end) as at, open(path, "rb") as f, open(copy, "wb") as to, \
            Cat(at, "--count", stdin=f, stdout=to) as cat:
        check_equal("from a file to a file", cat.status(), 0)
        check("--count tells how much", "20000006 bytes from tcp" in cat.text() and
              "20000000 bytes from stdio" in cat.text(), cat.text())
    with open(copy, "rb") as f:
        check("every byte is there", f.read() == b"heard " + large)
    with server(after_the_end) as at, Cat(at, stdin=subprocess.DEVNULL) as cat:
        check_equal("/dev/null is at its end", cat.done(None), (0, b"heard "))
    with server(lambda peer: peer.sendall(b"said " + peer.recv(3))) as at, \
            Cat(at, "--wait", "0.1") as cat:
        cat.stdin.write(b"one")
        cat.stdin.flush()
        check_equal("--wait limits the way that is left", cat.status(), 0)


def shared_descriptors():
    there, back = os.pipe(), os.pipe()
    with server(after_the_end) as at, Cat(at, stdin=there[0], stdout=back[1]) as cat:
        os.write(there[1], b"x")
        until(lambda: os.readlink(f"/proc/{cat.pid}/fd/0") == "/dev/null")
        flags = [fcntl.fcntl(fd, fcntl.F_GETFL) & os.O_NONBLOCK for fd in (there[0], back[1])]
        check_equal("pipes that others share stay blocking", flags, [0, 0])
        os.close(there[1])
        cat.status()
    os.close(back[1])
    check_equal("and are at their end", os.read(back[0], 100), b"heard x")
    for fd in (there[0], back[0]):
        os.close(fd)


def bounded_memory():
    stop = threading.Event()
    with server(lambda peer: stop.wait(DEADLINE_SECONDS)) as at, Cat(at) as cat:
        os.set_blocking(cat.stdin.fileno(), False)
        written, idle_since = 0, time.monotonic()
        while time.monotonic() - idle_since < 0.5:  # nothing more is taken
            try:
                written += os.write(cat.stdin.fileno(), bytes(1 << 16))
                idle_since = time.monotonic()
            except BlockingIOError:
                time.sleep(0.01)
        check("a reader that reads nothing holds the writer", written < 32 << 20, written)
        check("and costs no memory", memory_kib(cat.pid) < 40_000, memory_kib(cat.pid))
        stop.set()


def listening(folder):
    path = os.path.join(folder, "socket")
    with server(after_the_end) as at, Cat(f"listen(unix:{path})", at) as cat:
        check_equal("it says where it listens", cat.address(), f"unix:{path}")
        with socket.socket(socket.AF_UNIX) as peer:
            peer.settimeout(DEADLINE_SECONDS)
            peer.connect(path)
            peer.sendall(b"by unix")
            peer.shutdown(socket.SHUT_WR)
            check_equal("from unix to tcp", read_all(peer), b"heard by unix")
        cat.send_signal(signal.SIGINT)
        check_equal("a signal ends it in good order", cat.status(), 0)
        check("its socket is gone", not os.path.exists(path))
    name = f"creche_cat_{os.getpid()}"
    with Cat(f"listen(abstract:{name})", stdin=subprocess.DEVNULL) as served:
        served.address()
        with Cat(f"abstract({name})") as cat:
            check_equal("an abstract name", cat.done(b"there")[0], 0)
        check_equal("with stdio it listens for one connection", served.done(None), (0, b"there"))
    with Cat("listen(127.0.0.1:0)", f"unix({path}.none)") as cat:
        with socket.create_connection(("127.0.0.1", cat.port())) as peer:
            peer.settimeout(DEADLINE_SECONDS)
            try:
                answer = peer.recv(10)
            except ConnectionResetError:
                answer = "reset"
            check_equal("a connection whose other side cannot be opened is reset", answer, "reset")
        check("and it is said why", until(lambda: "No such file" in cat.text()), cat.text())


def by_tls(folder):
    key, certificate = (os.path.join(folder, name) for name in ("key.pem", "cert.pem"))
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                    "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", key, "-out", certificate,
                    "-days", "2", "-subj", "/CN=localhost", "-addext",
                    "subjectAltName=DNS:localhost"], check=True, capture_output=True)
    os.chmod(key, 0o600)
    with server(after_the_end) as at, \
            Cat(f"listen(127.0.0.1:0)/tls(cert={certificate},key={key})", at) as served:
        with Cat(f"tcp(127.0.0.1:{served.port()})/tls(localhost)") as cat:
            status, _ = cat.done()
            check("a certificate that nobody signed is refused",
                  status == 1 and "self-signed" in cat.text(), (status, cat.text()))
        with Cat(f"tcp(127.0.0.1:{served.port()})"
                 f"/tls(localhost,authorities={certificate})") as cat:
            check_equal("an answer behind the end, in TLS", cat.done(b"a secret"),
                        (0, b"heard a secret"))


def ends_badly():
    def reset(peer):
        peer.sendall(b"before")
        peer.recv(3)
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with server(reset) as at, Cat(at) as cat:
        first = cat.stdout.read(6)
        status, _ = cat.done(b"now")
        check_equal("what came before a reset is passed on", first, b"before")
        check("a reset is no good end", status == 1 and "reset" in cat.text(),
              (status, cat.text()))

    def talks(peer):
        try:
            while True:
                peer.sendall(bytes(1000))
        except OSError:
            pass

    with server(talks) as at, Cat(at) as cat:
        cat.stdout.read(10)
        cat.stdout.close()
        check_equal("a reader that goes away ends it", cat.status(), 1)


def refused():
    for arguments, status, wanted in (
            (["tcp(127.0.0.1:1)"], 1, "connect to 127.0.0.1:1: Connection refused"),
            (["tcp(localhost:1)"], 2, "the address is not numeric"),
            (["lines(lf)"], 2, "begins with no transport"),
            (["tcp(127.0.0.1:1)/http"], 2, "there is no layer 'http'"),
            (["listen(127.0.0.1:0)", "listen(127.0.0.1:0)"], 2, "both sides listen"),
            (["listen(127.0.0.1:0"], 2, "listen needs an address"),
            (["listen(unix:/none/x)"], 1, "No such file or directory"),
            (["stdio", "stdio"], 2, "there is one"),
            ([], 2, "from is required")):
        with Cat(*arguments) as cat:
            got = cat.done()[0]
            check(f"refused: {arguments}", got == status and wanted in cat.text(),
                  (got, cat.text()))


def datagrams():
    """What is read at a time is a datagram; each that comes is written."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as peer:
        peer.bind(("127.0.0.1", 0))
        peer.settimeout(DEADLINE_SECONDS)
        with Cat("stdio", f"udp(127.0.0.1:{peer.getsockname()[1]})") as cat:
            cat.stdin.write(b"a question")
            cat.stdin.flush()
            asked, at = peer.recvfrom(2000)
            check_equal("a datagram to udp", asked, b"a question")
            peer.sendto(b"its answer", at)
            check_equal("and one back", os.read(cat.stdout.fileno(), 2000), b"its answer")
            check_equal("the end of the input ends it", cat.done(), (0, b""))


def limited():
    with server(after_the_end) as at, Cat("stdio", f"{at}/rate_limit(1MiB/s,burst=64KiB)") as cat:
        began = time.monotonic()
        status, out = cat.done(bytes(500_000))
        took = time.monotonic() - began
        check("half a MiB each way at 1 MiB/s takes its time",
              status == 0 and len(out) == 500_006 and took > 0.7, (status, len(out), took))


def main():
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    with tempfile.TemporaryDirectory() as folder:
        both_ways(folder)
        shared_descriptors()
        bounded_memory()
        listening(folder)
        by_tls(folder)
        ends_badly()
        refused()
        datagrams()
        limited()
    finish()


main()
