"""server.py: a server under measurement: started, asked once, its CPU read, ended by its handle."""

import os
import re
import select
import shlex
import signal
import socket
import subprocess
import threading
import time

TICKS = os.sysconf("SC_CLK_TCK")
START_SECONDS = 10
STOP_SECONDS = 5


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def stat_of(pid):
    """Fields of /proc/PID/stat from the state on."""
    with open(f"/proc/{pid}/stat") as f:
        return f.read().rsplit(")", 1)[1].split()


def family_of(pid):
    """The process and its children: nginx's worker is a child of its master."""
    family = [pid]
    for name in os.listdir("/proc"):
        try:
            if name.isdigit() and int(stat_of(name)[1]) == pid:
                family.append(int(name))
        except OSError:
            pass  # ended meanwhile
    return family


class Server:
    """`port` None: the server prints `listening on 127.0.0.1:PORT`."""

    def __init__(self, name, command, port=None, log=subprocess.DEVNULL):
        self.name = name
        command = shlex.split(command) if isinstance(command, str) else command
        self._process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT if port is None else log
        )
        try:
            self.port = port or self._said_port()
            self.response_bytes = self._ask_once()
            threading.Thread(target=self._discard_output, daemon=True).start()
            self._family = family_of(self._process.pid)
        except BaseException:
            self.stop()
            raise

    def _said_port(self):
        text, deadline = b"", time.monotonic() + START_SECONDS
        pipe = self._process.stdout
        while time.monotonic() < deadline:
            if not select.select([pipe], [], [], 0.1)[0]:
                continue
            part = os.read(pipe.fileno(), 4096)
            text += part
            found = re.search(rb"listening on \S*:(\d+)\s", text)
            if found:
                return int(found[1])
            if not part:
                break
        raise RuntimeError(f"{self.name} did not say where it listens: {text.decode()[-300:]}")

    def _discard_output(self):
        """So that a talkative server does not wait for its pipe."""
        while self._process.stdout.read(65536):
            pass

    def _ask_once(self):
        """The length of its answer, whose body must be the one agreed on."""
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                s = socket.create_connection(("127.0.0.1", self.port), 1)
                break
            except OSError:
                if self._process.poll() is not None or time.monotonic() > deadline:
                    raise RuntimeError(f"{self.name} does not listen") from None
                time.sleep(0.05)
        with s:
            s.sendall(b"GET /hello HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
            answer = b""
            while not answer.endswith(b"\r\n\r\nhello world\n"):
                part = s.recv(4096)
                answer += part
                if not part:
                    raise RuntimeError(f"{self.name} answered otherwise: {answer[:300]!r}")
        if not answer.startswith(b"HTTP/1.1 200 "):
            raise RuntimeError(f"{self.name} answered otherwise: {answer[:300]!r}")
        return len(answer)

    def cpu_seconds(self):
        """User and system time of the server until now, all threads."""
        user = system = 0
        for pid in self._family:
            fields = stat_of(pid)
            user += int(fields[11])
            system += int(fields[12])
        return user / TICKS, system / TICKS

    def stop(self):
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGTERM)
            try:
                self._process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
