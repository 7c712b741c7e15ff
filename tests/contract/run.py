#!/usr/bin/env python3
"""Holds a compiler against creche's contract: which forms of co_await it carries.

    tests/contract/run.py --build BUILD [--jobs N] [--only TEXT] [--no-slips] COMPILER [FLAG...]
    tests/contract/run.py --build build/release g++ -O2
    tests/contract/run.py --build build/clang-asan clang++-19 -O1

BUILD is where the runtime was built: the forms are linked with its library and compiled with its
CMAKE_CXX_FLAGS, so with its sanitizers; FLAGs come after them.

kept_*.cpp    forms that creche promises: they work under every compiler and flag.
refused/      forms that a compiler would break and the library refuses. The file says by which
              compilers (`refused by: g++ 1-12`, or `all`) and what sentence the compiler's output
              must contain (`says:`). Everywhere else the same file must compile and work.
slips/        mistakes that are often made. No compiler takes them (`refused by:` if only some), and
              the sentence stands in the first 15 lines of what it says. `flags:` are added. What a
              compiler says does not depend on its other flags: once for each compiler is enough.
unguarded/    forms that a compiler breaks and that no library can see. `breaks on:` is held to be
              true (under AddressSanitizer, where a break always shows), so that the list does not
              outlive the bug; `may break on:` is not tried there. Everywhere else they work.

Prints a line for each form; ends with 1 if there is a difference.
"""

import argparse
import concurrent.futures
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parent.parent
LINES_READ = 15  # of what a compiler says: further down nobody reads
LIBRARIES = ["-lcaf_core", "-lspdlog", "-lfmt", "-pthread"]


class Compiler:
    def __init__(self, command, flags, build, scratch):
        self.command, self.scratch = command, pathlib.Path(scratch)
        self.flags = flags_of(build) + flags
        self.libraries = [str(build / "runtime" / "libcreche_runtime.a"), *LIBRARIES]
        for linker in ("mold", "lld"):
            if shutil.which(f"ld.{linker}"):
                self.libraries.append(f"-fuse-ld={linker}")
                break
        macros = dict(
            line.split(" ", 2)[1:]
            for line in self._run("-x", "c++", "-dM", "-E", "/dev/null").stdout.splitlines()
            if line.startswith(("#define __clang_major__ ", "#define __GNUC__ "))
        )
        self.name = "clang" if "__clang_major__" in macros else "g++"
        self.version = int(macros.get("__clang_major__", macros["__GNUC__"]))
        if self.name == "g++" and self.version < 13:  # as creche's package says
            self.flags += ["-fno-tree-slp-vectorize", "-DCRECHE_WITHOUT_SLP_VECTORIZER"]
        self.sanitized = any(f.startswith("-fsanitize=") and "address" in f for f in self.flags)
        self.driver = self.scratch / "driver.o"

    def _run(self, *args):
        return run([self.command, *args])

    def meant_by(self, words):
        """Is this one of the compilers in `g++ 1-12`, `all`, or nothing?"""
        if words in (None, "all"):
            return words == "all"
        name, first, last = re.fullmatch(r"(\S+) (\d+)-(\d+)", words).groups()
        return self.name == name and int(first) <= self.version <= int(last)

    def compile(self, source, *how):
        return self._run("-std=c++20", f"-I{ROOT}", *self.flags, str(source), *how)

    def prepare(self):
        """What all forms share: the driver."""
        return self.compile(HERE / "driver.cpp", "-c", "-o", str(self.driver))

    def check(self, source, flags=()):
        return self.compile(source, "-fsyntax-only", *flags)

    def build(self, source):
        target = self.scratch / f"{source.parent.name}_{source.stem}"
        return target, self.compile(source, str(self.driver), "-o", str(target), *self.libraries)


def flags_of(build):
    """The flags that everything in a build directory is compiled with."""
    cache = (build / "CMakeCache.txt").read_text()
    return shlex.split(re.search(r"(?m)^CMAKE_CXX_FLAGS:\w+=(.*)$", cache).group(1))


def run(command):
    try:
        return subprocess.run(
            command, capture_output=True, text=True, timeout=300, errors="replace", check=False
        )
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", "timed out")


def marks(source):
    """The `// key: value` lines that a form begins with."""
    return dict(re.findall(r"(?m)^// ([a-z ]+): (.*)$", source.read_text()))


def said(result):
    """The line of an output that tells most."""
    lines = (result.stdout + result.stderr).strip().splitlines()
    telling = [l for l in lines if "error" in l.lower() or "out of balance" in l]
    return (telling or lines or [f"ended with {result.returncode}"])[0].strip()


