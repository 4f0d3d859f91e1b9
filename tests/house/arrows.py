#!/usr/bin/env python3
"""Follows every #include and fails on an arrow that points the wrong way (docs/architecture.md: the house).

A room is a folder; a file is in the deepest room of the table that holds it. A room includes itself, the rooms
its row names, and include/weir. A row that can be reached from itself is a circle, and an error of the table.
Within the rooms in LAYERED no file reaches itself either.

usage: arrows.py SOURCE_DIR [--self-test]
"""
import os
import re
import sys
import tempfile

# room -> what it may include besides itself, include/weir and what those rows reach in turn ("->" in the document)
ROOMS = {
    "base": "",
    "base/env": "base",
    "base/env/uv": "base/env",
    "base/env/sim": "base/env",
    "base/codec": "base",
    "wire": "base/codec",
    "wire/peer": "wire base/env",
    "broker/log": "wire base/env",
    "broker/metadata": "broker/log",
    "broker/engine": "broker/metadata",
    "broker/controller": "broker/engine",
    "broker/coordinator": "broker/controller",
    "broker": "broker/coordinator",
    "server": "broker",
    "server/handlers": "server",
    "client": "server wire/peer",
    "runtime/state": "base/env base/env/sim",
    "runtime/topology": "runtime/state",
    "runtime/task": "runtime/topology client",
    "runtime/job": "runtime/task",
    "runtime/test_driver": "runtime/job",
    "operators": "runtime/task",
    "dsl": "operators",
    "cli": "dsl client",
    "bench": "dsl runtime/job",
    "tools": "base",
    "examples": "",  # users have include/weir only
}

# A header that rooms below its own may include: what a room says of itself to all around it.
DOORS = {
    "broker/broker.h": "broker/engine broker/controller broker/coordinator",
}

# Rooms that do not see through to what lies below the rooms they include.
BLIND = {"operators": "runtime/task runtime/topology runtime/state base", "dsl": "operators runtime/task runtime/topology runtime/state base"}

# Rooms whose files form a graph without circles too: a .c and its .h are one node, its arrows their includes.
# A function is declared in its own file's header only, so whoever calls it has an arrow to it.
LAYERED = ["broker/engine"]

# Circles that still stand: "file -> header". The list only gets shorter.
LEFT = []

FOREIGN = {
    "uv.h": r"base/env/uv/",
    "rocksdb/c.h": r"runtime/state/backend_rocksdb",
    "zstd.h": r"base/codec/zstd",
    "lz4frame.h": r"base/codec/lz4",
    "snappy-c.h": r"base/codec/snappy",
    "zlib.h": r"base/codec/gzip",
    "isa-l.h": r"base/(hash|crc32c)",
    "isa-l/crc.h": r"base/(hash|crc32c)",
    "xxhash.h": r"base/hash",
    "jansson.h": r"tools/",
}


def reach(room, seen=()):
    """Every room that `room` may include; a circle ends the program."""
    if room in seen:
        sys.exit(f"the table has a circle: {' -> '.join([*seen, room])}")
    found = {room}
    for below in ROOMS[room].split():
        found |= reach(below, (*seen, room))
    return found


def room_of(path):
    while path and path not in ROOMS:
        path = os.path.dirname(path)
    return path


def check(files):
    """Returns (arrows, list of what is wrong)."""
    allowed = {room: reach(room) for room in ROOMS}
    for room, rooms in BLIND.items():
        allowed[room] = {room, *rooms.split()}
    left = set(LEFT)
    arrows, wrong = 0, []
    for name in files:
        room = room_of(name)
        for number, line in enumerate(open(name, encoding="utf-8"), 1):
            found = re.match(r'\s*#\s*include\s*(["<])([^">]+)[">]', line)
            if not found:
                continue
            kind, target = found.groups()
            if kind == "<":
                owner = FOREIGN.get(target)
                if owner and not re.match(owner, name):
                    wrong.append(f"{name}:{number}: <{target}> belongs to {owner}")
                continue
            arrows += 1
            if target == "weir.h" or target.startswith("weir/"):
                continue
            if name.startswith("include/"):
                wrong.append(f'{name}:{number}: include/weir includes nothing of ours, not "{target}"')
                continue
            to = room_of(os.path.dirname(target)) if "/" in target else room  # beside it, or generated
            if to in allowed[room] or room in DOORS.get(target, "").split():
                continue
            arrow = f"{name} -> {target}"
            if arrow in left:
                left.discard(arrow)
                continue
            wrong.append(f'{name}:{number}: {room} may not include "{target}"')
    return arrows, wrong, left


