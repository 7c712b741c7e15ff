#!/usr/bin/env python3
"""The demo's HTTPS, asked by curl and by OpenSSL's own client. usage: https_test.py CRECHE"""

import os
import re
import socket
import ssl
import stat
import subprocess
import sys
import tempfile

from scenario import DEADLINE_SECONDS, Demo, check, check_equal, ends_well, finish, until


class Secure(Demo):
    """With HTTPS, and what it said about it."""

    def __init__(self, program, state):
        super().__init__(program, "--https", "127.0.0.1:0", "--state", state)
        line = self.process.stdout.readline().decode()
        wanted = r"listening on https://127\.0\.0\.1:(\d+), whose certificate is (.+)\n"
        found = re.fullmatch(wanted, line)
        if not found:
            self.kill()
            raise RuntimeError(f"it did not begin: {line!r} {self.stderr()[-500:]!r}")
        self.secure_port, self.certificate = int(found[1]), found[2]


def curl(*arguments, data=None):
    done = subprocess.run(["curl", "--silent", "--show-error", "--max-time", "20", *arguments],
                          input=data, capture_output=True, timeout=60)
    return done.returncode, done.stdout


def s_client(port, *arguments, data=b"", program="openssl"):
    done = subprocess.run([program, "s_client", "-connect", f"127.0.0.1:{port}", *arguments],
                          input=data, capture_output=True, timeout=60)
    return (done.stdout + done.stderr).decode(errors="replace")


def context_of(demo, **settings):
    made = ssl.create_default_context(cafile=demo.certificate)
    for name, value in settings.items():
        setattr(made, name, value)
    return made


def connect(demo, context, name="localhost", session=None):
    plain = socket.create_connection(("127.0.0.1", demo.secure_port), timeout=DEADLINE_SECONDS)
    return context.wrap_socket(plain, server_hostname=name, session=session,
                               suppress_ragged_eofs=False)


def ask(connection, path="/hello"):
    connection.sendall(f"GET {path} HTTP/1.1\r\nHost: localhost\r\n\r\n".encode())
    answer = b""
    while b"hello world\n" not in answer:
        answer += connection.recv(65536)
    return answer


def by_curl(demo):
    url = f"https://localhost:{demo.secure_port}"
    check_equal("curl that believes its certificate", curl("--cacert", demo.certificate,
                                                           url + "/hello"), (0, b"hello world\n"))
    check_equal("curl that believes any", curl("-k", url + "/hello"), (0, b"hello world\n"))
    check_equal("curl that believes its own list refuses", curl(url + "/hello")[0], 60)
    check_equal("and so it does another name",
                curl("--cacert", demo.certificate, "https://example.org/", "--connect-to",
                     f"example.org:443:127.0.0.1:{demo.secure_port}")[0], 60)
    large = os.urandom(3_000_000)
    status, back = curl("--insecure", "--data-binary", "@-", url + "/echo", data=large)
    check("3 MB there and back", status == 0 and back == large, f"{status}, {len(back)} bytes")
    status, said = curl("--http0.9", f"http://127.0.0.1:{demo.secure_port}/hello")
    check_equal("plain HTTP is told so", (status, said),
                (0, b"This port speaks HTTPS, not HTTP.\n"))


def by_openssl(demo):
    said = s_client(demo.secure_port, "-alpn", "h2,http/1.1", "-CAfile", demo.certificate)
    for wanted in ("New, TLSv1.3", "ALPN protocol: http/1.1", "Verify return code: 0 (ok)"):
        check(f"s_client says {wanted}", wanted in said, said[-1500:])
    said = s_client(demo.secure_port, "-alpn", "h2")
    check("a protocol that it does not speak is an alert", "no application protocol" in said,
          said[-500:])
    said = s_client(demo.secure_port, "-tls1_1", "-cipher", "ALL@SECLEVEL=0")
    check("TLS 1.1 is refused", "protocol version" in said, said[-500:])
    said = s_client(demo.secure_port, "-tls1_2")
    check("TLS 1.2 is spoken", "New, TLSv1.2" in said, said[-500:])
    said = s_client(demo.secure_port, "-tls1_2", "-reconnect")
    check("a session ticket of TLS 1.2 resumes", said.count("Reused, TLSv1.2") == 5, said[-500:])


def ends(demo):
    context = context_of(demo)
    with connect(demo, context) as c:
        ask(c)
        session = c.session
    with connect(demo, context, session=session) as c:
        ask(c)
        check("a session ticket of TLS 1.3 resumes", c.session_reused)
    with connect(demo, context) as c:
        c.sendall(b"GET /hello HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        answer = b""
        while piece := c.recv(65536):
            answer += piece
        check("it says close_notify at its end", answer.endswith(b"hello world\n"), answer)
    c = connect(demo, context)
    ask(c)
    tree = until(lambda: "'tls'" in str(demo.tree()["children"]))
    check("the tree shows the layer", tree)
    os.close(c.detach())  # without a word
    check("a peer that is gone without a close_notify takes its stack along",
          until(lambda: "'tls'" not in str(demo.tree()["children"])))


def main():
    program = sys.argv[1]
    with tempfile.TemporaryDirectory() as folder:
        state = os.path.join(folder, "state")
        with Secure(program, state) as demo:
            check_equal("the file of its key is its owner's",
                        stat.S_IMODE(os.stat(demo.certificate).st_mode), 0o600)
            with open(demo.certificate, "rb") as file:
                first = file.read()
            by_curl(demo)
            by_openssl(demo)
            ends(demo)
            ends_well(demo)
        with Secure(program, state) as demo:
            with open(demo.certificate, "rb") as file:
                check("the certificate is kept", file.read() == first)
            ends_well(demo)
        kept = os.path.join(state, "localhost.pem")
        command = [program, "demo", "--http", "127.0.0.1:0", "--https", "127.0.0.1:0", "--state",
                   state]
        with open(kept, "r+b") as file:
            file.write(b"no certificate")
        done = subprocess.run(command, capture_output=True, timeout=DEADLINE_SECONDS)
        check_equal("a certificate that is none ends it before it begins", done.returncode, 2)
        check("  and it says which", kept.encode() in done.stderr, done.stderr)
        os.chmod(kept, 0o644)
        done = subprocess.run(command, capture_output=True, timeout=DEADLINE_SECONDS)
        check_equal("a key that others can read ends it before it begins", done.returncode, 2)
        check("  and it says what to do", b"chmod 600" in done.stderr, done.stderr)
    finish()


if __name__ == "__main__":
    main()
