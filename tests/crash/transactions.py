#!/usr/bin/python3
"""Rounds of kill -9, or of power loss, against `weir server` under clients of transactions that live on, one set
per client stack: two writers append to lists in several partitions at once (list-append), a copier takes from
one topic and puts into another with its offsets (a queue), readers of both isolations follow. The server dies at
work or, by step_kill_shim.c, at a write or a sync of its coordinator's log, of the offsets' or of the data: before
or after any step of prepare, markers and complete. A commit that nobody answered is unknown: all of it or nothing.
Then everything is read anew, and ../clients/transactions/judge.py judges each stack's history.

usage: transactions.py --weir PROGRAM --kill-shim LIBRARY [--shim LIBRARY --apply PROGRAM]
                       [--rounds N] [--seed S] [--keep] [--lie] [--python PROGRAM]
--shim: the power goes, too (power_loss.h); --lie: once, and syncs lie: the judge must find something;
--python: an interpreter that has aiokafka, which then is a second stack (default: WEIR_CLIENTS_PYTHON)"""
import argparse
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time

HERE = os.path.dirname(os.path.abspath(__file__))
CLIENTS = os.path.join(HERE, "..", "clients", "transactions")
sys.path.append(CLIENTS)
from confluent_kafka import KafkaException  # noqa: E402

import rounds  # noqa: E402
import scenario  # noqa: E402
from judge import INPUT, Fault  # noqa: E402
from rounds import Failure  # noqa: E402

ROUND_TIMEOUT = 60
READ_TIMEOUT = 600  # of everything, after all rounds
STEPS = ("/__transaction_state-", "/__transaction_state-", "/__consumer_offsets-", "-input-", "-output-")
STEP_MAX = 40  # calls into a life, at most
STEP_TIMEOUT = 10  # for it to come there; then it is killed
WRITERS = ("w1", "w2")


class Server(rounds.Server):
    """One that may be told where to die in its next life."""

    step = None

    def environment(self, lies):
        environment = super().environment(lies)
        if self.step:
            below = environment.get("LD_PRELOAD")
            environment.update(WEIR_KILL_STEP=self.step,
                               LD_PRELOAD=self.options.kill_shim + (f":{below}" if below else ""))
        return environment

    def wait_dead(self):
        """Whether it came to its step."""
        try:
            self.process.wait(STEP_TIMEOUT)
        except subprocess.TimeoutExpired:
            self.end(signal.SIGKILL)
            return False
        self.process.stdout.close()
        if self.process.returncode != -signal.SIGKILL:
            raise Failure(f"the server had ended by itself, with {self.process.returncode}")
        return True


