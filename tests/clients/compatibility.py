#!/usr/bin/python3
"""Runs the clients of other people against `weir server`, those that Debian does not carry, too, and writes the
table of docs/compatibility.md: client, version, feature, how it went, and at which commit.

usage: compatibility.py --weir PROGRAM --crash DIR --build DIR [--rows FILE --write FILE] [--commit NAME] [--broker ADDRESS]
                        [--only TEXT] [NAME ...]
NAME: debian, java, java-2.8, go, js, kafka-python-tests, librdkafka-tests, python. --broker: a broker that is there
already, for the rows of groups and transactions alone; nothing is written then.
--only: rows whose client or feature has this text.
--rows: the file of results (table.py), in which each row that is run takes the place of the one before; --write: the
document whose table is made of it. Both are written after each row: a run that is broken off has not been for nothing.

What cannot be installed is "not run", with the reason; that fails the command as well, unless its registry
does not answer."""
import argparse
import datetime
import os
import re
import shutil
import subprocess
import sys
import tempfile
import urllib.error
import urllib.request

sys.dont_write_bytecode = True
import table  # noqa: E402
from librdkafka_tests import source as librdkafka_source  # noqa: E402

HERE = os.path.dirname(os.path.abspath(__file__))
PYTHON = "/usr/bin/python3"  # the one that Debian's clients are for
ROW_TIMEOUT = 600
GROUP_SETTINGS = {
    "group.initial.rebalance.delay.ms": 0, "group.consumer.session.timeout.ms": 6000,
    "group.consumer.heartbeat.interval.ms": 500,
}
OWN_SETTINGS = {
    "kafka-python-tests": dict(GROUP_SETTINGS, **{"num.partitions": 4, "group.min.session.timeout.ms": 1000}),
    "librdkafka-tests": {"num.partitions": 4, "group.initial.rebalance.delay.ms": 1000},
}
EAGER, COOPERATIVE = "group, classic, eager", "group, classic, cooperative"
STATIC, NEXT = "group, classic, static members", "group, consumer protocol"
NEXT_STATIC = "group, consumer protocol, static members"
WORDS = {
    EAGER: [], COOPERATIVE: ["--assignor", "cooperative-sticky"], STATIC: ["--static"],
    NEXT: ["--protocol", "consumer", "--assignor", "uniform"],
    NEXT_STATIC: ["--protocol", "consumer", "--assignor", "range", "--static"],
}
TRANSACTIONS = "transactions: commit, abort, read-process-write, fencing"
CHAIN = "reads what a job that is killed 20 times commits"


class NotInstalled(Exception):
    pass