def row(name, good, text):
    return name, good, text


def works(compiler, source):
    target, built = compiler.build(source)
    if built.returncode:
        return False, "does not compile: " + said(built)
    ran = run([str(target)])
    return ran.returncode == 0, "works" if ran.returncode == 0 else said(ran)


def kept(compiler, source):
    target, built = compiler.build(source)
    if built.returncode:
        return [row(source.stem, False, said(built))]
    results = []
    for form in run([str(target)]).stdout.split():
        ran = run([str(target), form])
        good = ran.returncode == 0
        results.append(row(f"{source.stem}/{form}", good, "works" if good else said(ran)))
    return results or [row(source.stem, False, "no forms")]


def refused(compiler, source):
    says = marks(source)
    name = f"refused/{source.stem}"
    if not compiler.meant_by(says["refused by"]):
        return [row(name, *works(compiler, source))]
    result = compiler.check(source)
    if result.returncode == 0:
        return [row(name, False, "compiles, but should be refused")]
    if says["says"] not in result.stdout + result.stderr:
        return [row(name, False, "refused without the sentence: " + said(result))]
    return [row(name, True, "refused, with the sentence")]


def slip(compiler, source):
    says = marks(source)
    name = f"slips/{source.stem}"
    if not compiler.meant_by(says.get("refused by", "all")):
        return [row(name, True, "no slip under this compiler")]
    result = compiler.check(source, shlex.split(says.get("flags", "")))
    if result.returncode == 0:
        return [row(name, False, "compiles, but should be refused")]
    read = " ".join(" ".join(result.stderr.splitlines()[:LINES_READ]).split())
    if says["says"] not in read:
        return [row(name, False, f"not in the first {LINES_READ} lines: " + said(result))]
    return [row(name, True, "refused, with the sentence")]


def unguarded(compiler, source):
    says = marks(source)
    name = f"unguarded/{source.stem}"
    if compiler.meant_by(says.get("may break on")):
        return [row(name, True, "may break, not tried")]
    if not compiler.meant_by(says.get("breaks on")):
        return [row(name, *works(compiler, source))]
    if not compiler.sanitized:
        return [row(name, True, "breaks, shown only under AddressSanitizer")]
    target, built = compiler.build(source)
    if built.returncode:
        error = says.get("compiler says")
        good = error is not None and error in built.stderr
        return [row(name, good, "does not compile: " + said(built))]
    ran = run([str(target)])
    good, text = ran.returncode == 0, said(ran)
    return [row(name, not good, "works now: correct its first line" if good else f"breaks: {text}")]


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--build", type=pathlib.Path, required=True, help="as in build/dev")
    parser.add_argument("--jobs", type=int, default=2, help="compilers at a time (2)")
    parser.add_argument("--no-slips", action="store_true", help="leave them out")
    parser.add_argument("--only", default="", help="only files whose name contains this")
    parser.add_argument("compiler")
    parser.add_argument("flags", nargs=argparse.REMAINDER)
    args = parser.parse_args()

    if not (args.build / "runtime" / "libcreche_runtime.a").exists():
        sys.exit(f"there is no runtime in {args.build}: tools/build {args.build.name}")

    work = [(kept, f) for f in sorted(HERE.glob("kept_*.cpp"))]
    work += [(refused, f) for f in sorted(HERE.glob("refused/*.cpp"))]
    if not args.no_slips:
        work += [(slip, f) for f in sorted(HERE.glob("slips/*.cpp"))]
    work += [(unguarded, f) for f in sorted(HERE.glob("unguarded/*.cpp"))]
    work = [(how, f) for how, f in work if args.only in str(f.relative_to(HERE))]
    if not work:
        sys.exit(f"no file is called *{args.only}*")

    differences = forms = 0
    with tempfile.TemporaryDirectory(prefix="contract_") as scratch:
        compiler = Compiler(args.compiler, args.flags, args.build, scratch)
        print(f"{compiler.name} {compiler.version} {' '.join(compiler.flags)}", flush=True)
        prepared = compiler.prepare()
        if prepared.returncode:
            sys.exit(prepared.stderr)
        with concurrent.futures.ThreadPoolExecutor(args.jobs) as pool:
            for rows in pool.map(lambda w: w[0](compiler, w[1]), work):
                for name, good, text in rows:
                    print(f"{'ok  ' if good else 'DIFF'} {name}: {text}", flush=True)
                    forms += 1
                    differences += not good
    print(f"{forms} forms, {differences} differences")
    sys.exit(1 if differences else 0)


if __name__ == "__main__":
    main()
