"""compare_tls.py: what TLS costs several servers: in bulk, by small requests, by handshakes, idle.

All have one certificate (ECDSA, P-256), one cipher (TLS_AES_128_GCM_SHA256), one group (X25519),
and tickets as they come; the client is Python's ssl, which is not measured, for small requests wrk.
"""

import contextlib
import json
import os
import pathlib
import re
import resource
import shutil
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from statistics import median

from server import Server, free_port

BULK = 64 << 20
SETTINGS = """openssl_conf = main
[main]
ssl_conf = ssl
[ssl]
system_default = all
[all]
Ciphersuites = TLS_AES_128_GCM_SHA256
Groups = X25519
"""
NGINX = """
daemon off; worker_processes {workers}; pid {at}/pid; error_log {at}/error.log;
events {{ worker_connections 16384; }}
http {{
  access_log off; server_tokens off; keepalive_requests 1000000000; keepalive_timeout 600;
  default_type text/plain; client_max_body_size 0; sendfile on;
  client_body_temp_path {at}/body; proxy_temp_path {at}/proxy; fastcgi_temp_path {at}/fastcgi;
  uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi;
  {certificate}
  server {{
    listen 127.0.0.1:{port}{tls};
    location / {{ return 200 "hello world\\n"; }}
    location = /get {{ alias {at}/zeros; }}
    location = /file {{ alias {at}/zeros; }}
  }}
}}
"""
NGINX_CERTIFICATE = """ssl_protocols TLSv1.3;
  ssl_certificate {at}/cert.pem; ssl_certificate_key {at}/key.pem;"""
KINDS = ("get", "put", "hello", "full", "resumed", "idle")


def options(parser):
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--only", default="creche,nginx,bare,asio",
                        help="which, by commas; ratios are the first over each other one")
    parser.add_argument("--kinds", default=",".join(KINDS), help="which, by commas: %(default)s")
    parser.add_argument("--loops", type=int, default=1, help="of creche, and workers of nginx")


def file_options(parser):
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--mebibytes", type=int, default=1024, help="of the file")


# ---- the client, in a process of its own with the settings of OpenSSL

def connect(context, port, session=None):
    plain = socket.create_connection(("127.0.0.1", port), 20)
    plain.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if not context:
        return plain
    return context.wrap_socket(plain, session=session)


def ask(peer, request, length):
    """Sends it, and reads a head and so many bytes behind it."""
    peer.sendall(request)
    got, head = b"", -1
    while head < 0:
        got += peer.recv(65536)
        head = got.find(b"\r\n\r\n")
    if not got.startswith(b"HTTP/1.1 200 "):
        raise RuntimeError(f"the answer was {got[:300]!r}")
    left, room = length - (len(got) - head - 4), bytearray(1 << 18)
    while left > 0:
        n = peer.recv_into(room)
        if not n:
            raise RuntimeError("the server ended too early")
        left -= n


