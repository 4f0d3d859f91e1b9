#!/usr/bin/python3
"""Descriptors, space and memory run out under a job and under a server, and come back, again and again:
nothing ends, nothing stays offline, no acknowledged record is lost, every result is as computed.

usage: shortage.py --weir PROGRAM --job PROGRAM --shim LIBRARY [--rounds N] [--seed S] [--keep]
--rounds: shortages of each kind (WEIR_SHORTAGE_ROUNDS, else 3)"""
import argparse
import mmap
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
import time

KINDS = {"descriptors": 0, "space": 1, "memory": 2}
PATIENCE = 90  # seconds in which it must get on again


class Failure(Exception):
    pass


class Shortage:
    """The flags that the shim looks at."""

    def __init__(self, path):
        with open(path, "wb") as file:
            file.write(bytes(4096))
        self.file = open(path, "r+b")
        self.map = mmap.mmap(self.file.fileno(), 4096)
        self.path = path

    def begin(self, kind):
        self.map[KINDS[kind]] = 1

    def end(self, kind):
        self.map[KINDS[kind]] = 0

    def failed_calls(self):
        return int.from_bytes(self.map[8:16], "little")


class Progress:
    """Lines `at N` of a process, read as they come; `end` is how it ended."""

    def __init__(self, process):
        self.process, self.count, self.lines = process, 0, []
        self.changed = threading.Condition()
        self.thread = threading.Thread(target=self.read, daemon=True)
        self.thread.start()

    def read(self):
        for line in self.process.stdout:
            with self.changed:
                found = re.match(r"at (\d+)", line)
                if found:
                    self.count = int(found[1])
                else:
                    self.lines.append(line)
                self.changed.notify_all()
        with self.changed:
            self.process.wait()
            self.changed.notify_all()

    def wait_beyond(self, count):
        with self.changed:
            if not self.changed.wait_for(lambda: self.count > count or self.process.returncode is not None, PATIENCE):
                raise Failure(f"nothing came through for {PATIENCE} s; it said: {''.join(self.lines[-5:])}")
            if self.process.returncode is not None:
                raise Failure(f"it ended with {self.process.returncode}: {''.join(self.lines[-5:])}")

    @staticmethod
    def step():
        time.sleep(0.002)  # the process works by itself

    def end(self):
        self.process.send_signal(signal.SIGTERM)
        self.thread.join(PATIENCE)
        if self.process.returncode != 0:
            raise Failure(f"it ended with {self.process.returncode}: {''.join(self.lines[-5:])}")


def run_short(shortage, progress, draw, kind):
    """Until some calls have failed, and for a moment more; a kind that hits nothing shows nothing."""
    before = shortage.failed_calls()
    wanted = draw.choice([1, 1, 5, 50])
    shortage.begin(kind)
    deadline = time.monotonic() + draw.choice([0.2, 1, 3])
    while shortage.failed_calls() < before + wanted and time.monotonic() < deadline:
        if progress.process.poll() is not None:
            break
        progress.step()
    shortage.end(kind)
    progress.wait_beyond(progress.count)
    return shortage.failed_calls() - before


def job_part(options, work, draw):
    shortage = Shortage(work + "/flags")
    environment = dict(os.environ, LD_PRELOAD=options.shim, WEIR_SHORTAGE=shortage.path)
    process = subprocess.Popen([options.job, work + "/job", "live"], env=environment, stdout=subprocess.PIPE,
                               stderr=open(work + "/job.log", "w"), text=True)
    progress = Progress(process)
    try:
        hits = rounds(options, shortage, progress, draw)
        progress.end()
    finally:
        if process.poll() is None:
            process.kill()
    stops = sum(line.startswith(("stopped", "not started")) for line in progress.lines)
    check(options, work + "/job", progress.count)
    return f"job: {progress.count} records, failed calls {hits}, {stops} stops of the job"


