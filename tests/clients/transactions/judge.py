#!/usr/bin/python3
"""Judges what writers, copiers and readers of transactions did and saw, line by line.

A history is JSON lines in the order in which things happened: what is asked of a broker stands before it is
asked, what it answers after it was answered. A record is a number that its topic has once.

    {"member": "w.1", "event": "begin",   "transaction": 7}
    {"member": "w.1", "event": "sends",   "transaction": 7, "topic": "input", "records": [[0, 102]]}  partition, number
    {"member": "w.1", "event": "sent",    "transaction": 7}                  all of them are acknowledged
    {"member": "c.1", "event": "offsets", "transaction": 7, "offsets": {"0": 18}}  of the input, by the copiers' group
    {"member": "w.1", "event": "commits", "transaction": 7}    {... "committed" ...}
    {"member": "w.1", "event": "aborts",  "transaction": 7}    {... "aborted" ...}
    {"member": "w.1", "event": "failed",  "transaction": 7, "error": "..."}  a step was refused
    {"member": "w.1", "event": "died"}                                       by kill -9, or by itself
    {"member": "z.1", "event": "fenced"}                       another has its transactional id by now
    {"member": "r.1", "event": "read", "isolation": "read_committed", "topic": "input", "records": [[0, 17, 102]]}
    {"member": "r.1", "event": "ends", "isolation": "read_committed"}        it has read all that there is
    {"member": "c.2", "event": "told", "offsets": {"0": 18}}   what its group is told is committed; absent: nothing

What a transaction may become:

    open --commits--> committing --committed--> committed
      |                   +-- failed, died --> unknown (all of it or nothing; "told" decides it)
      +--aborts--> aborting --aborted--> aborted
      +--failed, died, fenced--> aborted

Who reads committed sees records of committing, committed and unknown ones alone, nothing behind an open one,
and in the end each committed one whole and each unknown one whole or not at all. The others see all that is
acknowledged, once, in an order in which it can have been sent. What the copiers wrote is what lies below their
committed offsets, no more and no less.

usage: judge.py [--expect FAULT] FILE ...       exit 0: no fault, or just that one"""
import json
import sys

OPEN, COMMITTING, COMMITTED, ABORTING, ABORTED, UNKNOWN = (
    "open", "committing", "committed", "aborting", "aborted", "unknown")
INPUT, OUTPUT = "input", "output"
COPY = 1_000_000  # a copy's number: its transaction times this and the number that is copied


class Fault(Exception):
    """What a history may not hold: a name, and what happened."""

    def __init__(self, name, text):
        super().__init__(f"{name}: {text}")
        self.name = name


class Transaction:
    def __init__(self, number, member):
        self.number, self.member = number, member
        self.state = OPEN
        self.records = {}  # (topic, number): its partition, in the order sent
        self.is_sent = False
        self.offsets = None  # of the copiers' group

    def __str__(self):
        return f"transaction {self.number} of {self.member}, which is {self.state}"


class Reader:
    def __init__(self, isolation):
        self.isolation = isolation
        self.next = {}     # (topic, partition): offset
        self.seen = set()  # (topic, number)
        self.newest = {}   # (topic, partition, transaction): turn
        self.begun = {}    # (topic, partition): when the last sent of its records was sent
        self.is_at_end = False


