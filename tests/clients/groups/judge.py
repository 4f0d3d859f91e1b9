#!/usr/bin/python3
"""Judges what the members of one group did, line by line.

A history is JSON lines in the order in which things happened: all members write into one pipe, a whole line
at a time, so what one member said before it told the broker stands before what came of that at another.

    {"member": "b.1", "event": "assigned",  "partitions": [0, 1]}          these are added to what it has
    {"member": "b.1", "event": "records",   "records": [[0, 17, 102]]}     partition, offset, number in the value
    {"member": "b.1", "event": "committed", "offsets": {"0": 18}}          acknowledged; the next to be read
    {"member": "b.1", "event": "refused",   "error": "..."}                a commit that was not
    {"member": "b.1", "event": "revoked",   "partitions": [0]}             said before they are given up
    {"member": "b.1", "event": "lost",      "partitions": [1]}             somebody else may have had them already
    {"member": "b.1", "event": "left"}      {"member": "b.1", "event": "died"}
    {"member": "b.1", "event": "expired"}                                  the broker's log: its session is over
    {"member": "outside", "event": "produced", "records": [[0, 17, 102]]}  acknowledged by the broker
    {"member": "outside", "event": "read",     "offsets": {"0": 18}}       what OffsetFetch tells everybody

What a member has between two lines, by partition:

    nobody --assigned--> owner --records, committed--> owner --revoked, lost, left, died--> nobody
                           |
                           +-- its first record stands at or after the last acknowledged commit and at or
                               before what was read so far; each other follows the one before it

A member whose session is over may not have heard of it: it goes on with what it has fetched, and what it had committed
may be told late. That is nobody's fault while the broker takes no commit of it any more: the next commit of the new
owner would go back then.

usage: judge.py [--expect FAULT] FILE ...       exit 0: no fault, or just that one"""
import json
import sys

PARTITIONS = 6


class Fault(Exception):
    """What a history may not hold: a name, and what happened."""

    def __init__(self, name, text):
        super().__init__(f"{name}: {text}")
        self.name = name


class Partition:
    def __init__(self):
        self.owner = None  # a member
        self.next = None   # of this owner; None: it has read nothing yet
        self.read = 0      # how far anybody has read
        self.committed = 0
        self.end = 0       # how far the broker has acknowledged
        self.numbers = {}  # by offset
        self.read_again = 0


