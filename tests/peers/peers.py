#!/usr/bin/python3
"""Random topologies (cases.py) on Kafka Streams' test driver (Topologies.java), and whether Weir answers the same: the
runner of tests/vectors compares outputs, dropped records, failures and changelogs byte by byte.

usage: peers.py --vectors PROGRAM --build DIR [--cases N] [--seed N]
--build: where jars are kept, classes, and each chunk of cases with its answers. --seed: of the first chunk"""
import argparse
import os
import re
import shutil
import subprocess
import sys

HERE = os.path.dirname(os.path.abspath(__file__))
CHUNK = 200  # cases of one seed


def call(command, **more):
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, **more)
    if done.returncode != 0:
        sys.exit(f"{' '.join(command[:4])}: {done.stdout[-2000:]}")


def need(command, package):
    if shutil.which(command):
        return
    if os.geteuid() != 0:
        sys.exit(f"'{command}' is missing, and only root may install it")
    call(["apt-get", "update", "-qq"])
    call(["apt-get", "install", "-y", "-qq", "--no-install-recommends", package])


def install(build):
    for command, package in (("javac", "openjdk-17-jdk-headless"), ("mvn", "maven")):
        need(command, package)
    libs = f"{build}/libs"
    call(["mvn", "-q", "-B", "-f", f"{HERE}/pom.xml", "dependency:copy-dependencies", f"-DoutputDirectory={libs}"])
    sources = [f"{HERE}/{name}" for name in sorted(os.listdir(HERE)) if name.endswith(".java")]
    call(["javac", "-nowarn", "-d", f"{build}/classes", "-cp", f"{libs}/*", *sources])
    return ["java", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-cp", f"{build}/classes:{libs}/*", "Topologies",
            f"{build}/state"]


def answer(java, build, seed, count):
    """The chunk's cases with what Kafka Streams says; the file's name."""
    asked, answered = f"{build}/{seed}.cases", f"{build}/{seed}.txt"
    shutil.rmtree(f"{build}/state", ignore_errors=True)
    with open(asked, "w", encoding="utf-8") as out:
        subprocess.run([f"{HERE}/cases.py", "--seed", str(seed), "--count", str(count)], stdout=out, check=True)
    with open(asked, encoding="utf-8") as cases, open(answered, "w", encoding="utf-8") as out:
        said = subprocess.run(java, stdin=cases, stdout=out, stderr=subprocess.PIPE, text=True)
    if said.returncode != 0 or "not here" in said.stderr:
        sys.exit(f"Kafka Streams has not answered: {said.stderr[-2000:]}")
    return answered


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--vectors", required=True)
    parser.add_argument("--build", required=True)
    parser.add_argument("--cases", type=int, default=1000)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    os.makedirs(options.build, exist_ok=True)
    java = install(options.build)
    passed = failed = 0
    for chunk in range((options.cases + CHUNK - 1) // CHUNK):
        count = min(CHUNK, options.cases - chunk * CHUNK)
        answered = answer(java, options.build, options.seed + chunk, count)
        done = subprocess.run([options.vectors, answered], stdout=subprocess.PIPE, text=True)
        found = re.search(r"^(\d+) passed, (\d+) failed$", done.stdout, re.M)
        if found is None:
            sys.exit(f"the runner ended with {done.returncode} at {answered}: {done.stdout[-2000:]}")
        good, bad = int(found.group(1)), int(found.group(2))
        if bad > 0 or good < count:
            print(done.stdout)
        print(f"seed {options.seed + chunk}: {good} the same, {count - good} not ({answered})", flush=True)
        passed, failed = passed + good, failed + count - good
    print(f"{passed} passed, {failed} failed")
    return failed > 0


if __name__ == "__main__":
    sys.exit(main())
