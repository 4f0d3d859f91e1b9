"""The clients of a crash run: producers and readers of two stacks that share no code, librdkafka
(python3-confluent-kafka) and python3-kafka. Each runs in a process of its own, lives through all the
crashes and writes down each step (see judge.c). A value is process << 40 | counter, as text, padded."""
import random
import signal
import threading
import time

TOPIC = "crash"
PARTITIONS = 3
GROUPS = {"librdkafka, member": "crash-rdkafka", "python3-kafka, member": "crash-kafka-python"}
WINDOW = 200  # values under way per producer
FLUSH_LINES = 500


class History:
    """One process's lines of the history; acknowledged and polled are counted where the nemesis sees it."""

    def __init__(self, path, process, progress):
        self.file = open(path, "w")
        self.process = process
        self.progress = progress
        self.lines = []
        self.lock = threading.Lock()  # python3-kafka answers in a thread of its own

    def note(self, kind, f, partition, value, offset, topic=TOPIC, process=None):
        line = f"{time.monotonic_ns()} {process or self.process} {kind} {f} {topic}-{partition} {value} {offset}\n"
        with self.lock:
            self.lines.append(line)
            if kind == "ok":
                self.progress.value += 1
            if len(self.lines) >= FLUSH_LINES:
                self.write_out()

    def write_out(self):
        self.file.write("".join(self.lines))
        self.file.flush()
        self.lines = []

    def flush(self):
        with self.lock:
            self.write_out()


def payload(value):
    return b"%d %s" % (value, b"x" * (value * 7919 % 1500))


def value_of(data):
    """-2, which nobody sent, for a payload that is not what was sent."""
    number, _, _ = data.partition(b" ")
    return int(number) if number.isdigit() and data == payload(int(number)) else -2


def gone(history, error):
    history.flush()
    return SystemExit(f"a reader's next offset is out of range, so what it had read is gone: {error}")


class Stop:
    """SIGTERM ends a client: what is under way is waited for, the history written out."""

    def __init__(self, patience):
        self.asked = False
        self.patience = patience  # in seconds
        signal.signal(signal.SIGTERM, lambda *_: setattr(self, "asked", True))


# ---- librdkafka --------------------------------------------------------------------------------------

RDKAFKA = {
    "reconnect.backoff.ms": 5, "reconnect.backoff.max.ms": 100, "log_level": 0,
    "socket.timeout.ms": 10000, "topic.metadata.refresh.interval.ms": 2000,
}


def rdkafka_producer(broker, history, stop, idempotent):
    from confluent_kafka import Producer
    # Without idempotence nothing is tried again: what then is not acknowledged is there at most once.
    safe = {"enable.idempotence": True} if idempotent else {"acks": "all", "retries": 0}
    producer = Producer({"bootstrap.servers": broker, "linger.ms": 2, "retry.backoff.ms": 20,
                         "message.timeout.ms": 60000, "error_cb": lambda _: None, **RDKAFKA, **safe})
    draw = random.Random(history.process)
    under_way = [0]
    counter = 0

    def delivered(value, partition, error, message):
        under_way[0] -= 1
        if error is None:
            history.note("ok", "send", message.partition(), value, message.offset())
        else:
            history.note("info", "send", partition, value, -1)

    while not stop.asked:
        if under_way[0] >= WINDOW:
            producer.poll(0.05)
            continue
        counter += 1
        value, partition = history.process << 40 | counter, draw.randrange(PARTITIONS)
        under_way[0] += 1
        history.note("invoke", "send", partition, value, -1)
        producer.produce(TOPIC, payload(value), partition=partition,
                         on_delivery=lambda e, m, v=value, p=partition: delivered(v, p, e, m))
        producer.poll(0)
        if counter % 20 == 0:
            time.sleep(0.005)  # two cores are for everybody
    producer.flush(stop.patience)


def rdkafka_reader(broker, history, stop, f="poll", ends=None):
    from confluent_kafka import Consumer, KafkaError, TopicPartition
    consumer = Consumer({"bootstrap.servers": broker, "group.id": "none", "enable.auto.commit": False,
                         "auto.offset.reset": "error", "fetch.wait.max.ms": 50, "fetch.error.backoff.ms": 20,
                         "error_cb": lambda _: None, **RDKAFKA})
    consumer.assign([TopicPartition(TOPIC, p, 0) for p in range(PARTITIONS)])
    while not stop.asked and (ends is None or any(ends)):
        for message in consumer.consume(500, 0.1):
            if message.error() is not None:
                if message.error().code() == KafkaError._AUTO_OFFSET_RESET:
                    raise gone(history, message.error())
                continue
            history.note("ok", f, message.partition(), value_of(message.value()), message.offset())
            if ends is not None and message.offset() + 1 == ends[message.partition()]:
                ends[message.partition()] = 0
    consumer.close()


# ---- python3-kafka -----------------------------------------------------------------------------------

