#!/usr/bin/env python3
"""Plants small faults and prints which no test noticed.

Each fault is one change of one file (mutations.py), planted in a copy of the tree (workspace.py) and met by the tests
that fit the file, nearest first (suites.py), until one fails or hangs: the quick ones of its folder in a first pass over
all faults, the others and sanitizers in a second over what is left. What does not compile, or compiles for users to what
was there before, is not counted. equivalent.txt lists faults that are none, with the reason.
"""
import argparse
import difflib
import json
import os
import random
import signal
import sys
import time
from pathlib import Path

from mutations import find_changes
from suites import fitting_tests
from workspace import BUILD, SANITIZED, Workspace, WorkspaceError

FOLDERS = ["broker/log", "broker/engine", "broker/coordinator", "wire", "runtime/state", "runtime/task"]
NOTICED_MIN = 0.95
SURVIVED = "survived.json"  # keys of what no test noticed in the last run, beside the copy
SLOW_SECONDS = 10  # a test that works longer is asked when all quick ones have said nothing
HERE = Path(__file__).resolve().parent


def arguments():
    parser = argparse.ArgumentParser(
        prog="./dev mutate",
        description="Plant small faults in a copy of the tree, one at a time, and print which no test noticed.",
        epilog=f"FILES: .c files or folders, file:line for the faults of one line; default: {' '.join(FOLDERS)}. "
               f"Exit code 1 if fewer than {NOTICED_MIN:.0%} of the faults are noticed. Faults that change nothing are "
               "listed with the reason in tools/mutate/equivalent.txt.")
    parser.add_argument("files", nargs="*", metavar="FILES")
    parser.add_argument("--seed", type=int, default=1, metavar="N", help="which faults are drawn [1]")
    parser.add_argument("--count", type=int, default=60, metavar="N", help="how many are planted [60]; 0: all")
    parser.add_argument("--list", action="store_true", help="print what would be planted, and build nothing")
    parser.add_argument("--survived", action="store_true", help="plant those again that survived the last run")
    parser.add_argument("--near", action="store_true", help="ask only the quick unit tests of the file's own folder")
    parser.add_argument("--jobs", type=int, default=os.cpu_count() or 1, metavar="N",
                        help="compilations and tests at a time [the processors]")
    parser.add_argument("--seconds", type=float, default=30, metavar="N",
                        help="what a test gets beside ten times its usual time before it counts as hung [30]")
    parser.add_argument("--source", type=Path, default=HERE.parent.parent, help=argparse.SUPPRESS)
    parser.add_argument("--equivalent", type=Path, default=HERE / "equivalent.txt", help=argparse.SUPPRESS)
    return parser.parse_args()


# ---- what to plant ----


def chosen_files(source, names):
    """(path from the tree's root, line or None) of what was named: from where the caller stands, or from the root."""
    for name in names:
        path, _, line = name.partition(":")
        at = Path(path).resolve()
        if not at.exists():
            at = (source / path).resolve()
        if not at.exists() or not at.is_relative_to(source):
            raise WorkspaceError(f"{name}: no file or folder of {source}")
        files = sorted(at.rglob("*.c")) if at.is_dir() else [at]
        for file in files:
            yield str(file.relative_to(source)), int(line) if line else None


def all_changes(source, names):
    changes, seen = [], set()
    for path, line in chosen_files(source, names):
        if (path, line) not in seen:
            seen.add((path, line))
            found = find_changes(path, (source / path).read_text(encoding="utf-8"))
            changes += [change for change in found if line in (None, change.line)]
    return changes


def read_equivalent(path):
    """{key of a change: reason}. An entry is `file, function: change`, the line's text, and the reason below."""
    entries = {}
    blocks = path.read_text(encoding="utf-8").split("\n\n") if path.exists() else []
    for block in blocks:
        lines = [line for line in block.splitlines() if line and not line.startswith("#")]
        if not lines:
            continue
        place, colon, what = lines[0].partition(": ")
        file, comma, function = place.partition(", ")
        if not colon or not comma or len(lines) < 3:
            raise WorkspaceError(f"{path}: '{lines[0]}': an entry is 'file, function: change', the line's text and, "
                                 "below, the reason")
        reason = " ".join(" ".join(lines[2:]).split())
        entries[(file, function, " ".join(lines[1].split()), what)] = reason
    return entries