def client(kind, port, count, plain):
    context = None
    if not plain:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    get = b"GET /%s HTTP/1.1\r\nHost: a\r\n\r\n"
    if kind in ("get", "file"):
        with connect(context, port) as peer:
            for _ in range(count):
                ask(peer, get % kind.encode(), BULK if kind == "get" else int(os.environ["SIZE"]))
    elif kind == "put":
        piece = bytes(1 << 18)
        with connect(context, port) as peer:
            for _ in range(count):
                peer.sendall(b"POST /put HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n" % BULK)
                for _ in range(BULK // len(piece)):
                    peer.sendall(piece)
                ask(peer, b"", 0)
    elif kind == "idle":
        peers = []
        for _ in range(count):
            peers.append(connect(context, port))
            ask(peers[-1], get % b"hello", 12)
        print("ready", flush=True)
        sys.stdin.read()
    else:
        session, resumed = None, 0
        for _ in range(count):
            with connect(context, port, session) as peer:
                ask(peer, get % b"hello", 12)
                if kind == "resumed":
                    resumed += peer.session_reused
                    session = peer.session
        if kind == "resumed" and resumed < count - 1:
            raise RuntimeError(f"only {resumed} of {count} were resumed")


# ---- the servers

class Many(Server):
    """One that is asked by a client of its own."""

    def __init__(self, name, command, port=None, plain=False):
        self._plain = plain
        super().__init__(name, command, port)

    def _ask_once(self):
        for _ in range(200):
            with contextlib.suppress(OSError):
                socket.create_connection(("127.0.0.1", self.port), 1).close()
                return 0
            time.sleep(0.05)
        raise RuntimeError(f"{self.name} does not listen")

    def resident_kib(self):
        pids = self._family
        total = 0
        for pid in pids:
            with open(f"/proc/{pid}/smaps_rollup") as f:
                total += int(re.search(r"Pss:\s+(\d+)", f.read())[1])
        return total


def binary(args, name):
    path = args.build / "tests" / "bench" / name
    if not path.exists():
        raise RuntimeError(f"{path} is not built: tools/build release --target benches")
    return str(path)


def start(name, args, at, plain=False):
    pair = [] if plain else [f"{at}/cert.pem", f"{at}/key.pem"]
    if name == "nginx":
        nginx = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
        port = free_port()
        (at / "nginx.conf").write_text(NGINX.format(
            at=at, port=port, workers=args.loops, tls="" if plain else " ssl",
            certificate="" if plain else NGINX_CERTIFICATE.format(at=at)))
        return Many(name, [nginx, "-p", str(at), "-e", f"{at}/error.log", "-c",
                           str(at / "nginx.conf")], port, plain)
    if name == "creche":
        return Many(name, [binary(args, "creche_tls_server"), str(args.loops), f"{at}/zeros",
                           *pair], plain=plain)
    return Many(name, [binary(args, f"{name}_tls_server"), *pair])


def by_client(kind, server, count, plain=False, **settings):
    """CPU seconds of the server."""
    before = sum(server.cpu_seconds())
    done = subprocess.run([sys.executable, __file__, kind, str(server.port), str(count),
                           "plain" if plain else "tls"], env=os.environ | settings,
                          capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{server.name}, {kind}: {done.stderr[-500:]}")
    return sum(server.cpu_seconds()) - before


def measure(kind, server, report):
    if kind in ("get", "put"):
        count = 16
        return by_client(kind, server, count) / (count * BULK) * (1 << 30)  # seconds for each GiB
    if kind in ("full", "resumed"):
        count = 1500
        return 1e6 * by_client(kind, server, count) / count  # us
    if kind == "idle":
        count = 1500
        before = server.resident_kib()
        held = subprocess.Popen([sys.executable, __file__, kind, str(server.port), str(count),
                                 "tls"], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        held.stdout.readline()
        grown = 1024 * (server.resident_kib() - before) / count  # bytes
        held.communicate()
        return grown
    before = sum(server.cpu_seconds())
    wrk = subprocess.run(["wrk", "-t1", "-c64", "-d3s", "-s", str(report),
                          f"https://127.0.0.1:{server.port}/hello"],
                         capture_output=True, text=True, check=True)
    said = json.loads(wrk.stdout.strip().splitlines()[-1])
    return 1e6 * (sum(server.cpu_seconds()) - before) / said["requests"]  # us


UNITS = {"get": "CPU s/GiB", "put": "CPU s/GiB", "hello": "CPU us/request",
         "full": "CPU us/handshake", "resumed": "CPU us/handshake", "idle": "bytes/connection",
         "file": "CPU s/GiB"}


def tell(kind, rounds):
    names = list(rounds)
    line = {"kind": kind, "unit": UNITS[kind]}
    line.update({n: {"median": round(median(v), 3), "min": round(min(v), 3),
                     "max": round(max(v), 3)} for n, v in rounds.items()})
    first = median(rounds[names[0]])
    line["ratios"] = {f"{names[0]}/{n}": round(first / median(rounds[n]), 3) for n in names[1:]
                      if median(rounds[n])}
    print(json.dumps(line), flush=True)


@contextlib.contextmanager
def scratch_folder(mebibytes):
    memory = "/dev/shm" if os.path.isdir("/dev/shm") else None
    with tempfile.TemporaryDirectory(prefix="creche_bench_", dir=memory) as folder:
        at = pathlib.Path(folder)
        at.chmod(0o755)  # nginx's worker is nobody
        with open(at / "zeros", "wb") as f:
            f.truncate(mebibytes << 20)
            for piece in range(mebibytes):
                os.pwrite(f.fileno(), bytes(1 << 20), piece << 20)
        yield at


def run(args, root):
    report = root / "tests" / "bench" / "wrk_report.lua"
    most_files = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    resource.setrlimit(resource.RLIMIT_NOFILE, (8192, most_files))
    with scratch_folder(BULK >> 20) as at, contextlib.ExitStack() as stack:
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt",
                        "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", at / "key.pem",
                        "-out", at / "cert.pem", "-days", "30", "-subj", "/CN=localhost"],
                       check=True, capture_output=True)
        (at / "key.pem").chmod(0o600)
        (at / "openssl.cnf").write_text(SETTINGS)
        os.environ["OPENSSL_CONF"] = str(at / "openssl.cnf")
        servers = []
        for name in args.only.split(","):
            servers.append(start(name, args, at))
            stack.callback(servers[-1].stop)
        print(json.dumps({"openssl": ssl.OPENSSL_VERSION, "certificate": "ECDSA P-256",
                          "cipher": "TLS_AES_128_GCM_SHA256", "group": "X25519",
                          "loops": args.loops}), flush=True)
        for kind in args.kinds.split(","):
            # a blocking loop serves one connection at a time; nginx's worth is its own to read
            rounds = {s.name: [] for s in servers
                      if s.name != "bare" or kind not in ("hello", "idle")}
            here = [s for s in servers if s.name in rounds]
            for number in range(1 if kind == "idle" else args.rounds):
                for server in here if number % 2 == 0 else here[::-1]:
                    rounds[server.name].append(measure(kind, server, report))
            tell(kind, rounds)


def run_file(args, _root):
    args.loops = 1
    size = args.mebibytes << 20
    with scratch_folder(args.mebibytes) as at, contextlib.ExitStack() as stack:
        servers = []
        for name in ("creche", "nginx"):
            servers.append(start(name, args, at, plain=True))
            stack.callback(servers[-1].stop)
        rounds = {s.name: [] for s in servers}
        for number in range(args.rounds):
            for server in servers if number % 2 == 0 else servers[::-1]:
                rounds[server.name].append(
                    by_client("file", server, 1, plain=True, SIZE=str(size)) / size * (1 << 30))
        tell("file", rounds)


if __name__ == "__main__":
    client(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4] == "plain")
