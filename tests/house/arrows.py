#!/usr/bin/env python3
"""Follows every #include and fails on an arrow that points the wrong way (docs/architecture.md: the house).

A room is a folder; a file is in the deepest room of the table that holds it. A room includes itself, the rooms
its row names, and include/weir. A row that can be reached from itself is a circle, and an error of the table.
Within a room no file reaches itself either, but in those of TANGLED.

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
    "wire/request": "wire base/env",
    "broker/log": "wire/request",
    "broker/metadata": "broker/log",
    "broker/engine": "broker/metadata",
    "broker/controller": "broker/engine",
    "broker/coordinator/group": "broker/metadata",
    "broker/coordinator/txn": "broker/metadata",
    "broker/coordinator": "broker/engine broker/coordinator/group broker/coordinator/txn",
    "broker": "broker/controller broker/coordinator",
    "server": "broker",
    "server/handlers": "server",
    "client/embedded": "server",
    "client": "client/embedded wire/peer",
    "runtime/state": "base/env",
    "runtime/state/sim": "runtime/state base/env/sim",
    "runtime/topology": "runtime/state",
    "runtime/task": "runtime/topology client",
    "runtime/job": "runtime/task",
    "runtime/application": "runtime/job",
    "runtime/test_driver": "runtime/job runtime/state/sim",
    "operators": "runtime/task",
    "dsl": "operators",
    "cli": "dsl client runtime/application",
    "bench": "dsl runtime/job examples",  # the jobs that people are shown
    "tools": "base",
    "examples": "",  # users have include/weir only
}

# A header that rooms below its own may include: what a room says of itself to all around it.
DOORS = {
    "broker/broker.h": "broker/engine broker/controller broker/coordinator",
    "client/log_ops.h": "client/embedded",
}

# Rooms that do not see through to what lies below the rooms they include.
BLIND = {"operators": "runtime/task runtime/topology runtime/state base", "dsl": "operators runtime/task runtime/topology runtime/state base"}

# What is in these folders only the rooms beside them see, whatever others reach: a log is asked through
# client/log_ops.h, whoever answers.
HIDDEN = {"broker": "server client/embedded cli bench", "server": "client/embedded cli"}

# The files of a room form a graph without circles too, once by what they include and once by what they call: a .c
# and its .h are one node. By calls it holds where several files share a header as well. Rooms where it does not
# hold yet; the list only gets shorter.
TANGLED = ["base/env/uv", "base/env/sim", "broker/log", "server", "server/handlers"]

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
    "pcre2.h": r"broker/coordinator/group/group_regex",
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


def is_hidden(room, from_room):
    """Does from_room see through to `room`, if it reaches it?"""
    top, own = room.split("/")[0], from_room.split("/")[0]
    return top in HIDDEN and own != top and not {own, from_room} & set(HIDDEN[top].split())


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
            if (to in allowed[room] and not is_hidden(to, room)) or room in DOORS.get(target, "").split():
                continue
            arrow = f"{name} -> {target}"
            if arrow in left:
                left.discard(arrow)
                continue
            wrong.append(f'{name}:{number}: {room} may not include "{target}"')
    return arrows, wrong, left


# Comments, characters and strings: nothing is called there.
IGNORED = r"""/\*.*?\*/|//[^\n]*|'(?:\\.|[^'\\\n])+'|"(?:\\.|[^"\\\n])*\""""


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


def node_of(path, texts):
    """x.c, x.h and x_internal.h are one node; without an x.c the last is its own."""
    name = path[:-2]
    outer = name.removesuffix("_internal")
    return os.path.basename(outer if f"{outer}.c" in texts else name)


def includes_in(room, texts):
    """{node: the nodes of the room that its files include}"""
    graph = {}
    for name, text in texts.items():
        node = node_of(name, texts)
        targets = re.findall(r'^\s*#\s*include\s*"([^">]+)"', text, re.M)
        beside = [os.path.basename(target) for target in targets if os.path.dirname(target) in (room, "")]
        below = {node_of(f"{room}/{target}", texts) for target in beside}
        graph[node] = graph.get(node, set()) | below - {node}
    return graph


def calls_in(texts):
    """{node: the nodes of the room that define a function which its files name}"""
    defined, named = {}, {}
    for name, text in texts.items():
        node = os.path.basename(name)[:-2]
        text = re.sub(IGNORED, " ", text, flags=re.S)
        for function in re.findall(r"^\w[\w \t\n*]*?\b(weir_\w+)\([^;{]*\)\s*\{", text, re.M):
            defined[function] = node
        if name.endswith(".c"):  # what a header only declares, nobody calls there
            named.setdefault(node, set()).update(re.findall(r"(?<!struct )(?<!enum )\bweir_\w+(?=[(,;)])", text))
    return {node: {defined[f] for f in names if f in defined} - {node} for node, names in named.items()}