def stale(source, entries):
    """Entries whose file no longer has such a change."""
    known = {}
    for key in entries:
        path = source / key[0]
        if key[0] not in known:
            text = path.read_text(encoding="utf-8") if path.exists() else ""
            known[key[0]] = {change.key() for change in find_changes(key[0], text)}
    return [key for key in entries if key not in known[key[0]]]


def read_survived(place):
    path = place / "build" / SURVIVED
    if not path.exists():
        raise WorkspaceError(f"{path}: there was no run yet")
    return {tuple(key) for key in json.loads(path.read_text(encoding="utf-8"))}


def draw(changes, seed, count):
    if count and count < len(changes):
        changes = random.Random(seed).sample(changes, count)
    return sorted(changes, key=lambda change: (change.path, change.start))


# ---- planting ----


class Run:
    """Two passes: the quick tests of the file's own folder meet all faults, then the rest meets what those let pass."""

    def __init__(self, workspace, is_near):
        self.workspace = workspace
        self.is_near = is_near
        self.noticed, self.survived, self.not_compiled, self.same = [], [], [], []
        self.open = []  # have not met all that they will meet
        self.near, self.stages = {}, {}
        self.met = {}  # by change: the tests that have not noticed it
        self.noticers = workspace.noticers()
        self.codes = {}
        self.sound, self.failing = set(), set()

    def prepare(self, changes):
        """The tests of each file."""
        paths = sorted({change.path for change in changes})
        for path in paths:
            if path not in self.workspace.compilations:
                raise WorkspaceError(f"{path} is not part of the build")
            self.near[path] = fitting_tests(path, self.workspace.tests, True)
            self.stages[path] = fitting_tests(path, self.workspace.tests, self.is_near)
        print(f"{len(changes)} faults in {len(paths)} files", flush=True)

    def order(self, path, names):
        """Who noticed something in this file before is asked first, then who is quick."""
        told = self.noticers.get(path, {})
        witnesses = [name for name in names if name not in self.failing]
        return sorted(witnesses, key=lambda name: (-told.get(name, 0), self.workspace.tests[name].cpu_seconds))

    def is_slow(self, path, name):
        return self.workspace.tests[name].cpu_seconds > SLOW_SECONDS and name not in self.noticers.get(path, {})

    def is_change(self, change, source):
        """Whether there is another program with it; if not, what there is instead is noted."""
        workspace = self.workspace
        if change.path not in self.codes:
            self.codes[change.path] = {workspace.code(change.path)}
        workspace.write(change.path, change.apply(source))
        code = workspace.code(change.path)
        if code is None:
            self.not_compiled.append(change)
        elif code in self.codes[change.path]:
            self.same.append(change)
        else:
            self.codes[change.path].add(code)
            return True
        return False

    def witness(self, change, source, names):
        """The first of these tests that fails with the change and passes without it; None: none does."""
        workspace = self.workspace
        while True:
            workspace.write(change.path, change.apply(source))
            name = workspace.first_to_fail(self.order(change.path, names))
            if name is None or name == BUILD or name in self.sound:
                return name
            workspace.write(change.path, source)
            if workspace.is_sound(name):
                self.sound.add(name)
                return name
            if not workspace.needs_disk(name):
                print(f"{name} fails without any fault: left out", flush=True)
                self.failing.add(name)

    def meet(self, change, source, is_first_pass):
        """The witness, the slow ones asked last; None: none notices."""
        met = self.met.setdefault(change, set())
        slow = []
        for stage in (self.near if is_first_pass else self.stages)[change.path]:
            asked = [name for name in stage if name not in met and not self.is_slow(change.path, name)]
            slow += [name for name in stage if name not in met and name not in asked]
            name = self.witness(change, source, asked) if asked else None
            if name is not None:
                return name
            met.update(asked)
        if is_first_pass:
            return None
        name = self.witness(change, source, slow) if slow else None
        return name or self.witness(change, source, self.sanitized(change.path))

    def sanitized(self, path):
        """The tests of the file's own folder under sanitizers: a leak, or a read behind an end, shows there alone."""
        self.workspace.add_sanitized()
        names = [SANITIZED + name for stage in self.near[path] for name in stage]
        return [name for name in names if name in self.workspace.tests]

    def plant(self, change, is_first_pass):
        """What became of it, in words."""
        source = (self.workspace.tree / change.path).read_text(encoding="utf-8")
        try:
            if is_first_pass and not self.is_change(change, source):
                return "the same code as before" if change in self.same else "does not compile"
            name = self.meet(change, source, is_first_pass)
        finally:
            self.workspace.write(change.path, source)
        if name is None:
            return "not noticed near" if is_first_pass and not self.is_near else "SURVIVED"
        self.noticed.append(change)
        told = self.noticers.setdefault(change.path, {})
        told[name] = told.get(name, 0) + 1
        self.workspace.remember()
        return f"noticed by {name}"

    def keep_survived(self):
        keys = [change.key() for change in self.survived + self.open]
        (self.workspace.tree / "build" / SURVIVED).write_text(json.dumps(keys), encoding="utf-8")

    def pass_over(self, changes, is_first_pass):
        for number, change in enumerate(changes, 1):
            start = time.monotonic()
            result = self.plant(change, is_first_pass)
            print(f"[{number:3}/{len(changes)}] {change.path}:{change.line} {change.function}: {change.what}: "
                  f"{result} ({time.monotonic() - start:.1f} s)", flush=True)
            if result != "not noticed near":
                self.open.remove(change)
            if result == "SURVIVED":
                self.survived.append(change)
            self.keep_survived()
        self.workspace.remember()

    def plant_all(self, changes):
        self.open = list(changes)
        self.keep_survived()
        self.pass_over(changes, True)
        if self.open:
            print(f"{len(self.open)} of them meet the tests farther off", flush=True)
            self.pass_over(list(self.open), False)


