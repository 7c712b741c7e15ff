#!/usr/bin/python3
"""TLS that begins in the middle of a connection, with PostgreSQL and with an SMTP server of
others. usage: starttls_test.py STARTTLS_CLIENT

The interpreter is Debian's, which has python3-aiosmtpd."""

import asyncio
import glob
import logging
import os
import pwd
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import threading
from contextlib import contextmanager

from aiosmtpd.smtp import SMTP

from peers import (DEADLINE_SECONDS, Authority, at_free_port, check, check_equal, finish, run)

CLIENT = sys.argv[1]


# ---- PostgreSQL

def postgres_program(name):
    found = sorted(glob.glob(f"/usr/lib/postgresql/*/bin/{name}"))
    if not found:
        sys.exit(f"there is no {name}: tools/setup")
    return found[-1]


def as_another():
    """It does not run as root."""
    if os.geteuid() != 0:
        return {}
    user = pwd.getpwnam("postgres")
    return {"user": user.pw_uid, "group": user.pw_gid, "extra_groups": []}


def own(path):
    user = as_another()
    if user:
        os.chown(path, user["user"], user["group"])


class Database:
    """One on the disk; it may be served several times."""

    def __init__(self, folder, authority):
        self.folder = os.path.join(folder, "database")
        os.mkdir(self.folder, 0o700)
        own(self.folder)
        self.data = os.path.join(self.folder, "data")
        done = subprocess.run(
            [postgres_program("initdb"), "--pgdata", self.data, "--username", "postgres",
             "--auth", "trust", "--encoding", "UTF8", "--no-locale", "--no-sync"],
            cwd=self.folder, capture_output=True, timeout=120, **as_another())
        if done.returncode != 0:
            raise RuntimeError(f"initdb: {done.stderr.decode()[-1000:]}")
        self.certificate, self.key = (self.copy(path) for path in authority.signed("localhost"))

    def copy(self, path):
        there = os.path.join(self.folder, os.path.basename(path))
        shutil.copyfile(path, there)
        os.chmod(there, 0o600)
        own(there)
        return there

    def let_in(self, line):
        with open(os.path.join(self.data, "pg_hba.conf"), "w", encoding="utf-8") as file:
            file.write(line + "\n")

    @contextmanager
    def served(self, **settings):
        settings = {
            "listen_addresses": "127.0.0.1", "unix_socket_directories": self.folder,
            "ssl": "on", "ssl_cert_file": self.certificate, "ssl_key_file": self.key,
            "fsync": "off", "max_connections": "10"} | settings
        options = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        program, port = at_free_port(
            lambda port: [postgres_program("postgres"), "-D", self.data, "-p", str(port), *options],
            lambda program, _: "ready to accept connections" in program.text(),
            cwd=self.folder, **as_another())
        with program:
            yield f"127.0.0.1:{port}"
            status = program.stop(signal.SIGINT)
            said = program.text()
        check("PostgreSQL ends well", status == 0, (status, said[-1000:]))
        wrong = [line for line in said.splitlines() if "SSL" in line or "EOF" in line
                 or "could not" in line]
        self.complaints = wrong


def query(at, authorities, text, security="require"):
    return run([CLIENT, "postgres", at, authorities, security, text])


def by_postgres(folder, authority, stranger):
    database = Database(folder, authority)
    database.let_in("hostssl all all 127.0.0.1/32 trust")
    own_row = "select ssl, version from pg_stat_ssl where pid = pg_backend_pid()"
    with database.served() as at:
        check_equal("a row of PostgreSQL", query(at, authority.certificate, "select 'hello'"),
                    (0, b"TLSv1.3 with localhost\nhello\n", ""))
        check_equal("the server says that this is TLS", query(at, authority.certificate, own_row),
                    (0, b"TLSv1.3 with localhost\nt|TLSv1.3\n", ""))
        large = "select repeat('0123456789', 70000)"
        status, out, said = query(at, authority.certificate, large)
        wanted = b"TLSv1.3 with localhost\n" + b"0123456789" * 70000 + b"\n"
        check("a row of many records", (status, out) == (0, wanted), (status, len(out), said))
    check_equal("  and it has no complaint", database.complaints, [])
    with database.served(ssl_max_protocol_version="TLSv1.2") as at:
        check_equal("the same by TLS 1.2", query(at, authority.certificate, own_row),
                    (0, b"TLSv1.2 with localhost\nt|TLSv1.2\n", ""))
        status, out, said = query(at, authority.certificate, "select nothing")
        check("what the server refuses is a failure", status == 1 and
              'column "nothing" does not exist' in said, (status, out, said))
        status, out, said = query(at, stranger.certificate, own_row)
        check("an authority that did not sign is refused", status == 1 and out == b"" and
              "unable to get local issuer certificate" in said, (status, out, said))
    check("  and the server was told so", any("unknown ca" in c for c in database.complaints),
          database.complaints)
    database.let_in("hostnossl all all 127.0.0.1/32 trust")
    with database.served(ssl="off") as at:
        status, out, said = query(at, authority.certificate, own_row)
        check("a server that says N is no failure of TLS", status == 1 and out == b"" and
              "the server speaks no TLS" in said, (status, out, said))
        check_equal("  and the connection goes on in plain if it may",
                    query(at, authority.certificate, own_row, "prefer"),
                    (0, b"plain\nf|null\n", ""))


# ---- SMTP