class Judge:
    def __init__(self):
        self.transactions = {}  # by number
        self.senders = {}  # (topic, number): transaction
        self.current = {}  # member: transaction
        self.open = set()  # transactions
        self.fenced = set()  # members
        self.time = 0  # lines so far
        self.sent_at, self.acknowledged_at = {}, {}  # (topic, number): time
        self.turns = {}  # (topic, number): how many were sent before
        self.zombie_records = set()  # (topic, number), sent by who was fenced
        self.readers = {}
        self.numbers = {}  # (topic, partition, offset): number
        self.places = {}  # (topic, number): partition, offset
        self.offsets = {}  # the copiers' group's, by partition

    def step(self, line):
        self.time += 1
        getattr(self, "on_" + line["event"])(line["member"], line)

    # ---- writers ----

    def on_begin(self, member, line):
        number = line["transaction"]
        transaction = Transaction(number, member)
        self.transactions[number] = self.current[member] = transaction
        self.open.add(transaction)

    def on_sends(self, member, line):
        transaction = self.transactions[line["transaction"]]
        for partition, number in line["records"]:
            record = line["topic"], number
            transaction.records[record] = partition
            self.senders[record] = transaction
            self.sent_at[record] = self.time
            self.turns[record] = len(self.turns)
            if member in self.fenced:
                self.zombie_records.add(record)
        transaction.is_sent = False

    def on_sent(self, member, line):
        transaction = self.transactions[line["transaction"]]
        transaction.is_sent = True
        for record in transaction.records:
            self.acknowledged_at.setdefault(record, self.time)

    def on_offsets(self, member, line):
        self.transactions[line["transaction"]].offsets = {int(p): o for p, o in line["offsets"].items()}

    def on_commits(self, member, line):
        transaction = self.transactions[line["transaction"]]
        if member not in self.fenced:
            self.move(transaction, COMMITTING)

    def on_committed(self, member, line):
        transaction = self.transactions[line["transaction"]]
        if member in self.fenced:
            raise Fault("zombie-commit", f"{transaction} is committed, and {member} was fenced before it asked")
        self.settle(transaction, COMMITTED)

    def on_aborts(self, member, line):
        self.move(self.transactions[line["transaction"]], ABORTING)

    def on_aborted(self, member, line):
        self.settle(self.transactions[line["transaction"]], ABORTED)

    def on_failed(self, member, line):
        self.leave_behind(self.transactions[line["transaction"]])

    def on_died(self, member, line):
        if member in self.current:
            self.leave_behind(self.current[member])

    def on_fenced(self, member, line):
        self.fenced.add(member)
        if member in self.current:
            self.leave_behind(self.current[member])

    def leave_behind(self, transaction):
        if transaction.state == COMMITTING:
            self.move(transaction, UNKNOWN)
        elif transaction.state in (OPEN, ABORTING):
            self.settle(transaction, ABORTED)

    def move(self, transaction, state):
        transaction.state = state
        self.open.discard(transaction)

    def settle(self, transaction, state):
        if state == ABORTED:
            for name, reader in self.readers.items():
                if reader.isolation == "read_committed" and not reader.seen.isdisjoint(transaction.records):
                    raise Fault("aborted-read", f"{name} has read of {transaction}, and that came to nothing")
        self.move(transaction, state)
        if state == COMMITTED and transaction.offsets is not None:
            self.offsets.update(transaction.offsets)

    # ---- the copiers' offsets ----

    def on_told(self, member, line):
        told = {int(p): o for p, o in line["offsets"].items()}
        unknown = [t for t in self.transactions.values() if t.state == UNKNOWN and t.offsets is not None]
        if told == self.offsets:
            for transaction in unknown:
                self.settle(transaction, ABORTED)
            return
        for transaction in unknown:
            if told == {**self.offsets, **transaction.offsets}:
                self.settle(transaction, COMMITTED)
                return
        pending = [str(t) for t in self.transactions.values()
                   if t.state in (OPEN, ABORTED, ABORTING) and t.offsets is not None and told == {**self.offsets, **t.offsets}]
        if pending:
            raise Fault("uncommitted-offsets", f"{member} is told {told}, offsets of {pending[-1]}")
        raise Fault("wrong-offsets", f"{member} is told {told}, committed are {self.offsets}")

    # ---- readers ----

    def on_read(self, member, line):
        reader = self.readers.setdefault(member, Reader(line["isolation"]))
        for partition, offset, number in line["records"]:
            self.record(member, reader, (line["topic"], partition), offset, (line["topic"], number))

    def record(self, member, reader, log, offset, record):
        where = f"{member} reads {record[1]} at {log[0]}-{log[1]} offset {offset}"
        transaction = self.senders.get(record)
        if transaction is None or transaction.records[record] != log[1]:
            raise Fault("wrong-record", f"{where}, which nobody sent there")
        if self.numbers.setdefault((*log, offset), record[1]) != record[1]:
            raise Fault("wrong-record", f"{where}, where {self.numbers[(*log, offset)]} was before")
        if self.places.setdefault(record, (log[1], offset)) != (log[1], offset):
            raise Fault("doubled-record", f"{where}, and it stands at {self.places[record][1]}, too")
        if record in self.zombie_records:
            raise Fault("zombie-write", f"{where}, of {transaction}, sent when {transaction.member} was fenced")
        if offset < reader.next.get(log, 0):
            raise Fault("read-again", f"{where} after {reader.next[log] - 1}")
        turn = self.turns[record]
        if turn <= reader.newest.get((log, transaction.number), -1):
            raise Fault("reordered-records", f"{where} after what {transaction} sent later")
        if self.acknowledged_at.get(record, self.time) < reader.begun.get(log, 0):
            raise Fault("reordered-records", f"{where}, behind what was sent when it was acknowledged already")
        if reader.isolation == "read_committed":
            self.committed_record(where, log, offset, transaction)
        reader.newest[log, transaction.number] = turn
        reader.begun[log] = max(reader.begun.get(log, 0), self.sent_at[record])
        reader.next[log] = offset + 1
        reader.seen.add(record)

    def committed_record(self, where, log, offset, transaction):
        if transaction.state == OPEN:
            raise Fault("uncommitted-read", f"{where}, of {transaction}")
        if transaction.state in (ABORTED, ABORTING):
            raise Fault("aborted-read", f"{where}, of {transaction}")
        for other in self.open:
            for record, partition in other.records.items():
                place = self.places.get(record)
                if (record[0], partition) == log and place is not None and place[1] < offset:
                    raise Fault("read-past-open-transaction", f"{where}, behind {place[1]} of {other}")

    def on_ends(self, member, line):
        self.readers.setdefault(member, Reader(line["isolation"])).is_at_end = True

    # ---- the end ----

    def missing(self, reader):
        """What it is still to see, as records."""
        if reader.isolation == "read_committed":
            sought = (t for t in self.transactions.values() if t.state == COMMITTED)
        else:
            sought = (t for t in self.transactions.values() if t.is_sent)
        return [record for t in sought for record in t.records
                if record not in reader.seen and record not in self.zombie_records]

    def finish(self):
        for name, reader in self.readers.items():
            if not reader.is_at_end:
                continue
            if reader.isolation == "read_committed":
                self.finish_transactions(name, reader)
            missing = self.missing(reader)
            if missing:
                raise Fault("lost-record", f"{name} never saw {missing[0][1]} of {missing[0][0]}, of "
                                           f"{self.senders[missing[0]]}, and {len(missing) - 1} more")
        self.finish_copies()

    def finish_transactions(self, name, reader):
        for transaction in self.transactions.values():
            if transaction.state not in (COMMITTED, UNKNOWN):
                continue
            seen = sum(record in reader.seen for record in transaction.records)
            if 0 < seen < len(transaction.records):
                raise Fault("torn-transaction",
                            f"{name} saw {seen} of {len(transaction.records)} records of {transaction}")

    def finish_copies(self):
        ended = [r for r in self.readers.values() if r.is_at_end and r.isolation == "read_committed"]
        seen = set().union(*(reader.seen for reader in ended))
        copies = {}  # number: of its copy
        for topic, number in sorted(seen):
            if topic == OUTPUT and copies.setdefault(number % COPY, number) != number:
                raise Fault("doubled-record", f"{number % COPY} was copied by transaction {number // COPY} and by "
                                              f"{copies[number % COPY] // COPY}")
        for number, copy in copies.items():
            if ended and copy >= COPY and (INPUT, number) not in seen:
                raise Fault("aborted-read", f"{number} was copied by transaction {copy // COPY}, and was never committed")
        for topic, number in sorted(seen):
            if topic == INPUT:
                self.finish_copy(number, number in copies)

    def finish_copy(self, number, is_copied):
        partition, offset = self.places[INPUT, number]
        committed = self.offsets.get(partition, 0)
        if offset < committed and not is_copied:
            raise Fault("offsets-without-outputs", f"{number} lies at {partition}:{offset}, below the committed "
                                                   f"{committed}, and was not copied")
        if is_copied and offset >= committed:
            raise Fault("outputs-without-offsets", f"{number} was copied and lies at {partition}:{offset}, "
                                                   f"committed is {committed}")

    def summary(self):
        states = [t.state for t in self.transactions.values()]
        counts = ", ".join(f"{states.count(state)} {state}" for state in (COMMITTED, ABORTED, UNKNOWN, OPEN)
                           if state in states)
        return f"{len(states)} transactions ({counts}), {len(self.places)} records seen"


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