class Workload(scenario.Scenario):
    """What one client stack does, as long as the server comes back; its history and its judge."""

    def __init__(self, options, log, name, driver):
        super().__init__(argparse.Namespace(broker=None, driver=driver, reads_only=False, writes_only=False,
                                            no_instance=False, isolation="", restart_after_abort=True), log)
        self.seed = options.seed
        self.name = name
        self.prefix = self.group = "crash-" + name
        self.progress = {}  # by who gets on: how often
        self.is_stopping = self.is_over = self.is_copied = False
        self.starting = None  # a driver that has no id yet

    def begin_all(self):
        for role in WRITERS:
            self.start(self.write_on, role)
        self.start(self.copy_on)
        for name, isolation in (("rc.1", "read_committed"), ("ru.1", "read_uncommitted")):
            self.start(self.read_on, name, isolation)

    def got_on(self, who):
        self.progress[who] = self.progress.get(who, 0) + 1

    def give_up(self, driver, error):
        """What it had under way may be or not be; who comes after it has its transactional id."""
        if driver is not None:
            driver.kill()
            self.note(driver.name, "died", error=str(error))

    def is_loss(self, error):
        """A client that lost its server may say so or end; a history that is wrong is another matter."""
        return isinstance(error, scenario.Refused) or error.name in ("client-error", "stuck")

    def write_on(self, role):
        draw = random.Random(f"{self.seed} {self.name} {role}")
        driver, life = None, 0
        while not self.is_stopping:
            try:
                if driver is None:
                    life += 1
                    driver = scenario.Driver(self, f"{role}.{life}", role)
                    driver.ask("init")
                number = self.begin(driver)
                for _ in range(draw.randrange(1, 4)):
                    self.send(driver, number, INPUT, self.new_records(draw.randrange(1, 12)))
                self.end(driver, number, "abort" if draw.random() < 0.2 else "commit")
                self.got_on(role)
                time.sleep(0.01)  # two cores are for everybody
            except (scenario.Refused, Fault) as error:
                if not self.is_loss(error):
                    raise
                self.give_up(driver, error)
                driver = None
        self.give_up(driver, "it is over")

    def copy_on(self):
        draw = random.Random(f"{self.seed} {self.name} copier")
        driver, self.copier_lives, records = None, 0, []
        while not self.is_copied:
            try:
                if driver is None:
                    driver, records = self.start_copier()
                records = records or driver.ask("poll")["records"]
                if not records:
                    continue
                verb = "abort" if draw.random() < 0.1 else "commit"
                self.copy_some(driver, records, None, verb)
                records = []
                self.got_on("copier")
                if verb == "abort":
                    driver.ask("seek", ",".join(f"{p}:{o}" for p, o in self.position.items()))
            except (scenario.Refused, Fault) as error:
                if not self.is_loss(error):
                    raise
                self.give_up(driver or self.starting, error)
                driver = None
        self.give_up(driver, "it is over")

    def writer(self, name, role=None, **more):
        self.starting = scenario.Driver(self, name, role or name, **more)
        self.starting.ask("init")
        return self.starting

    def read_on(self, name, isolation, is_over=None):
        driver = scenario.Driver(self, name, "reader", isolation)
        driver.ask("assign", ",".join(self.topic(topic) for topic in scenario.TOPICS), str(scenario.PARTITIONS))
        while not (self.is_over if is_over is None else is_over()):
            try:
                found = driver.ask("poll")["records"]
            except scenario.Refused:
                continue  # nobody was there
            by_topic = {}
            for topic, p, offset, number in found:
                by_topic.setdefault(topic[len(self.prefix) + 1:], []).append([p, offset, number])
            for topic, records in by_topic.items():
                self.note(name, "read", isolation=isolation, topic=topic, records=records)
            if found:
                self.got_on(name)
        self.note(name, "ends", isolation=isolation)
        driver.kill()

    def finish_all(self):
        """The writers end, the copier copies the rest, and new readers read everything."""
        self.is_stopping = True
        for thread in self.threads[:len(WRITERS)]:
            thread.join(scenario.STEP_TIMEOUT)
        last = self.writer("last.1", "last")
        self.kills_left = 0
        for role in WRITERS:  # what was left open is ended by who has the id now
            self.writer(role + ".last", role).kill()
        self.transaction(last)
        self.wait(f"{self.name}: all that was committed is copied", self.is_all_copied, READ_TIMEOUT)
        self.is_copied = True
        self.threads[len(WRITERS)].join(scenario.STEP_TIMEOUT)
        self.writer("copier.last", "copier").kill()
        self.ask_committed()
        self.transaction(last, topics=scenario.TOPICS, count=scenario.PARTITIONS)
        closing = self.judge.transactions[self.count]
        for name, isolation in (("rc.2", "read_committed"), ("ru.2", "read_uncommitted")):
            self.start(self.read_on, name, isolation)
        for name in ("rc.1", "ru.1", "rc.2", "ru.2"):
            self.wait(f"{self.name}: {name} has read all", lambda name=name: name in self.judge.readers
                      and self.judge.readers[name].seen.issuperset(closing.records), READ_TIMEOUT)
        self.is_over = True
        for thread in self.threads:
            thread.join(scenario.STEP_TIMEOUT)
        if self.fault:
            raise self.fault
        self.judge.finish()


