#!/usr/bin/python3
"""librdkafka's own tests against Weir and, in the same run, against Apache Kafka.

usage: compare.py --broker ADDRESS --source DIR --jars DIR [--tests NUMBER,...]

DIR is librdkafka's tree, built, with its tests; the jars are Apache Kafka's. What Kafka passes has to pass here, but for what
not_built.txt names; that may be one test in twenty at the most. Tests without a broker, with one of their own (mocks), of
TLS and SASL, and of share groups are left out for both. They run as their own "quick" ones, in which some have fewer rounds."""
import argparse
import json
import os
import re
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, ".."))
from against_kafka import judge, known_failures  # noqa: E402
from apache_kafka import Kafka  # noqa: E402

LEFT_OUT = re.compile("mock|share|ssl|sasl|oauth")
# One of its tests has two members come into a new group together.
SETTINGS = {"num.partitions": 4, "group.initial.rebalance.delay.ms": 1000}
TIMEOUT = 1500
STATES = {"PASSED": "passed", "SKIPPED": "skipped"}


def names_of(source):
    with open(f"{source}/tests/test.c", encoding="utf-8") as file:
        return sorted(set(re.findall(r"\b_TEST\(\s*(\d{4}_\w+)", file.read())))


def stage_scripts(jars, work):
    """What the tests call of Apache Kafka's distribution."""
    os.makedirs(f"{work}/distribution/bin")
    script = f"{work}/distribution/bin/kafka-topics.sh"
    with open(script, "w", encoding="utf-8") as file:
        file.write(f'#!/bin/sh\nexec java -cp "{jars}/*" org.apache.kafka.tools.TopicCommand "$@"\n')
    os.chmod(script, 0o755)


def run_once(options, broker, version, work, name, tests, at_once):
    """By test: "passed", "skipped", or the state that it ended in."""
    with open(f"{work}/{name}.conf", "w", encoding="utf-8") as file:
        file.write(f"metadata.broker.list={broker}\ntest.timeout.multiplier=3\ntest.topic.random=true\n")
    left_out = sorted({test[:4] for test in names_of(options.source) if LEFT_OUT.search(test)})
    # Numbers are shared: the share groups' consumers have plain names beside them, which go with them.
    environment = dict(os.environ, RDKAFKA_TEST_CONF=f"{work}/{name}.conf", TEST_REPORT=f"{work}/{name}.json",
                       TEST_KAFKA_VERSION=version, TESTS_SKIP=",".join(left_out),
                       KAFKA_PATH=f"{work}/distribution", BROKERS=broker,
                       LD_LIBRARY_PATH=f"{options.source}/src:{options.source}/src-cpp")
    environment.pop("CI", None)
    if tests:
        environment["TESTS"] = tests
    output = f"{work}/{name}.txt"
    with open(output, "w", encoding="utf-8") as log:
        try:
            subprocess.run(["./test-runner", "-L", "-K", "-E", "-Q", f"-p{at_once}"], cwd=f"{options.source}/tests",
                           env=environment, stdin=subprocess.DEVNULL, stdout=log, stderr=subprocess.STDOUT,
                           timeout=TIMEOUT)
        except subprocess.TimeoutExpired:
            pass
    try:
        with open(f"{work}/{name}.json", encoding="utf-8") as file:
            found = json.load(file)["tests"]
    except (OSError, ValueError):
        with open(output, encoding="utf-8", errors="replace") as file:
            sys.exit(f"not ok - librdkafka's tests made no report at {name}: {file.read()[-2000:]}")
    return {test: STATES.get(one["state"], f"failed: {one['state']}{why(output, test)}") for test, one in found.items()
            if test != "<MAIN>" and one["state"] != "DNS"}


def why(output, test):
    """What the table at the end of a run says of it."""
    with open(output, encoding="utf-8", errors="replace") as file:
        found = re.search(rf"^\|\S* {test} .*FAILED \|[^|]*\|(.*)", file.read(), re.MULTILINE)
    return ": " + re.sub(r"\x1b\[\w+", "", found.group(1)).strip() if found else ""


def run(options, broker, version, work, name):
    """Some have times of milliseconds, which three at a time do not always keep: what fails is run once more by itself."""
    found = run_once(options, broker, version, work, name, options.tests, 3)
    for test in sorted(test for test, outcome in found.items() if outcome.startswith("failed")):
        again = run_once(options, broker, version, work, f"{name}-{test}", test[:4], 1)
        if again.get(test) == "passed":
            found[test] = "passed"
    return found


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n")[0])
    parser.add_argument("--broker", required=True)
    parser.add_argument("--source", required=True)
    parser.add_argument("--jars", required=True)
    parser.add_argument("--tests", default="")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="weir-librdkafka-") as work:
        stage_scripts(options.jars, work)
        with Kafka(options.jars, work, SETTINGS) as kafka:
            version = ".".join((kafka.version.split(".") + ["0", "0"])[:4])
            theirs = run(options, kafka.address, version, work, "kafka")
        ours = run(options, options.broker, version, work, "weir")
    judge(theirs, ours, known_failures(f"{HERE}/not_built.txt"), kafka.version)


if __name__ == "__main__":
    main()
