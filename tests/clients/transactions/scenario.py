#!/usr/bin/python3
"""A writer commits and aborts over three partitions, a copier reads, writes and sends its offsets in one
transaction and is killed with -9 in the middle, a zombie meets who has its transactional id by now, one dies and
leaves a transaction to its timeout, and readers of both isolations see it all; judge.py judges each line.
A step waits for what it is to bring about, so a broker that never gets there fails by its deadline.

usage: scenario.py --broker ADDRESS [--transactions N] [--reads-only [--isolation NAME]] [--writes-only]
                   [--restart-after-abort] [--no-instance] [--keep FILE] -- DRIVER [WORD ...]
`DRIVER [WORD ...] NAME=VALUE ...` starts a driver (members/driver.py has the names and what it is asked)."""
import argparse
import json
import os
import random
import select
import subprocess
import sys
import tempfile
import threading
import time

from confluent_kafka import Consumer, KafkaException, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from judge import COPY, INPUT, OUTPUT, Fault, Judge

HERE = os.path.dirname(os.path.abspath(__file__))
REFERENCE = ["/usr/bin/python3", HERE + "/members/confluent.py"]  # where a client only reads, or only writes
STEP_TIMEOUT = 90
PARTITIONS = 3
LATE = "late"  # the topic whose transaction is left to its timeout
TOPICS = (INPUT, OUTPUT, LATE)
TIMEOUT_MS, SHORT_TIMEOUT_MS = 60000, 2000
ISOLATIONS = ("read_committed", "read_uncommitted")
KILLS = ("sent", "offsets", "commit", "commit")  # where the copier is, each time that it is killed
TURN = 0.1
BETWEEN_KILLS = 3  # transactions
ABORT_EVERY = 4
ASK_EVERY = 2  # whether the offsets have moved, or stayed
ALL = ",".join(str(p) for p in range(PARTITIONS))


class Refused(Exception):
    """The driver's answer is an error."""

    def __init__(self, answer):
        super().__init__(answer["error"])
        self.is_fenced = answer["is_fenced"]


