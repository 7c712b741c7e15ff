#!/usr/bin/env python3
"""Checks that the kit judges every layer that creche offers.

A layer is a word of stack_words, a public function that gives a stack_of, or a class that derives
from one of the classes of layers. Each must have a line `is_fine("<its word>", check_layer(...` in
tests/actors/testing/check_layer_test.cpp; the word of a class is its name without _layer. Prints
one line per finding, and fails if there is any. First it proves itself: with a layer made up, of
each of the three forms, and with a case taken away, it must find just that.
"""
import re
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
CASES = "tests/actors/testing/check_layer_test.cpp"

# Classes and functions whose layer goes by another word.
JUDGED_AS = {
    "as_layer": "http1",              # http1::as_layer
    "core_layer": "lines",            # around a core: every framer is one
    "framing_layer_base": "lines",
    "idle_between_frames": "idle",
    "rate_limit_between_frames": "rate_limit",
    "user_layer": "plain",            # the shell of every layer of a user's
    "unix_socket": "unix",
    "abstract_socket": "abstract",
    "descriptor_layer": "descriptors",
}
NOT_JUDGED = {
    "layer_actor": "what every layer derives from; nobody makes one",
    "http1_output": "what http1_layer derives from; nobody makes one",
    "stream_layer": "what every transport derives from; nobody makes one",
    "datagram_layer": "the same of those that carry datagrams",
    "top_layer": "the task's end of a stack: connection_test",
    "app": "the kit's own",
    "frames_app": "the kit's own",
    "octets_app": "the kit's own",
}
# What stands below everything cannot be put above the kit's transport; these files hold it.
HELD_BY = {
    "tcp": "tests/actors/transport/tcp_layer_test.cpp",
    "memory": "tests/actors/testing/memory_test.cpp",
    "udp": "tests/actors/transport/udp_test.cpp",
    "udp_peer": "tests/actors/transport/udp_test.cpp",
    "unix": "tests/actors/transport/unix_socket_test.cpp",
    "abstract": "tests/actors/transport/unix_socket_test.cpp",
    "connected_socket": "tests/actors/transport/stream_layer_test.cpp",
    "descriptors": "tests/actors/transport/stream_layer_test.cpp",
    "stdio": "tests/scenarios/cat_test.py",
}

FUNCTION = re.compile(r"^(?:template <[^\n]*>\s)?stack_of<[^;={}()]*>\s+(\w+)\(", re.M)
CLASS = re.compile(r"\b(?:class|struct)\s+(\w+)(?:\s+final)?\s*:([^{;]*)\{")
FINE = re.compile(r'\bis_fine\(\s*"(\w+)",')
MAKERS = {"layered", "layered_as"}  # of a class of the user's


def line_of(text, at):
    return text.count("\n", 0, at) + 1


def offered(files):
    """(word, where, what) of every layer."""
    for name, text in files.items():
        for m in re.finditer(r'\bwords\.add\("(\w+)", ', text):
            yield m.group(1), f"{name}:{line_of(text, m.start())}", "the word"
        if name.endswith(".hpp") and "/internal/" not in name:
            for m in FUNCTION.finditer(text):
                if m.group(1) not in MAKERS:
                    word = JUDGED_AS.get(m.group(1), m.group(1))
                    yield word, f"{name}:{line_of(text, m.end())}", "the function"
    # classes, and what derives from them
    bases, known, grown = {"layer_actor", "layer"}, {}, True
    while grown:
        grown = False
        for name, text in files.items():
            for m in CLASS.finditer(text):
                named = set(re.findall(r"\w+", re.sub(r"<.*?>", "", m.group(2))))
                if m.group(1) not in known and named & bases:
                    known[m.group(1)] = f"{name}:{line_of(text, m.start())}"
                    bases.add(m.group(1))
                    grown = True
    for name, where in known.items():
        if name not in NOT_JUDGED:
            yield JUDGED_AS.get(name, name.removesuffix("_layer")), where, f"the class {name}, as"


def judge(files, cases, held):
    has_case = set(FINE.findall(cases))
    findings = []
    for word, where, what in offered(files):
        if word in HELD_BY and HELD_BY[word].endswith(".py"):
            if "check(" not in held.get(word, ""):
                findings.append(f"{where}: {HELD_BY[word]}, which holds {word}, has no checks")
        elif word in HELD_BY:
            if not re.search(r"\b(TEST_CASE|CRECHE_TEST)\(", held.get(word, "")):
                findings.append(f"{where}: {HELD_BY[word]}, which holds {word}, has no cases")
        elif word not in has_case:
            findings.append(f'{where}: no case of the kit for {what} {word}: write '
                            f'is_fine("{word}", check_layer(...)) in {CASES}')
    return findings


def prove(files, cases, held):
    """What this check would not see, if anything."""
    before = len(judge(files, cases, held))
    made_up = {
        "a word": {"actors/made_up.cpp": '\nvoid f() { words.add("made_up", from_text); }\n'},
        "a function": {"actors/made_up.hpp": "\nstack_of<octets, frames> made_up(int n);\n"},
        "a class": {"actors/made_up.cpp": "class made_up_layer final : public layer {};\n"},
        "a shell": {"actors/internal/made_up.hpp":
                    "class made_up_layer final : public layer_actor, timer {};\n"},
    }
    for what, more in made_up.items():
        if len(judge(files | more, cases, held)) != before + 1:
            yield f"{what} that no case names is not found"
    for word in sorted(set(FINE.findall(cases)) & {w for w, _, _ in offered(files)}):
        without = re.sub(rf'is_fine\(\s*"{word}",', "is_fine(", cases)
        if len(judge(files, without, held)) <= before:
            yield f"the case of {word} can be taken away"


def main():
    files = {str(p.relative_to(ROOT)): re.sub(r"//.*", "", p.read_text())
             for p in sorted((ROOT / "actors").rglob("*")) if p.suffix in (".hpp", ".cpp")}
    cases = (ROOT / CASES).read_text()
    held = {word: (ROOT / name).read_text() for word, name in HELD_BY.items()
            if (ROOT / name).exists()}
    blind = [f"tools/check_kit.py: {x}" for x in prove(files, cases, held)]
    findings = judge(files, cases, held)
    for line in blind + findings:
        print(line)
    count = len(list(offered(files)))
    print(f"check_kit: {count} names of layers, {len(blind) + len(findings)} findings")
    return 1 if blind or findings else 0


sys.exit(main())
