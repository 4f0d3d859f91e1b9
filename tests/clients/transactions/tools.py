#!/usr/bin/python3
"""Kafka's own tools for transactions, with expectations that hold against Apache Kafka as well.

usage: tools.py --broker ADDRESS --jars DIR

A producer has committed ten records into each of two partitions and has five more open in each; the tools are asked
about it, end what it left, and copy and produce in transactions of their own."""
import argparse
import json
import os
import random
import re
import sys
import time

from confluent_kafka import Consumer, KafkaException, Producer, TopicPartition
from confluent_kafka.admin import AdminClient, NewTopic

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from kafka_tools import TIMEOUT, Tools, cells  # noqa: E402

PARTITIONS, COMMITTED, OPEN = 2, 10, 5
TIMEOUT_MS = 120000
COPIED = 250
EMPTY, ONGOING, PREPARE_COMMIT, PREPARE_ABORT, COMPLETE_COMMIT, COMPLETE_ABORT = range(6)  # in __transaction_state


class Story:
    def __init__(self, tools):
        self.tools = tools
        self.name = f"tools-{os.getpid()}-{random.getrandbits(24):x}"
        self.topic, self.copy, self.id = self.name, self.name + "-copy", self.name + "-id"
        self.producer = self.started_ms = None

    def transactions(self, *words):
        return self.tools.run("kafka-transactions", *words)

    def produce(self, count):
        for p in range(PARTITIONS):
            for i in range(count):
                self.producer.produce(self.topic, b"%d" % i, partition=p)
        if self.producer.flush(TIMEOUT) != 0:
            sys.exit("not ok - the records were not taken")

    def begin(self):
        admin = AdminClient({"bootstrap.servers": self.tools.broker})
        for made in admin.create_topics([NewTopic(name, PARTITIONS, 1) for name in (self.topic, self.copy)]).values():
            made.result(TIMEOUT)
        self.producer = Producer({"bootstrap.servers": self.tools.broker, "transactional.id": self.id, "log_level": 0,
                                  "transaction.timeout.ms": TIMEOUT_MS})
        self.producer.init_transactions(TIMEOUT)
        self.producer.begin_transaction()
        self.produce(COMMITTED)
        self.producer.commit_transaction(TIMEOUT)
        self.started_ms = time.time() * 1000
        self.producer.begin_transaction()
        self.produce(OPEN)

    # ---- what is told of it ----

    def states(self, *words):
        out = self.transactions("list", *words)
        return {row["TransactionalId"]: row["TransactionState"] for row in cells(out, "TransactionalId", "TransactionState")}

    def list(self):
        tools = self.tools
        tools.same("list has it, ongoing", "Ongoing", self.states().get(self.id))
        tools.same("list --duration-filter has it when it is old enough", "Ongoing",
                   self.states("--duration-filter", "1").get(self.id))
        tools.same("and leaves it out when it is not", None, self.states("--duration-filter", "3600000").get(self.id))
        tools.same("list --transactional-id-pattern has it alone", {self.id: "Ongoing"},
                   self.states("--transactional-id-pattern", f"{self.name}-.*"))

    def describe(self, what, state, partitions):
        out = self.transactions("describe", "--transactional-id", self.id)
        found = cells(out, "TransactionalId", "TransactionState")
        self.tools.claim(f"describe: {what}", len(found) == 1 and found[0]["TransactionState"] == state
                         and sorted(filter(None, found[0]["TopicPartitions"].split(","))) == partitions, out)
        return found[0]

    def describe_open(self):
        row = self.describe("its state and partitions", "Ongoing", [f"{self.topic}-{p}" for p in range(PARTITIONS)])
        began, lasts = int(row["CurrentTransactionStartTimeMs"]), int(row["TransactionDurationMs"])
        self.tools.same("describe: its timeout", str(TIMEOUT_MS), row["TransactionTimeoutMs"])
        self.tools.claim("describe: when it began", abs(began - self.started_ms) < 60000 and lasts >= 0, row)
        out = self.transactions("describe", "--transactional-id", "nobody-" + self.name)
        self.tools.claim("describe: an id that nobody has is not found", "the ID could not be found" in out, out)
        return row

    def producers(self, partition):
        return cells(self.transactions("describe-producers", "--topic", self.topic, "--partition", str(partition)),
                     "ProducerId", "CurrentTransactionStartOffset")

    def describe_producers(self, row):
        for p in range(PARTITIONS):
            found = self.producers(p)
            # Behind the committed records stands their marker.
            self.tools.same(f"describe-producers: partition {p} has it open", [
                (row["ProducerId"], str(COMMITTED + 1), str(COMMITTED + OPEN - 1))],
                [(one["ProducerId"], one["CurrentTransactionStartOffset"], one["LastSequence"]) for one in found], found)

    def find_hanging(self):
        out = self.transactions("find-hanging", "--topic", self.topic, "--max-transaction-timeout", "0")
        self.tools.claim("find-hanging: what the coordinator knows of does not hang",
                         not any(row["Topic"] == self.topic for row in cells(out, "Topic", "Partition")), out)

    # ---- who reads committed ----

    def read(self, topic, count, *words):
        out = self.tools.run("kafka-console-consumer", "--topic", topic, "--from-beginning", "--timeout-ms", "8000",
                             "--max-messages", str(count), "--isolation-level", "read_committed", *words)
        return [line for line in out.splitlines() if line.isdigit()], out

    def console(self, what, per_partition):
        # It is asked for one more than there is, so that it looks behind the last.
        numbers, out = self.read(self.topic, 2 * sum(per_partition) + 1)
        expected = sorted(str(i) for count in per_partition for i in range(count))
        self.tools.same(f"console-consumer --isolation-level read_committed: {what}", expected, sorted(numbers), out)

    # ---- its end ----

    def abort(self):
        start = self.producers(0)[0]["CurrentTransactionStartOffset"]
        out = self.transactions("abort", "--topic", self.topic, "--partition", "0", "--start-offset", str(int(start) + 1))
        self.tools.claim("abort: nothing is open from there", "Could not find any open transactions" in out, out)
        out = self.transactions("abort", "--topic", self.topic, "--partition", "0", "--start-offset", start)
        found = self.producers(0)
        self.tools.same("abort: nothing is open in the partition any more", ["None"],
                        [one["CurrentTransactionStartOffset"] for one in found], out)
        self.tools.same("and the other is as it was", [start],
                        [one["CurrentTransactionStartOffset"] for one in self.producers(1)])

    def terminate(self):
        out = self.transactions("forceTerminateTransaction", "--transactionalId", self.id)
        # The tool asks for its id as a producer would, and that begins anew.
        self.describe("forceTerminateTransaction has aborted it", "Empty", [])
        self.tools.same("and no partition has it open", ["None"] * PARTITIONS,
                        [one["CurrentTransactionStartOffset"] for p in range(PARTITIONS) for one in self.producers(p)], out)
        try:
            self.producer.commit_transaction(TIMEOUT)
            self.tools.claim("its producer is fenced", False, "it has committed")
        except KafkaException as error:
            self.tools.claim("its producer is fenced", error.args[0].fatal(), error)

    # ---- the coordinator's own log ----

    def state_log(self):
        out = self.tools.run("kafka-console-consumer", "--topic", "__transaction_state", "--from-beginning",
                             "--timeout-ms", "8000", "--formatter",
                             "org.apache.kafka.tools.consumer.TransactionLogMessageFormatter")
        decoder, at, found = json.JSONDecoder(), out.find('{"key"'), []
        while at >= 0:
            entry, at = decoder.raw_decode(out, at)
            if entry["key"] and entry["key"]["data"]["transactionalId"] == self.id:
                found.append(entry["value"]["data"])
            at = out.find('{"key"', at)
        states = [value["transactionStatus"] for value in found]
        # Partitions may be added one by one; the end of it may begin a new epoch.
        once = [state for i, state in enumerate(states) if i == 0 or state != states[i - 1]]
        self.tools.claim("__transaction_state: what became of it, by Kafka's formatter", once[:6] == [
            EMPTY, ONGOING, PREPARE_COMMIT, COMPLETE_COMMIT, ONGOING, PREPARE_ABORT] and once[6] == COMPLETE_ABORT, states)
        self.tools.claim("and its partitions, before their markers are written", any(
            value["transactionStatus"] == PREPARE_COMMIT and value["transactionPartitions"] == [
                {"topic": self.topic, "partitionIds": value["transactionPartitions"][0]["partitionIds"]}]
            and sorted(value["transactionPartitions"][0]["partitionIds"]) == list(range(PARTITIONS))
            for value in found), found)

    # ---- tools that have transactions ----

    def copier(self):
        producer = Producer({"bootstrap.servers": self.tools.broker})
        source, group = self.name + "-source", self.name + "-group"
        admin = AdminClient({"bootstrap.servers": self.tools.broker})
        admin.create_topics([NewTopic(source, 1, 1)])[source].result(TIMEOUT)
        for i in range(COPIED):
            producer.produce(source, b"%d" % i, partition=0)
        producer.flush(TIMEOUT)
        out = self.tools.run("transactional-message-copier", "--input-topic", source, "--input-partition", "0",
                             "--output-topic", self.copy, "--consumer-group", group, "--transaction-size", "7",
                             "--transactional-id", self.name + "-copier", "--enable-random-aborts", "--group-mode",
                             "--use-group-metadata")
        numbers, read = self.read(self.copy, 2 * COPIED)
        self.tools.same("transactional-message-copier: each is copied once, through random aborts",
                        [str(i) for i in range(COPIED)], sorted(numbers, key=int), read + out[-2000:])
        asker = Consumer({"bootstrap.servers": self.tools.broker, "group.id": group})
        offset = asker.committed([TopicPartition(source, 0)], timeout=TIMEOUT)[0].offset
        asker.close()
        self.tools.same("and its offset is committed with the last", COPIED, offset, out[-2000:])

    def perf(self):
        out = self.tools.run("kafka-producer-perf-test", "--topic", self.copy, "--num-records", "2000", "--throughput",
                             "-1", "--payload-monotonic", "--transactional-id", self.name + "-perf",
                             "--transaction-duration-ms", "50")
        self.tools.claim("producer-perf-test --transactional-id", re.search(r"^2000 records sent", out, re.M), out)
        self.tools.same("and its id is complete", "CompleteCommit", self.states().get(self.name + "-perf"))


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n")[0])
    parser.add_argument("--broker", required=True)
    parser.add_argument("--jars", required=True)
    options = parser.parse_args()
    tools = Tools(options)
    story = Story(tools)
    story.begin()
    story.list()
    row = story.describe_open()
    story.describe_producers(row)
    story.find_hanging()
    story.console("what is open is not read", [COMMITTED, COMMITTED])
    story.abort()
    story.terminate()
    story.console("what was aborted is not read", [COMMITTED, COMMITTED])
    story.state_log()
    story.copier()
    story.perf()
    print(f"Checks: {tools.claims}, Failures: 0, Errors: 0")


if __name__ == "__main__":
    main()
