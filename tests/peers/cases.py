#!/usr/bin/python3
"""Random topologies over random records, as cases of ../vectors without answers (tests/vectors/README.md has the format).

usage: cases.py [--seed N] [--count N] >FILE

One repartition topic at most is on the way of a record, and what comes out of two never meets: between records of
several topics each has an order of its own. Drawn are all operators that the runner of the vectors builds. Left out is
what Kafka Streams does by accident and Weir does not, and what Weir does otherwise (tests/peers/README.md)."""
import argparse
import random

LONG = "retention=100000000"
HOLDS = ["mod:2:0", "mod:3:1", "vgt:2", "vnull", "all", "keq:k1", "vpre:v1", "veq:v3"]
MAPS = ["id", "app:+", "mix", "mixnull", "nullon:v4", "show", "key", "kv", "pre:2"]
FOLDS = {"S": ["add", "mix", "mixnull", "last", "max", "min", "first", "nullon:v3", "kadd", "cnt", "sum"],
         "L": ["sum", "max", "min", "last", "cnt"]}
REDUCERS = {"S": ["add", "mix", "mixnull", "last", "max", "min", "first", "nullon:v3"], "L": ["sum", "max", "min", "last"]}
JOINS = ["cat", "kcat", "mix", "mixnull", "left", "right", "lnull:v2"]
FAILING = ["failon:v7"]  # a record that fails: of a map, a fold or a join


class Stream:
    """`path`: behind which repartition topic, 0: none. `is_moved`: the next operator with state goes through one."""

    def __init__(self, name, path, value="S", is_windowed=False, is_moved=False):
        self.name, self.path, self.value, self.is_windowed, self.is_moved = name, path, value, is_windowed, is_moved


