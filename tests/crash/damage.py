#!/usr/bin/python3
"""Damages, removes, swaps and truncates each kind of file of a data directory under a job and under clients,
after a clean stop and after a kill -9, and demands what damage.table says.

usage: damage.py --weir PROGRAM --job PROGRAM [--large PROGRAM] [--rounds N] [--seed S] [--only TEXT] [--list] [--keep]
--rounds: cases drawn by the seed, 0: all of them (WEIR_DAMAGE_ROUNDS, else 30)
--large: the job whose states are RocksDB's; of its directory the state is damaged
--only: cases whose description has this text; --list: all cases and what is demanded, nothing is run

How a case goes: a directory that a job has written is copied, one path in it is damaged, and a *face* looks
at it: `job` reads all records, runs the job to its end and compares its results; `server` serves it and reads
the topics as a client. What was refused must be found by `weir log verify`, too; then it is put back, and all must be the same: a
refusal changes nothing."""
import argparse
import fnmatch
import os
import random
import re
import select
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
RECORDS, MORE = 1200, 600
JOB_TIMEOUT, SERVER_TIMEOUT = 60, 30
TOPICS = ("in", "app-counts-changelog", "app-minutes-changelog", "app-values-repartition", "counts")
FILE_DAMAGES = ("away", "empty", "half", "tail", "flip", "grow", "noise", "older", "link", "fifo", "folder",
                "swap")
FOLDER_DAMAGES = ("away", "empty", "link", "file", "swap", "older")
REMEDIES = "put .* back|put back|weir log (repair|verify)|weir topic delete|on_mismatch|is wanted"
STOPS, FACES = ("clean", "kill"), ("job", "server")


class Failure(Exception):
    pass


# ---- the table ------------------------------------------------------------------------------------

class Row:
    def __init__(self, number, words):
        self.number, self.path, self.damage = number, words[0], words[1]
        self.outcome = dict(zip(STOPS, words[2:]))
        self.used = False

    def fits(self, case):
        """The topic that the path names (or ''), if the row is about the case; else None."""
        pattern = self.path
        if "@last" in pattern:
            if not case.is_last_segment:
                return None
            pattern = pattern.replace("@last", "*")
        for topic in TOPICS if "@topic" in pattern else ("",):
            if (one_by_one(case.path, pattern.replace("@topic", topic))
                    and fnmatch.fnmatchcase(case.damage, self.damage)):
                return topic
        return None


def one_by_one(path, pattern):
    """fnmatch, but a star stays within its folder."""
    parts, patterns = path.split("/"), pattern.split("/")
    return len(parts) == len(patterns) and all(map(fnmatch.fnmatchcase, parts, patterns))


def read_table():
    rows = []
    for number, line in enumerate(open(HERE + "/damage.table"), 1):
        words = line.split()
        if words and not words[0].startswith("#"):
            if len(words) != 4:
                raise Failure(f"damage.table:{number}: {len(words)} words, 4 are wanted")
            rows.append(Row(number, words))
    return rows


# ---- cases ----------------------------------------------------------------------------------------

class Case:
    def __init__(self, template, path, damage, face):
        self.stop, self.path, self.damage, self.face = template.stop, path, damage, face
        self.template = template
        self.is_last_segment = path in template.last_segments
        self.demanded = self.word = None

    def find_row(self, rows):
        for row in rows:
            topic = row.fits(self)
            if topic is not None:
                row.used = True
                self.demanded, _, self.word = row.outcome[self.stop].replace("@topic", topic).partition(":")
                return
        raise Failure(f"{self}: no row of damage.table says what is right")

    def __str__(self):
        return f"{self.stop} stop, {self.template.states}, {self.face}: {self.damage} {self.path}"


