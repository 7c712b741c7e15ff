#!/usr/bin/env python3
"""What the demo answers: every path, by curl and byte by byte. usage: demo_test.py CRECHE"""

import email.utils
import hashlib
import json
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time

from scenario import (Demo, Ended, check, check_equal, chunked, ends_well, finish, request, until)

MIB = 1 << 20


def plain_answers(demo):
    with demo.connect() as c:
        r = c.ask("GET", "/hello")
        check_equal("/hello", (r.status, r.body, r["Content-Type"], r["Content-Length"]),
                    (200, b"hello world\n", "text/plain", "12"))
        age = time.time() - email.utils.parsedate_to_datetime(r["Date"]).timestamp()
        check("Date is now", -2 < age < 5, r["Date"])
        check_equal("a query changes nothing", c.ask("GET", "/hello?x=/crash").body, r.body)
        check_equal("keep-alive: the third on this connection", c.ask("GET", "/hello").status, 200)
        for target in ("http://demo/hello", "http://demo:80/hello?x=/"):
            check_equal(f"absolute form: {target}", c.ask("GET", target).body, r.body)
        check_equal("absolute form without a path", c.ask("GET", "http://demo").status, 200)
        check_equal("an unknown path", c.ask("GET", "/nowhere").status, 404)
        reads, acts = "GET, HEAD, OPTIONS", "GET, HEAD, POST, OPTIONS"
        for path, method, allow in [("/hello", "POST", reads), ("/", "DELETE", reads),
                                    ("/tree", "PUT", reads), ("/crash", "PUT", acts),
                                    ("/hello", "GE", reads), ("/hello", "OPTION", reads)]:
            r = c.ask(method, path, b"")
            check_equal(f"{method} {path} is not allowed", (r.status, r["Allow"]), (405, allow))
        for target, allow in [("*", acts), ("/hello", reads), ("/", reads), ("/crash/db", acts)]:
            r = c.ask("OPTIONS", target)
            check_equal(f"OPTIONS {target}", (r.status, r["Allow"], r.body), (204, allow, b""))
        for path in ("/", "/tree", "/hello", "/echo"):
            get, head = c.ask("GET", path), c.ask("HEAD", path)
            check_equal(f"HEAD {path} is like GET", (head.status, head["Content-Type"], head.body),
                        (get.status, get["Content-Type"], b""))
            # an answer without content may be one whose content was left out: no length is made up
            check("  and says the length that it knows",
                  head["Content-Length"].isdigit() == bool(get.body), head.fields)
        r = c.ask("GET", "/hello", close=True)
        check_equal("Connection: close is said", r["Connection"], "close")
        check("  and done", c.is_closed())
    with demo.connect() as c:
        c.send(b"GET /hello HTTP/1.0\r\n\r\n")
        check_equal("HTTP/1.0", c.response().body, b"hello world\n")
        check("  closes", c.is_closed())


def tree_and_page(demo):
    tree = demo.tree()
    children = {child["name"]: child for child in tree["children"]}
    check_equal("the tree's root", (tree["name"], tree["kind"]), ("demo", "nursery"))
    check_equal("its children", set(children), {"http", "worker", "ticker", "backend"})
    check("each with restarts", all(isinstance(c["restarts"], int) for c in children.values()))
    stacks = [[layer["name"] for layer in stack["children"]]
              for stack in children["http"]["children"]]
    check("a connection is a subtree", ["tcp", "http1", "request"] in stacks, stacks)
    r = demo.get("/")
    page = r.body.decode()
    check_equal("the page", (r.status, r["Content-Type"]), (200, "text/html; charset=utf-8"))
    check("  has the tree without script", all(f"<b>{name}</b>" in page for name in children))
    check("  and a button for each /crash", all(
        f'action="{path}"' in page for path in ("/crash", "/crash/db")))
    check("  needs nothing from elsewhere", "://" not in page and "src=" not in page)
    ticks = lambda: int(re.search(rb"ticker, seconds</dt><dd>(\d+)<", demo.get("/").body)[1])
    check("the ticker ticks", until(lambda: ticks() > 0))


def phases_and_needs(demo):
    """db fails: api and cache are drained before it, and come back after it; the tree shows it."""
    def services():
        nursery = demo.child("backend")["children"]
        return {c["name"]: c for c in nursery[0]["children"]} if nursery else {}

    def states():
        return {name: c["state"] for name, c in services().items()}

    up = {"db": "running", "cache": "running", "api": "running"}
    check("backend: all are up", until(lambda: states() == up), states())
    check_equal("  permanent", {c["policy"] for c in services().values()}, {"permanent"})
    check_equal("/crash/db", demo.get("/crash/db").status, 202)
    check("  api drains, with a limit", until(
        lambda: services()["api"]["state"] == "draining"
        and 0 < services()["api"].get("phase_ends_in_s", -1) <= 2), services())
    check("  and the page says so", until(lambda: b"draining" in demo.get("/").body))
    check("  then cache", until(lambda: states()["cache"] == "draining"), states())
    check("  db starts first", until(lambda: states() == {
        "db": "starting", "cache": "waiting for a sibling", "api": "waiting for a sibling"}),
        states())
    check("  cache follows db", until(lambda: states()["cache"] == "starting"), states())
    check("  all are up again", until(lambda: states() == up), states())
    check_equal("  each restarted once", {c["restarts"] for c in services().values()}, {1})


