#!/usr/bin/python3
"""kafka-python's own integration tests against Weir and, in the same run, against Apache Kafka.

usage: compare.py --broker ADDRESS --python PYTHON --source DIR --jars DIR

PYTHON has kafka-python's test requirements, DIR its source package; the jars are Apache Kafka's. What Kafka passes has to
pass here, but for what not_built.txt names; that may be one test in twenty at the most. Tests that need a broker of their own
making (SASL, TLS) are left out for both."""
import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import xml.etree.ElementTree

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.append(os.path.join(HERE, ".."))
from against_kafka import judge, known_failures  # noqa: E402
from apache_kafka import Kafka  # noqa: E402

FILES = ["test_admin_integration.py", "test_consumer_integration.py", "test_producer_integration.py"]
TIMEOUT = 1200
# As the brokers that the tests make for themselves are: four partitions, sessions of three seconds.
SETTINGS = {"num.partitions": 4, "group.min.session.timeout.ms": 1000}


def stage(source, work):
    """The package with what it lacks, in a folder of its own."""
    tests = f"{work}/source"
    shutil.copytree(f"{source}/test", f"{tests}/test")
    shutil.copy(f"{HERE}/service.py", f"{tests}/test/service.py")
    for folder in ("test", "test/integration"):
        open(f"{tests}/{folder}/__init__.py", "a", encoding="utf-8").close()
    return tests


def run(options, tests, broker, version, name):
    """By test: "passed", "skipped", or the first line of what went wrong."""
    report = f"{tests}/{name}.xml"
    environment = dict(os.environ, KAFKA_VERSION=version, KAFKA_URI=f"kafka://{broker}", KAFKA_ROOT=tests)
    # --tb=native, --assert=plain: Python 3.11 has a bug that pytest's own tracebacks meet.
    command = [options.python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--tb=native", "--assert=plain",
               "--timeout=300", f"--junitxml={report}", *(f"test/integration/{file}" for file in FILES)]
    done = subprocess.run(command, cwd=tests, env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, errors="replace", timeout=TIMEOUT)
    if not os.path.exists(report):
        sys.exit(f"not ok - pytest made no report: {done.stdout[-2000:]}")
    found = {}
    for case in xml.etree.ElementTree.parse(report).iter("testcase"):
        wrong = [child for child in case if child.tag in ("failure", "error")]
        outcome = "skipped" if any(child.tag == "skipped" for child in case) else "passed"
        if wrong:
            lines = (wrong[0].get("message") or wrong[0].text or "it failed").splitlines()
            outcome = "failed: " + next((line.strip() for line in lines if line.strip()), "it failed")
        found[case.get("classname").rsplit(".", 1)[-1] + ".py::" + case.get("name")] = outcome
    return found


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1].split("\n")[0])
    parser.add_argument("--broker", required=True)
    parser.add_argument("--python", required=True)
    parser.add_argument("--source", required=True)
    parser.add_argument("--jars", required=True)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="weir-kafka-python-") as work:
        tests = stage(options.source, work)
        with Kafka(options.jars, work, SETTINGS) as kafka:
            version = ".".join(re.findall(r"\d+", kafka.version)[:3])
            theirs = run(options, tests, kafka.address, version, "kafka")
        ours = run(options, tests, options.broker, version, "weir")
    judge(theirs, ours, known_failures(f"{HERE}/not_built.txt"), kafka.version)


if __name__ == "__main__":
    main()
