"""An Apache Kafka broker from its jars, on a free port of the loopback interface, for stories that are held against it."""
import base64
import glob
import os
import re
import socket
import subprocess
import sys
import time

START_TIMEOUT = 180
PROPERTIES = """process.roles=broker,controller
node.id=0
controller.listener.names=CONTROLLER
inter.broker.listener.name=PLAINTEXT
offsets.topic.replication.factor=1
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
group.initial.rebalance.delay.ms=0
"""


def free_ports(count):
    sockets = [socket.socket() for _ in range(count)]
    for one in sockets:
        one.bind(("127.0.0.1", 0))
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports


class Kafka:
    def __init__(self, jars, work, settings):
        self.command = ["java", "-Xmx1g", "-cp", jars + "/*"]
        self.version = re.search(r"kafka-clients-([\d.]+)\.jar", " ".join(glob.glob(jars + "/kafka-clients-*.jar"))).group(1)
        port, controller = free_ports(2)
        self.address = f"127.0.0.1:{port}"
        self.folder = work + "/kafka"
        os.makedirs(self.folder)
        self.log = open(self.folder + "/log", "w+", encoding="utf-8")
        with open(self.folder + "/server.properties", "w", encoding="utf-8") as file:
            file.write(PROPERTIES)
            file.write("".join(f"{key}={value}\n" for key, value in settings.items()))
            file.write(f"controller.quorum.voters=0@127.0.0.1:{controller}\n"
                       f"listeners=PLAINTEXT://{self.address},CONTROLLER://127.0.0.1:{controller}\n"
                       f"advertised.listeners=PLAINTEXT://{self.address}\nlog.dirs={self.folder}/data\n")
        self.process = None

    def call(self, *words):
        return subprocess.Popen([*self.command, *words], stdin=subprocess.DEVNULL, stdout=self.log,
                                stderr=subprocess.STDOUT)

    def fail(self, what):
        self.log.seek(0)
        sys.exit(f"not ok - {what}: {self.log.read()[-2000:]}")

    def is_there(self):
        try:
            socket.create_connection(tuple(self.address.split(":")), timeout=1).close()
            return True
        except OSError:
            return False

    def __enter__(self):
        properties = self.folder + "/server.properties"
        cluster = base64.urlsafe_b64encode(os.urandom(16)).decode().rstrip("=")
        if self.call("kafka.tools.StorageTool", "format", "-t", cluster, "-c", properties).wait() != 0:
            self.fail("Apache Kafka's folder was not made")
        self.process = self.call("kafka.Kafka", properties)
        deadline = time.monotonic() + START_TIMEOUT
        while not self.is_there():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.process.kill()
                self.fail("Apache Kafka did not start")
            time.sleep(0.2)
        return self

    def __exit__(self, *_):
        self.process.terminate()
        try:
            self.process.wait(60)
        except subprocess.TimeoutExpired:
            self.process.kill()
        self.log.close()