class Judge:
    def __init__(self, partitions=PARTITIONS):
        self.partitions = [Partition() for _ in range(partitions)]
        self.refused = 0
        self.commits = 0
        self.moves = {}  # member: how often its partitions changed
        self.expired = {}  # member: partitions that it believes it has

    def owned(self, member):
        return [p for p, partition in enumerate(self.partitions) if partition.owner == member]

    def step(self, line):
        getattr(self, "on_" + line["event"])(line["member"], line)

    def moved(self, member):
        self.moves[member] = self.moves.get(member, 0) + 1

    def is_expired(self, member, p):
        return p in self.expired.get(member, ())

    def on_expired(self, member, line):
        owned = self.owned(member)
        if owned:
            self.expired[member] = self.expired.get(member, set()).union(owned)
        self.give_up(member, owned, line["event"])

    def on_assigned(self, member, line):
        self.moved(member)
        self.expired.pop(member, None)
        for p in line["partitions"]:
            owner = self.partitions[p].owner
            if owner is not None:
                raise Fault("two-owners", f"partition {p} is given to {member} while {owner} has it")
            self.partitions[p].owner = member
            self.partitions[p].next = None

    def give_up(self, member, partitions, how):
        for p in partitions:
            if self.partitions[p].owner != member and self.is_expired(member, p):
                self.expired[member].discard(p)
                continue
            if self.partitions[p].owner != member:
                raise Fault("gave-up-what-it-had-not",
                            f"{member} {how} partition {p}, which {self.partitions[p].owner} has")
            self.partitions[p].owner = None

    def on_revoked(self, member, line):
        self.moved(member)
        self.give_up(member, line["partitions"], line["event"])

    on_lost = on_revoked

    def on_left(self, member, line):
        self.give_up(member, self.owned(member), line["event"])
        self.expired.pop(member, None)

    on_died = on_left

    def on_records(self, member, line):
        for p, offset, number in line["records"]:
            self.record(member, p, offset, number)

    def record(self, member, p, offset, number):
        partition = self.partitions[p]
        where = f"{member} reads partition {p} at {offset}"
        if self.is_expired(member, p):
            self.take_record(partition, offset, number, where)
            return
        if partition.owner != member:
            raise Fault("read-without-owning", f"{where}, which {partition.owner} has")
        if partition.next is None:
            self.first_record(partition, offset, where)
        elif offset < partition.next:
            raise Fault("repeat-without-cause", f"{where} after {partition.next - 1}")
        elif offset > partition.next:
            raise Fault("lost-record", f"{where}, and {partition.next} was to be next")
        self.take_record(partition, offset, number, where)
        partition.next = offset + 1

    @staticmethod
    def take_record(partition, offset, number, where):
        if partition.numbers.setdefault(offset, number) != number:
            raise Fault("wrong-record", f"{where} number {number}, sent was {partition.numbers[offset]}")
        partition.read = max(partition.read, offset + 1)

    @staticmethod
    def first_record(partition, offset, where):
        if offset < partition.committed:
            raise Fault("repeat-from-before-the-commit", f"{where}, and {partition.committed} is committed")
        if offset > partition.read:
            raise Fault("lost-record", f"{where}, and {partition.read} was never read")
        partition.read_again += partition.read - offset

    def on_committed(self, member, line):
        for p, offset in ((int(p), offset) for p, offset in line["offsets"].items()):
            partition = self.partitions[p]
            what = f"{member} commits {offset} of partition {p}"
            if self.is_expired(member, p):
                partition.committed = max(partition.committed, offset)
                continue
            if partition.owner != member:
                raise Fault("commit-without-owning", f"{what}, which {partition.owner} has")
            if offset > partition.read:
                raise Fault("commit-of-unread", f"{what}, read is up to {partition.read}")
            self.commits += 1
            self.raise_commit(partition, offset, what)

    def on_read(self, member, line):
        for p, offset in line["offsets"].items():
            self.raise_commit(self.partitions[int(p)], offset, f"{member} is told {offset} of partition {p}")

    @staticmethod
    def raise_commit(partition, offset, what):
        if offset < partition.committed:
            raise Fault("commit-goes-back", f"{what} after {partition.committed}")
        partition.committed = offset

    def on_refused(self, member, line):
        self.refused += 1

    def on_produced(self, member, line):
        for p, offset, number in line["records"]:
            partition = self.partitions[p]
            if partition.numbers.setdefault(offset, number) != number:
                raise Fault("wrong-record", f"partition {p} at {offset}: {number} was sent, "
                                            f"{partition.numbers[offset]} was read")
            partition.end = max(partition.end, offset + 1)

    def on_error(self, member, line):
        raise Fault("client-error", f"{member}: {line['text']}")

    def finish(self):
        for p, partition in enumerate(self.partitions):
            if partition.read < partition.end:
                raise Fault("lost-record", f"partition {p} is read up to {partition.read} of {partition.end}")

    def summary(self):
        return (f"{sum(p.read for p in self.partitions)} records, {sum(p.read_again for p in self.partitions)} "
                f"read again, {self.commits} commits, {self.refused} refused")


def main(arguments):
    expected = None
    if arguments and arguments[0] == "--expect":
        expected, arguments = arguments[1], arguments[2:]
    judge = Judge()
    fault = None
    try:
        for path in arguments:
            with open(path, encoding="utf-8") as file:
                for line in file:
                    if line.strip() and not line.startswith("#"):
                        judge.step(json.loads(line))
        judge.finish()
    except Fault as found:
        fault = found
    print(f"{fault or 'no fault'}; {judge.summary()}")
    if expected and (fault is None or fault.name != expected):
        print(f"expected was {expected}")
    return (fault.name if fault else None) != expected


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
