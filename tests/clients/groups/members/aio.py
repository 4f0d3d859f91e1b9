"""A member by aiokafka; member.py says how it is asked."""
import asyncio

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.coordinator.assignors.range import RangePartitionAssignor
from aiokafka.coordinator.assignors.sticky.sticky_assignor import StickyPartitionAssignor
from aiokafka.errors import KafkaError

from member import Member

member = Member()


async def commit(consumer, partitions=None):
    offsets = member.offsets(partitions)
    if not offsets:
        return
    try:
        await consumer.commit({TopicPartition(member.topic, p): offset for p, offset in offsets.items()})
        member.committed(offsets)
    except KafkaError as error:
        member.refused(error)


class Listener(ConsumerRebalanceListener):
    def __init__(self, consumer):
        self.consumer = consumer

    async def on_partitions_revoked(self, revoked):
        partitions = [place.partition for place in revoked]
        await commit(self.consumer, partitions)
        member.gone("revoked", partitions)

    async def on_partitions_assigned(self, assigned):
        member.assigned([place.partition for place in assigned])


async def run():
    assignor = {"range": RangePartitionAssignor, "sticky": StickyPartitionAssignor}[member.assignor]
    consumer = AIOKafkaConsumer(
        bootstrap_servers=member.broker, group_id=member.group, client_id=member.name,
        auto_offset_reset="earliest", enable_auto_commit=False, session_timeout_ms=member.session_ms,
        heartbeat_interval_ms=500, fetch_max_wait_ms=50, rebalance_timeout_ms=30000,
        group_instance_id=member.instance, partition_assignment_strategy=[assignor])
    consumer.subscribe([member.topic], listener=Listener(consumer))
    await consumer.start()
    while not member.leaving.is_set():
        for place, records in (await consumer.getmany(timeout_ms=100, max_records=50)).items():
            if place.partition in member.next:  # the coordinator's task may have given it up meanwhile
                member.read([(r.partition, r.offset, int(r.value)) for r in records])
        if member.is_due():
            await commit(consumer)
    await commit(consumer)
    member.gone("revoked", list(member.next))
    await consumer.stop()


asyncio.run(run())