def server_part(options, work, draw):
    """A client produces; what it was told is stored must be there in the end, once, in order."""
    from confluent_kafka import Producer
    shortage = Shortage(work + "/flags")
    environment = dict(os.environ, LD_PRELOAD=options.shim, WEIR_SHORTAGE=shortage.path)
    process = subprocess.Popen([options.weir, "server", "--data", work + "/server", "--listen", "127.0.0.1:0"],
                               env=environment, stdout=subprocess.PIPE,
                               stderr=open(work + "/server.log", "w"), text=True)
    address = re.search(r"listening on ([0-9.:]+)", process.stdout.readline())
    if address is None:
        raise Failure("the server does not start")
    subprocess.run([options.weir, "topic", "create", "t", "-q", "-b", address[1], "-c", "segment.bytes=65536"], check=True)
    client = Client(Producer({"bootstrap.servers": address[1], "enable.idempotence": True, "linger.ms": 1,
                              "retry.backoff.ms": 20, "message.timeout.ms": 0, "log_level": 0,
                              "reconnect.backoff.ms": 5, "reconnect.backoff.max.ms": 100}), process)
    try:
        hits = rounds(options, shortage, client, draw)
        client.end()
        done = subprocess.run([options.weir, "consume", "t", "-b", address[1], "-e", "-f", "%v\n"],
                              stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
        wanted = "".join(f"value {i}\n" for i in range(client.sent))
        if done.returncode != 0 or done.stdout != wanted:
            raise Failure(f"{client.sent} values were acknowledged; read: status {done.returncode}, "
                          f"{done.stdout.count(chr(10))} lines")
        process.send_signal(signal.SIGTERM)
        if process.wait(PATIENCE) != 0:
            raise Failure(f"the server ended with {process.returncode}")
    finally:
        if process.poll() is None:
            process.kill()
    return f"server: {client.sent} records, failed calls {hits}"


class Client:
    """As Progress, but its lines are the acknowledgements of its own records."""

    def __init__(self, producer, process):
        self.producer, self.process = producer, process
        self.sent = self.count = 0

    def acknowledged(self, error, _):
        if error is not None:
            raise Failure(f"a record was given up: {error}")
        self.count += 1

    def step(self):
        if self.sent - self.count < 100:
            self.producer.produce("t", f"value {self.sent}", partition=0, on_delivery=self.acknowledged)
            self.sent += 1
        self.producer.poll(0 if self.sent - self.count < 100 else 0.01)

    def wait_beyond(self, count):
        deadline = time.monotonic() + PATIENCE
        while self.count <= count:
            if self.process.poll() is not None:
                raise Failure(f"the server ended with {self.process.returncode}")
            if time.monotonic() > deadline:
                raise Failure(f"nothing was acknowledged for {PATIENCE} s, {self.count} records before")
            self.step()

    def end(self):
        if self.producer.flush(PATIENCE) > 0:
            raise Failure("the last records were not acknowledged")


def rounds(options, shortage, progress, draw):
    hits = dict.fromkeys(KINDS, 0)
    progress.wait_beyond(200)
    for kind in [kind for kind in KINDS for _ in range(options.rounds)]:
        progress.wait_beyond(progress.count)
        hits[kind] += run_short(shortage, progress, draw, kind)
    return hits


def check(options, folder, count):
    done = subprocess.run([options.job, folder, "check", str(count)], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        raise Failure(f"afterwards: {done.stdout}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--job", required=True)
    parser.add_argument("--shim", required=True)
    parser.add_argument("--weir", required=True)
    parser.add_argument("--rounds", type=int, default=int(os.environ.get("WEIR_SHORTAGE_ROUNDS", 3)))
    parser.add_argument("--seed", type=int, default=int(os.environ.get("WEIR_CRASH_SEED", os.getpid())))
    parser.add_argument("--keep", action="store_true")
    options = parser.parse_args()
    print(f"replay with WEIR_CRASH_SEED={options.seed}", flush=True)
    work, status = tempfile.mkdtemp(prefix="weir-shortage-"), 1
    try:
        for part in job_part, server_part:
            print(part(options, work, random.Random(options.seed)), flush=True)
        status = 0
    except Failure as failure:
        print(f"failed: {failure}")
        for name in ("job.log", "server.log"):
            if os.path.exists(f"{work}/{name}"):
                print(f"--- the end of {name}", open(f"{work}/{name}").read()[-3000:], sep="\n")
    finally:
        if not (options.keep and status):
            shutil.rmtree(work)
    return status


if __name__ == "__main__":
    sys.exit(main())
