"""The copy in which faults are planted: its files, its build and its tests.

The copy holds what git knows of the tree (or would add), below build/mutate. It is built in a build/release of its
own, in a way that costs little for each fault: one file is compiled, and a few tests are linked. Each run begins by
making the copy equal to the tree again, whatever the last one left behind.
"""
import fcntl
import hashlib
import json
import os
import re
import resource
import shlex
import shutil
import signal
import subprocess
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

MEMORY_MAX = 8 << 30  # what a test gone wild may take of the machine
FILE_SIZE_MAX = 4 << 30
FLAGS = "-O1 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3"  # quick to compile and to link, with the slow assertions
BUILD_SECONDS_MAX = 600

# What the long tests are told: fewer seeds and rounds than in a run of their own.
FEWER = {"WEIR_SIM_SEEDS": "100", "WEIR_DAMAGE_ROUNDS": "30", "WEIR_KILL_ROUNDS": "2", "WEIR_POWER_ROUNDS": "2"}


class WorkspaceError(Exception):
    pass


@dataclass
class Test:
    name: str
    command: list
    properties: dict
    targets: list = field(default_factory=list)  # of the build, that the command needs
    sources: list = field(default_factory=list)  # of its program
    seconds: float = 0.0                         # without any fault
    cpu_seconds: float = 0.0                     # of them at work: a busy machine makes nothing slow


def in_session(session):
    """The processes of a session that still run: forks of a test have groups of their own."""
    for entry in os.listdir("/proc"):
        if entry.isdigit():
            try:
                words = Path("/proc", entry, "stat").read_text().rpartition(")")[2].split()
            except OSError:
                continue
            if int(words[3]) == session and words[0] not in "ZX":
                yield int(entry)


def end_session(session):
    for pid in list(in_session(session)):
        try:
            os.kill(pid, signal.SIGKILL)
        except OSError:
            pass


def wait_for(pid, seconds_max):
    """(exit code or None if it does not end in that time, seconds at work)."""
    deadline = time.monotonic() + seconds_max
    while time.monotonic() < deadline:
        ended, status, usage = os.wait4(pid, os.WNOHANG)
        if ended:
            return os.waitstatus_to_exitcode(status), usage.ru_utime + usage.ru_stime
        time.sleep(0.01)
    return None, 0.0


def limit_test():
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_MAX, MEMORY_MAX))
    resource.setrlimit(resource.RLIMIT_FSIZE, (FILE_SIZE_MAX, FILE_SIZE_MAX))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))


