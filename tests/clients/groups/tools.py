#!/usr/bin/python3
"""Kafka's own tools for groups, with expectations that hold against Apache Kafka as well.

usage: tools.py --broker ADDRESS --jars DIR [--protocols classic,consumer]

A topic of three partitions has thirty records in each, ten minutes apart, the last ten minutes ago; later ten
more of now. The tools are asked about groups that are empty, that have a member, and that nobody knows."""
import argparse
import datetime
import json
import os
import random
import re
import subprocess
import sys
import tempfile
import time

from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, NewTopic

sys.path.append(os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from kafka_tools import TIMEOUT, Tools, rows  # noqa: E402

PARTITIONS, OLD, NEW = 3, 30, 10
SPACING_S = 600


def offsets_of(output, topic, column="CURRENT-OFFSET"):
    return {int(row["PARTITION"]): row[column] for row in rows(output, "TOPIC", "PARTITION", column)
            if row["TOPIC"] == topic}


def every(value, partitions=range(PARTITIONS)):
    return {p: str(value) for p in partitions}


class Story:
    def __init__(self, tools):
        self.tools = tools
        self.name = f"tools-{os.getpid()}-{random.getrandbits(24):x}"
        self.topic, self.group = self.name, self.name + "-empty"
        self.began = time.time() - OLD * SPACING_S

    def produce(self, count, at):
        producer = Producer({"bootstrap.servers": self.tools.broker, "acks": "all"})
        for i in range(count):
            for p in range(PARTITIONS):
                producer.produce(self.topic, b"%d" % i, partition=p, timestamp=int(at(i) * 1000))
        if producer.flush(TIMEOUT) != 0:
            sys.exit("not ok - the records were not taken")

    def begin(self):
        admin = AdminClient({"bootstrap.servers": self.tools.broker})
        admin.create_topics([NewTopic(self.topic, PARTITIONS, 1)])[self.topic].result(TIMEOUT)
        self.produce(OLD, lambda i: self.began + i * SPACING_S)

    def described(self, group, *words):
        return self.tools.groups("--describe", "--group", group, *words)

    # ---- a group that is empty ----

    def console(self):
        out = self.tools.run("kafka-console-consumer", "--topic", self.topic, "--group", self.group,
                             "--from-beginning", "--max-messages", str(OLD * PARTITIONS), "--timeout-ms", "30000")
        numbers = [line for line in out.splitlines() if line.isdigit()]
        self.tools.same("console-consumer --group reads all",
                        sorted(str(i) for i in range(OLD) for _ in range(PARTITIONS)), sorted(numbers), out)
        out = self.described(self.group)
        self.tools.same("and commits where it ended", every(OLD), offsets_of(out, self.topic), out)
        self.produce(NEW, lambda i: time.time())

    def list(self):
        tools = self.tools
        out = tools.groups("--list")
        tools.claim("--list names the group", self.group in out.split(), out)
        found = {row["GROUP"]: row["STATE"] for row in rows(tools.groups("--list", "--state"), "GROUP", "STATE")}
        tools.same("--list --state says that it is empty", "Empty", found.get(self.group), found)
        out = tools.groups("--list", "--state", "stable")
        tools.claim("--list --state stable leaves it out", self.group not in out.split(), out)
        found = {row["GROUP"]: row["TYPE"] for row in rows(tools.groups("--list", "--type"), "GROUP", "TYPE")}
        tools.same("--list --type says that it is classic", "Classic", found.get(self.group), found)
        out = tools.groups("--list", "--type", "consumer")
        tools.claim("--list --type consumer leaves it out", self.group not in out.split(), out)
        found = {row["GROUP"]: (row["TYPE"], row["PROTOCOL"])
                 for row in rows(tools.run("kafka-groups", "--list"), "GROUP", "TYPE", "PROTOCOL")}
        tools.same("kafka-groups --list has type and protocol", ("Classic", "consumer"), found.get(self.group), found)
        out = tools.run("kafka-groups", "--list", "--group-type", "consumer")
        tools.claim("kafka-groups --group-type consumer leaves it out", self.group not in out.split(), out)
        out = tools.run("kafka-groups", "--list", "--consumer")
        tools.claim("kafka-groups --consumer has it", self.group in out.split(), out)

    def describe_empty(self):
        tools = self.tools
        out = self.described(self.group)
        tools.claim("--describe says that nobody is a member", "has no active members" in out, out)
        tools.same("and the log's end", every(OLD + NEW), offsets_of(out, self.topic, "LOG-END-OFFSET"), out)
        tools.same("and the lag", every(NEW), offsets_of(out, self.topic, "LAG"), out)
        out = self.described(self.group, "--offsets", "--verbose")
        tools.same("--offsets --verbose has it, too", every(OLD), offsets_of(out, self.topic), out)
        out = self.described(self.group, "--members")
        tools.claim("--members says so", "has no active members" in out, out)
        out = self.described(self.group, "--state")
        tools.claim("--state says so", re.search(rf"^{self.group} .* Empty +0$", out, re.M), out)
        out = self.described("nobody-" + self.name)
        tools.claim("a group that nobody knows is not found", "GroupIdNotFoundException" in out, out)

    # ---- reset ----

    def reset(self, what, expected, *words, topic=("--topic",)):
        scope = [*topic, self.topic] if topic == ("--topic",) else list(topic)
        out = self.tools.groups("--reset-offsets", "--group", self.group, *scope, *words)
        self.tools.same(what, expected, offsets_of(out, self.topic, "NEW-OFFSET"), out)

    def resets(self):
        tools, end = self.tools, OLD + NEW
        self.reset("reset --to-earliest, by default a dry run", every(0), "--to-earliest")
        self.reset("reset --to-latest --dry-run", every(end), "--to-latest", "--dry-run")
        out = self.described(self.group)
        tools.same("a dry run changes nothing", every(OLD), offsets_of(out, self.topic), out)
        self.reset("reset --to-current", every(OLD), "--to-current")
        self.reset("reset --shift-by -5", every(OLD - 5), "--shift-by", "-5")
        self.reset("reset --shift-by beyond the end ends there", every(end), "--shift-by", "1000")
        self.reset("reset --to-offset below the beginning begins there", every(0), "--to-offset", "-7")
        moment = datetime.datetime.fromtimestamp(self.began + 9.5 * SPACING_S, datetime.timezone.utc)
        self.reset("reset --to-datetime", every(10), "--to-datetime",
                   moment.strftime("%Y-%m-%dT%H:%M:%S.000+00:00"))
        back_s = int((OLD - 17.5) * SPACING_S)
        self.reset("reset --by-duration", every(18), "--by-duration", f"PT{back_s}S")
        self.reset("reset --to-offset of two partitions", every(3, [0, 2]), "--to-offset", "3",
                   topic=("--topic", self.topic + ":0,2"))
        self.reset("reset --all-topics", every(4), "--to-offset", "4", topic=("--all-topics",))
        self.reset("reset --to-offset --execute", every(7), "--to-offset", "7", "--execute")
        out = self.described(self.group)
        tools.same("and it is committed", every(7), offsets_of(out, self.topic), out)
        self.reset_from_file()

    def reset_from_file(self):
        tools = self.tools
        out = tools.groups("--reset-offsets", "--group", self.group, "--topic", self.topic, "--to-earliest", "--export")
        exported = sorted(line.replace('"', "") for line in out.splitlines() if line.count(",") == 2)
        tools.same("reset --export writes a plan", [f"{self.topic},{p},0" for p in range(PARTITIONS)], exported, out)
        with tempfile.NamedTemporaryFile("w", suffix=".csv") as plan:
            plan.write("".join(f"{self.topic},{p},{p + 11}\n" for p in range(PARTITIONS)))
            plan.flush()
            self.reset("reset --from-file --execute", {p: str(p + 11) for p in range(PARTITIONS)},
                       "--from-file", plan.name, "--execute", topic=())
        out = self.described(self.group)
        tools.same("and that is committed", {p: str(p + 11) for p in range(PARTITIONS)},
                   offsets_of(out, self.topic), out)

    # ---- deletion ----

    def deletions(self):
        tools = self.tools
        out = tools.groups("--delete-offsets", "--group", self.group, "--topic", self.topic + ":1")
        tools.same("--delete-offsets of a partition", "Successful", next((
            row["STATUS"] for row in rows(out, "TOPIC", "PARTITION", "STATUS") if row["PARTITION"] == "1"), None), out)
        out = self.described(self.group)
        tools.same("the others stay", {0: "11", 2: "13"}, offsets_of(out, self.topic), out)
        out = tools.groups("--delete", "--group", self.group)
        tools.claim("--delete", "was successful" in out, out)
        out = tools.groups("--list")
        tools.claim("and it is gone", self.group not in out.split(), out)
        out = tools.groups("--delete", "--group", self.group)
        tools.claim("it is not deleted twice", "GroupIdNotFoundException" in out, out)
        out = tools.groups("--reset-offsets", "--group", self.group, "--topic", self.topic, "--to-latest", "--execute")
        tools.same("a reset makes a group that was not there", every(OLD + NEW),
                   offsets_of(out, self.topic, "NEW-OFFSET"), out)
        out = tools.groups("--delete", "--all-groups")
        tools.claim("--delete --all-groups", self.group in out, out)

    # ---- a group with a member ----

    def verifiable(self, protocol):
        group = f"{self.name}-{protocol}"
        more = ("--group-protocol", "consumer") if protocol == "consumer" else ("--session-timeout", "6000")
        command = self.tools.command("kafka-verifiable-consumer", "--topic", self.topic, "--group-id", group, *more)
        consumer = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
        try:
            committed = {}
            for line in consumer.stdout:
                event = json.loads(line)
                for place in event.get("offsets", ()):
                    committed[place["partition"]] = str(place["offset"])
                if committed == every(OLD + NEW):
                    break
            self.tools.same(f"{protocol}: verifiable-consumer reads and commits all", every(OLD + NEW), committed)
            self.describe_active(group, protocol)
            self.refusals(group)
            consumer.terminate()
            rest = consumer.stdout.read()
            self.tools.claim(f"{protocol}: verifiable-consumer leaves", '"shutdown_complete"' in rest, rest)
        finally:
            consumer.kill()
            consumer.wait()
        out = self.described(group, "--state")
        self.tools.claim(f"{protocol}: then nobody is a member", re.search(rf"^{group} .* Empty ", out, re.M), out)

    def describe_active(self, group, protocol):
        tools = self.tools
        is_new = protocol == "consumer"
        assignor = "uniform" if is_new else "range"
        out = self.described(group, "--state")
        tools.claim(f"{protocol}: --state is stable, its assignor {assignor}, with one member",
                    re.search(rf"^{group} +\S+ +\(\d+\) +{assignor} +Stable +1$", out, re.M), out)
        out = self.described(group, "--state", "--verbose")
        tools.claim(f"{protocol}: --state --verbose", re.search(rf"^{group} .* Stable .* 1$", out, re.M), out)
        out = self.described(group)
        found = rows(out, "TOPIC", "PARTITION", "CONSUMER-ID", "HOST", "CLIENT-ID")
        tools.claim(f"{protocol}: --offsets says whose each partition is", len(found) == PARTITIONS and all(
            row["CONSUMER-ID"] != "-" and row["HOST"] == "/127.0.0.1" and row["LAG"] == "0" for row in found), out)
        out = self.described(group, "--members")
        found = rows(out, "CONSUMER-ID", "HOST", "CLIENT-ID", "#PARTITIONS")
        tools.claim(f"{protocol}: --members has one, with all partitions",
                    [row["#PARTITIONS"] for row in found] == [str(PARTITIONS)], out)
        out = self.described(group, "--members", "--verbose")
        tools.claim(f"{protocol}: --members --verbose has its assignment", f"{self.topic}:0,1,2" in out, out)
        found = {row["GROUP"]: (row["TYPE"], row["PROTOCOL"])
                 for row in rows(tools.run("kafka-groups", "--list"), "GROUP", "TYPE", "PROTOCOL")}
        tools.same(f"{protocol}: kafka-groups says its type", (protocol.capitalize(), "consumer"), found.get(group), found)
        out = tools.groups("--list", "--state", "stable", "--type", protocol)
        tools.claim(f"{protocol}: --list --state stable --type {protocol} has it", group in out.split(), out)

    def settings(self):
        """Of a group that need not be there."""
        tools, group, key = self.tools, self.group + "-settings", "consumer.session.timeout.ms"

        def alter(*words):
            return tools.run("kafka-configs", "--entity-type", "groups", "--entity-name", group, "--alter", *words)

        def describe(*of):
            return tools.run("kafka-configs", "--entity-type", "groups", *of, "--describe")
        out = alter("--add-config", f"{key}=60000")
        tools.claim("kafka-configs sets the session of a group", f"Completed updating config for group {group}" in out, out)
        out = describe("--entity-name", group)
        tools.claim("and shows it as the group's own", f"DYNAMIC_GROUP_CONFIG:{key}=60000" in out, out)
        out = describe()
        tools.claim("among all groups that have settings, too", f"group {group} are:" in out and f"{key}=60000" in out, out)
        out = alter("--add-config", f"{key}=1")
        tools.claim("one beyond the server's bounds is refused", "InvalidConfigurationException" in out and key in out, out)
        out = alter("--add-config", "consumer.sesion.timeout.ms=60000")
        tools.claim("and one that there is not", "InvalidConfigurationException" in out and "sesion" in out, out)
        out = alter("--delete-config", key)
        tools.claim("it is taken back", f"Completed updating config for group {group}" in out, out)
        out = describe("--entity-name", group)
        tools.claim("and shown no more", "60000" not in out, out)

    def refusals(self, group):
        tools = self.tools
        out = tools.groups("--reset-offsets", "--group", group, "--topic", self.topic, "--to-earliest", "--execute")
        tools.claim("a reset is refused while there are members",
                    "can only be reset if the group" in out and "Stable" in out, out)
        out = tools.groups("--delete", "--group", group)
        tools.claim("so is a deletion", "GroupNotEmptyException" in out, out)
        out = tools.groups("--delete-offsets", "--group", group, "--topic", self.topic)
        tools.claim("and one of offsets of a topic that is subscribed", "subscribed to" in out.lower(), out)
        out = self.described(group)
        tools.same("nothing has changed", every(OLD + NEW), offsets_of(out, self.topic), out)


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n")[0])
    parser.add_argument("--broker", required=True)
    parser.add_argument("--jars", required=True)
    parser.add_argument("--protocols", default="classic,consumer")
    options = parser.parse_args()
    tools = Tools(options)
    story = Story(tools)
    story.begin()
    story.console()
    story.list()
    story.describe_empty()
    story.resets()
    story.settings()
    for protocol in options.protocols.split(","):
        story.verifiable(protocol)
    story.deletions()
    print(f"Checks: {tools.claims}, Failures: 0, Errors: 0")


if __name__ == "__main__":
    main()
