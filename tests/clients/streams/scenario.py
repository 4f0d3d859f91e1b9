#!/usr/bin/python3
"""A Kafka Streams application (../java/Streamer.java), exactly_once_v2, is killed by kill -9 and started again, now
with its state and now without, while its input flows; what it has committed at the end is compared with the batch
answer: of each word every count once and in order, of the join every pair once.

usage: scenario.py --broker ADDRESS --jars DIR [--kills N]"""
import argparse
import collections
import os
import random
import shutil
import subprocess
import sys
import tempfile
import threading
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

PARTITIONS = 3
TIMEOUT = 120
WITHIN_MS = 1000  # of the join
WORDS = [f"word{i}" for i in range(40)]
KEYS = [f"key{i}" for i in range(60)]
RECORDS_PER_TURN, TURN = 6, 0.05
GROWTH = 300  # records of output that are to be committed between two kills
INPUTS, OUTPUTS = ("lines", "left", "right"), ("counts", "joined")


class Fault(Exception):
    pass


class Flow:
    """Lines of words, and both sides of the join; what is acknowledged is kept for the batch answer."""

    def __init__(self, broker, topic):
        self.producer = Producer({"bootstrap.servers": broker, "linger.ms": 5, "acks": "all",
                                  "enable.idempotence": True, "partitioner": "murmur2_random", "log_level": 0})
        self.topic = topic
        self.random = random.Random(7)
        self.lines, self.sides = [], {"left": [], "right": []}
        self.began = int(time.time() * 1000)
        self.number = 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.failure = None

    def send(self):
        self.number += 1
        line = " ".join(self.random.choices(WORDS, k=4))
        # The sides of a key that are to meet lie up to twice the window apart.
        at = self.began + self.number * 10
        key, side = self.random.choice(KEYS), self.random.choice(("left", "right"))
        self.produce("lines", str(self.number), line, at, lambda: self.lines.append(line))
        self.produce(side, key, str(self.number), at, lambda: self.sides[side].append((key, str(self.number), at)))

    def produce(self, name, key, value, at, keep):
        keep()

        def delivered(error, _):
            if error is not None:
                self.failure = f"an input was not taken: {error}"
        self.producer.produce(f"{self.topic}-{name}", value, key, timestamp=at, on_delivery=delivered)

    def run(self):
        while not self.stopping.wait(TURN):
            for _ in range(RECORDS_PER_TURN):
                self.send()
            self.producer.poll(0)

    def stop(self):
        self.stopping.set()
        self.thread.join()
        if self.producer.flush(TIMEOUT) != 0 or self.failure:
            raise Fault(self.failure or "the input was not taken")


class Reader:
    """What is committed of the application's output, read once."""

    def __init__(self, broker, topic):
        self.topic = topic
        self.consumer = Consumer({"bootstrap.servers": broker, "group.id": "none", "isolation.level": "read_committed",
                                  "auto.offset.reset": "earliest", "enable.auto.commit": False, "log_level": 0})
        self.consumer.assign([TopicPartition(f"{topic}-{name}", p, 0) for name in OUTPUTS for p in range(PARTITIONS)])
        self.counts = collections.defaultdict(list)  # word: its counts, in the order of its partition
        self.pairs = collections.Counter()
        self.number = 0

    def poll(self):
        for message in self.consumer.consume(500, 0.2):
            if message.error() is not None:
                raise KafkaException(message.error())
            self.number += 1
            key, value = message.key().decode(), message.value().decode()
            if message.topic().endswith("-counts"):
                self.counts[key].append(int(value))
            else:
                self.pairs[key, value] += 1


class Application:
    def __init__(self, options, topic, work):
        self.command = ["java", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp",
                        f"{options.jars}:{options.jars}/*", "Streamer", options.broker, topic + "-app", topic]
        self.state = work + "/state"
        self.errors = open(work + "/errors", "a+", encoding="utf-8")
        self.process = None

    def start(self):
        self.process = subprocess.Popen(self.command + [self.state], stdin=subprocess.PIPE, stdout=self.errors,
                                        stderr=self.errors, text=True)

    def check(self):
        if self.process.poll() is not None:
            raise Fault(f"the application ended by itself with {self.process.returncode}")

    def kill(self):
        self.process.kill()
        self.process.wait()

    def close(self):
        self.process.stdin.close()
        if self.process.wait(TIMEOUT) != 0:
            raise Fault(f"the application ended with {self.process.returncode}")

    def said(self):
        self.errors.seek(0)
        return self.errors.read()[-4000:]


