#!/usr/bin/python3
"""Rounds of kill -9, or of power loss, against `weir server` under producers and readers that live on;
then everything is read by a fresh reader, and a checker judges the history.

usage: rounds.py --weir PROGRAM --judge PROGRAM [--shim LIBRARY --apply PROGRAM]
                 [--rounds N] [--seed S] [--lie] [--keep]
--shim: the power goes, too (power_loss.h); --lie: once, and syncs lie: a write must be found to be lost"""
import argparse
import multiprocessing
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

import clients

try:
    import confluent_kafka  # noqa: F401
    import kafka  # noqa: F401
except ImportError as missing:
    sys.exit(f"{missing}: ./dev setup installs it")

START_TIMEOUT = 30
ROUND_TIMEOUT = 60
CLOSE_TIMEOUT = 50


class Server:
    """`weir server` on one directory and, from its second start on, on one port."""

    def __init__(self, options, work):
        self.options = options
        self.disk, self.store = work + "/disk", work + "/store"
        self.log = open(work + "/server.log", "a+")
        self.address = "127.0.0.1:0"
        self.process = None
        self.starts = []
        self.taken_back = 0
        os.mkdir(self.disk)
        os.mkdir(self.store)

    def environment(self, lies):
        environment = dict(os.environ)
        if self.options.shim:
            environment.update(LD_PRELOAD=self.options.shim, WEIR_POWER_ROOT=self.disk,
                               WEIR_POWER_STORE=self.store, WEIR_SHIM_LIE="1" if lies else "0")
        return environment

    def spawn(self, lies=False):
        self.process = subprocess.Popen(
            [self.options.weir, "server", "--data", self.disk + "/data", "--listen", self.address,
             "--set", "auto.create.topics.enable=false"],
            env=self.environment(lies), stdout=subprocess.PIPE, stderr=self.log)

    def wait_ready(self):
        began, said = time.monotonic(), b""
        while True:
            left = began + START_TIMEOUT - time.monotonic()
            ready, _, _ = select.select([self.process.stdout], [], [], max(left, 0))
            got = os.read(self.process.stdout.fileno(), 4096) if ready else b""
            said += got
            found = re.search(rb"listening on ([0-9.:]+)", said)
            if found:
                self.address = found.group(1).decode()
                self.starts.append(time.monotonic() - began)
                return
            if not got:
                raise Failure(f"the server did not start again: {said.decode()!r}")

    def end(self, number, or_before=None):
        """It ends by just this signal; with `or_before`, that one may have been quicker."""
        self.process.send_signal(number)
        status = self.process.wait()
        self.process.stdout.close()
        fine = {signal.SIGTERM: 0, signal.SIGKILL: -signal.SIGKILL}
        if status not in (fine[number], fine.get(or_before)):
            raise Failure(f"the server had ended by itself, with {status}")

    def lose_power(self, seed):
        done = subprocess.run([self.options.apply, self.disk, self.store, str(seed)],
                              stdout=subprocess.PIPE, text=True)
        if done.returncode != 0:
            raise Failure("what was not synced could not be taken back")
        self.taken_back += int(done.stdout.split()[0])
        return done.stdout.strip()


class Failure(Exception):
    pass


class ClientFailure(Failure):
    """A client ended or got stuck: the history so far says more."""