def pipelining(demo):
    with demo.connect() as c:
        ids = [f"id-{i}".encode() * (1 + i % 7) for i in range(200)]
        c.send(b"".join(request("POST", "/echo", i) if n % 3 else request("GET", "/hello")
                        for n, i in enumerate(ids)))
        wanted = [i if n % 3 else b"hello world\n" for n, i in enumerate(ids)]
        check_equal("200 pipelined requests, in order", [c.response().body for _ in ids], wanted)


def requests_in(demo):
    """How many are in hand; ours is one of them."""
    stacks = demo.child("http")["children"]
    return sum(x["name"] == "request" for stack in stacks for x in stack["children"])


def bodies(demo):
    with demo.connect() as c:
        r = c.ask("PATCH", "/echo", b"{}", ["Content-Type: application/x-odd; a=b"])
        check_equal("/echo", (r.status, r.body, r["Content-Type"], r["Content-Length"]),
                    (200, b"{}", "application/x-odd; a=b", "2"))
        r = c.ask("GET", "/echo")
        check_equal("/echo of nothing", (r.status, r.body, r["Content-Type"]), (200, b"", ""))
        pieces = [b"a", b"bc" * 1000, b"d" * 70_000, b"e"]
        c.send(b"PUT /echo HTTP/1.1\r\nHost: demo\r\nTransfer-Encoding: chunked\r\n\r\n"
               + chunked(*pieces) + request("GET", "/hello"))
        r = c.response()
        check_equal("chunked both ways", (r["Transfer-Encoding"], r.body),
                    ("chunked", b"".join(pieces)))
        check_equal("  and the next one", c.response().body, b"hello world\n")
        r = c.ask("HEAD", "/echo", b"x" * MIB)
        check_equal("HEAD /echo with a body", (r.status, r.body), (200, b""))
        check_equal("  and the next one", c.ask("GET", "/hello").body, b"hello world\n")
        check("  and no request is left", until(lambda: requests_in(demo) == 1), demo.tree())
    with demo.connect() as c:
        c.send(b"POST /echo HTTP/1.1\r\nHost: demo\r\nExpect: 100-continue\r\n"
               b"Content-Length: 3\r\n\r\n")
        check_equal("100-continue, when the body is wanted", c.response().status, 100)
        c.send(b"abc")
        check_equal("  then the answer", c.response().body, b"abc")
        c.send(b"POST /hello HTTP/1.1\r\nHost: demo\r\nExpect: 100-continue\r\n"
               b"Content-Length: 3\r\n\r\n")
        r = c.response()
        check_equal("no 100-continue when it is not", (r.status, r["Connection"]), (405, "close"))
        check("  and the connection ends", c.is_closed())