class Driver:
    def __init__(self, scenario, name, role, isolation="read_committed", timeout_ms=TIMEOUT_MS):
        self.name = name
        options = scenario.options
        is_reference = options.writes_only if role == "reader" else options.reads_only
        command = REFERENCE if is_reference else options.driver
        words = {"name": name, "broker": options.broker, "id": f"{scenario.prefix}-{role}",
                 "timeout_ms": timeout_ms, "group": scenario.group, "isolation": isolation,
                 "instance": role if role == "copier" and not options.no_instance else ""}
        self.process = subprocess.Popen(command + [f"{key}={value}" for key, value in words.items()],
                                        stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=scenario.errors)
        self.said = b""
        scenario.drivers.append(self)

    def begin(self, *words):
        try:
            self.process.stdin.write(" ".join(words).encode() + b"\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            raise Fault("client-error", f"{self.name} ended by itself with {self.process.wait()}") from None

    def ask(self, *words):
        self.begin(*words)
        deadline = time.monotonic() + STEP_TIMEOUT
        while b"\n" not in self.said:
            ready, _, _ = select.select([self.process.stdout], [], [], max(deadline - time.monotonic(), 0))
            got = os.read(self.process.stdout.fileno(), 1 << 20) if ready else None
            if got is None:
                raise Fault("stuck", f"{self.name} has no answer to '{words[0]}' after {STEP_TIMEOUT} s")
            if not got:
                raise Fault("client-error", f"{self.name} ended at '{words[0]}' with {self.process.wait()}")
            self.said += got
        line, _, self.said = self.said.partition(b"\n")
        answer = json.loads(line)
        if "error" in answer:
            raise Refused(answer)
        return answer

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        self.ask("close")
        self.process.stdin.close()
        try:
            status = self.process.wait(STEP_TIMEOUT)
        except subprocess.TimeoutExpired:
            raise Fault("stuck", f"{self.name} does not end") from None
        if status != 0:
            raise Fault("client-error", f"{self.name} ended with {status}")


class Scenario:
    def __init__(self, options, log):
        self.options, self.log = options, log
        self.prefix = self.group = f"transactions-{os.getpid()}-{random.getrandbits(32):x}"
        self.judge = Judge()
        self.lock = threading.RLock()
        self.errors = tempfile.TemporaryFile("w+")
        self.drivers = []
        self.count = self.number = 0
        self.fault = None
        self.random = random.Random(1)
        self.threads = []
        self.asker = None  # for offsets, from outside
        self.polls = {}  # by reader

    # ---- the history ----

    def note(self, member, event, **more):
        with self.lock:
            line = {"member": member, "event": event, **more}
            self.log.write(json.dumps(line) + "\n")
            self.judge.step(json.loads(json.dumps(line)))

    def start(self, work, *arguments):
        def run():
            try:
                work(*arguments)
            except (Fault, KafkaException, OSError) as fault:
                self.fault = self.fault or fault
            except Refused as refused:
                self.fault = self.fault or Fault("client-error", f"in {work.__name__}: {refused}")
        thread = threading.Thread(target=run, daemon=True)
        thread.start()
        self.threads.append(thread)
        return thread

    def wait(self, what, is_so, timeout=STEP_TIMEOUT):
        deadline = time.monotonic() + timeout
        while True:
            if self.fault:
                raise self.fault
            with self.lock:
                if is_so():
                    break
            if time.monotonic() > deadline:
                raise Fault("stuck", f"after {timeout} s still not: {what}; {self.judge.summary()}")
            time.sleep(0.02)
        print(f"ok - {what}", flush=True)

    # ---- what a transaction is made of ----

    def topic(self, name):
        return f"{self.prefix}-{name}"

    def begin(self, driver):
        with self.lock:
            self.count += 1
            number = self.count
            self.note(driver.name, "begin", transaction=number)
        driver.ask("begin")
        return number

    def send(self, driver, number, topic, records):
        self.note(driver.name, "sends", transaction=number, topic=topic, records=records)
        driver.ask("send", self.topic(topic), *(f"{p}:{n}" for p, n in records))
        self.note(driver.name, "sent", transaction=number)

    def end(self, driver, number, verb):
        self.note(driver.name, verb + "s", transaction=number)
        driver.ask(verb)
        self.note(driver.name, {"commit": "committed", "abort": "aborted"}[verb], transaction=number)

    def new_records(self, count):
        """Numbers that nobody has yet; the first few go into every partition."""
        with self.lock:
            first = self.number
            self.number += count
            return [[i % PARTITIONS if i < PARTITIONS else self.random.randrange(PARTITIONS), first + i]
                    for i in range(count)]

    def transaction(self, driver, verb="commit", topics=(INPUT,), count=None):
        number = self.begin(driver)
        for topic in topics:
            self.send(driver, number, topic, self.new_records(count or self.random.choice((3, 10, 60))))
        self.end(driver, number, verb)

    # ---- those who take part ----

    def writer(self, name, role=None, **more):
        driver = Driver(self, name, role or name, **more)
        driver.ask("init")
        return driver

    def write(self, driver, count):
        for turn in range(1, count + 1):
            # A client that takes one aborted transaction of a producer for all of them is given one of each.
            is_abort = turn % ABORT_EVERY == 0 and not self.options.writes_only
            self.transaction(driver, "abort" if is_abort else "commit")

    def read(self, name, isolation, is_over):
        driver = Driver(self, name, "reader", isolation)
        driver.ask("assign", ",".join(self.topic(name) for name in TOPICS), str(PARTITIONS))
        while not is_over():
            by_topic = {}
            for topic, p, offset, number in driver.ask("poll")["records"]:
                by_topic.setdefault(topic[len(self.prefix) + 1:], []).append([p, offset, number])
            with self.lock:
                for topic, records in by_topic.items():
                    self.note(name, "read", isolation=isolation, topic=topic, records=records)
                self.polls[name] = self.polls.get(name, 0) + 1
        self.note(name, "ends", isolation=isolation)
        driver.close()

    def seen(self, name):
        """All that it must see is seen, but for what is behind an open transaction."""
        reader = self.judge.readers.get(name)
        return reader is not None and not self.judge.missing(reader)

    def isolations(self):
        return self.options.isolation.split(",") if self.options.isolation else ISOLATIONS

    # ---- the copier ----

    def start_copier(self):
        self.copier_lives += 1
        driver = self.writer(f"copier.{self.copier_lives}", "copier")
        driver.ask("subscribe", self.topic(INPUT))
        records = []
        deadline = time.monotonic() + STEP_TIMEOUT
        while True:
            answer = driver.ask("poll")
            records += answer["records"]
            if len(answer["assigned"]) == PARTITIONS:
                break
            if time.monotonic() > deadline:
                raise Fault("stuck", f"{driver.name} does not get its partitions")
        offsets = driver.ask("told", ALL)["offsets"]
        self.note(driver.name, "told", offsets=offsets)
        self.position = {p: offsets.get(str(p), 0) for p in range(PARTITIONS)}
        return driver, records

    def kill_copier(self, driver):
        driver.kill()
        self.note(driver.name, "died")
        print(f"ok - {driver.name} was killed", flush=True)

    def copy_some(self, driver, records, kill_at, verb):
        """Whether it lives. One transaction: what was read, where it goes, and how far that is."""
        number = self.begin(driver)
        self.send(driver, number, OUTPUT, [[(p + 1) % PARTITIONS, number * COPY + n] for _, p, _, n in records])
        if kill_at == "sent":
            return False
        offsets = {}
        for _, p, offset, _ in records:
            offsets[p] = offset + 1
        self.note(driver.name, "offsets", transaction=number, offsets=offsets)
        driver.ask("offsets", ",".join(f"{p}:{o}" for p, o in offsets.items()))
        if kill_at == "offsets":
            return False
        if kill_at == "commit":
            self.note(driver.name, "commits", transaction=number)
            driver.begin("commit")
            time.sleep(self.random.uniform(0, 0.02))  # anywhere on the way
            return False
        self.end(driver, number, verb)
        if verb == "commit":
            self.position.update(offsets)
        return True

    def copy(self):
        self.copier_lives, turn, kills = 0, 0, list(KILLS)
        driver, records = self.start_copier()
        while not self.is_copied:
            records = records or driver.ask("poll")["records"]
            if not records:
                continue
            turn += 1
            kill_at = kills.pop(0) if kills and turn % BETWEEN_KILLS == 0 else None
            verb = "abort" if turn % ABORT_EVERY == 0 else "commit"
            lives = self.copy_some(driver, records, kill_at, verb)
            records = []
            if lives and turn % ASK_EVERY == 0:
                self.ask_committed()
            if not lives:
                self.kill_copier(driver)
                driver, records = self.start_copier()
            elif verb == "abort" and self.options.restart_after_abort:
                driver.close()
                driver, records = self.start_copier()
            elif verb == "abort":
                driver.ask("seek", ",".join(f"{p}:{o}" for p, o in self.position.items()))
            self.kills_left = len(kills)
        driver.close()

    def is_all_copied(self):
        reader = self.judge.readers["rc.1"]
        inputs = [n for topic, n in reader.seen if topic == INPUT]
        copied = {n % COPY for topic, n in reader.seen if topic == OUTPUT}
        return self.kills_left == 0 and self.seen("rc.1") and copied.issuperset(inputs)

    # ---- the story ----

    def create_topics(self):
        admin = AdminClient({"bootstrap.servers": self.options.broker, "log_level": 0})
        for made in admin.create_topics([NewTopic(self.topic(name), PARTITIONS, 1) for name in TOPICS]).values():
            made.result(30)

    def hold(self, writer, verb):
        """Nobody who reads committed passes an open transaction, others do; the end of it frees all."""
        holder = self.writer("h." + verb, "holder")
        number = self.begin(holder)
        self.send(holder, number, INPUT, self.new_records(9))
        self.transaction(writer)
        open_one, judge = self.judge.transactions[number], self.judge
        if "read_uncommitted" in self.isolations():
            self.wait("what an open transaction wrote is there for who reads uncommitted",
                      lambda: all(record in judge.places for record in open_one.records) and self.seen("ru.1"))
        before = dict(self.polls)
        self.wait("  and who reads committed has looked",
                  lambda: all(self.polls[name] > polls + 2 for name, polls in before.items()))
        self.end(holder, number, verb)
        if "read_committed" in self.isolations():
            self.wait(f"after its {verb} the others have all that is behind it", lambda: self.seen("rc.1"))
        holder.close()

    def fence(self):
        zombie = self.writer("z.1", "zombie")
        self.transaction(zombie)
        first = self.begin(zombie)
        self.send(zombie, first, INPUT, self.new_records(6))
        heir = self.writer("z.2", "zombie")
        self.note(zombie.name, "fenced")
        self.transaction(heir)
        self.refuse(zombie, first)
        zombie.kill()
        self.transaction(heir)
        heir.close()

    def refuse(self, zombie, number):
        """Its open transaction was aborted under it: neither more of it nor its commit is taken."""
        said, is_fenced = [], False
        for step in (lambda: self.send(zombie, number, INPUT, self.new_records(3)),
                     lambda: self.end(zombie, number, "commit")):
            try:
                step()
            except Refused as refused:
                said.append(str(refused))
                is_fenced = is_fenced or refused.is_fenced
        self.note(zombie.name, "failed", transaction=number, error="; ".join(said))
        if not is_fenced:
            raise Fault("zombie-not-told", f"{zombie.name} is not told that it is fenced: {said}")
        print(f"ok - a zombie is fenced: {said[0][:100]}", flush=True)

    def abandon(self):
        """Who never comes back: the coordinator ends what it left."""
        lost = self.writer("lost.1", "lost", timeout_ms=SHORT_TIMEOUT_MS)
        number = self.begin(lost)
        self.send(lost, number, LATE, self.new_records(6))
        lost.kill()
        self.note(lost.name, "died")

    def ask_committed(self):
        """Librdkafka asks for what is stable: a commit is answered before its markers are written."""
        if self.asker is None:
            self.asker = Consumer({"bootstrap.servers": self.options.broker, "group.id": self.group, "log_level": 0})
        found = self.asker.committed([TopicPartition(self.topic(INPUT), p) for p in range(PARTITIONS)], timeout=30)
        self.note("outside", "told", offsets={place.partition: place.offset for place in found if place.offset >= 0})

    def run(self):
        self.is_copied, self.is_over, self.kills_left = False, False, len(KILLS)
        self.create_topics()
        writer = self.writer("w.1", "writer")
        self.transaction(writer, topics=TOPICS, count=PARTITIONS)  # each partition answers now
        for isolation in self.isolations():
            self.start(self.read, "rc.1" if isolation == "read_committed" else "ru.1", isolation, lambda: self.is_over)
        for name in ("rc.1", "ru.1"):
            if any(name[1] == isolation[5] for isolation in self.isolations()):
                self.wait(f"{name} has the first transaction", lambda name=name: self.seen(name))
        copier = None
        if not self.options.reads_only:
            copier = self.start(self.copy)
        self.abandon()
        self.write(writer, self.options.transactions)
        for verb in ("commit", "abort"):
            self.hold(writer, verb)
        self.fence()
        while copier and self.kills_left > 0 and not self.fault:
            self.write(writer, 1)
            time.sleep(TURN)  # a copier that is to wait for its predecessor's session is not to be flooded
        self.transaction(writer, topics=(LATE,))
        if copier:
            self.wait("all that was committed is copied", self.is_all_copied)
            self.is_copied = True
            copier.join(STEP_TIMEOUT)
            self.ask_committed()
        self.finish(writer)

    def finish(self, writer):
        """A last transaction behind everything: who has it has passed all that it is not to see."""
        self.transaction(writer, topics=TOPICS, count=PARTITIONS)
        last = self.judge.transactions[self.count]

        def has_last(name):
            reader = self.judge.readers.get(name)
            return reader is not None and reader.seen.issuperset(last.records)
        names = []
        for isolation in self.isolations():
            short = {"read_committed": "rc", "read_uncommitted": "ru"}[isolation]
            self.start(self.read, short + ".2", isolation, lambda: self.is_over)
            names += [short + ".1", short + ".2"]
        for name in names:
            self.wait(f"{name} has read all", lambda name=name: has_last(name))
        self.is_over = True
        for thread in self.threads:
            thread.join(STEP_TIMEOUT)
        if self.fault:
            raise self.fault
        writer.close()
        self.judge.finish()

    def stop(self):
        for driver in self.drivers:
            if driver.process.poll() is None:
                driver.kill()


def parse():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    parser.add_argument("--broker", required=True)
    parser.add_argument("--transactions", type=int, default=16)
    parser.add_argument("--reads-only", action="store_true", help="librdkafka writes, the client only reads")
    parser.add_argument("--writes-only", action="store_true", help="the client's committed reads are wrong")
    parser.add_argument("--isolation", default="", help="of the readers, where a client has but one")
    parser.add_argument("--restart-after-abort", action="store_true", help="a copier that cannot go back")
    parser.add_argument("--no-instance", action="store_true", help="the client knows no static members")
    parser.add_argument("--keep")
    parser.add_argument("driver", nargs="+")
    return parser.parse_args()


def main():
    options = parse()
    with open(options.keep or os.devnull, "w", encoding="utf-8") as log:
        scenario = Scenario(options, log)
        try:
            scenario.run()
        except (Fault, Refused, KafkaException) as fault:
            scenario.errors.seek(0)
            said = scenario.errors.read()[-3000:]
            print(f"not ok - {fault}", f"the drivers said:\n{said}" if said else "", sep="\n")
            return 1
        finally:
            scenario.stop()
    print(f"# {scenario.judge.summary()}\nChecks: 1, Failures: 0, Errors: 0")
    return 0


if __name__ == "__main__":
    sys.exit(main())
