#!/usr/bin/python3
"""Three members of one group join, leave, die by kill -9 and come back over six partitions while numbered
records flow; judge.py judges each line that they say, and the broker's log says whose session is over. A step
waits for what it is to bring about, so a broker that never gets there fails by its deadline.

usage: scenario.py --broker ADDRESS [--static] [--protocol classic|consumer] [--assignor NAME]
                   [--leave-at-rest] [--stall] [--keep FILE] [--broker-log FILE] -- DRIVER [WORD ...]
`DRIVER [WORD ...] NAME=VALUE ...` starts a member (members/member.py has the names)."""
import argparse
import json
import os
import queue
import random
import re
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

from judge import PARTITIONS, Fault, Judge
from kcat_words import KcatWords

STEP_TIMEOUT = 60
SESSION_MS = 6000  # the least that a broker takes
LONG_SESSION_MS = 30000  # of a static member that is to be back within its session, however slowly it starts
COMMIT_EVERY = 100
UNCOMMITTED = 20  # of one partition, when a member dies: read again
RECORDS_PER_TURN, TURN = 6, 0.02


def group_type(broker, group):
    """As ListGroups tells it: a client may have fallen back to the classic protocol without a word."""
    def string(text):
        return bytes([len(text) + 1]) + text.encode()
    host, port = broker.rsplit(":", 1)
    # ListGroups 5, correlation id 0, no client id; no filter of states, none of types.
    request = struct.pack(">hhih", 16, 5, 0, -1) + b"\0" + b"\1\1\0"
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(struct.pack(">i", len(request)) + request)
        with connection.makefile("rb") as answer:
            body = answer.read(struct.unpack(">i", answer.read(4))[0])
    # The group's entry: its name, "consumer", its state, its type.
    at = body.find(string(group) + string("consumer"))
    if at < 0:
        return None
    at += len(string(group) + string("consumer"))
    at += body[at]
    return body[at + 1:at + body[at]].decode()


def children(pid):
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as found:
        return found.read().split()


def has_ended(pid):
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            return stat.read().rsplit(")", 1)[1].split()[0] in "ZX"
    except FileNotFoundError:
        return True


class Flow:
    """Numbered records, in turns into all partitions; what the broker acknowledges is a line of the history."""

    def __init__(self, broker, topic, note):
        self.producer = Producer({"bootstrap.servers": broker, "linger.ms": 5, "acks": "all",
                                  "enable.idempotence": True, "log_level": 0})
        self.topic, self.note = topic, note
        self.number = 0
        self.stopping = threading.Event()
        self.thread = None

    def send(self, count):
        for _ in range(count):
            self.producer.produce(self.topic, b"%d" % self.number, partition=self.number % PARTITIONS,
                                  on_delivery=self.delivered)
            self.number += 1
        self.producer.poll(0)

    def delivered(self, error, message):
        if error is None:
            self.note("produced", records=[[message.partition(), message.offset(), int(message.value())]])
        else:
            self.note("error", text=f"a record was not taken: {error}")

    def run(self):
        while not self.stopping.wait(TURN):
            self.send(RECORDS_PER_TURN)
        self.producer.flush(STEP_TIMEOUT)

    def start(self):
        self.stopping.clear()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def is_running(self):
        return self.thread is not None and not self.stopping.is_set()

    def stop(self):
        self.stopping.set()
        self.thread.join()


