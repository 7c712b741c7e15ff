#!/usr/bin/env python3
"""Runs http1_differential beside an nginx of its own, which listens on a Unix socket in a folder
that is gone afterwards.

usage: run.py PROGRAM [--count N] [--seed N]     exit 77: there is no nginx"""

import argparse
import os
import pathlib
import random
import shutil
import subprocess
import sys
import tempfile
import time

# An answer is a head: what was asked for stands in a field. All that is sent comes in one read.
NGINX = """
daemon off; master_process off; pid {at}/pid; error_log {at}/error.log crit;
events {{ worker_connections 512; }}
http {{
  access_log off; keepalive_requests 1000; client_header_buffer_size 32k;
  large_client_header_buffers 4 32k; client_max_body_size 1m;
  client_body_temp_path {at}/body; proxy_temp_path {at}/proxy; fastcgi_temp_path {at}/fastcgi;
  uwsgi_temp_path {at}/uwsgi; scgi_temp_path {at}/scgi;
  server {{
    listen unix:{at}/socket;
    add_header X-Name "$request_method $request_uri" always;
    location / {{ return 204; }}
  }}
}}
"""


def main():
    options = argparse.ArgumentParser()
    options.add_argument("program")
    options.add_argument("--count", type=int, default=3000)
    options.add_argument("--seed", type=int,
                         default=int(os.environ.get("CRECHE_SEED") or random.randrange(1 << 31)))
    o = options.parse_args()
    nginx = shutil.which("nginx") or shutil.which("/usr/sbin/nginx")
    if not nginx:
        print("nginx is not installed: tools/setup test")
        return 77
    print(f"seed {o.seed}: repeat with --seed {o.seed} --count {o.count}", flush=True)
    with tempfile.TemporaryDirectory(prefix="creche_") as scratch:
        at = pathlib.Path(scratch)
        os.chmod(at, 0o755)
        (at / "nginx.conf").write_text(NGINX.format(at=at))
        server = subprocess.Popen([nginx, "-p", scratch, "-e", f"{at}/error.log",
                                   "-c", str(at / "nginx.conf")])
        try:
            deadline = time.monotonic() + 20
            while not (at / "socket").exists():
                if server.poll() is not None or time.monotonic() > deadline:
                    print("nginx did not begin:", (at / "error.log").read_text()[-500:])
                    return 1
                time.sleep(0.01)
            return subprocess.run([o.program, str(at / "socket"), str(o.count), str(o.seed)],
                                  check=False).returncode
        finally:
            server.terminate()
            server.wait()


if __name__ == "__main__":
    sys.exit(main())