class Case:
    def __init__(self, draw):
        self.draw = draw
        self.lines = []
        self.streams, self.tables, self.inputs = [], [], []
        self.number = self.outputs = self.paths = 0
        self.has_buffer = False
        self.sources = []
        self.is_cached = draw.random() < 0.2
        self.may_fail = draw.random() < 0.15
        if self.is_cached:
            self.lines.append("config cache=on")
        self.goes_on = draw.random() < 0.3
        if self.goes_on:
            self.lines.append("config processing=continue")

    def one(self, choices):
        return self.draw.choice(choices)

    def new(self, letter="x"):
        self.number += 1
        return f"{letter}{self.number}"

    def say(self, *words):
        self.lines.append(" ".join(str(word) for word in words if word != ""))

    def function(self, choices):
        return self.one(FAILING) if self.may_fail and self.draw.random() < 0.3 else self.one(choices)

    def stream(self, is_plain=True):
        return self.one([s for s in self.streams if not (is_plain and s.is_windowed)])

    def add(self, stream):
        self.streams.append(stream)

    def may_move(self, stream):
        return stream.path == 0 and not self.is_cached

    def path_behind(self, stream):
        """That of an operator with state, which makes a repartition topic if it has to."""
        self.paths += stream.is_moved
        return self.paths if stream.is_moved else stream.path

    def meeting(self, path=None):
        """Streams that may meet others."""
        still = [s for s in self.streams if not s.is_windowed and not s.is_moved and path in (None, s.path)]
        if self.is_cached:  # the order in which a cache tells keys is its own
            still = [s for s in still if s.name in self.sources]
        return self.one(still) if still else None

    # ---- sources -----------------------------------------------------------------------------------------

    def source(self):
        name, topic = self.new("s"), f"in{len(self.inputs)}"
        self.say("stream", name, topic, "S S")
        self.inputs.append(topic)
        self.sources.append(name)
        self.add(Stream(name, 0))

    def table(self):
        name, topic = self.new("t"), f"tab{len(self.inputs)}"
        self.say("table", name, topic, "S S", self.store(0.3))
        self.inputs.append(topic)
        self.tables.append(Stream(name, 0))

    def store(self, chance, more="", may_be_memory=True):
        words = []
        if self.draw.random() < chance:
            words.append(f"store=st{self.number}")
        if may_be_memory and self.draw.random() < 0.25:
            words.append("kind=mem")
        if self.draw.random() < 0.15:
            words.append("cache=off")
        if self.draw.random() < 0.05:
            words.append("log=off")
        return " ".join(words + ([more] if more else []))

    # ---- operators without state -------------------------------------------------------------------------

    def change(self):
        of, name = self.stream(False), self.new()
        kind = self.draw.random()
        value, is_windowed, is_moved = of.value, of.is_windowed, of.is_moved
        if kind < 0.2:
            self.say(self.one(["filter", "filternot"]), name, of.name, self.function(HOLDS))
        elif kind < 0.5:
            value = self.one("SSSL")
            self.say("mapvalues", name, of.name, self.one(["num", "len"]) if value == "L" else self.function(MAPS), value)
        elif kind < 0.75 and self.may_move(of):
            is_windowed, is_moved = False, True
            keeps = "kmod:2" if of.is_windowed else "key"
            self.say("selectkey", name, of.name, self.one(["kmod:3", "vmod:3", "vmod:4", keeps]), "S")
        elif kind < 0.85 and self.may_move(of):
            is_windowed, is_moved, value = False, True, "S"
            self.say("map", name, of.name, self.one(["kmod:3", "vmod:3"]), self.function(MAPS), "S S")
        elif kind < 0.9 and self.may_move(of):
            is_windowed, is_moved, value = False, True, "S"
            self.say("flatmap", name, of.name, self.one(["split", "twice", "nothing"]), self.one(["kmod:3", "vmod:3"]))
        else:
            self.say("peek", name, of.name)
        self.add(Stream(name, of.path, value, is_windowed, is_moved))

    def merge(self):
        of = self.stream()
        other = self.one([s for s in self.streams if s.value == of.value and s.path == of.path and not s.is_windowed])
        name = self.new()
        self.say("merge", name, of.name, other.name)
        self.add(Stream(name, of.path, of.value, False, of.is_moved or other.is_moved))

    def split(self):
        of, name = self.stream(False), self.new()
        self.say("split", of.name, f"{name}a", self.one(HOLDS), f"- {name}b")
        for branch in "ab":
            self.add(Stream(name + branch, of.path, of.value, of.is_windowed, of.is_moved))

    def repartition(self):
        of, name = self.stream(), self.new()
        if self.may_move(of):
            self.say("repartition", name, of.name)
            self.paths += 1
            self.add(Stream(name, self.paths, of.value))

    # ---- aggregates --------------------------------------------------------------------------------------

    def group(self, of, may_move=True):
        """Its name, and the path behind it."""
        name = self.new("g")
        if self.draw.random() < 0.3 and may_move and self.may_move(of):
            self.say("groupby", name, of.name, self.one(["kmod:2", "vmod:3"]), "S")
            self.paths += 1
            return name, self.paths
        self.say("groupbykey", name, of.name)
        return name, self.path_behind(of)

    def windows(self, group, is_of_cogroup=False):
        """Its id, kind, and whether it emits on close."""
        name = self.new("w")
        kind = self.one(["time", "time"] if is_of_cogroup else ["time", "time", "sliding", "session", "unlimited"])
        size = self.one([5, 10, 12, 30])
        words = ["window", name, group, kind, self.one([0, 100]) if kind == "unlimited" else size]
        if kind == "time" and self.draw.random() < 0.5:
            words.append(f"advance={self.one([size, max(1, size // 2), max(1, size // 3), 3])}")
        if kind != "unlimited" and self.draw.random() < 0.85:
            words.append(f"grace={self.one([0, 3, 5, 20, 100])}")
        is_close = kind != "unlimited" and not is_of_cogroup and self.draw.random() < 0.3
        if is_close:
            words.append("emit=close")
        self.say(*words)
        return name, kind, is_close

    def aggregate(self):
        of = self.stream()
        group, path = self.group(of)
        kind, is_close = "", False
        if self.draw.random() < 0.7:
            group, kind, is_close = self.windows(group)
        needs_long = is_close or kind in ("session", "sliding")
        name = self.new("t")
        with_ = self.store(0.5, LONG if needs_long and kind != "unlimited" else "")
        way = self.draw.random()
        value = of.value
        if way < 0.35:
            self.say("count", name, group, with_)
            value = "L"
        elif way < 0.6:
            is_plain = value == "L" or kind == "session"
            self.say("reduce", name, group, (self.one if is_plain else self.function)(REDUCERS[value]), with_)
        else:
            merge = f"merge={self.one(['sub', 'mix', 'add'])}" if kind == "session" else ""
            value = "S"
            fold = self.function(FOLDS["S"]) if kind != "session" else self.one(FOLDS["S"])
            self.say("aggregate", name, group, "%", fold, "S", merge, with_)
        self.forward(name, path, value, kind, is_close)

    def forward(self, name, path, value, kind, is_close):
        """A table's updates: as they are, or fewer of them."""
        way = self.draw.random() + self.is_cached + self.has_buffer
        if kind in ("time", "session", "sliding") and not is_close and way < 0.25:
            self.suppress(name, "close")
        elif not is_close and way < 0.35:
            bound = self.one(["", "records=2", "records=3", "bytes=200"] + ["records=2 full=stop"] * (not self.goes_on))
            self.suppress(name, f"limit {self.one([0, 7, 20, 100])} {bound}".strip())
        else:
            self.to_stream(name, path, value, kind)
            return
        self.to_stream(f"{name}s", path, value, kind)

    def suppress(self, name, words):
        self.has_buffer = True
        self.say("suppress", f"{name}s", name, words)

    def to_stream(self, table, path, value, kind):
        if kind == "" and not table.endswith("s"):
            self.tables.append(Stream(table, path, value))
        name = self.new()
        self.say("tostream", name, table)
        self.add(Stream(name, path, value, kind != ""))

    def cogroup(self):
        first = self.meeting()
        if first is None:
            return
        words = []
        for stream in [first] + [self.meeting(first.path) for _ in range(self.one([0, 1, 1, 2]))]:
            words += [self.group(stream, False)[0], self.one(["add", "sub", "kadd", "mix", "last"])]
        name, kind = self.new("c"), ""
        self.say("cogroup", name, *words)
        if self.draw.random() < 0.4:
            name, kind, _ = self.windows(name, True)
        table = self.new("t")
        self.say("coaggregate", table, name, "% S", self.store(0.5, LONG if kind else ""))
        self.to_stream(table, first.path, "S", kind)

    # ---- joins -------------------------------------------------------------------------------------------

    def join(self):
        left = self.meeting()
        if left is None:
            return
        right, name = self.meeting(left.path), self.new()
        before, after = self.one([0, 3, 10, 30]), self.one([1, 5, 10, 30])
        kind = self.one(["inner", "left", "outer"])
        joiner = self.function(JOINS) if kind == "inner" or not self.goes_on else self.one(JOINS)
        self.say("join", name, left.name, right.name, kind, joiner, "S",
                 f"before={before}", f"after={after}", self.one(["", "grace=0", "grace=5", "grace=50"]),
                 self.one(["", "", "", "kind=mem"]))
        self.add(Stream(name, left.path))

    def table_join(self):
        if not self.tables:
            return
        table = self.one(self.tables)
        left = self.meeting(table.path)
        if left is None:
            return
        name = self.new()
        self.say("stjoin", name, left.name, table.name, self.one(["inner", "left"]), self.function(JOINS), "S")
        self.add(Stream(name, left.path))

    # ---- all of it ---------------------------------------------------------------------------------------

    def sinks(self):
        used = {word for line in self.lines for word in line.split(" ")[2:]}
        used |= {line.split(" ")[1] for line in self.lines if line.startswith("split")}
        for stream in self.streams:
            if stream.name not in used or self.draw.random() < 0.15:
                self.outputs += 1
                self.say("to", stream.name, f"out{self.outputs}")

    def steps(self):
        time = self.one([0, 0, 100, 1000000])
        for _ in range(self.one([15, 25, 40])):
            time += self.one([0, 0, 1, 2, 3, 5, 8, 13, 13, 40]) if self.draw.random() < 0.96 else self.one([100, 500])
            at = max(0, time - (self.one([1, 2, 5, 10, 25, 60]) if self.draw.random() < 0.3 else 0))
            key = "~" if self.draw.random() < 0.04 else f"k{self.draw.randrange(1, 4)}"
            value = "~" if self.draw.random() < 0.06 else f"v{self.draw.randrange(9)}"
            headers = self.one(["a=1", "b=~", "a=x b=%"]) if not self.is_cached and self.draw.random() < 0.12 else ""
            self.say("in", self.one(self.inputs), key, value, at, headers)
            if self.draw.random() < 0.02:
                self.say("wall", self.one([1, 500, 2000]))

    def make(self):
        for _ in range(self.one([1, 1, 2, 3])):
            self.source()
        if self.draw.random() < 0.35:
            self.table()
        for _ in range(self.one([2, 3, 4, 6, 8])):
            self.draw.choices([self.change, self.merge, self.split, self.repartition, self.aggregate, self.cogroup, self.join,
                               self.table_join], [6, 1, 1, 1, 7, 2, 4, 3])[0]()
        self.sinks()
        self.steps()
        return self.lines


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--count", type=int, default=200)
    options = parser.parse_args()
    for number in range(options.count):
        print(f"case {options.seed}-{number}")
        print("\n".join(Case(random.Random(options.seed * 1000003 + number)).make()))
        print("end")


if __name__ == "__main__":
    main()
