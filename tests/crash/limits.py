#!/usr/bin/python3
"""A job with databases runs in processes that may have so much address space and no more ('ulimit -v'): it does its
work, or says what is short and that it passes. Nothing ends the process, and what it leaves is whole.

usage: limits.py --job PROGRAM [--rounds N] [--seed S] [--keep]
--rounds: how many limits are drawn (WEIR_LIMIT_ROUNDS, else 24), beside those that have ended one before"""
import argparse
import os
import random
import resource
import shutil
import subprocess
import sys
import tempfile

KNOWN_MB = [70, 90, 100, 150, 180, 250, 376, 376, 376, 400]  # a thread of RocksDB's, or its memory, was not to be had here
LEAST_MB, MOST_MB = 40, 700
TIMEOUT = 120


class Failure(Exception):
    pass


def run(job, folder, command, limit_mb=None):
    def limit():
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        if limit_mb is not None:
            resource.setrlimit(resource.RLIMIT_AS, (limit_mb << 20, limit_mb << 20))

    done = subprocess.run([job, folder, command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          errors="replace", timeout=TIMEOUT, preexec_fn=limit)
    return done.returncode, done.stdout.strip().split("\n")[-1], done.stderr


def check_one(options, stage, work, limit_mb):
    """True if it did its work."""
    folder = f"{work}/limited"
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(f"{work}/{stage}", folder)
    status, said, log = run(options.job, folder, "run", limit_mb)
    where = f"{stage}, {limit_mb} MB: "
    if status not in (0, 3):
        raise Failure(f"{where}status {status}, it said '{said}', and at last {log[-500:]}")
    if status == 3 and not said.startswith("refused: RETRY "):
        raise Failure(f"{where}not told as a shortage: {said}")
    status_after, said_after, _ = run(options.job, folder, "check")
    if status_after != 0:
        raise Failure(f"{where}it said '{said}', and without a limit then: {said_after}")
    return status == 0


def rounds(options, work):
    draw = random.Random(options.seed)
    for stage, command in ("filled", "fill"), ("counted", "run"):
        if stage == "counted":
            shutil.copytree(f"{work}/filled", f"{work}/counted")
        status, said, _ = run(options.job, f"{work}/{stage}", command)
        if status != 0:
            raise Failure(f"{command} without a limit: {said}")
    limits = KNOWN_MB + [draw.randint(LEAST_MB, MOST_MB) for _ in range(options.rounds)]
    done = sum(check_one(options, stage, work, limit) for limit in limits for stage in ("filled", "counted"))
    print(f"{2 * len(limits)} runs, {done} did their work, the others said what was short")
    if done == 0 or done == 2 * len(limits):
        raise Failure("the limits show nothing")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job", required=True)
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("WEIR_LIMIT_ROUNDS", 24)))
    parser.add_argument("--seed", type=int, default=int(os.environ.get("WEIR_CRASH_SEED", os.getpid())))
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    print(f"replay with WEIR_CRASH_SEED={options.seed}", flush=True)
    work, status = tempfile.mkdtemp(prefix="weir-limits-"), 1
    try:
        rounds(options, work)
        status = 0
    except Failure as failure:
        print(f"failed: {failure}")
    finally:
        if not (options.keep and status):
            shutil.rmtree(work)
    return status


if __name__ == "__main__":
    sys.exit(main())