class Scenario:
    def __init__(self, options, log):
        self.options, self.log = options, log
        self.topic = self.group = f"groups-{os.getpid()}-{random.getrandbits(32):x}"
        self.judge = Judge()
        self.lines = queue.Queue()
        self.reader, self.writer = os.pipe()
        self.members = {}  # letter: (name, process)
        self.lives = self.marks = 0
        self.words = KcatWords()
        self.silent = set()  # members whose sessions were over once
        self.broker_log = open(options.broker_log, encoding="utf-8") if options.broker_log else None
        self.supervised = None  # a letter whose member may end by itself, and is started again
        self.errors = tempfile.TemporaryFile("w+")
        threading.Thread(target=self.pump, daemon=True).start()
        self.flow = Flow(options.broker, self.topic, self.note)

    # ---- the history ----

    def pump(self):
        with os.fdopen(self.reader, "rb") as lines:
            for line in lines:
                self.lines.put(line)

    def note(self, event, member="outside", **more):
        """A line of ours stands where it happened: it goes through the same pipe, whole or in parts."""
        os.write(self.writer, json.dumps({"member": member, "event": event, **more}).encode() + b"\n")

    def take_line(self, line):
        if not line.startswith(b"{"):
            self.take_words(line.decode(errors="replace"))
            return
        step = json.loads(line)
        if step["event"] == "mark":
            self.marks += 1
        else:
            self.take_step(step)

    def take_step(self, step):
        if step["event"] == "assigned":
            self.take_expired()  # the broker wrote it down before it gave the partitions to somebody else
        self.log.write(json.dumps(step) + "\n")
        self.judge.step(step)

    def take_words(self, line):
        steps = self.words.steps(line.rstrip("\n"))
        if steps is None and not line.startswith("% "):
            self.errors.write(line)
        for step in steps or []:
            if step["member"]:
                self.take_step(step)
                continue
            # One that is no member any more, and says not who: the broker has said it.
            self.take_expired()
            if not any(set(step["partitions"]) == had for had in self.judge.expired.values()):
                raise Fault("lost-without-cause", f"somebody lost {step['partitions']}, and its session was not over")

    def take_expired(self):
        """Members of the group whose sessions are over, as the broker's log names them."""
        if self.broker_log is None:
            return
        for line in self.broker_log:
            found = re.search(r"event=group\.members_silent group=(\S+) .*missed=\"([^\"]*)\"", line)
            if not found or found.group(1) != self.group:
                continue
            for member in (name.split(" ")[0] for name in found.group(2).split(", ")):
                self.silent.add(member)
                self.words.forget(member)
                self.take_step({"member": member, "event": "expired"})

    def take_lines(self, timeout):
        try:
            line = self.lines.get(timeout=timeout)
            while True:
                self.take_line(line)
                line = self.lines.get_nowait()
        except queue.Empty:
            pass

    def wait(self, what, is_so):
        deadline = time.monotonic() + STEP_TIMEOUT
        while not is_so():
            if time.monotonic() > deadline:
                owners = [partition.owner for partition in self.judge.partitions]
                raise Fault("stuck", f"after {STEP_TIMEOUT} s still not: {what}; owners are {owners}, read "
                                     f"{[(p.read, p.end) for p in self.judge.partitions]}")
            for letter in [letter for letter, (_, process) in self.members.items() if process.poll() is not None]:
                self.ended(letter)
            self.take_lines(0.2)
        print(f"ok - {what}", flush=True)

    # ---- members ----

    def join(self, letter):
        self.lives += 1
        name = f"{letter}.{self.lives}"
        words = {"member": name, "broker": self.options.broker, "group": self.group, "topic": self.topic,
                 "protocol": self.options.protocol, "assignor": self.options.assignor,
                 "instance": letter if self.options.static else "",
                 "session_ms": LONG_SESSION_MS if self.options.static and letter == "a" else SESSION_MS,
                 "commit_every": COMMIT_EVERY}
        process = subprocess.Popen(self.options.driver + [f"{key}={value}" for key, value in words.items()],
                                   stdin=subprocess.PIPE, stdout=self.writer, stderr=self.errors,
                                   start_new_session=True)
        self.members[letter] = (name, process)

    def ended(self, letter):
        name, process = self.members[letter]
        if letter != self.supervised:
            self.take_lines(0.5)
            raise Fault("client-error", f"{name} ended by itself with {process.returncode}")
        self.note("died", name)
        self.join(letter)

    def leave(self, letter):
        rests = self.options.leave_at_rest and self.flow.is_running()
        if rests:
            self.flow.stop()
            self.wait_all_read()
        name, process = self.members.pop(letter)
        process.stdin.close()
        try:
            status = process.wait(STEP_TIMEOUT)
        except subprocess.TimeoutExpired:
            process.kill()
            raise Fault("stuck", f"{name} does not leave") from None
        if status != 0:
            self.take_lines(0.5)
            raise Fault("client-error", f"{name} ended with {status}")
        self.note("left", name)
        if rests:
            self.flow.start()

    def die(self, letter):
        name, process = self.members.pop(letter)
        clients = children(process.pid)
        process.kill()
        process.wait()
        while not all(has_ended(client) for client in clients):  # they go with it, and say no more then
            time.sleep(0.01)
        process.stdin.close()
        self.note("died", name)

    def signal(self, letter, number):
        """To the member, and to the client that it may have started."""
        os.killpg(self.members[letter][1].pid, number)

    # ---- what is waited for ----

    def is_shared(self, letters):
        """Every partition has an owner among these, and each of them its share."""
        shares = [len(self.judge.owned(self.members[letter][0])) for letter in letters]
        return sum(shares) == PARTITIONS and max(shares) - min(shares) <= 1

    def is_shared_and_read(self, letters):
        return self.is_shared(letters) and all(
            p.next == p.end or p.committed == p.end for p in self.judge.partitions)

    def wait_shared(self, letters, what):
        """It is shared, and all get on."""
        self.wait(what, lambda: self.is_shared(letters))
        before = [partition.read for partition in self.judge.partitions]
        self.wait("  and all six are read on",
                  lambda: self.is_shared(letters) and all(
                      p.read > then for p, then in zip(self.judge.partitions, before)))

    def wait_uncommitted(self, letter):
        name = self.members[letter][0]
        self.wait(f"{letter} has read what it has not committed", lambda: any(
            p.next is not None and p.next > p.committed + UNCOMMITTED
            for p in self.judge.partitions if p.owner == name))

    def wait_all_read(self):
        self.note("mark")  # all that was acknowledged before is known when it comes through
        marks = self.marks + 1
        self.wait("all that was sent is read", lambda: self.marks >= marks and all(
            p.read == p.end for p in self.judge.partitions))

    def ask_committed(self):
        asker = Consumer({"bootstrap.servers": self.options.broker, "group.id": self.group, "log_level": 0})
        try:
            found = asker.committed([TopicPartition(self.topic, p) for p in range(PARTITIONS)], timeout=30)
        finally:
            asker.close()
        self.note("read", offsets={str(place.partition): max(place.offset, 0) for place in found})

    def wait_committed(self):
        self.ask_committed()
        self.note("mark")
        marks = self.marks + 1
        self.wait("what is committed is all that was read", lambda: self.marks >= marks and all(
            p.committed == p.read for p in self.judge.partitions))

    # ---- the story ----

    def create_topic(self):
        admin = AdminClient({"bootstrap.servers": self.options.broker, "log_level": 0})
        admin.create_topics([NewTopic(self.topic, PARTITIONS, 1)])[self.topic].result(30)
        self.wait("the topic is there",
                  lambda: len(admin.list_topics(self.topic, timeout=10).topics[self.topic].partitions) == PARTITIONS)

    def check_type(self):
        found = group_type(self.options.broker, self.group)
        if found is None or found.lower() != self.options.protocol:
            raise Fault("other-protocol", f"asked for was {self.options.protocol}, the group is of type {found}")

    def come_and_go(self):
        self.join("a")
        self.wait_shared("a", "a has all six partitions")
        self.check_type()
        self.join("b")
        self.wait_shared("ab", "b came: a and b share")
        self.join("c")
        self.wait_shared("abc", "c came: a, b and c share")
        self.leave("b")
        self.wait_shared("ac", "b left: a and c share")
        self.join("b")
        self.wait_shared("abc", "b came back: all three share")

    def die_and_come_back(self):
        self.wait_uncommitted("c")
        self.die("c")
        self.wait_shared("ab", "c died: a and b share")
        self.join("c")
        self.wait_shared("abc", "c came back: all three share")

    def stall_and_go_on(self):
        """Stopped for longer than its session: others have its partitions before it hears of that."""
        name = self.members["c"][0]
        self.wait_uncommitted("c")
        self.signal("c", signal.SIGSTOP)
        self.wait_shared("ab", "c stands still: a and b share")
        if name not in self.silent:
            raise Fault("not-logged", f"the broker's log does not say that the session of {name} is over")
        self.signal("c", signal.SIGCONT)
        self.wait_shared("abc", "c goes on: all three share")

    def die_and_come_back_at_once(self):
        self.wait_uncommitted("a")
        others = [self.members[letter][0] for letter in "bc"]
        moves = [self.judge.moves[name] for name in others]
        self.die("a")
        # The consumer protocol keeps a static member's place for it alone: until its session is over, who comes
        # in its name is told UNRELEASED_INSTANCE_ID and ends, and is started again by who looks after it.
        is_kept_out = self.options.static and self.options.protocol == "consumer"
        self.supervised = "a" if is_kept_out else None
        self.join("a")
        self.wait_shared("abc", "a died and came back at once: all three share")
        self.supervised = None
        if self.options.static and not is_kept_out and moves != [self.judge.moves[name] for name in others]:
            raise Fault("static-member-moved-others", "a static member came back within its session, and "
                                                      "partitions of others moved")

    def all_leave_and_one_comes(self):
        self.flow.stop()
        self.wait_all_read()
        # One after the other: what is committed while the others are between two assignments may be refused, and is
        # read again by who has the partition then: it can commit only what it has read.
        self.leave("a")
        if not self.options.static:
            self.wait("a left: b and c share, and have read what was not committed",
                      lambda: self.is_shared_and_read("bc"))
        self.leave("b")
        if not self.options.static:
            self.wait("b left: c has all, and has read what was not committed", lambda: self.is_shared_and_read("c"))
        self.leave("c")
        self.wait_committed()
        self.flow.send(10 * PARTITIONS)
        self.flow.producer.flush(STEP_TIMEOUT)
        self.join("a")
        self.wait_all_read()
        self.leave("a")
        self.wait_committed()
        again = sum(p.read_again for p in self.judge.partitions)
        print(f"ok - after all had left, one began at what was committed ({again} records read again so far)")

    def run(self):
        self.create_topic()
        self.flow.start()
        self.come_and_go()
        self.die_and_come_back()
        if self.options.stall:
            self.stall_and_go_on()
        self.die_and_come_back_at_once()
        self.all_leave_and_one_comes()
        self.judge.finish()

    def stop(self):
        self.flow.stopping.set()
        for _, process in self.members.values():
            process.kill()
            process.wait()


def parse():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    parser.add_argument("--broker", required=True)
    parser.add_argument("--static", action="store_true")
    parser.add_argument("--protocol", default="classic")
    parser.add_argument("--assignor", default="range")
    parser.add_argument("--leave-at-rest", action="store_true", help="nothing flows while a member leaves: "
                        "kcat drops the record that it is given at the moment of its signal")
    parser.add_argument("--stall", action="store_true", help="a member stands still for longer than its session")
    parser.add_argument("--broker-log", help="what the broker writes of silent members; needed for --stall")
    parser.add_argument("--keep")
    parser.add_argument("driver", nargs="+")
    return parser.parse_args()


def main():
    options = parse()
    with open(options.keep or os.devnull, "w", encoding="utf-8") as log:
        scenario = Scenario(options, log)
        try:
            scenario.run()
        except (Fault, KafkaException) as fault:
            scenario.stop()
            scenario.errors.seek(0)
            said = scenario.errors.read()[-3000:]
            print(f"not ok - {fault}", f"the members said:\n{said}" if said else "", sep="\n")
            return 1
    print(f"# {scenario.judge.summary()}\nChecks: 1, Failures: 0, Errors: 0")
    return 0


if __name__ == "__main__":
    sys.exit(main())
