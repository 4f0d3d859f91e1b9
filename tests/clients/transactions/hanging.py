#!/usr/bin/python3
"""A transaction that hangs, made and ended at a real server.

usage: hanging.py --weir PROGRAM [--jars DIR]

The coordinator's log is put back from a copy of before the transaction began, as an operator may do after a loss: the
partitions have it open, and nobody is going to end it. 'weir txn find-hanging' finds it and 'weir txn abort' ends it; with
Kafka's jars kafka-transactions does the same with another one."""
import argparse
import glob
import json
import os
import shutil
import subprocess
import sys
import tempfile

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from compatibility import Server  # noqa: E402
from kafka_tools import Tools, cells  # noqa: E402

TOPIC, GROUP, ID = "orders", "billing", "copies"
STATE, OFFSETS = "__transaction_state", "__consumer_offsets"
# It dies with what it has begun.
PRODUCER = """
import os, sys
from confluent_kafka import Consumer, Producer, TopicPartition
broker, begins = sys.argv[1], len(sys.argv) > 2
producer = Producer({"bootstrap.servers": broker, "transactional.id": "%(id)s", "log_level": 0})
producer.init_transactions(60)
if begins:
    consumer = Consumer({"bootstrap.servers": broker, "group.id": "%(group)s"})
    producer.begin_transaction()
    producer.produce("%(topic)s", b"nobody ends this", partition=0)
    producer.send_offsets_to_transaction([TopicPartition("%(topic)s", 0, 7)], consumer.consumer_group_metadata(), 60)
    if producer.flush(60) != 0: sys.exit("it was not taken")
sys.stdout.flush()
os._exit(0)
""" % {"id": ID, "group": GROUP, "topic": TOPIC}


class Story:
    def __init__(self, options, work):
        self.options, self.work = options, work
        self.saved = work + "/saved"
        self.server = None
        self.tools = None

    # ---- the server ----

    def start(self):
        self.server = Server(self.options.weir, self.work)
        if self.server.broker is None:
            sys.exit(f"not ok - the server did not start: {self.server.said()}")
        if self.tools is None:
            self.tools = Tools(argparse.Namespace(broker=None, jars=self.options.jars))
        self.tools.broker = self.server.broker

    def kill(self):
        self.server.process.kill()
        self.server.process.wait()

    def weir(self, *words, code=0):
        done = subprocess.run([self.options.weir, *words, "--brokers", self.server.broker], stdin=subprocess.DEVNULL,
                              stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, timeout=60)
        if done.returncode != code:
            sys.exit(f"not ok - weir {' '.join(words)} ended with {done.returncode}: {done.stderr}")
        return done.stdout

    def produce(self, *words):
        done = subprocess.run([sys.executable, "-c", PRODUCER, self.server.broker, *words], stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=180)
        if done.returncode != 0:
            sys.exit(f"not ok - the producer ended with {done.returncode}: {done.stdout}")

    def hang(self):
        """Leaves a transaction open in a partition of the topic and one of the group's offsets."""
        self.produce()
        self.server.stop()
        folders = [path for path in glob.glob(f"{self.server.data}/log/{STATE}-*") if os.listdir(path)]
        shutil.rmtree(self.saved, ignore_errors=True)
        for folder in folders:
            shutil.copytree(folder, f"{self.saved}/{os.path.basename(folder)}")
        self.start()
        self.produce("begin")
        self.tools.same("it is open", "Ongoing", self.state())
        self.kill()
        for folder in folders:
            shutil.rmtree(folder)
            shutil.copytree(f"{self.saved}/{os.path.basename(folder)}", folder)
        self.start()
        self.tools.same("its coordinator knows nothing of it", "Empty", self.state())

    # ---- what is seen ----

    def state(self):
        return json.loads(self.weir("txn", "describe", ID, "--json"))["state"]

    def found(self, *words):
        return json.loads(self.weir("txn", "find-hanging", "--json", *words))

    def committed(self):
        out = self.weir("consume", TOPIC, "-e", "-f", "%v\n", "--isolation", "read_committed")
        return out.split("\n")[:-1]

    def write(self, text):
        subprocess.run([self.options.weir, "produce", TOPIC, "-p", "0", "-o", "", "--brokers", self.server.broker],
                       input=text + "\n", text=True, check=True, timeout=60)

    # ---- its end ----

    def by_weir(self):
        tools = self.tools
        self.hang()
        self.write("behind it")
        tools.same("who reads committed is held up", [], self.committed())
        tools.same("one that was written to just now may still be ended", [], self.found())
        rows = self.found("--min-age-ms", "0")
        tools.same("find-hanging finds it in both partitions", [OFFSETS, TOPIC], sorted(row["topic"] for row in rows), rows)
        tools.claim("and says when it was written to", all(row["last_written_ms"] > 0 for row in rows), rows)
        table = self.weir("txn", "find-hanging", "--min-age-ms", "0")
        tools.claim("as a table too", f"{TOPIC}:0" in table and "START-OFFSET" in table, table)
        for row in rows:
            out = self.weir("txn", "abort", f"{row['topic']}:{row['partition']}", "--start-offset", str(row["start_offset"]))
            tools.claim(f"abort ends it in {row['topic']}", out.startswith("aborted the transaction of producer"), out)
        tools.same("nothing hangs any more", [], self.found("--min-age-ms", "0"))
        tools.same("and what is behind it is read", ["behind it"], self.committed())
        self.check_offsets()

    def by_kafka(self):
        tools = self.tools
        self.hang()
        self.write("behind the next")
        tools.same("who reads committed is held up by another", ["behind it"], self.committed())
        out = tools.run("kafka-transactions", "find-hanging", "--topic", TOPIC, "--max-transaction-timeout", "0")
        rows = cells(out, "Topic", "Partition")
        tools.same("kafka-transactions find-hanging finds it", [(TOPIC, "0")],
                   [(row["Topic"], row["Partition"]) for row in rows], out)
        for row in self.found("--min-age-ms", "0"):
            out = tools.run("kafka-transactions", "abort", "--topic", row["topic"], "--partition", str(row["partition"]),
                            "--start-offset", str(row["start_offset"]))
        tools.same("kafka-transactions abort ends it", [], self.found("--min-age-ms", "0"), out)
        tools.same("and what is behind it is read", ["behind it", "behind the next"], self.committed())
        out = tools.run("kafka-transactions", "find-hanging", "--topic", TOPIC, "--max-transaction-timeout", "0")
        tools.same("kafka-transactions find-hanging finds nothing then", [], cells(out, "Topic", "Partition"), out)
        self.check_offsets()

    def check_offsets(self):
        """The group's offset was never committed, and nothing is pending: a producer with the id goes on."""
        out = self.weir("group", "list")
        self.tools.claim("no offset of it was committed", GROUP not in out, out)
        self.produce()


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n")[0])
    parser.add_argument("--weir", required=True)
    parser.add_argument("--jars")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="weir-hanging-") as work:
        story = Story(options, work)
        story.start()
        try:
            story.weir("topic", "create", TOPIC, "-p", "1", "-q")
            story.by_weir()
            if options.jars:
                story.by_kafka()
        except SystemExit:
            print("the server said", story.server.said(), sep="\n")
            raise
        finally:
            story.kill()
    print(f"Checks: {story.tools.claims}, Failures: 0, Errors: 0")


if __name__ == "__main__":
    main()