class Template:
    """A directory as a clean stop or a kill leaves it."""

    def __init__(self, work, states, stop, tools):
        self.states, self.stop, self.tools = states, stop, tools
        self.folder = f"{work}/template-{states}-{stop}"
        tools.job(self.folder, "fill", 0, RECORDS)
        tools.job(self.folder, "run")
        self.earlier = copy(self.folder, f"{work}/earlier-{states}-{stop}")
        tools.job(self.folder, "fill", RECORDS, MORE)
        self.records = RECORDS + MORE
        if stop == "kill":
            tools.job(self.folder, "die", self.records, MORE, ends=-signal.SIGKILL)
            self.records += MORE
        else:
            tools.job(self.folder, "run")
        self.paths = sorted(self.walk())
        files = [path for path in self.paths if os.path.isfile(self.at(path))]
        self.empty_files = {path for path in files if os.path.getsize(self.at(path)) == 0}
        segments = [path for path in files if path.endswith(".log") and path.startswith("log/")]
        with_data = sorted(set(segments) - self.empty_files)
        self.last_segments = {os.path.dirname(path): path for path in with_data}.values()
        self.client_reads = tools.read_all(copy(self.folder, f"{work}/read-{states}-{stop}"), TOPICS)
        if any(status for status, _ in self.client_reads.values()):
            raise Failure(f"undamaged, but: {self.client_reads}")

    def at(self, path):
        return f"{self.folder}/{path}"

    def has_older(self, path):
        """It was there before the job's last run, and was something else."""
        older = f"{self.earlier}/{path}"
        if path.startswith("state/") and os.path.isdir(older):
            return os.path.basename(path) == "db"
        return path.startswith(("log/", "state/")) and os.path.isfile(older) and \
            open(older, "rb").read() != open(self.at(path), "rb").read()

    def walk(self):
        for folder, folders, files in os.walk(self.folder):
            for name in folders + files:
                yield os.path.relpath(f"{folder}/{name}", self.folder)

    def is_chosen(self, path):
        """Each kind of thing once: of the topics those in TOPICS, of RocksDB's files all."""
        name = path.split("/")
        if self.states == "large":  # all else is as with small ones
            return name[0] == "state" and len(name) > 3
        if name[0] != "log" or len(name) == 1 or name[1].startswith("."):
            return True
        return re.sub(r"-\d+$", "", name[1]) in TOPICS or name[1].startswith("__")

    def cases(self):
        for path in filter(self.is_chosen, self.paths):
            is_folder = os.path.isdir(self.at(path))
            for damage in FOLDER_DAMAGES if is_folder else FILE_DAMAGES:
                if damage in ("half", "tail", "flip", "noise") and not is_folder and path in self.empty_files:
                    continue
                if damage == "older" and not self.has_older(path):
                    continue
                if damage == "swap" and not os.path.exists(self.at(sibling(path))):
                    continue
                for face in FACES:
                    if face == "server" and path.startswith("state"):
                        continue
                    yield Case(self, path, damage, face)


def sibling(path):
    """The same thing of the other partition; of a thing that has none, nothing."""
    other = re.sub(r"^(log/[^/]+-|state/app/\d_)([01])(/|$)", lambda m: f"{m[1]}{1 - int(m[2])}{m[3]}", path)
    return other if other != path else path + " has no sibling"


# ---- damage ---------------------------------------------------------------------------------------

def copy(folder, to):
    shutil.rmtree(to, ignore_errors=True)
    shutil.copytree(folder, to, symlinks=True)
    return to


def remove(path):
    if os.path.isdir(path) and not os.path.islink(path):
        shutil.rmtree(path)
    elif os.path.lexists(path):
        os.unlink(path)


def rewrite(path, change):
    with open(path, "r+b") as file:
        file_bytes = bytearray(file.read())
        changed = change(file_bytes)
        file.seek(0)
        file.truncate()
        file.write(changed)


