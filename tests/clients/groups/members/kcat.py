"""A member by `kcat -G`; member.py says how it is asked. kcat says on one pipe what it reads and when the group
is rebalanced. It commits by itself: every so often, which nobody is told, and before it gives partitions up."""
import re
import signal
import subprocess
import sys
import threading

from member import Member

REBALANCED = re.compile(r"^% Group \S+ rebalanced \(.*\): (assigned|revoked): (.*)$")

member = Member()
arguments = ["kcat", "-b", member.broker, "-u", "-G", member.group, "-f", "%p %o %s\\n"]
properties = {"session.timeout.ms": member.session_ms, "heartbeat.interval.ms": 500, "client.id": member.name,
              "auto.offset.reset": "earliest", "auto.commit.interval.ms": 500, "fetch.wait.max.ms": 50,
              "partition.assignment.strategy": member.assignor}
if member.instance:
    properties["group.instance.id"] = member.instance
for key, value in properties.items():
    arguments += ["-X", f"{key}={value}"]
kcat = subprocess.Popen(arguments + [member.topic], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                        preexec_fn=lambda: __import__("ctypes").CDLL(None).prctl(1, signal.SIGKILL))


def end():
    member.leaving.wait()
    kcat.send_signal(signal.SIGTERM)


threading.Thread(target=end, daemon=True).start()
for line in kcat.stdout:
    rebalanced = REBALANCED.match(line)
    if rebalanced:
        partitions = [int(p) for p in re.findall(r"\[(\d+)\]", rebalanced.group(2))]
        if rebalanced.group(1) == "assigned":
            member.assigned(partitions)
        else:
            member.committed(member.offsets(partitions))
            member.gone("revoked", partitions)
    elif line[:1].isdigit():
        member.read([[int(word) for word in line.split()]])
    elif not line.startswith("% "):
        print(line, end="", file=sys.stderr)
status = kcat.wait()
if status != 0:
    sys.exit(f"kcat ended with {status}")
