"""What kcat says, as lines of a history (judge.py).

    a.1 0 17 102                                                          it has printed a record: member, partition,
                                                                          offset, number
    % Group g rebalanced (memberid a.1-<36 characters>): assigned: t [0], t [1]
    % Group g rebalanced (memberid a.1-<36 characters>): revoked: t [0]   it has committed what it has read, and goes
    % Group g rebalanced (memberid ): revoked: t [0]                      it is no member any more, and says not who

Its words stand in the pipe before it does what they say: it is told to give partitions up, says so, and only then does."""
import re

RECORD = re.compile(r"^(\S+) (\d+) (\d+) (\d+)$")
REBALANCED = re.compile(r"^% Group \S+ rebalanced \(memberid (.*)\): (assigned|revoked): (.*)$")
UUID_SIZE = 36


class KcatWords:
    def __init__(self):
        self.next = {}  # by member, then by partition that it has

    def steps(self, line):
        """The lines of the history that this line is; None: it is of something else."""
        record = RECORD.match(line)
        if record:
            member, (p, offset, number) = record.group(1), map(int, record.groups()[1:])
            self.next.setdefault(member, {})[p] = offset + 1
            return [{"member": member, "event": "records", "records": [[p, offset, number]]}]
        rebalanced = REBALANCED.match(line)
        if not rebalanced:
            return None
        partitions = [int(p) for p in re.findall(r"\[(\d+)\]", rebalanced.group(3))]
        member = rebalanced.group(1)[:-UUID_SIZE - 1]
        if not partitions:
            return []
        if rebalanced.group(2) == "assigned":
            self.next.setdefault(member, {}).update((p, None) for p in partitions)
            return [{"member": member, "event": "assigned", "partitions": partitions}]
        if not member:
            return [{"member": "", "event": "lost", "partitions": partitions}]
        had = self.next.setdefault(member, {})
        read = {p: had.pop(p, None) for p in partitions}
        committed = {str(p): offset for p, offset in read.items() if offset is not None}
        steps = [{"member": member, "event": "committed", "offsets": committed}] if committed else []
        return steps + [{"member": member, "event": "revoked", "partitions": partitions}]

    def forget(self, member):
        """It has lost all that it had."""
        self.next.pop(member, None)