def large_echo(demo, size):
    """Compared by hash, written and read at the same time; the server must not keep it."""
    block = hashlib.sha256(str(size).encode()).digest() * 2048  # 64 KiB
    before = demo.memory_kib()
    with demo.connect() as c:
        sent, got = hashlib.sha256(), hashlib.sha256()

        def write():
            c.send(f"PUT /echo HTTP/1.1\r\nHost: demo\r\nContent-Length: {size}\r\n\r\n".encode())
            for n in range(size // len(block)):
                piece = n.to_bytes(8, "big") + block[8:]
                sent.update(piece)
                c.send(piece)

        writer = threading.Thread(target=write)
        writer.start()
        head = c.head()
        left = int(head["Content-Length"])
        while left:
            part = c.take(min(left, 1 << 18))
            got.update(part)
            left -= len(part)
        writer.join()
        check_equal(f"an echo of {size // MIB} MiB", got.digest(), sent.digest())
        grown = demo.memory_kib() - before
        check("  in little memory", grown < 16 * 1024, f"{grown} KiB more")


def late_reader(demo, size, halves):
    """It writes all of its body, perhaps ends its side, and then only begins to read."""
    block = hashlib.sha256(str(size).encode()).digest() * 2048  # 64 KiB
    name = f"{size} bytes, read late" + (", after a half-close" if halves else "")
    with demo.connect() as c:
        sent = 0

        def write():
            nonlocal sent
            c.send(f"PUT /echo HTTP/1.1\r\nHost: demo\r\nContent-Length: {size}\r\n\r\n".encode())
            for sent in range(0, size, len(block)):
                c.send(block[:size - sent])
            if halves:
                c.socket.shutdown(socket.SHUT_WR)

        writer = threading.Thread(target=write)
        writer.start()
        def is_full():
            before = sent
            time.sleep(0.1)
            return sent == before
        until(is_full)
        wrong, left = 0, int(c.head()["Content-Length"])
        try:
            while left:
                part = c.take(min(left, len(block)))
                wrong += part != block[:len(part)]
                left -= len(part)
        except Ended as e:
            wrong += 1
            name += f": {left} bytes missing, {e!r:.60}"
        writer.join()
        check(f"an echo of {name}", not wrong, wrong)
        if halves:
            check("  and the connection ends", c.is_closed())
        else:
            check("  and the task is over", until(lambda: requests_in(demo) == 1), demo.tree())
            check_equal("  and the next one", c.ask("GET", "/hello").status, 200)


def by_curl(demo):
    if not shutil.which("curl"):
        return print("SKIP  curl is not installed")
    url = f"http://127.0.0.1:{demo.port}"

    def curl(*arguments, data=None):
        return subprocess.run(["curl", "-sS", "-m", "60", *arguments], input=data,
                              capture_output=True, check=False)

    check_equal("curl /hello", curl(f"{url}/hello").stdout, b"hello world\n")
    check("curl -I /", curl("-I", f"{url}/").stdout.startswith(b"HTTP/1.1 200 OK\r\n"))
    data = hashlib.sha256(b"curl").digest() * (MIB // 32)
    check_equal("curl sends 1 MiB and 100-continue",
                curl("-T", "-", "-H", "Transfer-Encoding:", "-H", f"Content-Length: {len(data)}",
                     "-H", "Expect: 100-continue", f"{url}/echo", data=data).stdout, data)
    check_equal("curl sends 1 MiB chunked", curl("-T", "-", f"{url}/echo", data=data).stdout, data)
    out = curl("-w", "%{num_connects} ", *([f"{url}/hello"] * 3)).stdout
    check_equal("curl keeps its connection", out, b"hello world\n1 hello world\n0 hello world\n0 ")


def echo_only(program):
    with Demo(program, "--echo", "--loops", "1") as demo, demo.connect() as c:
        for method, path in [("GET", "/"), ("POST", "/tree"), ("PUT", "/a/b?c"), ("DELETE", "/x"),
                             ("OPTIONS", "*"), ("PROPFIND", "/crash"),
                             ("GET", "http://demo/absolute")]:
            r = c.ask(method, path, b"body of it")
            check_equal(f"--echo: {method} {path}", (r.status, r.body), (200, b"body of it"))
        check_equal("--echo: no body", c.ask("GET", "/hello").body, b"")
        c.close()
        ends_well(demo)


def a_browser(demo):
    """Headless Chromium shows the page, and its script has asked for it again."""
    page = subprocess.run(
        ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
         "--virtual-time-budget=3000", "--dump-dom", f"http://127.0.0.1:{demo.port}/"],
        capture_output=True, text=True, timeout=60, check=False)
    check_equal("Chromium ends well", page.returncode, 0)
    for name in ("worker", "ticker", "http1", "request"):
        check(f"Chromium shows {name}", f"<b>{name}" in page.stdout, page.stdout[-2000:])
    check("the page's script reaches the demo", 'class="gone"' not in page.stdout)


def standing_out(page, width):
    """What stands out of its card, or of the window, where the page is that wide."""
    frame = """<iframe style="border: 0; height: 900px; width: %dpx"></iframe><script>
      const frame = document.querySelector("iframe");
      frame.onload = () => {
        const body = frame.contentDocument.body, right = e => e.getBoundingClientRect().right;
        document.title = "at " + frame.contentWindow.innerWidth + ": " +
          [...body.querySelectorAll("*")].filter(e =>
            right(e) > right(e.parentElement.closest("dl div, .tree, body"))
          ).map(e => e.textContent).join(" | ");
      };
      frame.srcdoc = %s;
    </script>""" % (width, json.dumps(page).replace("</", "<\\/"))
    with tempfile.NamedTemporaryFile("w", suffix=".html") as file:
        file.write(frame)
        file.flush()
        shown = subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage",
             "--virtual-time-budget=3000", "--dump-dom", f"file://{file.name}"],
            capture_output=True, text=True, timeout=60, check=False).stdout
    return re.search(r"<title>(.*?)</title>|$", shown, re.S)[1]


def layout(demo):
    check("the worker fails", demo.get("/crash").status == 202)
    check("  and is up again", until(lambda: demo.child("worker")["state"] == "running"))
    page = demo.get("/").body.decode()
    for width in (360, 1280):
        check_equal(f"the page fits {width} px", standing_out(page, width), f"at {width}: ")
    check("  and is looked at: one that does not wrap stands out",
          "permanent" in standing_out(page.replace("flex-wrap: wrap", "white-space: nowrap"), 360))


def main(program):
    for loops in ("1", "3"):
        print(f"--loops {loops}")
        with Demo(program, "--loops", loops) as demo:
            check("it says where it listens, once", demo.first_line.startswith("listening on "))
            plain_answers(demo)
            tree_and_page(demo)
            phases_and_needs(demo)
            a_browser(demo)
            layout(demo)
            pipelining(demo)
            bodies(demo)
            large_echo(demo, MIB)
            large_echo(demo, 64 * MIB)
            for size in (65536, 100_000, 8 * MIB, 32 * MIB):
                for halves in (False, True):
                    late_reader(demo, size, halves)
            by_curl(demo)
            check("all connections are gone",
                  until(lambda: demo.counts()["open"] == 1), demo.counts())
            ends_well(demo)
    echo_only(program)
    finish()


main(sys.argv[1])