def call(command, cwd=None):
    done = subprocess.run(command, cwd=cwd, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode != 0:
        lines = [line for line in done.stdout.splitlines() if line.strip()] or ["no word"]
        raise NotInstalled(f"{' '.join(command[:3])}: {lines[-1]}")
    return done.stdout.strip()


def need(command, *packages):
    if shutil.which(command):
        return
    if os.geteuid() != 0:
        raise NotInstalled(f"'{command}' is missing, and only root may install it")
    call(["apt-get", "update", "-qq"])
    call(["apt-get", "install", "-y", "-qq", "--no-install-recommends", *packages])


class Row:
    def __init__(self, client, version, feature, command, timeout=ROW_TIMEOUT):
        self.client, self.version, self.feature, self.command = client, version, feature, command
        self.timeout = timeout
        self.outcome = None


def group_rows(client, version, member, features, more=()):
    return [Row(client, version, feature,
                [PYTHON, f"{HERE}/groups/scenario.py", "--broker", "{broker}", *WORDS[feature], *more, "--", *member])
            for feature in features]


def transaction_row(client, version, driver, more=(), feature=TRANSACTIONS):
    return Row(client, version, feature,
               [PYTHON, f"{HERE}/transactions/scenario.py", "--broker", "{broker}", *more, "--", *driver])


def chain_row(client, version, more=()):
    return Row(client, version, CHAIN, [PYTHON, f"{os.path.dirname(HERE)}/crash/chain.py", "--weir", "{weir}", "--job",
                                        "{crash}/chain_job", "--judge", "{crash}/chain_judge", *more])


def text_of(path, pattern):
    with open(f"{HERE}/{path}", encoding="utf-8") as file:
        return re.search(pattern, file.read()).group(1)


# ---- what there is: each installs and gives its rows; its registry is asked when it cannot -----------------

def debian(build):
    def version(package):
        return call(["dpkg-query", "-W", "-f=${Version}", package]).split("-")[0]
    need("kcat", "kcat")
    members = f"{HERE}/groups/members"
    rdkafka = version("librdkafka1")
    return [
        Row("kcat", version("kcat"), "write, read", [f"{HERE}/kcat.sh", "{weir}"]),
        *group_rows(f"kcat (librdkafka {rdkafka})", version("kcat"), [PYTHON, f"{members}/kcat.py"], [EAGER],
                    ["--leave-at-rest"]),
        Row("kafka-python", version("python3-kafka"), "write, read, administer",
            [PYTHON, f"{HERE}/python_kafka.py", "{broker}"]),
        *group_rows("kafka-python", version("python3-kafka"), [PYTHON, f"{members}/kafka_python.py"], [EAGER]),
        *group_rows(f"confluent-kafka (librdkafka {rdkafka})", version("python3-confluent-kafka"),
                    [PYTHON, f"{members}/confluent.py"], [EAGER, COOPERATIVE, STATIC]),
        transaction_row(f"confluent-kafka (librdkafka {rdkafka})", version("python3-confluent-kafka"),
                        [PYTHON, f"{HERE}/transactions/members/confluent.py"]),
        chain_row(f"kcat (librdkafka {rdkafka})", version("kcat")),
    ]


def java_libs(build, name, pom):
    need("java", "openjdk-17-jdk-headless")
    need("javac", "openjdk-17-jdk-headless")
    need("mvn", "maven")
    to = f"{build}/{name}"
    call(["mvn", "-q", "-B", "-f", f"{HERE}/java/{pom}", "dependency:copy-dependencies", f"-DoutputDirectory={to}"])
    return to


def java(build):
    version = text_of("java/pom.xml", r"<kafka.version>(.*)</kafka.version>")
    libs = java_libs(build, "java", "pom.xml")
    call(["javac", "-d", libs, "-cp", f"{libs}/*", f"{HERE}/java/Clients.java", f"{HERE}/java/Member.java",
          f"{HERE}/java/Transactor.java", f"{HERE}/java/Streamer.java", f"{HERE}/java/Committed.java"])
    run = ["java", "-cp", f"{libs}:{libs}/*"]
    return [
        Row("Java", version, "write, read, administer", [*run, "Clients", "{broker}"]),
        *group_rows("Java", version, [*run, "Member"], [EAGER, COOPERATIVE, STATIC, NEXT, NEXT_STATIC]),
        Row("kafka-consumer-groups, kafka-groups, kafka-console-consumer, kafka-verifiable-consumer", version,
            "every action on groups", [PYTHON, f"{HERE}/groups/tools.py", "--broker", "{broker}", "--jars", libs]),
        transaction_row("Java", version, [*run, "Transactor"], feature=f"{TRANSACTIONS} (version 2)"),
        Row("kafka-transactions, transactional-message-copier, kafka-producer-perf-test, kafka-console-consumer", version,
            "every action on transactions",
            [PYTHON, f"{HERE}/transactions/tools.py", "--broker", "{broker}", "--jars", libs]),
        Row("kafka-transactions", version, "what hangs is found, and aborted",
            [PYTHON, f"{HERE}/transactions/hanging.py", "--weir", "{weir}", "--jars", libs]),
        Row("Kafka Streams", version, "transactions: a count and a join, exactly_once_v2, killed four times",
            [PYTHON, f"{HERE}/streams/scenario.py", "--broker", "{broker}", "--jars", libs]),
        chain_row("Java", version, ["--jars", libs]),
        Row("kafka-dump-log", version, "our segments", [f"{HERE}/dump_log.sh", libs, "{data}"]),
    ]


def java_2_8(build):
    version = text_of("java/pom-2.8.xml", r"<version>(2\.8.*)</version>")
    libs = java_libs(build, "java-2.8", "pom-2.8.xml")
    call(["javac", "-d", libs, "-cp", f"{libs}/*", f"{HERE}/java/Member.java", f"{HERE}/java/Transactor.java"])
    run = ["java", "-cp", f"{libs}:{libs}/*"]
    return [
        *group_rows("Java", version, [*run, "Member"], [EAGER, COOPERATIVE, STATIC]),
        transaction_row("Java", version, [*run, "Transactor"], feature=f"{TRANSACTIONS} (version 1)"),
    ]


def go(build):
    need("go", "golang-go")
    call(["go", "build", "-o", f"{build}/go/", "./..."], cwd=f"{HERE}/go")
    members, transactors = f"{build}/go/members", f"{build}/go/transactors"

    def version(module):
        return text_of("go/go.mod", re.escape(module) + r" v(\S+)")
    franz, sarama = version("github.com/twmb/franz-go"), version("github.com/IBM/sarama")
    return [
        Row("franz-go", franz, "write, read, administer", [f"{build}/go/clients", "{broker}"]),
        *group_rows("franz-go", franz, [members, "franz"], [EAGER, COOPERATIVE, STATIC, NEXT]),
        transaction_row("franz-go", franz, [transactors, "franz"]),
        *group_rows("sarama", sarama, [members, "sarama"], [EAGER, COOPERATIVE, STATIC]),
        transaction_row("sarama", sarama, [transactors, "sarama"], ["--restart-after-abort"]),
        *group_rows("kafka-go", version("github.com/segmentio/kafka-go"), [members, "kafkago"], [EAGER]),
    ]


def js(build):
    need("node", "nodejs", "npm")
    need("npm", "npm")
    to = f"{build}/js"
    os.makedirs(to, exist_ok=True)
    for name in os.listdir(f"{HERE}/js"):
        shutil.copy(f"{HERE}/js/{name}", to)
    call(["npm", "install", "--silent", "--no-audit", "--no-fund"], cwd=to)
    node = f"{to}/node_modules/.bin/node"

    def version(package):
        return text_of("js/package.json", f'"{package}": "(.*)"')
    platformatic = "@platformatic/kafka"
    return [
        Row("kafkajs", version("kafkajs"), "write, read, administer", [node, f"{to}/clients.js", "{broker}"]),
        *group_rows("kafkajs", version("kafkajs"), [node, f"{to}/kafkajs.js"], [EAGER]),
        transaction_row("kafkajs", version("kafkajs"), [node, f"{to}/kafkajs_transactor.js"],
                        ["--no-instance", "--restart-after-abort"]),
        *group_rows(platformatic, version(platformatic), [node, f"{to}/platformatic.js"], [EAGER, NEXT]),
        transaction_row(platformatic, version(platformatic), [node, f"{to}/platformatic_transactor.js"],
                        ["--writes-only", "--restart-after-abort"], f"{TRANSACTIONS} (it writes)"),
    ]


def venv(build, name, *words):
    python3 = f"{build}/{name}/bin/python3"
    if not os.path.exists(python3):
        call([sys.executable, "-m", "venv", f"{build}/{name}"])
    call([python3, "-m", "pip", "install", "--quiet", *words])
    return python3


def python(build):
    python3 = venv(build, "python", "-r", f"{HERE}/groups/requirements.txt")
    rdkafka = call([python3, "-c", "import confluent_kafka as c; print(c.libversion()[0])"])

    def version(package):
        return text_of("groups/requirements.txt", re.escape(package) + "==(.*)")

    def member(name):
        return [python3, f"{HERE}/groups/members/{name}.py"]

    def driver(name):
        return [python3, f"{HERE}/transactions/members/{name}.py"]
    confluent = f"confluent-kafka (librdkafka {rdkafka})"
    return [
        *group_rows(confluent, version("confluent-kafka"), member("confluent"),
                    [EAGER, COOPERATIVE, STATIC, NEXT, NEXT_STATIC]),
        transaction_row(confluent, version("confluent-kafka"), driver("confluent")),
        *group_rows("kafka-python", version("kafka-python"), member("kafka_python"), [EAGER, COOPERATIVE, STATIC]),
        transaction_row("kafka-python", version("kafka-python"), driver("kafka_python")),
        *group_rows("aiokafka", version("aiokafka"), member("aio"), [EAGER, STATIC]),
        transaction_row("aiokafka", version("aiokafka"), driver("aio")),
    ]


def kafka_python_tests(build):
    """Its source package has them; Apache Kafka runs beside us."""
    version = text_of("groups/requirements.txt", "kafka-python==(.*)")
    python3 = venv(build, "kafka-python-tests", f"kafka-python=={version}", "-r",
                   f"{HERE}/kafka_python_tests/requirements.txt")
    source = f"{build}/kafka-python-tests/kafka_python-{version}"
    if not os.path.exists(source):
        call([python3, "-m", "pip", "download", "--quiet", "--no-deps", "--no-binary", ":all:", "-d",
              f"{build}/kafka-python-tests", f"kafka-python=={version}"])
        call(["tar", "-xzf", f"{source}.tar.gz", "-C", f"{build}/kafka-python-tests"])
    return [Row("kafka-python", version, "its own integration tests, as Apache Kafka",
                [PYTHON, f"{HERE}/kafka_python_tests/compare.py", "--broker", "{broker}", "--python", python3, "--source",
                 source, "--jars", java_libs(build, "java", "pom.xml")])]


def librdkafka_tests(build):
    """A package of the registry has its source with them; Apache Kafka runs beside us."""
    need("npm", "npm")
    need("make", "make")
    source = librdkafka_source.build(f"{build}/librdkafka-tests", call)
    return [Row("librdkafka", librdkafka_source.version_of(source), "its own broker tests, as Apache Kafka",
                [PYTHON, f"{HERE}/librdkafka_tests/compare.py", "--broker", "{broker}", "--source", source, "--jars",
                 java_libs(build, "java", "pom.xml")], timeout=3600)]


STACKS = {  # name: its installer, its registry, and what is said when nothing of it can be
    "debian": (debian, "http://deb.debian.org/", "kcat and Python clients of Debian"),
    "java": (java, "https://repo.maven.apache.org/maven2/", "Java"),
    "java-2.8": (java_2_8, "https://repo.maven.apache.org/maven2/", "Java 2.8"),
    "go": (go, "https://proxy.golang.org/", "franz-go, sarama, kafka-go"),
    "js": (js, "https://registry.npmjs.org/", "kafkajs, @platformatic/kafka"),
    "kafka-python-tests": (kafka_python_tests, "https://pypi.org/simple/pip/", "kafka-python's own tests"),
    "librdkafka-tests": (librdkafka_tests, "https://registry.npmjs.org/", "librdkafka's own tests"),
    "python": (python, "https://pypi.org/simple/pip/", "confluent-kafka, kafka-python, aiokafka"),
}


def answers(url):
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=20):
            return True
    except urllib.error.HTTPError:
        return True
    except OSError:
        return False