def flip(file_bytes, draw):
    bit = draw.randrange(8 * len(file_bytes))
    file_bytes[bit // 8] ^= 1 << bit % 8
    return file_bytes


def do_damage(folder, case, template, draw):
    path = f"{folder}/{case.path}"
    elsewhere = folder + ".elsewhere"
    remove(elsewhere)
    if case.damage in ("away", "link", "fifo", "folder", "file"):
        os.rename(path, elsewhere)
    if case.damage == "link":
        os.symlink(elsewhere, path)
    elif case.damage == "fifo":
        os.mkfifo(path)
    elif case.damage == "folder":
        os.mkdir(path)
    elif case.damage == "file":
        open(path, "w").write("a file\n")
    elif case.damage == "empty" and os.path.isdir(path):
        for name in os.listdir(path):
            remove(f"{path}/{name}")
    elif case.damage == "swap":
        other = f"{folder}/{sibling(case.path)}"
        os.rename(path, elsewhere)
        os.rename(other, path)
        os.rename(elsewhere, other)
    elif case.damage == "older":
        remove(path)
        restore(f"{template.earlier}/{case.path}", path)
    elif case.damage != "away":
        rewrite(path, {
            "empty": lambda b: b"",
            "half": lambda b: b[:len(b) // 2],
            "tail": lambda b: b[:-7],
            "flip": lambda b: flip(b, draw),
            "grow": lambda b: b + bytes(200),
            "noise": lambda b: draw.randbytes(len(b)),
        }[case.damage])


def restore(kept, path):
    if os.path.isdir(kept):
        shutil.copytree(kept, path, symlinks=True)
    else:
        shutil.copy2(kept, path)


def put_back(folder, case, template):
    for path in {case.path, sibling(case.path) if case.damage == "swap" else case.path}:
        remove(f"{folder}/{path}")
        restore(template.at(path), f"{folder}/{path}")


# ---- looking at it --------------------------------------------------------------------------------

class Tools:
    def __init__(self, options, program):
        self.options, self.program = options, program

    def job(self, folder, *words, ends=0):
        """Status and all that it said."""
        done = self.run([self.program, folder, *map(str, words)])
        if ends is not None and done[0] != ends:
            raise Failure(f"damage_job {' '.join(map(str, words))} ended with {done[0]}: {done[1]}")
        return done

    def run(self, words):
        try:
            done = subprocess.run(words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  errors="replace", timeout=JOB_TIMEOUT)
        except subprocess.TimeoutExpired as late:
            return "no end", (late.output or b"").decode(errors="replace")
        return done.returncode, done.stdout

    def read_all(self, folder, topics):
        """What a client reads of each topic of a served directory: (status, text); or what the server said."""
        log = open(folder + ".log", "w+", errors="replace")  # it may quote bytes of what is damaged
        server = subprocess.Popen([self.options.weir, "server", "--data", folder, "--listen", "127.0.0.1:0"],
                                  stdout=subprocess.PIPE, stderr=log)
        try:
            address = self.wait_ready(server)
            if address is None:
                log.seek(0)
                return {"": (server.returncode, log.read())}
            return {topic: self.run([self.options.weir, "consume", topic, "-b", address, "-e",
                                     "-f", "%p/%o %k %v{hex}\n"]) for topic in topics}
        finally:
            server.terminate()
            server.wait()
            server.stdout.close()
            log.close()

    @staticmethod
    def wait_ready(server):
        began, said = time.monotonic(), b""
        while True:
            left = began + SERVER_TIMEOUT - time.monotonic()
            ready, _, _ = select.select([server.stdout], [], [], max(left, 0))
            got = os.read(server.stdout.fileno(), 4096) if ready else b""
            said += got
            found = re.search(rb"listening on ([0-9.:]+)", said)
            if found:
                return found.group(1).decode()
            if not got:
                if ready:
                    server.wait()
                return None


class Look:
    """What a face saw: `verdict` is same, refused, closed or wrong."""

    def __init__(self, verdict, text):
        self.verdict, self.text = verdict, text


def look_as_job(tools, folder, template, case):
    status, text = tools.job(folder, "check", template.records, ends=None)
    if status == 0:
        return Look("same", text)
    if status != 3:
        return Look("wrong", f"status {status}: {text}")
    partition = 1 - int(case.path.split("/")[1][-1]) if case.path.startswith("log/in-") else -1
    words = ("read", template.records) + ((partition,) if partition >= 0 else ())
    if tools.job(folder, *words, ends=None)[0] == 0 and case.damage != "swap":
        return Look("refused", text)
    return Look("closed" if case.damage != "swap" else "refused", text)


def look_as_client(tools, folder, template, case):
    reads = tools.read_all(folder, TOPICS)
    if "" in reads:
        status, text = reads[""]
        return Look("closed" if status else "wrong", f"status {status}: {text}")
    own = re.sub(r"-\d+$", "", case.path.split("/")[1]) if case.path.count("/") else ""
    refused = [text for status, text in reads.values() if status]
    for topic, (status, text) in reads.items():
        if topic != own and (status, text) != template.client_reads[topic]:
            return Look("wrong", f"topic {topic}, which nothing was done to: status {status}, {text[-300:]}")
        if status == 0 and text != template.client_reads[topic][1]:
            return Look("wrong", f"topic {topic} has other records: {text[-300:]}")
    return Look("refused", "".join(refused)) if refused else Look("same", "")


LOOKS = {"job": look_as_job, "server": look_as_client}


def judge(case, look):
    """What is wrong, or None."""
    allowed = {"same": ("same",), "found": ("same",), "closed": ("closed",), "refused": ("refused",), "may": ("same", "refused", "closed"),
               "cut": ("same", "refused", "closed", "wrong")}[case.demanded]
    if case.face == "server" and case.demanded == "refused":
        allowed += ("same",) if not names_user_topic(case) else ()
    if look.verdict not in allowed:
        return f"{look.verdict}, demanded: {case.demanded} {case.word}\n{look.text.strip()}"
    if look.verdict in ("refused", "closed") and case.word not in look.text:
        return f"{look.verdict}, but the text does not name '{case.word}':\n{look.text.strip()}"
    asks_remedy = look.verdict == "refused" and case.face == "job" and case.path.startswith("log/")
    if asks_remedy and not re.search(REMEDIES, said_last(look.text)):
        return f"refused, but the text names nothing that can be done:\n{look.text.strip()}"
    return None


def said_last(text):
    """What the library said, without the lines of its log."""
    return text.strip().rsplit("\n", 1)[-1]


def names_user_topic(case):
    """What is internal to the job no client reads; what a client does not read may be missing for it."""
    return case.word in TOPICS


def read_anew(tools, folder, case):
    """What is known to be damaged stays so until the operator has it read anew."""
    for path in {case.path, sibling(case.path)}:
        found = re.match(r"log/(.+)-(\d+)(/|$)", path)
        if found:
            tools.run([tools.options.weir, "log", "repair", folder, f"{found[1]}/{found[2]}"])


def is_seen_by_verify(case):
    """It looks at what is on the disk for the engine, not at the state of applications."""
    return not case.path.startswith(("state", "lock"))


def judge_verified(case, verified):
    """Where all answers are as before, only this tells the operator."""
    status, text = verified
    if status == 0 or case.word not in text:
        return f"`weir log verify` is to find '{case.word}', but: status {status}\n{text.strip()}"
    return None


def run_case(work, case, draw):
    template, tools = case.template, case.template.tools
    folder = copy(template.folder, work + "/case")
    do_damage(folder, case, template, draw)
    verified = tools.run([tools.options.weir, "log", "verify", folder])
    look = LOOKS[case.face](tools, folder, template, case)
    wrong = judge(case, look)
    if wrong:
        return wrong
    if case.demanded == "found":
        return judge_verified(case, verified)
    if case.demanded == "cut":
        leaves_no_part = case.damage in ("empty", "older")  # of a batch
        is_said = case.face == "server" or leaves_no_part or case.word in look.text
        return None if is_said else f"cut without a line that names '{case.word}':\n{look.text.strip()}"
    if look.verdict in ("refused", "closed") and is_seen_by_verify(case) and verified[0] == 0:
        return f"{look.verdict}, and `weir log verify` found nothing:\n{look.text.strip()}"
    if look.verdict == "refused" and case.path.endswith(".sst"):
        again = look_as_job(tools, folder, template, case)  # the copy was bad, and is made anew
        return None if again.verdict == "same" else f"refused, and then {again.verdict}:\n{again.text.strip()}"
    if look.verdict in ("refused", "closed"):
        put_back(folder, case, template)
        read_anew(tools, folder, case)
        again = look_as_job(tools, folder, template, case)
        if again.verdict != "same":
            return f"refused, as it should be; but put back it is {again.verdict}:\n{again.text.strip()}"
    return None


# ---- the door -------------------------------------------------------------------------------------

def choose(cases, rounds, draw):
    """Kinds of things first, then one of the kind: RocksDB's many files do not crowd out the rest."""
    if rounds == 0 or rounds >= len(cases):
        return cases
    kinds = {}
    for case in cases:
        kind = case.template.states + re.sub(r"\d+", "N", case.path)
        kinds.setdefault((kind, case.damage), []).append(case)
    chosen = [draw.choice(kinds[kind]) for kind in draw.sample(sorted(kinds), min(rounds, len(kinds)))]
    return chosen + [draw.choice(cases) for _ in range(rounds - len(chosen))]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--weir", required=True)
    parser.add_argument("--job", required=True)
    parser.add_argument("--large")
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("WEIR_DAMAGE_ROUNDS", 30)))
    parser.add_argument("--seed", type=int, default=int(os.environ.get("WEIR_DAMAGE_SEED", 1)))
    parser.add_argument("--only", default="")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--keep", action="store_true", help="the directory of the first wrong case stays")
    options = parser.parse_args()
    draw = random.Random(options.seed)
    jobs = {"small": options.job, **({"large": options.large} if options.large else {})}
    work = tempfile.mkdtemp(prefix="weir-damage-")
    wrong = 0
    try:
        rows = read_table()
        templates = [Template(work, states, stop, Tools(options, job)) for states, job in jobs.items()
                     for stop in STOPS]
        cases = [case for template in templates for case in template.cases()]
        for case in cases:
            case.find_row(rows)
        unused = [row.number for row in rows if not row.used]
        if unused and options.large:
            raise Failure(f"damage.table: no case fits the rows of lines {unused}")
        cases = [case for case in cases if options.only in str(case)]
        if options.list:
            print("\n".join(f"{case}: {case.demanded} {case.word}" for case in cases))
            return 0
        chosen = choose(cases, options.rounds, draw)
        for case in chosen:
            seed = draw.getrandbits(32)
            said = run_case(work, case, random.Random(seed))
            if said:
                wrong += 1
                print(f"WRONG {case} (seed {seed}): {said}\n", flush=True)
                if options.keep:
                    print(f"everything is in {work}/case")
                    break
        print(f"{len(chosen)} of {len(cases)} cases, seed {options.seed}: {wrong} wrong", flush=True)
        return 1 if wrong else 0
    except Failure as failure:
        print(f"failed: {failure}")
        return 1
    finally:
        if not (options.keep and wrong):
            shutil.rmtree(work)


if __name__ == "__main__":
    sys.exit(main())