KAFKA_PYTHON = {
    "reconnect_backoff_ms": 5, "reconnect_backoff_max_ms": 100, "retry_backoff_ms": 20,
    "request_timeout_ms": 15000, "api_version": (2, 0, 0),
}


def kafka_python_producer(broker, history, stop):
    from kafka import KafkaProducer
    from kafka.errors import KafkaTimeoutError
    producer = KafkaProducer(bootstrap_servers=broker, acks="all", retries=0, linger_ms=2,
                             max_block_ms=2000, **KAFKA_PYTHON)
    draw = random.Random(history.process)
    counter = 0
    futures = []

    while not stop.asked:
        if len(futures) >= WINDOW:
            futures = [future for future in futures if not future.is_done]
            time.sleep(0.005)
            continue
        counter += 1
        value, partition = history.process << 40 | counter, draw.randrange(PARTITIONS)
        history.note("invoke", "send", partition, value, -1)
        try:
            future = producer.send(TOPIC, payload(value), partition=partition)
        except KafkaTimeoutError:
            history.note("info", "send", partition, value, -1)
            continue
        future.add_callback(lambda m, v=value: history.note("ok", "send", m.partition, v, m.offset))
        future.add_errback(lambda _, v=value, p=partition: history.note("info", "send", p, v, -1))
        futures.append(future)
        if counter % 20 == 0:
            time.sleep(0.005)
    producer.close(timeout=stop.patience)


def kafka_python_reader(broker, history, stop):
    from kafka import KafkaConsumer, TopicPartition
    from kafka.errors import OffsetOutOfRangeError
    consumer = KafkaConsumer(bootstrap_servers=broker, group_id=None, enable_auto_commit=False,
                             auto_offset_reset="none", fetch_max_wait_ms=50, **KAFKA_PYTHON)
    consumer.assign([TopicPartition(TOPIC, p) for p in range(PARTITIONS)])
    for p in range(PARTITIONS):
        consumer.seek(TopicPartition(TOPIC, p), 0)
    while not stop.asked:
        try:
            batches = consumer.poll(timeout_ms=100).values()
        except OffsetOutOfRangeError as error:
            raise gone(history, error)
        for batch in batches:
            for record in batch:
                history.note("ok", "poll", record.partition, value_of(record.value), record.offset)
    consumer.close()


# ---- members of groups: what is acknowledged stays committed ------------------------------------------

COMMIT_EVERY = 50


class Commits:
    """What a member of a group commits, as lines of its history."""

    def __init__(self, history):
        self.history = history
        self.next = {}  # by partition
        self.read = 0

    def took(self, partition, offset):
        self.next[partition] = offset + 1
        self.read += 1

    def is_due(self):
        return self.read >= COMMIT_EVERY

    def commit(self, send, failures):
        """`send` gets offsets by partition; whoever does not come back may have committed."""
        self.read = 0
        offsets = dict(self.next)
        for p, offset in offsets.items():
            self.history.note("invoke", "commit", p, 0, offset)
        try:
            send(offsets)
            kind = "ok"
        except failures:
            kind = "info"
        for p, offset in offsets.items():
            self.history.note(kind, "commit", p, 0, offset)

    def told(self, p, offset, process=None):
        self.history.note("ok", "committed", p, 0, offset if offset is not None and offset >= 0 else -1,
                          process=process)


def rdkafka_member(broker, history, stop):
    from confluent_kafka import Consumer, KafkaException, TopicPartition
    consumer = Consumer({"bootstrap.servers": broker, "group.id": GROUPS["librdkafka, member"],
                         "enable.auto.commit": False, "auto.offset.reset": "earliest", "session.timeout.ms": 6000,
                         "heartbeat.interval.ms": 300, "fetch.wait.max.ms": 50, "fetch.error.backoff.ms": 20,
                         "error_cb": lambda _: None, **RDKAFKA})
    commits = Commits(history)

    def assigned(consumer, places):
        commits.next.clear()
        try:
            for place in consumer.committed(places, timeout=10):
                if place.error is None:
                    commits.told(place.partition, place.offset)
        except KafkaException:
            pass  # nobody answered

    def send(offsets):
        for place in consumer.commit(asynchronous=False,
                                     offsets=[TopicPartition(TOPIC, p, offset) for p, offset in offsets.items()]):
            if place.error is not None:
                raise KafkaException(place.error)

    consumer.subscribe([TOPIC], on_assign=assigned)
    while not stop.asked:
        message = consumer.poll(0.1)
        if message is None or message.error() is not None:
            continue
        commits.took(message.partition(), message.offset())
        if commits.is_due():
            commits.commit(send, KafkaException)
    consumer.close()