class Run:
    def __init__(self, options, work):
        self.options, self.work = options, work
        self.random = random.Random(options.seed)
        self.server = Server(options, work)
        self.workloads = []
        self.steps = 0
        stacks = {"librdkafka": ["/usr/bin/python3", CLIENTS + "/members/confluent.py"]}
        if options.python:
            stacks["aiokafka"] = [options.python, CLIENTS + "/members/aio.py"]
        for name, driver in stacks.items():
            log = open(f"{work}/{name}.jsonl", "w", encoding="utf-8")
            self.workloads.append(Workload(options, log, name, driver))

    def begin(self):
        self.server.spawn()
        self.server.wait_ready()
        for workload in self.workloads:
            workload.options.broker = self.server.address
            workload.create_topics()
        if self.options.lie:  # the topics are safe; what they hold will not be
            self.server.end(signal.SIGTERM)
            self.server.lose_power(0)
            self.server.spawn(lies=True)
            self.server.wait_ready()
        for workload in self.workloads:
            workload.begin_all()

    def check(self):
        for workload in self.workloads:
            if workload.fault:
                raise workload.fault

    def wait_progress(self):
        """Each writer, copier and reader gets on again."""
        names = (*WRITERS, "copier", "rc.1", "ru.1")
        before = [dict(workload.progress) for workload in self.workloads]
        deadline = time.monotonic() + ROUND_TIMEOUT

        def stuck():
            return [f"{workload.name} {name}" for workload, then in zip(self.workloads, before) for name in names
                    if workload.progress.get(name, 0) == then.get(name, 0)]
        while stuck():
            self.check()
            if time.monotonic() > deadline:
                raise Failure(f"after {ROUND_TIMEOUT} s nothing came through for: {', '.join(stuck())}")
            time.sleep(0.01)

    def crash(self, number):
        draw, server = self.random, self.server
        if server.step:
            how = f"at step {server.step}" if server.wait_dead() else "at work"
            self.steps += how != "at work"
        else:
            how = "at work"
            self.wait_progress()
            time.sleep(draw.uniform(0, 0.2))
            server.end(signal.SIGKILL)
        if self.options.shim:
            how += ": " + server.lose_power(draw.getrandbits(32) if not self.options.lie else 0)
        print(f"round {number}: {how}", flush=True)
        server.step = None
        if number < self.options.rounds and draw.random() < 0.7:
            server.step = f"{draw.choice(STEPS)}:{draw.randrange(1, STEP_MAX)}:{draw.choice(('before', 'after'))}"
        while True:
            server.spawn()
            try:
                server.wait_ready()
                return
            except Failure:
                # It has come to its step while it opened: that is a crash, too.
                if not server.step or not server.wait_dead():
                    raise
                server.step = None
                if self.options.shim:
                    server.lose_power(draw.getrandbits(32))

    def finish(self):
        self.wait_progress()
        for workload in self.workloads:
            workload.finish_all()
            print(f"{workload.name}: {workload.judge.summary()}", flush=True)
            committed = sum(t.state == "committed" for t in workload.judge.transactions.values())
            if committed < 5 * self.options.rounds:
                raise Failure(f"too little happened to say anything: {committed} transactions were committed")
        if self.options.rounds >= 10 and self.steps == 0:
            raise Failure("it never died at a step: the shim is not in the server's way")

    def stop(self):
        for workload in self.workloads:
            workload.is_stopping = workload.is_over = workload.is_copied = True
            workload.stop()
        if self.server.process and self.server.process.poll() is None:
            self.server.process.kill()


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    for name in ("--weir", "--kill-shim", "--shim", "--apply"):
        parser.add_argument(name)
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seed", type=int, default=int(os.environ.get("WEIR_CRASH_SEED", os.getpid())))
    parser.add_argument("--lie", action="store_true")
    parser.add_argument("--keep", action="store_true", help="the directory of a failed run stays")
    parser.add_argument("--python", default=os.environ.get("WEIR_CLIENTS_PYTHON"))
    options = parser.parse_args()
    variable = "WEIR_POWER_ROUNDS" if options.shim else "WEIR_KILL_ROUNDS"
    options.rounds = 1 if options.lie else options.rounds or int(os.environ.get(variable, 10))
    print(f"replay with WEIR_CRASH_SEED={options.seed}", flush=True)
    work = tempfile.mkdtemp(prefix="weir-transactions-")
    run = Run(options, work)
    status, found = 1, None
    try:
        run.begin()
        for number in range(1, options.rounds + 1):
            run.crash(number)
        run.finish()
        status = 0
        print(f"{options.rounds} rounds, {run.steps} of them at a step\nChecks: 1, Failures: 0, Errors: 0")
    except (Failure, Fault, scenario.Refused, KafkaException) as failure:
        found = failure.name if isinstance(failure, Fault) else None
        print(f"{'found' if options.lie else 'not ok'} - {failure}")
    finally:
        run.stop()
        for workload in run.workloads:
            workload.log.flush()
        if options.lie:
            status = 0 if found not in (None, "stuck", "client-error") else 1
            print("syncs lied, and " + ("the judge says so" if status == 0 else "the judge does not see it"))
        if status != 0:
            run.server.log.seek(0)
            print("--- the server said (its last lines)", "".join(run.server.log.readlines()[-30:]), sep="\n")
        if status != 0 and options.keep:
            print(f"everything is in {work}")
        else:
            shutil.rmtree(work, ignore_errors=True)
    sys.stdout.flush()
    os._exit(status)  # threads that wait for a driver's answer do not keep it


if __name__ == "__main__":
    main()