class Run:
    def __init__(self, options, work):
        self.options = options
        self.work = work
        self.random = random.Random(options.seed)
        self.server = Server(options, work)
        self.nemesis = open(work + "/nemesis.history", "w")
        self.children = []
        self.progress = []

    def note(self, f):
        self.nemesis.write(f"{time.monotonic_ns()} 0 info {f} - 0 0\n")

    def begin(self):
        self.server.spawn()
        self.server.wait_ready()
        subprocess.run([self.options.weir, "topic", "create", clients.TOPIC, "-q", "-p",
                        str(clients.PARTITIONS), "-c", "segment.bytes=1048576", "-b", self.server.address],
                       check=True)
        if self.options.lie:  # the topic is safe; what it holds will not be
            self.server.end(signal.SIGTERM)
            self.server.lose_power(0)
            self.server.spawn(lies=True)
            self.server.wait_ready()
        for number in range(len(clients.CLIENTS)):
            counted = multiprocessing.Value("q", 0, lock=False)
            child = multiprocessing.Process(target=clients.run, args=(
                number, f"{self.work}/client-{number}.history", self.server.address, counted,
                CLOSE_TIMEOUT if not self.options.lie else 1))
            child.start()
            self.children.append(child)
            self.progress.append(counted)

    def wait_progress(self):
        """Each client gets on again: a crash that hits nothing shows nothing."""
        before = [counted.value for counted in self.progress]
        deadline = time.monotonic() + ROUND_TIMEOUT
        while any(now.value == then for now, then in zip(self.progress, before)):
            for (name, _), child in zip(clients.CLIENTS, self.children):
                if not child.is_alive():
                    raise ClientFailure(f"{name}: ended with {child.exitcode}")
            if time.monotonic() > deadline:
                stuck = [name for (name, _), now, then in zip(clients.CLIENTS, self.progress, before)
                         if now.value == then]
                raise ClientFailure(f"after {ROUND_TIMEOUT} s nothing came through for: {', '.join(stuck)}")
            time.sleep(0.005)

    def crash(self, number):
        draw, server = self.random, self.server
        how = draw.choice(["at work", "at work", "at work", "after a pause", "while it opens", "while it closes"])
        if self.options.lie:
            how = "at work"
        if how == "while it opens":
            server.end(signal.SIGKILL)
            self.after_death()
            server.spawn()
            time.sleep(draw.uniform(0, 0.03))
        else:
            self.wait_progress()
            time.sleep(draw.uniform(0, 0.3))
        if how == "after a pause":
            server.process.send_signal(signal.SIGSTOP)
            time.sleep(draw.uniform(0.05, 0.4))
            server.process.send_signal(signal.SIGCONT)
            time.sleep(draw.uniform(0, 0.05))
        if how == "while it closes":
            server.process.send_signal(signal.SIGTERM)
            time.sleep(draw.uniform(0, 0.02))
        server.end(signal.SIGKILL, signal.SIGTERM if how == "while it closes" else None)
        print(f"round {number}: {how}{self.after_death()}", flush=True)
        server.spawn()
        server.wait_ready()

    def after_death(self):
        seed = self.random.getrandbits(32) if not self.options.lie else 0
        if not self.options.shim:
            self.note("kill")
            return ""
        self.note("power")
        return ": " + self.server.lose_power(seed)

    def rounds(self):
        """All of them; or None and the reason why a client did not get through."""
        try:
            for number in range(1, self.options.rounds + 1):
                self.crash(number)
            if not self.options.lie:
                self.wait_progress()
        except ClientFailure as failure:
            return str(failure)
        return None

    def finish(self):
        """The clients finish what they have under way, then a fresh reader reads everything."""
        for child in self.children:
            child.terminate()
        for (name, _), child in zip(clients.CLIENTS, self.children):
            child.join(ROUND_TIMEOUT)
            if child.exitcode is None:
                raise Failure(f"{name}: does not end")
        self.nemesis.close()
        last = multiprocessing.Process(target=clients.final_polls, args=(
            self.server.address, self.work + "/final.history", multiprocessing.Value("q", 0, lock=False),
            self.topics_asked_for()))
        last.start()
        last.join(2 * ROUND_TIMEOUT)
        if last.exitcode != 0:
            raise Failure("the final polls did not reach the end")
        self.server.end(signal.SIGKILL)

    def topics_asked_for(self):
        said = "".join(open(f"{self.work}/client-{number}.history").read() for number in range(len(self.children)))
        return sorted(set(re.findall(r" create (\w+)-0 ", said)))

    def judge(self):
        histories = sorted(f"{self.work}/{name}" for name in os.listdir(self.work) if name.endswith(".history"))
        asked = ["--expect", "lost-write"] if self.options.lie else [
            "--at-least", str(100 * self.options.rounds), "--commits", str(10 * self.options.rounds)]
        return subprocess.run([self.options.judge, *asked, *histories]).returncode

    def stop(self):
        for child in self.children:
            if child.is_alive():
                child.kill()
        if self.server.process and self.server.process.poll() is None:
            self.server.process.kill()


def main():
    parser = argparse.ArgumentParser()
    for name in ("--weir", "--judge", "--shim", "--apply"):
        parser.add_argument(name)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("WEIR_CRASH_SEED", os.getpid())))
    parser.add_argument("--lie", action="store_true")
    parser.add_argument("--keep", action="store_true", help="the directory of a failed run stays")
    options = parser.parse_args()
    variable = "WEIR_POWER_ROUNDS" if options.shim else "WEIR_KILL_ROUNDS"
    options.rounds = 1 if options.lie else options.rounds or int(os.environ.get(variable, 10))
    print(f"replay with WEIR_CRASH_SEED={options.seed}", flush=True)
    work = tempfile.mkdtemp(prefix="weir-crash-")
    run = Run(options, work)
    status = 1
    try:
        run.begin()
        failure = run.rounds()
        run.finish()
        status = run.judge()
        if failure and not options.lie:
            raise Failure(failure)
        if options.shim and run.server.taken_back == 0:
            raise Failure("the power went, and nothing was lost: the shim is not in the server's way")
        starts = sorted(run.server.starts)
        print(f"{options.rounds} rounds; ready again after {starts[len(starts) // 2] * 1000:.0f} ms (median), "
              f"{starts[-1] * 1000:.0f} ms (longest)")
    except Failure as failure:
        status = 1
        print(f"failed: {failure}")
    finally:
        run.stop()
        if status != 0:
            run.server.log.seek(0)
            print("--- the server said (its last lines)", "".join(run.server.log.readlines()[-30:]), sep="\n")
        if status != 0 and options.keep:
            print(f"everything is in {work}")
        else:
            shutil.rmtree(work)
    sys.exit(status)


if __name__ == "__main__":
    main()
