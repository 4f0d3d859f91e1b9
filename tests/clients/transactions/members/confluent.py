"""confluent-kafka (librdkafka), Debian's 1.7.0 or a current one; driver.py says how it is asked."""
import time

from confluent_kafka import Consumer, KafkaError, KafkaException, Producer, TopicPartition

from driver import POLL_RECORDS, POLL_S, WAIT_S, Driver, pairs


class Confluent(Driver):
    errors = (KafkaException,)
    producer = consumer = None

    def is_fenced(self, error):
        return error.args[0].code() in (KafkaError._FENCED, 47, 90)  # INVALID_PRODUCER_EPOCH, PRODUCER_FENCED

    def config(self, **more):
        return {"bootstrap.servers": self.broker, "client.id": self.words["name"], "log_level": 0,
                "topic.metadata.propagation.max.ms": 5000, **{k.replace("_", "."): v for k, v in more.items()}}

    @staticmethod
    def persist(call, *arguments):
        """What librdkafka calls retriable is tried again, as its manual asks."""
        until = time.monotonic() + WAIT_S
        while True:
            try:
                return call(*arguments)
            except KafkaException as error:
                if not error.args[0].retriable() or time.monotonic() > until:
                    raise

    def init(self):
        self.producer = Producer({**self.config(transactional_id=self.words["id"], linger_ms=1),
                                  "transaction.timeout.ms": int(self.words["timeout_ms"])})
        self.persist(self.producer.init_transactions, WAIT_S)

    def begin(self):
        self.producer.begin_transaction()

    def send(self, topic, *words):
        failures = []
        for p, number in pairs(",".join(words)):
            self.producer.produce(topic, b"%d" % number, partition=p,
                                  on_delivery=lambda error, _: error and failures.append(error))
        left = self.producer.flush(WAIT_S)
        if failures:
            raise KafkaException(failures[0])
        if left:
            raise KafkaException(KafkaError(KafkaError._TIMED_OUT))

    def offsets(self, words):
        self.persist(self.producer.send_offsets_to_transaction,
                     [TopicPartition(self.topic, p, o) for p, o in pairs(words)],
                     self.consumer.consumer_group_metadata(), WAIT_S)

    def commit(self):
        self.persist(self.producer.commit_transaction, WAIT_S)

    def abort(self):
        self.persist(self.producer.abort_transaction, WAIT_S)

    def open_consumer(self, group, **more):
        self.consumer = Consumer({**self.config(isolation_level=self.isolation, fetch_wait_max_ms=50,
                                                auto_offset_reset="earliest", enable_auto_commit=False, **more),
                                  "group.id": group})

    def subscribe(self, topic):
        self.topic = topic
        more = {"group_instance_id": self.words["instance"]} if self.words["instance"] else {}
        self.open_consumer(self.words["group"], session_timeout_ms=6000, heartbeat_interval_ms=500, **more)
        self.consumer.subscribe([topic])

    def assign(self, topics, count):
        self.open_consumer("none-" + self.words["name"])
        self.consumer.assign([TopicPartition(topic, p, 0) for topic in topics.split(",") for p in range(int(count))])

    def poll(self):
        records = []
        for message in self.consumer.consume(POLL_RECORDS, POLL_S):
            if message.error() is not None:
                raise KafkaException(message.error())
            records.append([message.topic(), message.partition(), message.offset(), int(message.value())])
        return {"records": records, "assigned": sorted(place.partition for place in self.consumer.assignment())}

    def seek(self, words):
        for p, offset in pairs(words):
            self.persist(self.consumer.seek, TopicPartition(self.topic, p, offset))

    def told(self, partitions):
        places = [TopicPartition(self.topic, int(p)) for p in partitions.split(",")]
        found = self.persist(lambda: self.consumer.committed(places, timeout=WAIT_S))
        return {"offsets": {place.partition: place.offset for place in found if place.offset >= 0}}

    def close(self):
        if self.consumer is not None:
            self.consumer.close()
        self.producer = None


Confluent().serve()
