#!/usr/bin/env python3
"""A benchmark that is killed takes along what it has started: no server of it is left.

usage: test_children.py BENCH"""
import os
import signal
import subprocess
import sys
import time

WAIT_SECONDS = 60


def stat_of(pid):
    """Its parent and its state; None: it is not there."""
    try:
        with open(f"/proc/{pid}/stat", encoding="utf-8", errors="replace") as file:
            words = file.read().rpartition(")")[2].split()
    except OSError:
        return None
    return int(words[1]), words[0]


def descendants(pid):
    parents = {int(name): stat_of(name) for name in os.listdir("/proc") if name.isdigit()}
    found, fresh = set(), {pid}
    while fresh:
        fresh = {child for child, stat in parents.items() if stat is not None and stat[0] in fresh}
        found |= fresh
    return found


def is_server(pid):
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as file:
            return b"server" in file.read().split(b"\0")
    except OSError:
        return False


def wait_for(condition, what):
    deadline = time.monotonic() + WAIT_SECONDS
    while not (value := condition()):
        if time.monotonic() > deadline:
            sys.exit(f"not ok - {what}")
        time.sleep(0.01)
    return value


def is_gone(pid):
    stat = stat_of(pid)
    return stat is None or stat[1] in "ZX"


def main():
    bench = subprocess.Popen([sys.argv[1], "--small", "serve-unused"], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL)
    try:
        started = wait_for(lambda: [pid for pid in descendants(bench.pid) if is_server(pid)] or bench.poll() is not None,
                           "no server was started")
        if started is True:
            sys.exit("not ok - the benchmark was over before its server was seen")
        everybody = descendants(bench.pid)
    finally:
        bench.send_signal(signal.SIGKILL)
        bench.wait()
    try:
        wait_for(lambda: all(is_gone(pid) for pid in everybody), "what it has started is still there")
    finally:
        for pid in everybody:
            if not is_gone(pid):
                os.kill(pid, signal.SIGKILL)
    print("Checks: 1, Failures: 0, Errors: 0")


if __name__ == "__main__":
    main()