def circle_in(graph):
    """The first circle of {node: nodes}, as a list of nodes that ends where it begins; or None."""
    done, path = set(), []

    def visit(node):
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return None
        path.append(node)
        for below in sorted(graph.get(node, ())):
            circle = visit(below)
            if circle:
                return circle
        done.add(path.pop())
        return None

    for node in sorted(graph):
        circle = visit(node)
        if circle:
            return circle
    return None


def check_files(files):
    """What is wrong between the files of the rooms in LAYERED."""
    wrong = []
    graphs = {room: {} for room in LAYERED}
    for name in files:
        room = os.path.dirname(name)
        if room not in graphs:
            continue
        node = os.path.basename(name)[:-2]
        below = graphs[room].setdefault(node, set())
        with open(name, encoding="utf-8") as text:
            targets = re.findall(r'^\s*#\s*include\s*"([^">]+)"', text.read(), re.M)
        below |= {os.path.basename(target)[:-2] for target in targets if os.path.dirname(target) in (room, "")}
        below.discard(node)
    for room, graph in graphs.items():
        circle = circle_in(graph)
        if circle:
            wrong.append(f"{room}: a circle of files: {' -> '.join(circle)}")
    return wrong


def sources():
    for top in "include base wire broker server client runtime operators dsl cli examples bench tools".split():
        for folder, _, names in os.walk(top):
            for name in sorted(names):
                if name.endswith((".c", ".h")):
                    yield os.path.join(folder, name)


def write(planted):
    for name, targets in planted.items():
        os.makedirs(os.path.dirname(name), exist_ok=True)
        with open(name, "w", encoding="utf-8") as out:
            out.writelines(f"#include {target}\n" for target in targets)


def self_test():
    """Planted arrows must be seen, or the test proves nothing."""
    planted = {
        "wire/planted.c": ['"broker/broker.h"', '"wire/peer/remote.h"'],
        "broker/engine/planted.c": ['"broker/controller/controller.h"', '"broker/broker.h"'],
        "operators/planted.c": ['"wire/record_batch.h"', "<uv.h>", '"runtime/task/node.h"'],
        "runtime/task/planted.c": ['"runtime/job/streams_internal.h"'],
    }
    # a -> b -> c is none; c.c closes the circle through b's .h, though no two headers include each other
    straight = {
        "broker/engine/a.c": ['"broker/engine/a.h"', '"broker/engine/b.h"'],
        "broker/engine/a.h": ['"broker/engine/c.h"'],
        "broker/engine/b.c": ['"broker/engine/b.h"', '"broker/engine/c.h"'],
        "broker/engine/b.h": [],
        "broker/engine/c.h": ['"broker/broker.h"'],
    }
    circle = straight | {"broker/engine/c.c": ['"broker/engine/c.h"', '"broker/engine/b.h"']}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        write(planted)
        wrong = check(planted)[1]
        write(straight)
        none = check_files(straight)
        write(circle)
        circles = check_files(circle)
    if len(wrong) != 6:
        sys.exit(f"planted 6 wrong includes, found {len(wrong)}: {wrong}")
    if none or circles != ["broker/engine: a circle of files: b -> c -> b"]:
        sys.exit(f"planted a circle of files and a room without, found {circles} and {none}")
    print("6 planted wrong includes and a planted circle of files were found")


def main():
    if sys.argv[2:] == ["--self-test"]:
        self_test()
        return
    os.chdir(sys.argv[1])
    arrows, wrong, left = check(sources())
    if arrows == 0:
        sys.exit("no #include was found: is this the source tree?")
    wrong += check_files(sources())
    wrong += [f"{arrow}: is gone, so take it out of the list of what is left" for arrow in sorted(left)]
    for text in wrong:
        print(text)
    print(f"{arrows} arrows, {len(wrong)} the wrong way, {len(LEFT)} known circles left")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