# ---- a run ----------------------------------------------------------------------------------------------

class Server:
    """One per stack, so that what one leaves behind is not another's."""

    def __init__(self, weir, work, settings=GROUP_SETTINGS):
        self.data = work + "/data"
        self.log = open(work + "/server.log", "w+", encoding="utf-8")
        settings = [word for key, value in settings.items() for word in ("--set", f"{key}={value}")]
        self.process = subprocess.Popen([weir, "server", "--data", self.data, "--listen", "127.0.0.1:0", *settings],
                                        stdout=subprocess.PIPE, stderr=self.log, text=True)
        self.broker = None
        for line in self.process.stdout:
            found = re.search(r"listening on ([^, ]+)", line)
            if found:
                self.broker = found.group(1)
                break

    def said(self):
        self.log.seek(0)
        return self.log.read()[-3000:]

    def stop(self):
        self.process.terminate()
        return self.process.wait()


def start_server(options, work, name):
    server = Server(options.weir, work, OWN_SETTINGS.get(name, GROUP_SETTINGS))
    if server.broker is None:
        sys.exit(f"the server did not start: {server.said()}")
    return server


def reason_of(output):
    """The line that a person wants to see first."""
    for line in output.splitlines():
        if line.startswith("not ok - "):
            return line[len("not ok - "):]
    lines = [line for line in output.splitlines() if line.strip()]
    return lines[-1] if lines else "it says nothing"


