#!/usr/bin/env python3
"""R1: the system calls of a small server fail once each: an outcome, never a crash or a hang.
usage: syscalls.py SUBJECT [--most N]

Runs SUBJECT under strace, which makes the n-th call of one kind fail, for every kind that the
program makes and n up to N; strace counts the calls of each thread by themselves. What may come of
it is an exit with 0, 1 or 2 within the time limit; a program that has not begun (it is the loader's
call) may end as it likes.
"""
import argparse
import concurrent.futures
import os
import re
import shutil
import signal
import subprocess
import sys
import tempfile

LIMIT_S = 20
# Calls of the kinds that the runtime, asio and CAF make, with errors that they may give.
ERRORS = {
    "accept4": ["EMFILE", "ECONNABORTED"],
    "bind": ["EADDRINUSE"],
    "clock_nanosleep": ["EINTR"],
    "clone3": ["EAGAIN"],
    "close": ["EIO"],
    "connect": ["ENETUNREACH"],
    "epoll_create1": ["EMFILE"],
    "epoll_ctl": ["ENOMEM"],
    "epoll_wait": ["EINTR"],
    "eventfd2": ["EMFILE"],
    "fcntl": ["EINVAL"],
    "fstat": ["EIO"],
    "getrandom": ["EAGAIN"],
    "getsockname": ["ENOBUFS"],
    "getsockopt": ["ENOBUFS"],
    "ioctl": ["EINVAL"],
    "listen": ["EADDRINUSE"],
    "madvise": ["EINVAL"],
    "mmap": ["ENOMEM"],
    "mprotect": ["ENOMEM"],
    "newfstatat": ["ENOENT"],
    "openat": ["EMFILE"],
    "poll": ["EINTR"],
    "prctl": ["EINVAL"],
    "read": ["EIO", "EINTR"],
    "readv": ["ECONNRESET", "EINTR"],
    "recvfrom": ["ECONNRESET", "EINTR"],
    "recvmsg": ["ECONNRESET", "EINTR"],
    "rt_sigaction": ["EINVAL"],
    "rt_sigprocmask": ["EINVAL"],
    "sendfile": ["EIO"],
    "sendmsg": ["EPIPE", "ENOBUFS", "EINTR"],
    "sendto": ["EPIPE", "ENOBUFS"],
    "setsockopt": ["ENOPROTOOPT"],
    "shutdown": ["ENOTCONN"],
    "signalfd4": ["EMFILE"],
    "socket": ["EMFILE", "ENOBUFS"],
    "timerfd_create": ["EMFILE"],
    "timerfd_settime": ["EINVAL"],
    "write": ["EIO", "EINTR"],
    "writev": ["EPIPE", "ENOBUFS"],
}
# The first ones are the loader's: all of them are failed.
ALL_OF = ("clone3", "epoll_ctl", "mmap", "mprotect", "newfstatat")
# asio does not look at what these give. No kernel fails them: a descriptor that is watched already
# needs no memory, and an eventfd has room for 2^64 - 1; but for the first kind, which needs some
# when an io_context is made. Its loop cannot be woken then: it may hang, but not crash.
ASIOS = {
    "epoll_ctl": re.compile(r"EPOLL_CTL_MOD|events=EPOLLIN\|EPOLLERR\|EPOLLET,"),
    "write": re.compile(r'"\\1\\0\\0\\0\\0\\0\\0\\0", 8'),
}
# Their failures end in the C library.
NOT_JUDGED = {
    "brk": "a kernel's gives the old end instead of an error, which malloc does not know",
    "futex": "the C library ends the process",
    "munmap": "the C library ends the process when it cannot free a thread's stack",
}


def strace(arguments, subject):
    process = subprocess.Popen(["strace", "-f", "-qq", *arguments, subject], text=True,
                               errors="replace", stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                               start_new_session=True)
    try:
        said = process.communicate(timeout=LIMIT_S)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)  # what it traces would go on without it
        process.communicate()
        raise
    return subprocess.CompletedProcess(process.args, process.returncode, *said)


def counts(subject):
    """{kind: how many calls a run makes that nothing fails}"""
    known = ",".join(ERRORS)
    done = strace(["-e", f"trace={known}", "-o", "/dev/stderr"], subject)
    if done.returncode != 0:
        sys.exit(f"the subject fails by itself: {done.returncode}\n{done.stderr[-2000:]}")
    found = {}
    for kind in re.findall(r"^(?:\d+ +)?(\w+)\(", done.stderr, re.M):
        found[kind] = found.get(kind, 0) + 1
    return found


def outcome(subject, kind, error, n):
    """What is wrong when that call fails; None: nothing is."""
    with tempfile.NamedTemporaryFile("r", errors="replace") as seen:
        try:
            done = strace(["-e", f"trace={kind},eventfd2", "-e",
                           f"inject={kind}:error={error}:when={n}", "-o", seen.name], subject)
        except subprocess.TimeoutExpired:
            failed = [line for line in seen if "INJECTED" in line]
            if kind in ASIOS and any(ASIOS[kind].search(line) for line in failed):
                return None
            return f"it hangs: {''.join(failed)}"
        # the first that it makes when it begins to run
        begun = "eventfd2(" in seen.read()
    if done.returncode in (0, 1, 2) or not begun:
        return None
    return f"it ends with {done.returncode}: {done.stderr[-600:]}"


def main():
    options = argparse.ArgumentParser()
    options.add_argument("subject")
    options.add_argument("--most", type=int, default=40, help="calls of one kind")
    options.add_argument("--only", default="", help="this kind alone")
    given = options.parse_args()
    if not shutil.which("strace"):
        sys.exit("FAIL  strace is not installed: tools/setup test")
    made = counts(given.subject)
    jobs = [(kind, error, n) for kind, total in sorted(made.items())
            if kind in ERRORS and given.only in ("", kind)
            for error in ERRORS[kind]
            for n in range(1, (total if kind in ALL_OF else min(total + 2, given.most)) + 1)]
    wrong = 0
    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        results = pool.map(lambda job: (job, outcome(given.subject, *job)), jobs)
        for (kind, error, n), text in results:
            if text:
                wrong += 1
                print(f"FAIL  {kind} {n}: {error}: {text}")
    for kind in sorted(ERRORS):
        print(f"{made.get(kind, 0):6} calls of {kind}")
    for kind, why in NOT_JUDGED.items():
        print(f"not judged: {kind}: {why}")
    print(f"{len(jobs)} calls failed, {wrong} without an outcome")
    return 1 if wrong or not jobs else 0


if __name__ == "__main__":
    sys.exit(main())
