"""A member by `kcat -G`; member.py says how it is asked. kcat's own words are the lines of the history, in the pipe that
all members share: kcat_words.py reads them. Nobody may stand between, for kcat goes on while its words are on
their way, and those of the member that gets a partition next would overtake them. stdbuf has it write whole lines."""
import ctypes
import signal
import subprocess
import sys
import threading

from member import Member

member = Member()
arguments = ["stdbuf", "-oL", "-eL", "kcat", "-b", member.broker, "-G", member.group, "-f", f"{member.name} %p %o %s\\n"]
properties = {"session.timeout.ms": member.session_ms, "heartbeat.interval.ms": 500, "client.id": member.name,
              "auto.offset.reset": "earliest", "auto.commit.interval.ms": 500, "fetch.wait.max.ms": 50,
              "partition.assignment.strategy": member.assignor}
if member.instance:
    properties["group.instance.id"] = member.instance
for key, value in properties.items():
    arguments += ["-X", f"{key}={value}"]
kcat = subprocess.Popen(arguments + [member.topic], stdout=1, stderr=1,
                        preexec_fn=lambda: ctypes.CDLL(None).prctl(1, signal.SIGKILL))


def end():
    member.leaving.wait()
    kcat.send_signal(signal.SIGTERM)


threading.Thread(target=end, daemon=True).start()
status = kcat.wait()
if status != 0:
    sys.exit(f"kcat ended with {status}")
