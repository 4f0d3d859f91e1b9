#!/usr/bin/python3
"""A group goes over while it reads: two members by the classic protocol (kafka-python) have six partitions, one by the
consumer protocol (`weir consume`) comes and leaves again. Records flow in lots; each record is read once by one of
them, since whoever gives a partition up commits first.

usage: migration.py WEIR BROKER"""
import json
import os
import queue
import signal
import subprocess
import sys
import threading
import time

WEIR, BROKER = sys.argv[1:3]
PARTITIONS, LOT, STEP_TIMEOUT = 6, 600, 60
MEMBER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "members", "kafka_python.py")


class Story:
    def __init__(self):
        self.lines = queue.Queue()  # of all members: name and line
        self.processes = {}
        self.owned = {}    # by name of a classic member: its partitions
        self.readers = {}  # by number of a record: who read it
        self.sent = 0

    def start(self, name, *words):
        process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.processes[name] = process
        threading.Thread(target=self.pump, args=(name, process), daemon=True).start()

    def pump(self, name, process):
        for line in process.stdout:
            self.lines.put((name, line))

    def start_classic(self, name):
        self.owned[name] = set()
        words = {"member": name, "broker": BROKER, "group": "g", "topic": "t", "protocol": "classic",
                 "assignor": "range", "instance": "", "session_ms": 6000, "commit_every": 50}
        self.start(name, "/usr/bin/python3", MEMBER, *[f"{key}={value}" for key, value in words.items()])

    def take(self, name, line):
        if name not in self.owned:
            self.readers.setdefault(int(line), []).append(name)
            return
        step = json.loads(line)
        if step["event"] == "assigned":
            self.owned[name] |= set(step["partitions"])
        elif step["event"] in ("revoked", "lost"):
            self.owned[name] -= set(step["partitions"])
        elif step["event"] == "records":
            for _, _, number in step["records"]:
                self.readers.setdefault(number, []).append(name)

    def wait(self, what, is_so):
        deadline = time.monotonic() + STEP_TIMEOUT
        while not is_so():
            left = deadline - time.monotonic()
            assert left > 0, f"after {STEP_TIMEOUT} s still not: {what}; {self.owned}, {len(self.readers)} read"
            try:
                self.take(*self.lines.get(timeout=left))
            except queue.Empty:
                pass
        print(f"ok - {what}", flush=True)

    def send(self):
        numbers = range(self.sent, self.sent + LOT)
        text = "".join(f"{number % PARTITIONS} {number}\n" for number in numbers)
        subprocess.run([WEIR, "produce", "t", "-b", BROKER, "-f", "%p %v\\n", "-o", ""], input=text, text=True,
                       check=True)
        self.sent += LOT

    def share(self, each, what):
        """The classic members have so many each, and a lot is read."""
        self.wait(what, lambda: [len(owned) for owned in self.owned.values()] == [each, each])
        self.send()
        self.wait("  and all is read", lambda: len(self.readers) == self.sent)

    def check_group(self, is_like):
        said = subprocess.run([WEIR, "group", "describe", "g", "-b", BROKER], capture_output=True, text=True,
                              check=True).stdout
        assert said.startswith(f"group g, {is_like}"), f"not {is_like}: {said}"


def run(story):
    subprocess.run([WEIR, "topic", "create", "t", "-p", str(PARTITIONS), "-b", BROKER], check=True)
    story.start_classic("a")
    story.start_classic("b")
    story.share(3, "two classic members share")
    story.check_group("classic, Stable, 2 members")

    story.start("weir", WEIR, "consume", "t", "--group", "g", "-b", BROKER, "-f", "%v\\n")
    story.share(2, "one of the consumer protocol came: all three share")
    story.check_group("consumer, Stable, 3 members")
    count = sum(readers == ["weir"] for readers in story.readers.values())
    assert count == 2 * LOT // PARTITIONS, f"weir read {count} records"

    story.processes["weir"].send_signal(signal.SIGINT)
    assert story.processes["weir"].wait(STEP_TIMEOUT) == 0
    story.share(3, "it left: the classic members share")
    story.check_group("classic, Stable, 2 members")

    for name in story.owned:
        story.processes[name].stdin.close()
        assert story.processes[name].wait(STEP_TIMEOUT) == 0
    again = {number: readers for number, readers in story.readers.items() if len(readers) != 1}
    assert not again, f"read more than once: {again}"


story = Story()
try:
    run(story)
finally:
    for process in story.processes.values():
        process.kill()
        process.wait()
print("Checks: 1, Failures: 0, Errors: 0")