def difference(tree, change):
    old = (tree / change.path).read_text(encoding="utf-8")
    lines = difflib.unified_diff(old.splitlines(), change.apply(old).splitlines(), n=2, lineterm="")
    return "\n".join("    " + line for line in list(lines)[3:])


def report(run, already):
    """Exit code: whether enough was noticed. The copy is read, for the tree may be another by now."""
    for change in run.survived:
        print(f"\n{change.path}:{change.line}, {change.function}: {change.what}\n{difference(run.workspace.tree, change)}")
    counted = len(run.noticed) + len(run.survived)
    planted = counted + len(run.same) + len(run.not_compiled)
    print(f"\n{planted} planted: {len(run.not_compiled)} do not compile, {len(run.same)} compile to the same code; "
          f"{already} listed as equivalent\n{counted} counted: {len(run.noticed)} noticed, {len(run.survived)} survived"
          + (f" ({len(run.noticed) / counted:.1%} noticed)" if counted else ""))
    return 0 if len(run.noticed) >= NOTICED_MIN * counted else 1


def main():
    options = arguments()
    source = options.source.resolve()
    entries = read_equivalent(options.equivalent)
    for key in stale(source, entries):
        print(f"equivalent.txt: {key[0]}, {key[1]}: {key[3]}: there is no such change any more")
    changes = all_changes(source, options.files or FOLDERS)
    wanted = [change for change in changes if change.key() not in entries]
    place = source / "build" / "mutate"
    if options.survived:
        survived = read_survived(place)
        drawn = [change for change in wanted if change.key() in survived]
    else:
        drawn = draw(wanted, options.seed, options.count)
    if options.list:
        for change in drawn:
            print(f"{change.path}:{change.line} {change.function}: {change.what}")
        return 0
    if not drawn:
        raise WorkspaceError("nothing to plant there")
    workspace = Workspace(source, place, options.jobs, options.seconds)
    workspace.open()
    for each in (signal.SIGINT, signal.SIGTERM):
        signal.signal(each, signal.default_int_handler)
    run = Run(workspace, options.near)
    run.prepare(drawn)
    try:
        run.plant_all(drawn)
    except KeyboardInterrupt:
        report(run, len(changes) - len(wanted))
        return 130
    finally:
        workspace.remove_temporary()
    return report(run, len(changes) - len(wanted))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except WorkspaceError as error:
        print(f"mutate: {error}", file=sys.stderr)
        sys.exit(2)
