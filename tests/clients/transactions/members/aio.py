"""aiokafka; driver.py says how it is asked. It sends offsets in the name of the group alone, as before KIP-447."""
import asyncio
import sys

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.errors import KafkaError, ProducerFenced

from driver import POLL_RECORDS, POLL_S, Driver, pairs, say


class Aio(Driver):
    errors = (KafkaError,)
    producer = consumer = None

    def is_fenced(self, error):
        return isinstance(error, ProducerFenced) or "InvalidProducerEpoch" in type(error).__name__

    async def serve(self):
        reader = asyncio.StreamReader(limit=1 << 22)
        await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
        while line := (await reader.readline()).decode():
            verb, *arguments = line.split()
            try:
                say(await getattr(self, verb)(*arguments) or {})
            except self.errors as error:
                say({"error": f"{type(error).__name__}: {error}", "is_fenced": self.is_fenced(error)})

    async def init(self):
        self.producer = AIOKafkaProducer(
            bootstrap_servers=self.broker, client_id=self.words["name"], transactional_id=self.words["id"],
            transaction_timeout_ms=int(self.words["timeout_ms"]))
        await self.producer.start()

    async def begin(self):
        await self.producer.begin_transaction()

    async def send(self, topic, *words):
        sent = [await self.producer.send(topic, b"%d" % number, partition=p)
                for p, number in pairs(",".join(words))]
        for future in sent:
            await future

    async def offsets(self, words):
        await self.producer.send_offsets_to_transaction(
            {TopicPartition(self.topic, p): o for p, o in pairs(words)}, self.words["group"])

    async def commit(self):
        await self.producer.commit_transaction()

    async def abort(self):
        await self.producer.abort_transaction()

    def new_consumer(self, **more):
        return AIOKafkaConsumer(
            bootstrap_servers=self.broker, client_id=self.words["name"], isolation_level=self.isolation,
            auto_offset_reset="earliest", enable_auto_commit=False, fetch_max_wait_ms=50, **more)

    async def subscribe(self, topic):
        self.topic = topic
        self.consumer = self.new_consumer(
            group_id=self.words["group"], session_timeout_ms=6000, heartbeat_interval_ms=500,
            group_instance_id=self.words["instance"] or None)
        self.consumer.subscribe([topic])
        await self.consumer.start()

    async def assign(self, topics, count):
        self.consumer = self.new_consumer(group_id=None)
        await self.consumer.start()
        places = [TopicPartition(topic, p) for topic in topics.split(",") for p in range(int(count))]
        self.consumer.assign(places)
        await self.consumer.seek_to_beginning(*places)

    async def poll(self):
        got = await self.consumer.getmany(timeout_ms=int(POLL_S * 1000), max_records=POLL_RECORDS)
        return {"records": [[place.topic, place.partition, r.offset, int(r.value)]
                            for place, records in got.items() for r in records],
                "assigned": sorted(place.partition for place in self.consumer.assignment())}

    async def seek(self, words):
        for p, offset in pairs(words):
            self.consumer.seek(TopicPartition(self.topic, p), offset)

    async def told(self, partitions):
        found = {int(p): await self.consumer.committed(TopicPartition(self.topic, int(p)))
                 for p in partitions.split(",")}
        return {"offsets": {p: offset for p, offset in found.items() if offset is not None}}

    async def close(self):
        if self.consumer is not None:
            await self.consumer.stop()
        if self.producer is not None:
            await self.producer.stop()


asyncio.run(Aio().serve())
