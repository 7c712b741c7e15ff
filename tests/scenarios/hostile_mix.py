"""hostile_mix.py: one connection full of chance: good and bad requests, cut into odd pieces, broken
off anywhere. What comes back is compared with what was asked: every request carries a tag of its
own."""

import random
import socket

from scenario import Client, Demo, Ended, chunked, request

MOST_BYTES = 200_000


def good_request(chance: random.Random, tag: str):
    """Bytes, and the body that must come back (or a status, when the body is not said)."""
    body = (tag * chance.choice([1, 1, 10, 1000])).encode()[:MOST_BYTES]
    kind = chance.randrange(6)
    if kind == 0:
        return request("GET", "/hello"), b"hello world\n"
    if kind == 1:
        return request("GET", f"/nothing/{tag[1:-1]}"), 404  # a target has no < or >
    if kind == 2:  # not wanted there, and thrown away
        return request("POST", "/hello", body), 405
    if kind == 3:
        cut = sorted(chance.randrange(1, len(body)) for _ in range(3)) if len(body) > 1 else []
        pieces = [body[i:j] for i, j in zip([0, *cut], [*cut, len(body)]) if i < j]
        return (b"PUT /echo HTTP/1.1\r\nHost: demo\r\nTransfer-Encoding: chunked\r\n\r\n"
                + chunked(*pieces)), body
    return request("POST", "/echo", body), body


BAD = [b"G@T / HTTP/1.1\r\n\r\n", b"\r\n\r\n\r\n\r\n", b"GET / HTTP/1.1\r\n\r\n", b"\0\1\2\3",
       b"POST /echo HTTP/1.1\r\nHost: demo\r\nContent-Length: -5\r\n\r\nhello",
       b"POST /echo HTTP/1.1\r\nHost: demo\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n"
       b"\r\n0\r\n\r\n",
       b"POST /echo HTTP/1.1\r\nHost: demo\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n"]


def send_in_pieces(c: Client, chance: random.Random, data: bytes):
    """True if all was sent; otherwise the connection was reset on the way."""
    size = chance.choice([1, 7, 50, 1000, 65536])
    if len(data) > 5000:
        size = max(size, 1000)
    until = len(data) if chance.random() < 0.8 else chance.randrange(len(data))
    for at in range(0, until, size):
        c.send(data[at:min(at + size, until)])
    if until < len(data) and chance.random() < 0.5:
        c.reset()
        return False
    return until == len(data)


def hostile_client(demo: Demo, chance: random.Random, tag: str, wrong: list) -> int:
    """How many answers came, all of them right; what is not goes to `wrong`."""
    expected, data = [], b""
    for n in range(chance.randint(1, 8)):
        bytes_of, answer = good_request(chance, f"<{tag}.{n}>")
        data += bytes_of
        expected.append(answer)
    if chance.random() < 0.3:
        data += chance.choice(BAD) + request("GET", "/smuggled")
        expected.append(400)
    receive_bytes = chance.choice([None, None, 2048])
    answers, whole = 0, False
    with Client(demo.port, receive_bytes=receive_bytes) as c:
        try:
            whole = send_in_pieces(c, chance, data)
            if c.socket.fileno() < 0:
                return 0
            if not whole or chance.random() < 0.2:
                c.socket.shutdown(socket.SHUT_WR)
            for answer in expected:
                if chance.random() < 0.05:
                    c.reset()
                    return answers
                r = c.response()
                if r.status == 400 and not whole:
                    break  # what was cut is no request
                good = r.status == answer if isinstance(answer, int) else r.body == answer
                if not good:
                    wrong.append(f"{tag}: {r.status} {r.body[:80]!r}, not {answer!r:.80}")
                    return answers
                answers += 1
            else:
                if expected[-1] == 400 and not c.is_closed():
                    wrong.append(f"{tag}: more than was asked for")
        except (Ended, OSError) as e:
            if whole:
                wrong.append(f"{tag}: {e!r} after {answers} of {len(expected)} answers")
    return answers

