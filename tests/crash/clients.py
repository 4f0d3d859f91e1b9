"""The clients of a crash run: producers and readers of two stacks that share no code, librdkafka
(python3-confluent-kafka) and python3-kafka. Each runs in a process of its own, lives through all the
crashes and writes down each step (see judge.c). A value is process << 40 | counter, as text, padded."""
import random
import signal
import threading
import time

TOPIC = "crash"
PARTITIONS = 3
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

    def note(self, kind, f, partition, value, offset, topic=TOPIC):
        line = f"{time.monotonic_ns()} {self.process} {kind} {f} {topic}-{partition} {value} {offset}\n"
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
]


def run(number, path, broker, progress, patience):
    history = History(path, number + 1, progress)
    try:
        CLIENTS[number][1](broker, history, Stop(patience))
    finally:
        history.flush()


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
    rdkafka_reader(broker, history, Stop(0), "final", ends)
    history.flush()