def run_row(row, places):
    print(f"# {row.client} {row.version}: {row.feature}", flush=True)
    command = [word.format(**places) if word.startswith("{") else word for word in row.command]
    try:
        done = subprocess.run(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", timeout=row.timeout)
    except subprocess.TimeoutExpired as expired:
        row.outcome = f"failed: not done after {row.timeout} s"
        print((expired.output or b"")[-3000:], flush=True)
        return
    if done.returncode == 0 and "Checks: " in done.stdout:
        row.outcome = "passed"
        print("".join(line + "\n" for line in done.stdout.splitlines() if line.startswith("# ")), end="")
    else:
        row.outcome = f"failed: {reason_of(done.stdout)[:200]}"
        print(done.stdout[-6000:])
    print(row.outcome, flush=True)


class Results:
    """What rows come to, written down as soon as it is known."""

    def __init__(self, options):
        self.options = options
        self.known = table.read(options.rows) if options.rows else []

    def note(self, stack, rows, is_whole):
        today = datetime.datetime.now(datetime.timezone.utc).date().isoformat()
        fresh = [table.Result(stack, row.client, row.version, row.feature, row.outcome, self.options.commit, today)
                 for row in rows if row.outcome is not None]
        self.known = table.merge(self.known, stack, fresh, is_whole, list(STACKS))
        if self.options.rows:
            with open(self.options.rows + ".tmp", "w", encoding="utf-8") as file:
                file.write(table.text(self.known))
            os.replace(self.options.rows + ".tmp", self.options.rows)
        if self.options.write:
            with open(self.options.write, encoding="utf-8") as file:
                document = table.render(file.read(), self.known)
            with open(self.options.write, "w", encoding="utf-8") as file:
                file.write(document)


def run_rows(name, rows, options, results):
    """One server for all of them, or another one where it has ended."""
    with tempfile.TemporaryDirectory(prefix="weir-clients-") as work:
        server = None
        try:
            for number, row in enumerate(rows):
                if server is None and not options.broker:
                    os.mkdir(f"{work}/{number}")
                    server = start_server(options, f"{work}/{number}", name)
                run_row(row, {"broker": options.broker or server.broker, "weir": options.weir,
                              "crash": options.crash, "data": server and server.data})
                ended = server.process.poll() if server else None
                if ended is not None:
                    row.outcome = f"failed: the server has ended with {ended}"
                    print(row.outcome, flush=True)
                if server and row.outcome.startswith("failed"):
                    print("--- the server said", server.said(), sep="\n")
                server = None if ended is not None else server
                results.note(name, [row], False)
        finally:
            if server:
                server.stop()


def run_stack(name, options, results):
    """Its rows with their outcomes, and whether the run may pass."""
    install, registry, everything = STACKS[name]
    try:
        rows = install(options.build)
    except (NotInstalled, OSError) as error:
        row = Row(everything, "", "everything", [])
        row.outcome = f"not run: {error}"
        is_excused = not answers(registry)
        print(f"# {row.client}: {row.outcome}" + (f"; {registry} does not answer" if is_excused else ""), flush=True)
        results.note(name, [row], False)
        return [row], is_excused
    if options.broker:
        rows = [row for row in rows if "group" in row.feature or "transaction" in row.feature]
    chosen = [row for row in rows if options.only in row.feature or options.only in row.client]
    run_rows(name, chosen, options, results)
    if len(chosen) == len(rows):
        results.note(name, rows, True)  # rows that there were once are gone
    return chosen, all(row.outcome == "passed" for row in chosen)


def main():
    parser = argparse.ArgumentParser(usage=__doc__.split("usage: ")[1])
    parser.add_argument("--weir", default="")
    parser.add_argument("--crash", default="", help="the folder of the programs of tests/crash")
    parser.add_argument("--build", required=True)
    parser.add_argument("--rows")
    parser.add_argument("--write")
    parser.add_argument("--commit", default="unknown")
    parser.add_argument("--broker")
    parser.add_argument("--only", default="")
    parser.add_argument("names", nargs="*")
    options = parser.parse_args()
    names = options.names or list(STACKS)
    for name in names:
        if name not in STACKS:
            sys.exit(f"there is no client '{name}'; there are: {', '.join(STACKS)}")
    if options.broker:
        options.rows = options.write = None
    os.makedirs(options.build, exist_ok=True)
    results = Results(options)
    rows, is_good = [], True
    for name in names:
        more, fine = run_stack(name, options, results)
        rows += more
        is_good = is_good and fine
    for row in rows:
        if row.outcome != "passed":
            print(f"{row.client} {row.version}: {row.feature}: {row.outcome}")
    never = [name for name in STACKS if options.rows and all(known.stack != name for known in results.known)]
    if never:
        print(f"never run: {', '.join(never)}")
    count = {word: sum(row.outcome.startswith(word) for row in rows) for word in ("passed", "failed", "not run")}
    print(f"{count['passed']} passed, {count['failed']} failed, {count['not run']} not run")
    return 0 if is_good else 1


if __name__ == "__main__":
    sys.exit(main())
