"""compare_http.py: wrk against several servers in turn, CPU per request of each."""

import contextlib
import json
import pathlib
import shutil
import subprocess
import tempfile
from statistics import median

from server import Server, free_port

WARM_SECONDS = 1
RATIOS = ("cpu_us_per_request", "user_us", "p50_ms", "p99_ms", "p999_ms", "rps")
NGINX = """
daemon off; worker_processes 1; pid {at}/pid; error_log {at}/error.log;
events {{ worker_connections 16384; }}
http {{
  access_log off; server_tokens off; keepalive_requests 1000000000; keepalive_timeout 600;
  default_type text/plain;
  client_body_temp_path {at}/body; proxy_temp_path {at}/proxy; fastcgi_temp_path {at}/fastcgi;
  uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi;
  server {{ listen 127.0.0.1:{port}; location / {{ return 200 "hello world\\n"; }} }}
}}
"""


def options(parser):
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=int, default=4, help="of each server in each round")
    parser.add_argument("--connections", type=int, default=64)
    parser.add_argument("--only", default="creche,nginx,beast,hyper",
                        help="which, by commas; ratios are the first over each other one")
    parser.add_argument("--creche", metavar="COMMAND", help="instead of the built creche demo")
    parser.add_argument("--beast", metavar="COMMAND", help="instead of the built beast_server")


def built(program, target):
    if not program.exists():
        raise RuntimeError(
            f"{program} is not built: cmake --preset release && "
            f"cmake --build --preset release --target {target}"
        )
    return str(program)


def start_nginx(args, scratch):
    nginx = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if not nginx:
        raise RuntimeError("nginx is not installed: tools/setup peers")
    at, port = pathlib.Path(scratch), free_port()
    (at / "nginx.conf").write_text(NGINX.format(at=at, port=port))
    return Server("nginx", [nginx, "-p", str(at), "-e", f"{at}/error.log",
                            "-c", str(at / "nginx.conf")], port)


def start_creche(args, scratch):
    return Server("creche", args.creche or [
        built(args.build / "tools" / "creche", "creche"),
        "demo", "--http", "127.0.0.1:0", "--loops", "1"])


def start_beast(args, scratch):
    return Server("beast", args.beast or [
        built(args.build / "tests" / "bench" / "beast_server", "beast_server")])


def start_hyper(args, scratch):
    if not shutil.which("cargo"):
        raise RuntimeError("cargo is not installed: tools/setup peers")
    source = pathlib.Path(__file__).resolve().parents[2] / "tests" / "bench" / "hyper_server"
    place = args.build / "tests" / "bench" / "hyper"
    shutil.copytree(source, place, dirs_exist_ok=True)  # cargo writes beside its sources
    subprocess.run(
        ["cargo", "--config", 'source.crates-io.replace-with="debian"',
         "--config", 'source.debian.directory="/usr/share/cargo/registry"',
         "build", "--release", "--offline", "--quiet"], cwd=place, check=True)
    return Server("hyper", [str(place / "target" / "release" / "hyper_server")])


STARTERS = {"creche": start_creche, "nginx": start_nginx, "beast": start_beast,
            "hyper": start_hyper}


def load(server, seconds, connections, report):
    """One run of wrk and what it cost the server."""
    user0, system0 = server.cpu_seconds()
    wrk = subprocess.run(
        ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "-s", str(report),
         f"http://127.0.0.1:{server.port}/hello"],
        capture_output=True, text=True, check=False)
    user1, system1 = server.cpu_seconds()
    if wrk.returncode:
        raise RuntimeError(f"wrk against {server.name}: {wrk.stdout}{wrk.stderr}")
    said = json.loads(wrk.stdout.strip().splitlines()[-1])
    if said["errors"] or not said["requests"]:
        raise RuntimeError(f"{server.name}: errors under load: {wrk.stdout}")
    return {
        "requests": said["requests"],
        "cpu_us_per_request": 1e6 * (user1 - user0 + system1 - system0) / said["requests"],
        "user_us": 1e6 * (user1 - user0) / said["requests"],
        "p50_ms": said["p50_us"] / 1e3,
        "p99_ms": said["p99_us"] / 1e3,
        "p999_ms": said["p999_us"] / 1e3,
        "rps": 1e6 * said["requests"] / said["duration_us"],
    }


def spread(values):
    return {"median": round(median(values), 3), "min": round(min(values), 3),
            "max": round(max(values), 3)}


def ratio(first, other):
    """Of the medians; and the least and the most of any round."""
    rounds = [a / b for a, b in zip(first, other) if b]
    if not rounds or not median(other):
        return None  # nothing was measured: a round too short for the clock of /proc
    return {"of_medians": round(median(first) / median(other), 3),
            "min": round(min(rounds), 3), "max": round(max(rounds), 3)}


def print_results(servers, rounds):
    for server in servers:
        runs = rounds[server.name]
        line = {"server": server.name}
        line.update({key: round(median(r[key] for r in runs), 3) for key in runs[0]})
        line["requests"] = round(line["requests"])
        print(json.dumps({**line, "response_bytes": server.response_bytes}))
    first = rounds[servers[0].name]
    ratios, ranges = {}, {}
    for server in servers:
        runs = rounds[server.name]
        ranges[server.name] = {k: spread([r[k] for r in runs]) for k in RATIOS}
        if runs is not first:
            ratios[f"{servers[0].name}/{server.name}"] = {
                k: ratio([r[k] for r in first], [r[k] for r in runs]) for k in RATIOS}
    print(json.dumps({"ratios": ratios, "ranges": ranges,
                      "same_size": len({s.response_bytes for s in servers}) == 1}))


def run(args, root):
    names = args.only.split(",")
    unknown = [n for n in names if n not in STARTERS]
    if unknown:
        raise RuntimeError(f"no server is called {unknown[0]}: {', '.join(STARTERS)}")
    if not shutil.which("wrk"):
        raise RuntimeError("wrk is not installed: tools/setup peers")
    report = root / "tests" / "bench" / "wrk_report.lua"
    with contextlib.ExitStack() as stack:
        scratch = stack.enter_context(tempfile.TemporaryDirectory(prefix="creche_bench_"))
        servers = []
        for name in names:
            servers.append(STARTERS[name](args, scratch))
            stack.callback(servers[-1].stop)
        rounds = {name: [] for name in names}
        for server in servers:
            load(server, WARM_SECONDS, args.connections, report)
        for number in range(args.rounds):
            for server in servers if number % 2 == 0 else servers[::-1]:
                rounds[server.name].append(
                    load(server, args.seconds, args.connections, report))
        print_results(servers, rounds)
