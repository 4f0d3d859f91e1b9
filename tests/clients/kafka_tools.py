"""What the stories of Kafka's own tools share: a tool is run from its jar, its table is read, a claim is made."""
import subprocess
import sys

TIMEOUT = 60
TOOLS = {
    "kafka-consumer-groups": "org.apache.kafka.tools.consumer.group.ConsumerGroupCommand",
    "kafka-configs": "kafka.admin.ConfigCommand",
    "kafka-groups": "org.apache.kafka.tools.GroupsCommand",
    "kafka-console-consumer": "org.apache.kafka.tools.consumer.ConsoleConsumer",
    "kafka-verifiable-consumer": "org.apache.kafka.tools.VerifiableConsumer",
    "kafka-transactions": "org.apache.kafka.tools.TransactionsCommand",
    "kafka-producer-perf-test": "org.apache.kafka.tools.ProducerPerformance",
    "transactional-message-copier": "org.apache.kafka.tools.TransactionalMessageCopier",
}
ADDRESS = {"transactional-message-copier": "--broker-list"}  # of the others: --bootstrap-server


class Tools:
    def __init__(self, options):
        self.broker, self.jars = options.broker, options.jars
        self.claims = 0

    def command(self, tool, *words):
        return ["java", "-XX:TieredStopAtLevel=1", "-XX:+UseSerialGC", "-cp", self.jars + "/*", TOOLS[tool],
                ADDRESS.get(tool, "--bootstrap-server"), self.broker, *words]

    def run(self, tool, *words):
        done = subprocess.run(self.command(tool, *words), stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.STDOUT, text=True, timeout=TIMEOUT)
        return "\n".join(line for line in done.stdout.splitlines() if "SLF4J" not in line)

    def groups(self, *words):
        return self.run("kafka-consumer-groups", *words)

    def claim(self, what, is_so, got):
        if not is_so:
            sys.exit(f"not ok - {what}; got:\n{got}")
        self.claims += 1
        print(f"ok {self.claims} - {what}", flush=True)

    def same(self, what, expected, got, output=""):
        self.claim(what, expected == got, f"{got!r}, expected was {expected!r}\n{output}")


def rows(output, *columns):
    """Of the table whose head has these columns: a row as a dict by column. A cell may hold no blank."""
    lines = output.splitlines()
    at = next((i for i, line in enumerate(lines) if all(column in line.split() for column in columns)), None)
    if at is None:
        return []
    head = lines[at].split()
    cells = (line.split() for line in lines[at + 1:])
    return [dict(zip(head, line)) for line in cells if len(line) == len(head)]


def cells(output, *columns):
    """Of the table of kafka-transactions whose head has these columns: a row as a dict by column."""
    lines = [[cell.strip() for cell in line.split("\t")] for line in output.splitlines()]
    at = next((i for i, line in enumerate(lines) if set(columns) <= set(line)), None)
    if at is None:
        return []
    return [dict(zip(lines[at], line)) for line in lines[at + 1:] if len(line) == len(lines[at])]