def batch(flow):
    counts = collections.Counter(word for line in flow.lines for word in line.split())
    right = collections.defaultdict(list)
    for key, value, at in flow.sides["right"]:
        right[key].append((value, at))
    pairs = {(key, f"{value}/{other}") for key, value, at in flow.sides["left"]
             for other, its in right[key] if abs(its - at) <= WITHIN_MS}
    return counts, pairs


class Story:
    def __init__(self, options, work):
        self.options = options
        self.topic = f"streams-{os.getpid()}-{random.getrandbits(32):x}"
        self.application = Application(options, self.topic, work)
        self.flow = Flow(options.broker, self.topic)
        self.reader = None

    def create_topics(self):
        admin = AdminClient({"bootstrap.servers": self.options.broker, "log_level": 0})
        names = [f"{self.topic}-{name}" for name in INPUTS + OUTPUTS]
        for made in admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in names]).values():
            made.result(30)

    def wait(self, what, is_so):
        deadline = time.monotonic() + TIMEOUT
        while not is_so():
            self.application.check()
            if time.monotonic() > deadline:
                raise Fault(f"after {TIMEOUT} s still not: {what}; {self.reader.number} records of output")
            self.reader.poll()
        print(f"ok - {what}", flush=True)

    def wait_growth(self, what):
        before = self.reader.number
        self.wait(what, lambda: self.reader.number >= before + GROWTH)

    def run(self):
        self.create_topics()
        self.reader = Reader(self.options.broker, self.topic)
        self.flow.thread.start()
        self.application.start()
        self.wait_growth("it counts and joins")
        for number in range(1, self.options.kills + 1):
            time.sleep(self.flow.random.uniform(0, 0.2))  # anywhere in a transaction
            self.application.kill()
            if number % 2 == 0:
                shutil.rmtree(self.application.state)  # it is to come back from its changelogs alone
            self.application.start()
            self.wait_growth(f"killed {'and its state lost' if number % 2 == 0 else 'with its state'}, it goes on")
        self.flow.stop()
        counts, pairs = batch(self.flow)
        self.wait("all counts are committed", lambda: {
            word: found[-1] for word, found in self.reader.counts.items()} == counts)
        self.wait("all pairs are committed", lambda: len(self.reader.pairs) >= len(pairs))
        self.application.close()
        for _ in range(10):  # nothing may follow
            self.reader.poll()
        self.judge(counts, pairs)

    def judge(self, counts, pairs):
        for word, found in self.reader.counts.items():
            # The cache of its state keeps some counts back; none comes twice, none goes back.
            if any(later <= earlier for earlier, later in zip(found, found[1:])):
                raise Fault(f"the counts of '{word}' go back: {found}")
            if found[-1] != counts[word]:
                raise Fault(f"'{word}' was counted {found[-1]} times, there are {counts[word]}")
        wrong = [pair for pair, times in self.reader.pairs.items() if times != 1 or pair not in pairs]
        if wrong or len(self.reader.pairs) != len(pairs):
            raise Fault(f"{len(self.reader.pairs)} pairs, expected were {len(pairs)}; wrong or more than once: {wrong[:5]}")
        print(f"# {len(self.flow.lines)} lines, {sum(counts.values())} words, {len(pairs)} pairs, "
              f"{self.options.kills} kills")


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    parser.add_argument("--broker", required=True)
    parser.add_argument("--jars", required=True)
    parser.add_argument("--kills", type=int, default=4)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="weir-streams-") as work:
        story = Story(options, work)
        try:
            story.run()
        except (Fault, KafkaException, subprocess.TimeoutExpired) as fault:
            print(f"not ok - {fault}", f"the application said:\n{story.application.said()}", sep="\n")
            return 1
        finally:
            story.flow.stopping.set()
            if story.application.process:
                story.application.kill()
    print("Checks: 1, Failures: 0, Errors: 0")
    return 0


if __name__ == "__main__":
    sys.exit(main())
