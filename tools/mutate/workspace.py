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
# Quick to compile and to link, with the slow assertions; what is undefined ends the program.
FLAGS = ("-O1 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fsanitize=bounds,shift,signed-integer-overflow "
         "-fsanitize-undefined-trap-on-error")
SHIPPED = "-O2 -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3"  # whether a change is one is asked of the code that users get
BUILD_SECONDS_MAX = 600
UNKNOWN_SECONDS_MAX = 150  # for a test of which no usual time is known yet
SOUND_SECONDS_MAX = 1800  # without a fault
MEMORY_BYTE = "165"  # of memory that nobody has written to, or that is free
SANITIZED = "sanitized: "  # before the names of tests that run under sanitizers
BUILD = "the build"  # as a witness
MEMORY_FOLDER = Path("/dev/shm")  # a disk that many tests sync is what they wait for
KNOWN = "known.json"  # what earlier runs have learned, beside the copy

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
    build: Path = None                           # where it is built
    seconds: float = 0.0                         # that it usually takes, 0: not known
    cpu_seconds: float = 0.0                     # of them at work: a busy machine makes nothing slow
    is_on_disk: bool = False                     # it needs a real one


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
        self.temporary = {False: MEMORY_FOLDER / f"weir-mutate-{os.getpid()}", True: self.tree / "build" / "tmp"}
        self.jobs = jobs
        self.seconds_min = seconds_min
        self.has_sanitized = False
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
        known = self.tree / "build" / KNOWN
        self.known = json.loads(known.read_text(encoding="utf-8")) if known.exists() else {"tests": {}, "noticers": {}}
        self.tests = {}
        self.compilations = self.add_build(self.build, "", [
            "-B", str(self.build), "-DCMAKE_BUILD_TYPE=Mutant", f"-DCMAKE_C_FLAGS_MUTANT={FLAGS}",
            "-DCMAKE_EXPORT_COMPILE_COMMANDS=ON"])

    def add_sanitized(self):
        """The tests once more, as the tree's sanitizer build runs them, with SANITIZED before their names."""
        presets = self.tree / "CMakePresets.json"
        if presets.exists() and not self.has_sanitized:
            self.has_sanitized = True
            self.add_build(self.tree / "build" / "asan", SANITIZED, ["--preset", "asan"])

    def add_build(self, build, prefix, options):
        """Configure it and add its tests. {path: commands that compile it}."""
        done = self.run(["cmake", "-S", ".", "-G", "Ninja", *options])
        if done.returncode != 0:
            raise WorkspaceError(f"configuring the copy failed:\n{done.stdout}")
        compilations, sources = {}, {}
        for entry in json.loads((build / "compile_commands.json").read_text()):
            path = os.path.relpath(entry["file"], self.tree)
            command = shlex.split(entry["command"])
            output = command[command.index("-o") + 1]
            compilations.setdefault(path, []).append(command)
            program = re.search(r"CMakeFiles/([^/]+)\.dir/", output)
            if program:
                sources.setdefault(program[1], []).append(path)
        listed = self.run(["ninja", "-C", str(build), "-t", "targets", "all"]).stdout
        rules = dict(line.rpartition(": ")[::2] for line in listed.splitlines())
        self.hold_places(build, (name for name, rule in rules.items() if "EXECUTABLE_LINKER" in rule))
        shown = subprocess.run(["ctest", "--test-dir", str(build), "--show-only=json-v1"], capture_output=True,
                               check=True, text=True).stdout
        for entry in json.loads(shown)["tests"]:
            if "command" in entry:
                self.add_test(build, prefix, entry, rules, sources)
        return compilations

    def hold_places(self, build, programs):
        """ctest tells no command of a program that is not there yet: an empty one, which ninja takes for old, is."""
        for name in programs:
            path = build / name
            if not path.exists():
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch(mode=0o755)
                os.utime(path, (0, 0))

    def add_test(self, build, prefix, entry, targets, sources):
        properties = {each["name"]: each["value"] for each in entry.get("properties", [])}
        test = Test(prefix + entry["name"], entry["command"], properties, build=build)
        for word in test.command:
            target = os.path.relpath(word, build) if os.path.isabs(word) else ""
            if target in targets:
                test.targets.append(target)
                test.sources += sources.get(os.path.basename(target), [])
        if test.name in self.known["tests"]:
            test.seconds, test.cpu_seconds, test.is_on_disk = self.known["tests"][test.name]
        if not properties.get("DISABLED") and "PASS_REGULAR_EXPRESSION" not in properties:
            self.tests[test.name] = test

    def build_tests(self, tests):
        """Whether they could be built."""
        wanted = {}
        for test in tests:
            wanted.setdefault(test.build, set()).update(test.targets)
        return all(self.ninja(build, targets or ["all"]) for build, targets in wanted.items())

    def ninja(self, build, targets):
        try:
            return subprocess.run(["ninja", "-C", str(build), f"-j{self.jobs}", *targets], stdin=subprocess.DEVNULL,
                                  stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=BUILD_SECONDS_MAX,
                                  check=False).returncode == 0
        except subprocess.TimeoutExpired:
            return False

    def code(self, path):
        """What the file compiles to for users; None if it does not compile."""
        digest = hashlib.sha256()
        output = self.build / "mutate.o"
        for command in self.compilations[path]:
            words = [word for word in command if word not in FLAGS.split() and word != "-DWEIR_SLOW_ASSERTIONS"]
            words[words.index("-o") + 1] = str(output)
            done = subprocess.run([*words, *SHIPPED.split()], cwd=self.build, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                  stderr=subprocess.DEVNULL, check=False)
            if done.returncode != 0:
                return None
            digest.update(output.read_bytes())
        return digest.hexdigest()

    # ---- tests ----

    def environment(self, test):
        environment = {**os.environ, **FEWER, "TMPDIR": str(self.temporary[test.is_on_disk]),
                       "MALLOC_PERTURB_": MEMORY_BYTE}
        for each in test.properties.get("ENVIRONMENT", []):
            name, _, value = each.partition("=")
            environment[name] = value
        return environment

    def seconds_max(self, test):
        """A machine that is busy with something else is no hang."""
        return self.seconds_min + 10 * test.seconds if test.seconds > 0 else UNKNOWN_SECONDS_MAX

    def passes(self, test, seconds_max):
        """Whether it does, in that time, and seconds at work; what it leaves running is ended."""
        process = subprocess.Popen(test.command, cwd=test.properties.get("WORKING_DIRECTORY", test.build),
                                   env=self.environment(test), stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL,
                                   stderr=subprocess.DEVNULL, start_new_session=True,
                                   preexec_fn=None if test.name.startswith(SANITIZED) else limit_test)
        try:
            status, cpu_seconds = wait_for(process.pid, seconds_max)
        finally:
            end_session(process.pid)
            process.wait()
        is_skipped = status is not None and status == test.properties.get("SKIP_RETURN_CODE")
        is_as_told = status is not None and (status != 0) == bool(test.properties.get("WILL_FAIL"))
        return is_skipped or is_as_told, cpu_seconds

    def clear_temporary(self):
        self.remove_temporary()
        for path in self.temporary.values():
            path.mkdir(parents=True)

    def remove_temporary(self):
        for path in self.temporary.values():
            shutil.rmtree(path, ignore_errors=True)

    def runs(self, test, seconds_max):
        """Whether it passes; if so, how long that takes is known from here on."""
        start = time.monotonic()
        is_good, cpu_seconds = self.passes(test, seconds_max)
        if is_good and test.seconds == 0:
            test.seconds, test.cpu_seconds = time.monotonic() - start, cpu_seconds
        return is_good

    def is_sound(self, name):
        """Whether the test passes as the copy stands now: without any fault."""
        test = self.tests[name]
        if not self.build_tests([test]):
            raise WorkspaceError("the tree does not build")
        self.clear_temporary()
        return self.runs(test, SOUND_SECONDS_MAX)

    def needs_disk(self, name):
        """Whether the test, which has failed without any fault, had no real disk; from now on it has."""
        test = self.tests[name]
        was_on_disk, test.is_on_disk = test.is_on_disk, True
        return not was_on_disk

    def first_to_fail(self, names):
        """The test that notices, or the build; None if none does. They are built in batches that grow: mostly one of
        the first notices, and to build many at once is quicker."""
        self.clear_temporary()
        at, size = 0, self.jobs
        while at < len(names):
            batch = [self.tests[name] for name in names[at:at + size]]
            if not self.build_tests(batch):
                return BUILD
            for first in range(0, len(batch), self.jobs):
                tests = batch[first:first + self.jobs]
                with ThreadPoolExecutor(self.jobs) as pool:
                    good = pool.map(lambda test: self.runs(test, self.seconds_max(test)), tests)
                    failed = [test.name for test, is_good in zip(tests, good) if not is_good]
                if failed:
                    return failed[0]
            at, size = at + size, 2 * size
        return None

    # ---- what earlier runs have learned ----

    def noticers(self):
        """{path: {test: how often it has noticed something there}}"""
        return self.known["noticers"]

    def remember(self):
        """That, usual times of the tests, and which of them need a disk."""
        self.known["tests"].update((name, (test.seconds, test.cpu_seconds, test.is_on_disk))
                                   for name, test in self.tests.items() if test.seconds > 0)
        (self.tree / "build" / KNOWN).write_text(json.dumps(self.known), encoding="utf-8")