class Workspace:
    def __init__(self, source, place, jobs, seconds_min):
        self.source = Path(source)
        self.tree = Path(place)
        self.build = self.tree / "build" / "release"
        self.temporary = self.tree / "build" / "tmp"
        self.jobs = jobs
        self.seconds_min = seconds_min
        self.codes = {}
        self.lock = None

    # ---- files ----

    def open(self):
        self.tree.mkdir(parents=True, exist_ok=True)
        self.lock = open(self.tree / ".lock", "w", encoding="utf-8")
        try:
            fcntl.flock(self.lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise WorkspaceError(f"{self.tree} is in use by another run") from None
        self.copy()
        self.configure()

    def copy(self):
        listed = subprocess.run(["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"], cwd=self.source,
                                capture_output=True, check=True).stdout.decode().split("\0")
        wanted = {name for name in listed if name and (self.source / name).is_file()}
        for name in wanted:
            self.copy_file(name)
        for folder, folders, names in os.walk(self.tree):
            if Path(folder) == self.tree:
                folders[:] = [name for name in folders if name != "build"]
            for name in names:
                path = Path(folder, name)
                if str(path.relative_to(self.tree)) not in wanted and name != ".lock":
                    path.unlink()

    def copy_file(self, name):
        from_, to = self.source / name, self.tree / name
        if not to.exists() or to.read_bytes() != from_.read_bytes():
            to.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(from_, to)
        shutil.copymode(from_, to)

    def write(self, name, text):
        (self.tree / name).write_text(text, encoding="utf-8")

    # ---- build ----

    def run(self, command):
        return subprocess.run(command, cwd=self.tree, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                              stdin=subprocess.DEVNULL, errors="replace", check=False)

    def configure(self):
        done = self.run(["cmake", "-S", ".", "-B", str(self.build), "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Mutant",
                         f"-DCMAKE_C_FLAGS_MUTANT={FLAGS}", "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON"])
        if done.returncode != 0:
            raise WorkspaceError(f"configuring the copy failed:\n{done.stdout}")
        self.objects = {}
        sources = {}
        for entry in json.loads((self.build / "compile_commands.json").read_text()):
            path = os.path.relpath(entry["file"], self.tree)
            command = shlex.split(entry["command"])
            output = command[command.index("-o") + 1]  # as ninja names it, from the build's root
            self.objects.setdefault(path, []).append(output)
            program = re.search(r"CMakeFiles/([^/]+)\.dir/", output)
            if program:
                sources.setdefault(program[1], []).append(path)
        listed = self.run(["ninja", "-C", str(self.build), "-t", "targets", "all"]).stdout
        rules = dict(line.rpartition(": ")[::2] for line in listed.splitlines())
        self.hold_places(name for name, rule in rules.items() if "EXECUTABLE_LINKER" in rule)
        shown = subprocess.run(["ctest", "--test-dir", str(self.build), "--show-only=json-v1"], capture_output=True,
                               check=True, text=True).stdout
        self.tests = {}
        for entry in json.loads(shown)["tests"]:
            if "command" in entry:
                self.add_test(entry, rules, sources)

    def hold_places(self, programs):
        """ctest tells no command of a program that is not there yet: an empty one, which ninja takes for old, is."""
        for name in programs:
            path = self.build / name
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch(mode=0o755)
                os.utime(path, (0, 0))

    def add_test(self, entry, targets, sources):
        properties = {each["name"]: each["value"] for each in entry.get("properties", [])}
        test = Test(entry["name"], entry["command"], properties)
        for word in test.command:
            target = os.path.relpath(word, self.build) if os.path.isabs(word) else ""
            if target in targets:
                test.targets.append(target)
                test.sources += sources.get(os.path.basename(target), [])
        if not properties.get("DISABLED") and "PASS_REGULAR_EXPRESSION" not in properties:
            self.tests[test.name] = test

    def ninja(self, targets):
        """Whether they could be built."""
        try:
            return subprocess.run(["ninja", "-C", str(self.build), f"-j{self.jobs}", *targets], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=BUILD_SECONDS_MAX,
                                  check=False).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def code(self, path):
        """What the file compiles to, without its debug information; None if it does not compile."""
        objects = self.objects[path]
        if not self.ninja(objects):
            return None
        digest = hashlib.sha256()
        stripped = self.build / "mutate.o"
        for name in objects:
            subprocess.run(["objcopy", "--strip-debug", str(self.build / name), str(stripped)], check=True)
            digest.update(stripped.read_bytes())
        return digest.hexdigest()

    # ---- tests ----

    def environment(self, test):
        environment = {**os.environ, **FEWER, "TMPDIR": str(self.temporary)}
        for each in test.properties.get("ENVIRONMENT", []):
            name, _, value = each.partition("=")
            environment[name] = value
        return environment

    def seconds_max(self, test):
        """A machine that is busy with something else is no hang."""
        return self.seconds_min + 10 * test.seconds

    def passes(self, test, seconds_max):
        """Whether it does, in that time, and seconds at work; what it leaves running is ended."""
        process = subprocess.Popen(test.command, cwd=test.properties.get("WORKING_DIRECTORY", self.build),
                                   env=self.environment(test), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, start_new_session=True, preexec_fn=limit_test)
        try:
            status, cpu_seconds = wait_for(process.pid, seconds_max)
        finally:
            end_session(process.pid)
            process.wait()
        is_skipped = status is not None and status == test.properties.get("SKIP_RETURN_CODE")
        is_as_told = status is not None and (status != 0) == bool(test.properties.get("WILL_FAIL"))
        return is_skipped or is_as_told, cpu_seconds

    def clear_temporary(self):
        shutil.rmtree(self.temporary, ignore_errors=True)
        self.temporary.mkdir(parents=True)

    def measure(self, names):
        """Run these tests without any fault: how long they take, and which fail even so (given back)."""
        tests = [self.tests[name] for name in names]
        targets = sorted({target for test in tests for target in test.targets})
        if targets and not self.ninja(targets):
            raise WorkspaceError("the tree does not build")
        self.clear_temporary()

        def one(test):
            start = time.monotonic()
            is_good, test.cpu_seconds = self.passes(test, 1800)
            test.seconds = time.monotonic() - start
            return is_good

        with ThreadPoolExecutor(self.jobs) as pool:
            return [test.name for test, is_good in zip(tests, pool.map(one, tests)) if not is_good]

    def first_to_fail(self, names):
        """The test that notices, with what happened to it; None if none does. A few at a time are built and run."""
        self.clear_temporary()
        for at in range(0, len(names), self.jobs):
            tests = [self.tests[name] for name in names[at:at + self.jobs]]
            if not self.ninja({target for test in tests for target in test.targets} or ["all"]):
                return "the build of " + tests[0].name
            with ThreadPoolExecutor(self.jobs) as pool:
                results = pool.map(lambda test: self.passes(test, self.seconds_max(test))[0], tests)
                failed = [test.name for test, is_good in zip(tests, results) if not is_good]
            if failed:
                return failed[0]
        return None
