#!/usr/bin/env python3
"""creche's TLS with GnuTLS, nginx and OpenSSL's server at the other end.
usage: tls_peers_test.py CRECHE"""

import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
from contextlib import contextmanager

from peers import (DEADLINE_SECONDS, Authority, Program, at_free_port, check, check_equal, finish,
                   run, until)
from https_test import Secure
from scenario import ends_well

CRECHE = sys.argv[1]
VERSIONS = ("1.2", "1.3")
GNUTLS = {version: f"NORMAL:-VERS-ALL:+VERS-TLS{version}" for version in VERSIONS}
REQUEST = b"GET %s HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"


def installed(name):
    found = shutil.which(name) or shutil.which(f"/usr/sbin/{name}")
    return found or sys.exit(f"there is no {name}: tools/setup")


def tls_at(port, authorities, more=""):
    return f"tcp(127.0.0.1:{port})/tls(localhost,authorities={authorities}{more})"


class Cat(Program):
    def __init__(self, stack):
        super().__init__([CRECHE, "cat", stack], stdin=subprocess.PIPE, stdout=subprocess.PIPE)


def cat(stack, data):
    """(status, what the server said, what creche says of it). Our end is said behind the server's:
    before TLS 1.3 one side's end is that of both, and nginx says none when it has heard ours."""
    with Cat(stack) as client:
        client.say(data)
        out = client.read_all()
        client.stdin.close()
        return client.ended(), out, client.text()


def body_of(answer):
    return answer.partition(b"\r\n\r\n")[2]


# ---- GnuTLS asks

def gnutls_cli(demo, *options, data=REQUEST % b"/hello"):
    status, out, said = run(
        [installed("gnutls-cli"), "--x509cafile", demo.certificate, "--alpn=http/1.1",
         "--sni-hostname=localhost", "--verify-hostname=localhost",
         "--port", str(demo.secure_port), *options, "127.0.0.1"], data)
    return status, out.decode(errors="replace") + said


def by_gnutls_cli(folder):
    with Secure(CRECHE, os.path.join(folder, "state")) as demo:
        for version in VERSIONS:
            asks = ["--priority", GNUTLS[version]]
            status, said = gnutls_cli(demo, *asks)
            wanted = (f"(TLS{version}-", "The certificate is trusted", "hello world",
                      "Application protocol: http/1.1")
            check(f"gnutls-cli speaks TLS {version} to us",
                  status == 0 and all(words in said for words in wanted), (status, said[-2000:]))
            check("  and gets our close_notify", "Peer has closed the GnuTLS connection" in said,
                  said[-500:])
            waits = ["--waitresumption"] if version == "1.3" else []
            status, said = gnutls_cli(demo, *asks, "--resume", *waits)
            check("  and resumes", status == 0 and "This is a resumed session" in said and
                  "hello world" in said, (status, said[-2000:]))
        new_keys = ["--priority", GNUTLS["1.3"], "--inline-commands"]
        status, said = gnutls_cli(demo, *new_keys, data=b"^rekey^\n" + REQUEST % b"/hello")
        check("  and changes its keys", status == 0 and "hello world" in said,
              (status, said[-2000:]))
        status, said = gnutls_cli(demo, "--priority", "NORMAL:-VERS-ALL:+VERS-TLS1.1:%COMPAT")
        check("gnutls-cli is refused TLS 1.1", status != 0 and "hello world" not in said,
              (status, said[-500:]))
        ends_well(demo)


# ---- servers

@contextmanager
def nginx(folder, authority, certificate, key):
    """Two servers: one that shows what it knows of a connection, and one for those with a
    certificate of their own."""
    page = os.path.join(folder, "page")
    os.mkdir(page)
    with open(os.path.join(page, "large"), "wb") as file:
        file.write(os.urandom(3_000_000))
    configuration = os.path.join(folder, "nginx.conf")
    names = ("body", "proxy", "fastcgi", "uwsgi", "scgi")
    temporary = " ".join(
        f"{'client_body' if name == 'body' else name}_temp_path {folder}/{name};" for name in names)
    log = os.path.join(folder, "error.log")

    def command(port):
        with open(configuration, "w", encoding="utf-8") as file:
            file.write(f"""
daemon off; master_process off; pid {folder}/pid; error_log stderr error;
events {{ worker_connections 64; }}
http {{
  access_log off; {temporary}
  ssl_certificate {certificate}; ssl_certificate_key {key}; ssl_protocols TLSv1.2 TLSv1.3;
  ssl_client_certificate {authority.certificate}; ssl_verify_client optional;
  server {{
    listen 127.0.0.1:{port} ssl;
    location = /facts {{ return 200 "$ssl_protocol $ssl_session_reused $ssl_server_name\\n"; }}
    location = /who {{ return 200 "$ssl_client_verify $ssl_client_s_dn\\n"; }}
    root {page};
  }}
}}
""")
        return [installed("nginx"), "-p", folder, "-e", log, "-c", configuration]

    program, port = at_free_port(command)
    with program:
        yield port
        status = program.stop(signal.SIGQUIT)
        said = program.text()
    check("nginx ends well, and complains of nothing", status == 0 and "[crit]" not in said and
          "[error]" not in said, (status, said[-1000:]))