def kafka_python_member(broker, history, stop):
    from kafka import ConsumerRebalanceListener, KafkaConsumer, OffsetAndMetadata, TopicPartition
    from kafka.errors import KafkaError
    consumer = KafkaConsumer(bootstrap_servers=broker, group_id=GROUPS["python3-kafka, member"],
                             enable_auto_commit=False, auto_offset_reset="earliest", session_timeout_ms=6000,
                             heartbeat_interval_ms=300, fetch_max_wait_ms=50, **KAFKA_PYTHON)
    commits = Commits(history)

    class Listener(ConsumerRebalanceListener):
        def on_partitions_revoked(self, revoked):
            commits.next.clear()

        def on_partitions_assigned(self, assigned):
            for place in assigned:
                commits.told(place.partition, consumer.committed(place))

    def send(offsets):
        consumer.commit({TopicPartition(TOPIC, p): OffsetAndMetadata(offset, "") for p, offset in offsets.items()})

    consumer.subscribe([TOPIC], listener=Listener())
    while not stop.asked:
        for records in consumer.poll(timeout_ms=100, max_records=COMMIT_EVERY).values():
            commits.took(records[-1].partition, records[-1].offset)
            commits.read += len(records) - 1
        if commits.is_due():
            commits.commit(send, KafkaError)
    consumer.close(autocommit=False)


# ---- topics come and go ------------------------------------------------------------------------------

def topic_counts(admin):
    """Of all topics there are now; None: nobody answered."""
    from confluent_kafka import KafkaException
    try:
        return {name: len(topic.partitions) for name, topic in admin.list_topics(timeout=5).topics.items()}
    except KafkaException:
        return None


def note_seen(history, admin, names):
    counts = topic_counts(admin)
    for name in names if counts is not None else ():
        history.note("ok", "seen", 0, counts.get(name, 0), -1, topic=name)
    return counts is not None


def topic_mover(broker, history, stop):
    """Makes topics, looks whether they are there, puts a record into each, removes most of them again."""
    from confluent_kafka import KafkaException, Producer
    from confluent_kafka.admin import AdminClient, NewTopic
    admin = AdminClient({"bootstrap.servers": broker, **RDKAFKA})
    producer = Producer({"bootstrap.servers": broker, "acks": "all", "retries": 0, **RDKAFKA})
    draw = random.Random(history.process)
    number = 0

    def change(f, name, count, asked):
        history.note("invoke", f, 0, count, -1, topic=name)
        try:
            asked[name].result(timeout=15)
            history.note("ok", f, 0, count, -1, topic=name)
            return True
        except KafkaException:
            history.note("info", f, 0, count, -1, topic=name)
            return False

    while not stop.asked:
        number += 1
        name, count = f"moved{number}", draw.randrange(1, 4)
        made = change("create", name, count, admin.create_topics([NewTopic(name, count, 1)], request_timeout=10))
        while not note_seen(history, admin, [name]) and not stop.asked:
            pass
        if made:
            producer.produce(name, b"something", partition=0)
            producer.poll(0)
        if made and draw.random() < 0.8:
            change("delete", name, 0, admin.delete_topics([name], request_timeout=10))
        time.sleep(0.03)
    producer.purge()  # for topics that are gone it would wait half a minute


CLIENTS = [
    ("librdkafka, idempotent", lambda *a: rdkafka_producer(*a, idempotent=True)),
    ("librdkafka, acks=all", lambda *a: rdkafka_producer(*a, idempotent=False)),
    ("python3-kafka, acks=all", kafka_python_producer),
    ("librdkafka, reader", rdkafka_reader),
    ("python3-kafka, reader", kafka_python_reader),
    ("librdkafka, topics", topic_mover),
    ("librdkafka, member", rdkafka_member),
    ("python3-kafka, member", kafka_python_member),
]


def run(number, path, broker, progress, patience):
    history = History(path, number + 1, progress)
    try:
        CLIENTS[number][1](broker, history, Stop(patience))
    finally:
        history.flush()


def note_committed(broker, history):
    """What the groups are told at the end: by a client that is no member of them."""
    from confluent_kafka import Consumer, TopicPartition
    for number, (name, _) in enumerate(CLIENTS):
        if name not in GROUPS:
            continue
        asker = Consumer({"bootstrap.servers": broker, "group.id": GROUPS[name], **RDKAFKA})
        for place in asker.committed([TopicPartition(TOPIC, p) for p in range(PARTITIONS)], timeout=30):
            Commits(history).told(place.partition, place.offset, process=number + 1)
        asker.close()


def final_polls(broker, path, progress, topics):
    """A reader that saw nothing before reads every partition from its start to its end, and looks for every
    topic that was ever asked for."""
    from confluent_kafka import Consumer, TopicPartition
    from confluent_kafka.admin import AdminClient
    history = History(path, len(CLIENTS) + 1, progress)
    if not note_seen(history, AdminClient({"bootstrap.servers": broker, **RDKAFKA}), topics):
        raise SystemExit("nobody says which topics there are")
    asker = Consumer({"bootstrap.servers": broker, "group.id": "none", **RDKAFKA})
    ends = [asker.get_watermark_offsets(TopicPartition(TOPIC, p), timeout=20)[1] for p in range(PARTITIONS)]
    asker.close()
    note_committed(broker, history)
    rdkafka_reader(broker, history, Stop(0), "final", ends)
    history.flush()