class Mailbox(logging.Handler):
    """What a server is given, and what went wrong with it."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.letters, self.complaints = [], []
        log = logging.getLogger("mail.log")
        log.addHandler(self)
        log.propagate = False

    def emit(self, record):
        error = record.exc_info and record.exc_info[1]
        self.complaints.append(repr(error and error.__cause__ or record.getMessage()))

    async def handle_DATA(self, server, session, envelope):
        self.letters.append((envelope.mail_from, envelope.rcpt_tos, envelope.content,
                             session.ssl is not None))
        return "250 taken"


async def close(server):
    """With what its connections still wait for."""
    server.close()
    rest = asyncio.all_tasks() - {asyncio.current_task()}
    for task in rest:
        task.cancel()
    await asyncio.gather(*rest, return_exceptions=True)


@contextmanager
def smtp_server(mailbox, certificate, key, version):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    context.maximum_version = version
    listening = socket.create_server(("127.0.0.1", 0))
    loop = asyncio.new_event_loop()

    def made():
        return SMTP(mailbox, tls_context=context, require_starttls=True, loop=loop)

    server = loop.run_until_complete(loop.create_server(made, sock=listening))
    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    try:
        yield f"127.0.0.1:{listening.getsockname()[1]}"
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.run_until_complete(close(server))
        loop.close()


def send_mail(at, authorities, text):
    return run([CLIENT, "smtp", at, authorities, "ann@localhost", "bob@localhost"], text)


def by_smtp(authority, stranger):
    letter = b"Subject: hello\r\n\r\none\r\n.\r\n..two\r\n\r\n\xff\xfe raw \t\r\n" + \
        b"".join(b"%06d %s\r\n" % (i, b"x" * 900) for i in range(500))
    mailbox = Mailbox()
    for version in (ssl.TLSVersion.TLSv1_3, ssl.TLSVersion.TLSv1_2):
        name = version.name.replace("_", ".")
        with smtp_server(mailbox, *authority.signed("localhost"), version) as at:
            check_equal(f"a letter by STARTTLS, {name}",
                        send_mail(at, authority.certificate, letter),
                        (0, f"{name} with localhost\n".encode(), ""))
            check("  and it arrived byte for byte, and secret", mailbox.letters ==
                  [("ann@localhost", ["bob@localhost"], letter, True)], f"{mailbox.letters!r:.500}")
        check_equal("  and it has no complaint", mailbox.complaints, [])
        mailbox.letters.clear()
    with smtp_server(mailbox, *authority.signed("localhost"), ssl.TLSVersion.TLSv1_3) as at:
        status, out, said = send_mail(at, stranger.certificate, letter)
        check("an authority that did not sign is refused", status == 1 and out == b"" and
              "unable to get local issuer certificate" in said, (status, out, said))
    with smtp_server(mailbox, *authority.signed("elsewhere"), ssl.TLSVersion.TLSv1_3) as at:
        status, out, said = send_mail(at, authority.certificate, letter)
        check("and so is a server of another name", status == 1 and out == b"" and
              "hostname mismatch" in said, (status, out, said))
    check_equal("  and neither got the letter", mailbox.letters, [])
    told = [next((a for a in ("UNKNOWN_CA", "BAD_CERTIFICATE") if a in c), c)
            for c in mailbox.complaints]
    check_equal("  but was told why", told, ["UNKNOWN_CA", "BAD_CERTIFICATE"])


# ---- somebody in the middle, who has no certificate and puts words behind the plain answer

@contextmanager
def script(*turns):
    """A server that says these words, each after it was spoken to."""
    listening = socket.create_server(("127.0.0.1", 0))
    listening.settimeout(DEADLINE_SECONDS)

    def serve():
        peer, _ = listening.accept()
        peer.settimeout(DEADLINE_SECONDS)
        with peer:
            for i, words in enumerate(turns):
                if i and not peer.recv(1000):
                    return
                peer.sendall(words)
            try:
                while peer.recv(1000):
                    pass
            except ConnectionError:
                pass

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"127.0.0.1:{listening.getsockname()[1]}"
    finally:
        thread.join()
        listening.close()


def in_the_middle(authority):
    with script(b"", b"SR\0\0\0\x08\0\0\0\0Z\0\0\0\x05I") as at:
        status, out, said = query(at, authority.certificate, "select 1")
        check("PostgreSQL: plain bytes behind S are no answer of the server", status == 1 and
              out == b"" and "not TLS" in said, (status, out, said))
    with script(b"220 hello\r\n", b"250-me\r\n250 STARTTLS\r\n",
                b"220 go on\r\n250 taken\r\n250 taken\r\n") as at:
        status, out, said = send_mail(at, authority.certificate, b"secret\r\n")
        check("SMTP: plain lines behind 220 are no answers of the server", status == 1 and
              out == b"" and "not TLS" in said, (status, out, said))
    with script(b"220 hello\r\n", b"250 me\r\n") as at:
        status, out, said = send_mail(at, authority.certificate, b"secret\r\n")
        check("SMTP: an offer that somebody took away is no way to plain", status == 1 and
              "the server speaks no TLS" in said, (status, out, said))


def main():
    with tempfile.TemporaryDirectory(prefix="creche_") as folder:
        os.chmod(folder, 0o755)  # PostgreSQL's user goes through it
        authority, stranger = Authority(folder), Authority(folder, "stranger")
        by_postgres(folder, authority, stranger)
        by_smtp(authority, stranger)
        in_the_middle(authority)
    finish()


main()