def by_nginx(folder, authority, certificate, key, stranger):
    with nginx(folder, authority, certificate, key) as port:
        stack = tls_at(port, authority.certificate)
        status, out, said = cat(stack, REQUEST % b"/facts")
        check("nginx is asked", (status, body_of(out)) == (0, b"TLSv1.3 . localhost\n"),
              (status, out, said))
        with open(os.path.join(folder, "page", "large"), "rb") as file:
            large = file.read()
        status, out, said = cat(stack, REQUEST % b"/large")
        check("  for 3 MB", status == 0 and body_of(out) == large, (status, len(out), said))
        shown = ",cert=%s,key=%s" % authority.signed("visitor")
        status, out, said = cat(tls_at(port, authority.certificate, shown), REQUEST % b"/who")
        check("  with a certificate of ours", (status, body_of(out)) ==
              (0, b"SUCCESS CN=visitor\n"), (status, out, said))
        status, out, said = cat(tls_at(port, stranger.certificate), REQUEST % b"/facts")
        check("  but its authority is not ours", status == 1 and out == b"" and
              "unable to get local issuer certificate" in said, (status, out, said))
        tolerant = tls_at(port, authority.certificate, ",tolerate_truncation")
        status, out, said = run([CRECHE, "cat", tolerant], REQUEST % b"/facts")
        check("  and may say its end or not, when it has heard ours",
              (status, body_of(out)) == (0, b"TLSv1.3 . localhost\n"), (status, out, said))
        resumed(stack)


def resumed(stack):
    """The connections of one value take the tickets of those before."""
    with Program([CRECHE, "cat", "listen(127.0.0.1:0)", stack]) as passes:
        found = until(lambda: re.search(r"listening on 127\.0\.0\.1:(\d+)\n", passes.text()))
        answers = []
        for _ in range(3):
            with socket.create_connection(("127.0.0.1", int(found[1])), DEADLINE_SECONDS) as peer:
                peer.sendall(REQUEST % b"/facts")
                parts = []
                while part := peer.recv(1 << 16):
                    parts.append(part)
                answers.append(body_of(b"".join(parts)))
        check_equal("  and the next connections are resumed", answers,
                    [b"TLSv1.3 . localhost\n"] + 2 * [b"TLSv1.3 r localhost\n"])
        check_equal("  all of them ended well", passes.stop(signal.SIGINT), 0)


@contextmanager
def s_server(certificate, key, *options, **settings):
    command = ["stdbuf", "-o0", "openssl", "s_server", "-accept", "127.0.0.1:0",
               "-cert", certificate, "-key", key, *options]
    with Program(command, **settings) as program:
        found = until(lambda: program.poll() is not None or
                      re.search(r"ACCEPT 127\.0\.0\.1:(\d+)\n", program.text()))
        if program.poll() is not None or not found:
            raise RuntimeError(f"openssl s_server did not begin: {program.text()[-1000:]}")
        yield program, int(found[1])


def by_s_server(authority, certificate, key):
    for version in VERSIONS:
        option = "-tls" + version.replace(".", "_")
        with s_server(certificate, key, "-www", option) as (_, port):
            status, out, said = cat(tls_at(port, authority.certificate),
                                    b"GET / HTTP/1.0\r\n\r\n")
            check(f"openssl s_server -www by TLS {version}", status == 0 and
                  f"New, TLSv{version}".encode() in out and b"</HTML>" in out.upper(),
                  (status, out[-500:], said))


def killed_s_server(authority, certificate, key):
    """One that changes keys, too, and dies in the middle."""
    with s_server(certificate, key, "-tls1_3", stdin=subprocess.PIPE) as (server, port), \
            Cat(tls_at(port, authority.certificate)) as client:
        client.say(b"from us\n")
        check("openssl s_server: what we say arrives", until(lambda: "from us\n" in server.text()),
              server.text())
        server.say(b"K\n")
        until(lambda: "SSL_do_handshake -> 1" in server.text())
        server.say(b"behind its new keys\n")
        check_equal("  and the other way, behind its new keys",
                    client.read_some(), b"behind its new keys\n")
        client.say(b"behind ours\n")
        check("  and behind ours, for which it asked",
              until(lambda: "behind ours\n" in server.text()), server.text())
        server.kill()
        check("  and when it is killed that is no good end", (client.read_all(), client.ended()) ==
              (b"", 1) and "ended without a close_notify" in client.text(),
              (client.poll(), client.text()))


def by_gnutls_serv(authority, certificate, key):
    """It listens at every address: it knows no other way."""
    def serving(mode, version):
        return lambda port: [
            installed("gnutls-serv"), mode, "--port", str(port), "--x509certfile", certificate,
            "--x509keyfile", key, "--disable-client-cert", "--priority", GNUTLS[version]]

    for version in VERSIONS:
        program, port = at_free_port(serving("--http", version))
        with program:
            status, out, said = cat(tls_at(port, authority.certificate),
                                    b"GET / HTTP/1.0\r\n\r\n")
            check(f"gnutls-serv --http by TLS {version}", status == 0 and
                  f"TLS{version}".encode() in out and b"</HTML>" in out.upper(),
                  (status, out[-1500:], said))
        program, port = at_free_port(serving("--echo", version))
        with program, Cat(tls_at(port, authority.certificate)) as client:
            client.say(b"there and back\n")
            check_equal("gnutls-serv --echo", client.read_some(),
                        b"there and back\n")
            client.stdin.close()
            check_equal("  and it answers our end with its own",
                        (client.read_all(), client.ended(), client.text()), (b"", 0, ""))


def main():
    with tempfile.TemporaryDirectory(prefix="creche_") as folder:
        authority, stranger = Authority(folder), Authority(folder, "stranger")
        certificate, key = authority.signed("localhost")
        by_gnutls_cli(folder)
        by_nginx(folder, authority, certificate, key, stranger)
        by_s_server(authority, certificate, key)
        killed_s_server(authority, certificate, key)
        by_gnutls_serv(authority, certificate, key)
    finish()


main()
