"""What the members that are written in Python share. A member is told what to be by words NAME=VALUE:

    member, broker, group, topic; protocol: classic or consumer; assignor; instance: its id as a static
    member, or nothing; session_ms; commit_every: so many records

It reads until its standard input ends, then it leaves. It says what happens as judge.py has it, a line at a
time in one write: the pipe keeps the order of all members."""
import json
import os
import sys
import threading

LINE_RECORDS = 100  # a line stays below PIPE_BUF


class Member:
    def __init__(self):
        words = dict(word.split("=", 1) for word in sys.argv[1:])
        self.name, self.broker = words["member"], words["broker"]
        self.group, self.topic = words["group"], words["topic"]
        self.protocol, self.assignor = words["protocol"], words["assignor"]
        self.instance = words["instance"] or None
        self.session_ms = int(words["session_ms"])
        self.commit_every = int(words["commit_every"])
        self.next = {}  # by partition that it has
        self.uncommitted = 0
        self.leaving = threading.Event()
        threading.Thread(target=self._wait_end, daemon=True).start()

    def _wait_end(self):
        sys.stdin.read()
        self.leaving.set()

    def say(self, event, **more):
        os.write(1, json.dumps({"member": self.name, "event": event, **more}).encode() + b"\n")

    def assigned(self, partitions):
        if partitions:
            self.say("assigned", partitions=sorted(partitions))
            self.next.update((p, None) for p in partitions)

    def gone(self, event, partitions):
        partitions = sorted(p for p in partitions if p in self.next)
        if partitions:
            self.say(event, partitions=partitions)
            for p in partitions:
                del self.next[p]

    def read(self, records):
        """`records`: pairs of partition, offset and number."""
        for start in range(0, len(records), LINE_RECORDS):
            self.say("records", records=records[start:start + LINE_RECORDS])
        for p, offset, _ in records:
            self.next[p] = offset + 1
        self.uncommitted += len(records)

    def offsets(self, partitions=None):
        """What is to be committed, by partition."""
        return {p: offset for p, offset in self.next.items()
                if offset is not None and (partitions is None or p in partitions)}

    def is_due(self):
        return self.uncommitted >= self.commit_every

    def committed(self, offsets):
        self.uncommitted = 0
        self.say("committed", offsets=offsets)

    def refused(self, error):
        self.say("refused", error=str(error))
