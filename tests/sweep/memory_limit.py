#!/usr/bin/env python3
"""R1: a server with too little memory (RLIMIT_AS) ends the connections that want it, and goes on.
usage: memory_limit.py SUBJECT"""
import signal
import socket
import subprocess
import sys
import time

CONNECTIONS, BODY = 24, 8 << 20
LIMIT_S = 60


def post(address, length):
    c = socket.create_connection(address, timeout=LIMIT_S)
    c.sendall(f"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n".encode())
    return c


def answer(c):
    """The status; 0: the connection ended without one."""
    try:
        got = b""
        while b"\r\n" not in got:
            piece = c.recv(4096)
            if not piece:
                return 0
            got += piece
        return int(got.split()[1])
    except (ConnectionError, ValueError):
        return 0


def main():
    subject = subprocess.Popen([sys.argv[1]], stdout=subprocess.PIPE, text=True)
    try:
        host, port = subject.stdout.readline().strip().rsplit(":", 1)
        address = (host, int(port))
        piece = b"x" * 65536
        held = [post(address, BODY) for _ in range(CONNECTIONS)]
        sent = [0] * CONNECTIONS
        ended = set()
        deadline = time.monotonic() + LIMIT_S
        # all at the same time, so that the server has to hold all of them, but for the last byte
        while time.monotonic() < deadline and any(
                i not in ended and sent[i] < BODY - 1 for i in range(CONNECTIONS)):
            for i, c in enumerate(held):
                if i in ended or sent[i] >= BODY - 1:
                    continue
                try:
                    c.settimeout(2)
                    sent[i] += c.send(piece[:min(len(piece), BODY - 1 - sent[i])])
                except (ConnectionError, TimeoutError):
                    ended.add(i)
        for i, c in enumerate(held):
            if i not in ended:
                try:
                    c.sendall(b"x")
                except ConnectionError:
                    pass
        statuses = [answer(c) for c in held]
        for c in held:
            c.close()
        served = statuses.count(200)
        lost = CONNECTIONS - served
        small = post(address, 5)
        small.sendall(b"hello")
        after = answer(small)
        small.close()
        alive = subject.poll() is None
        print(f"{served} connections were served, {lost} ended for want of memory; "
              f"then a small request got {after}")
        good = alive and after == 200 and lost > 0
        subject.send_signal(signal.SIGTERM)
        status = subject.wait(LIMIT_S)
        print(f"it exits with {status}")
        print("ok" if good and status == 0 else "FAIL")
        return 0 if good and status == 0 else 1
    finally:
        if subject.poll() is None:
            subject.kill()
            subject.wait()


if __name__ == "__main__":
    sys.exit(main())
