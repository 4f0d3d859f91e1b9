#!/usr/bin/python3
"""A chain of aggregates and a join (chain_job.c), killed (-9) again and again with one, two and four stream threads, then
run to its end. What readers of committed outputs see is what one computation over all inputs gives (chain_judge.c),
nothing twice.

usage: chain.py --job PROGRAM --judge PROGRAM --weir PROGRAM [--rounds N] [--seed N] [--jars DIR] [--planted] [--keep DIR]
--rounds: kills (WEIR_CHAIN_ROUNDS, else 20). --seed: of their moments (WEIR_CRASH_SEED)
--jars: Java's consumer reads, too. Always: Weir's own reader, and librdkafka's by kcat, through `weir server`
--planted: outputs do not belong to the commit (at_least_once). Sooner or later something is there twice, which the
  judge has to say; that it does not is the failure."""
import argparse
import os
import random
import re
import select
import shutil
import subprocess
import sys
import tempfile
import time

PER_LIFE = 3000  # records that a life may write
LEAST = 45000  # each key is there at least twice
MOMENT_S = 0.4  # the latest, after the start or after it says that it runs
PLANTED_TRIES = 20
READY_S = 60
OUTPUTS = ["copy", "min", "sum", "max", "count", "joined"]


class Fault(Exception):
    pass


class Chain:
    def __init__(self, options, work):
        self.options = options
        self.data = f"{work}/data"
        self.guarantee = ["at_least_once"] if options.planted else []
        self.draw = random.Random(options.seed)
        self.lives = 0
        self.hits = 0  # kills after it had said that it runs

    def threads(self):
        return str([1, 2, 4][self.lives % 3])

    def kill_once(self):
        """At any moment of a start, or of the work that comes after it."""
        job = subprocess.Popen([self.options.job, self.data, "live", self.threads(), str(PER_LIFE), *self.guarantee],
                               stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        self.lives += 1
        if self.lives % 4 != 0:
            ready, _, _ = select.select([job.stdout], [], [], READY_S)
            self.hits += bool(ready and job.stdout.readline())
        # A moment, not a condition: the kill has to hit anywhere.
        time.sleep(self.draw.uniform(0.001, MOMENT_S))
        job.kill()
        said = job.communicate()[1].decode(errors="replace")
        if job.returncode != -9:
            raise Fault(f"life {self.lives} ended by itself with {job.returncode}: {said[-2000:]}")

    def finish(self):
        done = subprocess.run([self.options.job, self.data, "finish", self.threads(), str(LEAST), *self.guarantee],
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=600)
        found = re.search(r"^total (\d+) late=(\d+)$", done.stdout, re.M)
        if done.returncode != 0 or found is None:
            raise Fault(f"the last life ended with {done.returncode}: {done.stdout[-500:]} {done.stderr[-2000:]}")
        if found.group(2) != "0":
            raise Fault(f"{found.group(2)} records were dropped as late")
        return int(found.group(1))

    def judge(self, total, name, *readers):
        """One reader's lines, or several's in turn, for all outputs; what the judge says of them."""
        judge = subprocess.Popen([self.options.judge, str(total)], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        status = 0
        for reader in readers:
            status = status or subprocess.run(reader, stdout=judge.stdin, timeout=600).returncode
        said = judge.communicate()[0].decode().strip()
        print(f"{name}: {said}", flush=True)
        if status not in (0, -13):  # SIGPIPE: the judge has seen enough
            raise Fault(f"the reader {name} ended with {status}")
        return judge.returncode, said

    def read_own(self, total):
        return self.judge(total, "weir", [self.options.job, self.data, "read"])

    def read_served(self, total):
        """Through `weir server` on the same directory, by other people's consumers."""
        server = subprocess.Popen([self.options.weir, "server", "--data", self.data, "--listen", "127.0.0.1:0"],
                                  stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            broker = next(found.group(1) for line in server.stdout
                          if (found := re.search(r"listening on ([^, ]+)", line)))
            kcat = [["kcat", "-q", "-b", broker, "-C", "-e", "-t", topic, "-o", "beginning", "-X",
                     "isolation.level=read_committed", "-f", f"{topic} %k %s\\n"] for topic in OUTPUTS]
            results = [self.judge(total, "librdkafka", *kcat)]
            if self.options.jars:
                jars = self.options.jars
                results.append(self.judge(total, "java", ["java", "-cp", f"{jars}:{jars}/*", "Committed", broker, *OUTPUTS]))
            return results
        finally:
            server.kill()
            server.wait()


def run(options, work):
    chain = Chain(options, work)
    for _ in range(options.rounds):
        chain.kill_once()
    total = chain.finish()
    print(f"{options.rounds} kills, {chain.hits} of them at work; seed {options.seed}", flush=True)
    if chain.hits * 2 < options.rounds:
        raise Fault("most kills were before the job ran")
    for status, said in [chain.read_own(total), *chain.read_served(total)]:
        if status != 0:
            raise Fault(said)


def run_planted(options, work):
    """A few kills, a look, until there is what has to be there."""
    for _ in range(PLANTED_TRIES):
        chain = Chain(options, work)
        for _ in range(3):
            chain.kill_once()
        status, said = chain.read_own(chain.finish())
        if status != 0 and said.endswith(": repeated"):
            return
        if status != 0:
            raise Fault(f"something else than a repetition: {said}")
        shutil.rmtree(chain.data)
        options.seed += 1
    raise Fault("outputs that do not belong to the commit were never there twice")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job", required=True)
    parser.add_argument("--judge", required=True)
    parser.add_argument("--weir", required=True)
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("WEIR_CHAIN_ROUNDS", 20)))
    parser.add_argument("--seed", type=int, default=int(os.environ.get("WEIR_CRASH_SEED", random.randrange(1 << 30))))
    parser.add_argument("--jars")
    parser.add_argument("--keep", metavar="DIR", help="where it works, not removed")
    parser.add_argument("--planted", action="store_true")
    options = parser.parse_args()
    if not options.planted and shutil.which("kcat") is None:
        sys.exit("kcat is not installed: ./dev setup installs it")
    work = options.keep or tempfile.mkdtemp(prefix="weir-chain-")
    print(f"replay the moments with --seed {options.seed}", flush=True)
    try:
        (run_planted if options.planted else run)(options, work)
    except Fault as fault:
        print(f"not ok - {fault}")
        sys.exit(1)
    finally:
        if not options.keep:
            shutil.rmtree(work, ignore_errors=True)
    print(f"Checks: {1 if options.planted else 3 if options.jars else 2}, Failures: 0, Errors: 0")


if __name__ == "__main__":
    main()