def circles_of(room, files):
    """A circle of includes and one of calls, where there are any, as texts."""
    texts = {name: open(name, encoding="utf-8").read() for name in files if os.path.dirname(name) == room}
    graphs = {"includes": includes_in(room, texts), "calls": calls_in(texts)}
    found = [(what, circle_in(graph)) for what, graph in graphs.items()]
    return [f"{room}: a circle of {what}: {' -> '.join(circle)}" for what, circle in found if circle]


def check_files(files, tangled=TANGLED):
    """What is wrong between the files of a room."""
    wrong = []
    for room in ROOMS:
        circles = circles_of(room, files)
        if room not in tangled:
            wrong += circles
        elif not circles:
            wrong.append(f"{room}: has no circle any more, so take it out of TANGLED")
    return wrong


def sources():
    for top in "include base wire broker server client runtime operators dsl cli examples bench tools".split():
        for folder, _, names in os.walk(top):
            for name in sorted(names):
                if name.endswith((".c", ".h")):
                    yield os.path.join(folder, name)


def write(texts):
    for name, text in texts.items():
        os.makedirs(os.path.dirname(name), exist_ok=True)
        with open(name, "w", encoding="utf-8") as out:
            out.write(text)


def self_test():
    """Planted arrows must be seen, or the test proves nothing."""
    planted = {
        "wire/planted.c": ['"broker/broker.h"', '"wire/peer/remote.h"'],
        "broker/engine/planted.c": ['"broker/controller/controller.h"', '"broker/broker.h"'],
        "operators/planted.c": ['"wire/record_batch.h"', "<uv.h>", '"runtime/task/node.h"'],
        "runtime/task/planted.c": ['"runtime/job/streams_internal.h"', '"broker/broker.h"'],
        "client/planted.c": ['"server/server.h"', '"client/embedded/embedded.h"'],
        "client/embedded/planted.c": ['"broker/broker.h"', '"client/client.h"'],
    }
    # a -> b -> c is none; c.c closes a circle, by an include or by a call
    straight = {
        "runtime/task/a.c": '#include "runtime/task/b.h"\nint weir_a(void)\n{\n    return weir_b();\n}\n',
        "runtime/task/b.h": '#include "runtime/task/c.h"\nint weir_b(void); /* {} weir_a() */\n',
        "runtime/task/b.c": 'int weir_b(void)\n{\n    return say("weir_a(x)");\n}\n',
        "runtime/task/c.h": "int weir_c(void);\n",
    }
    included = straight | {"runtime/task/c.c": '#include "runtime/task/b.h"\n'}
    called = straight | {"runtime/task/b.c": "int weir_b(void)\n{\n    return weir_a() > 0;\n}\n"}
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        write({name: "".join(f"#include {target}\n" for target in targets) for name, targets in planted.items()})
        wrong = check(planted)[1]
        circles = []
        for texts in (straight, included, called):
            write(texts)
            circles += [check_files(texts, [])]
        write(straight)
        circles += [check_files(straight, ["runtime/task"])]
    if len(wrong) != 9:
        sys.exit(f"planted 9 wrong includes, found {len(wrong)}: {wrong}")
    if circles != [
        [],
        ["runtime/task: a circle of includes: b -> c -> b"],
        ["runtime/task: a circle of calls: a -> b -> a"],
        ["runtime/task: has no circle any more, so take it out of TANGLED"],
    ]:
        sys.exit(f"planted no circle, one of includes, one of calls and a row too many, found {circles}")
    print("9 planted wrong includes and 2 planted circles of files were found")


def main():
    if sys.argv[2:] == ["--self-test"]:
        self_test()
        return
    os.chdir(sys.argv[1])
    files = list(sources())
    arrows, wrong, left = check(files)
    if arrows == 0:
        sys.exit("no #include was found: is this the source tree?")
    wrong += check_files(files)
    wrong += [f"{arrow}: is gone, so take it out of the list of what is left" for arrow in sorted(left)]
    for text in wrong:
        print(text)
    print(f"{arrows} arrows, {len(wrong)} wrong, {len(LEFT)} known left, {len(TANGLED)} rooms tangled")
    sys.exit(bool(wrong))


if __name__ == "__main__":
    main()
