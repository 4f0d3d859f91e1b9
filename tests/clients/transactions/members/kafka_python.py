"""kafka-python from 2.1 on; driver.py says how it is asked. (Debian's 2.0.2 has no transactions, and takes the
markers of others for records.)"""
from kafka import KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition
from kafka.errors import KafkaError

from driver import POLL_RECORDS, POLL_S, WAIT_S, Driver, pairs

FENCED = ("ProducerFencedError", "InvalidProducerEpochError")


class KafkaPython(Driver):
    errors = (KafkaError,)
    producer = consumer = None

    def is_fenced(self, error):
        return type(error).__name__ in FENCED or any(name in str(error) for name in FENCED)

    def init(self):
        self.producer = KafkaProducer(
            bootstrap_servers=self.broker, client_id=self.words["name"], transactional_id=self.words["id"],
            transaction_timeout_ms=int(self.words["timeout_ms"]), acks="all")
        self.producer.init_transactions()

    def begin(self):
        self.producer.begin_transaction()

    def send(self, topic, *words):
        futures = [self.producer.send(topic, b"%d" % number, partition=p) for p, number in pairs(",".join(words))]
        for future in futures:
            future.get(WAIT_S)

    def offsets(self, words):
        more = [-1] * (len(OffsetAndMetadata._fields) - 2)
        self.producer.send_offsets_to_transaction(
            {TopicPartition(self.topic, p): OffsetAndMetadata(o, "", *more) for p, o in pairs(words)},
            self.consumer.group_metadata())

    def commit(self):
        self.producer.commit_transaction()

    def abort(self):
        self.producer.abort_transaction()

    def open_consumer(self, **more):
        self.consumer = KafkaConsumer(
            bootstrap_servers=self.broker, client_id=self.words["name"], isolation_level=self.isolation,
            auto_offset_reset="earliest", enable_auto_commit=False, fetch_max_wait_ms=50, **more)

    def subscribe(self, topic):
        self.topic = topic
        more = {"group_instance_id": self.words["instance"]} if self.words["instance"] else {}
        self.open_consumer(group_id=self.words["group"], session_timeout_ms=6000, heartbeat_interval_ms=500, **more)
        self.consumer.subscribe([topic])

    def assign(self, topics, count):
        self.open_consumer(group_id=None)
        places = [TopicPartition(topic, p) for topic in topics.split(",") for p in range(int(count))]
        self.consumer.assign(places)
        self.consumer.seek_to_beginning(*places)

    def poll(self):
        got = self.consumer.poll(timeout_ms=int(POLL_S * 1000), max_records=POLL_RECORDS)
        return {"records": [[place.topic, place.partition, r.offset, int(r.value)]
                            for place, records in got.items() for r in records],
                "assigned": sorted(place.partition for place in self.consumer.assignment())}

    def seek(self, words):
        for p, offset in pairs(words):
            self.consumer.seek(TopicPartition(self.topic, p), offset)

    def told(self, partitions):
        found = {int(p): self.consumer.committed(TopicPartition(self.topic, int(p))) for p in partitions.split(",")}
        return {"offsets": {p: offset for p, offset in found.items() if offset is not None}}

    def close(self):
        if self.consumer is not None:
            self.consumer.close(autocommit=False)
        if self.producer is not None:
            self.producer.close()


KafkaPython().serve()
