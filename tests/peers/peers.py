"""peers.py: certificates, and programs of others that run beside a test and end with it."""

import os
import select
import socket
import subprocess
import sys
import tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "scenarios"))
from scenario import DEADLINE_SECONDS, check, check_equal, finish, until  # noqa: E402,F401

ATTEMPTS = 5  # at a port that was free a moment ago


def openssl(*arguments):
    subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60)


class Authority:
    """Signs certificates; all files lie in one folder."""

    def __init__(self, folder, name="authority"):
        self.folder = folder
        self.certificate, self.key = self.at(f"{name}.pem"), self.at(f"{name}.key")
        openssl("req", "-x509", *self.new_key(self.key), "-out", self.certificate, "-days", "2",
                "-subj", f"/CN=creche {name}", "-addext", "keyUsage=critical,keyCertSign,cRLSign")

    def at(self, name):
        return os.path.join(self.folder, name)

    @staticmethod
    def new_key(path):
        return ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                "-keyout", path]

    def signed(self, name):
        """The paths of a certificate for `name` and of its key, which nobody else can read."""
        request, wanted = self.at(f"{name}.csr"), self.at(f"{name}.ext")
        certificate, key = self.at(f"{name}.pem"), self.at(f"{name}.key")
        openssl("req", *self.new_key(key), "-out", request, "-subj", f"/CN={name}")
        with open(wanted, "w", encoding="utf-8") as file:
            file.write(f"subjectAltName=DNS:{name}\n")
        openssl("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key,
                "-CAcreateserial", "-extfile", wanted, "-days", "2", "-out", certificate)
        os.chmod(key, 0o600)
        return certificate, key


class Program(subprocess.Popen):
    """One that runs, and all that it says; a context manager that leaves nothing behind."""

    def __init__(self, command, **options):
        self.said = tempfile.TemporaryFile()
        settings = {"stdin": subprocess.DEVNULL, "stdout": self.said, "stderr": self.said}
        super().__init__(command, **(settings | options))

    def text(self):
        size = os.fstat(self.said.fileno()).st_size
        return os.pread(self.said.fileno(), size, 0).decode(errors="replace")

    def say(self, data):
        self.stdin.write(data)
        self.stdin.flush()

    def read_some(self):
        """What it writes into a pipe next; nothing when it has closed it, or takes too long."""
        ready = select.select([self.stdout], [], [], DEADLINE_SECONDS)[0]
        return os.read(self.stdout.fileno(), 1 << 18) if ready else b""

    def read_all(self):
        """What it writes into a pipe until it closes it."""
        return b"".join(iter(self.read_some, b""))

    def ended(self):
        """Its exit status."""
        try:
            return self.wait(DEADLINE_SECONDS)
        except subprocess.TimeoutExpired:
            return "still running"

    def until_it(self, condition, what):
        """Waits for what shows that it has begun; False if it ended instead."""
        until(lambda: self.poll() is not None or condition())
        if self.poll() is None and not condition():
            raise RuntimeError(f"{self.args[0]} did not {what}: {self.text()[-1000:]}")
        return self.poll() is None

    def stop(self, number):
        """By this signal, and by force if that takes too long. Its exit status."""
        if self.poll() is None:
            self.send_signal(number)
            if self.ended() == "still running":
                self.kill()
        return self.wait()

    def __exit__(self, *_):
        if self.poll() is None:
            self.kill()
        self.wait()
        for file in (self.stdin, self.stdout):
            if file:
                try:
                    file.close()
                except BrokenPipeError:
                    pass
        self.said.close()


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def accepts(port):
    with socket.socket() as s:
        return s.connect_ex(("127.0.0.1", port)) == 0


def at_free_port(command_at, begun=None, **options):
    """A running `command_at(port)`, and its port; for programs that do not choose one themselves.
    It has begun when `begun(program, port)`, or when it accepts connections."""
    for _ in range(ATTEMPTS):
        port = free_port()
        program = Program(command_at(port), **options)
        if program.until_it(lambda: begun(program, port) if begun else accepts(port), "begin"):
            return program, port
        said = program.text()
        program.__exit__()
        if "ddress already in use" not in said:
            break
    raise RuntimeError(f"{command_at(0)[0]} did not begin: {said[-1000:]}")


def run(command, data=b""):
    """(status, standard output, standard error)"""
    done = subprocess.run(command, input=data, capture_output=True, timeout=3 * DEADLINE_SECONDS)
    return done.returncode, done.stdout, done.stderr.decode(errors="replace")
