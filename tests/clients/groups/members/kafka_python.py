"""A member by kafka-python, Debian's 2.0.2 or a current one; member.py says how it is asked."""
import kafka
from kafka import KafkaConsumer, OffsetAndMetadata, TopicPartition
from kafka.coordinator.assignors.range import RangePartitionAssignor
from kafka.errors import KafkaError

from member import Member

member = Member()
assignors = [RangePartitionAssignor]
if member.assignor == "cooperative-sticky":
    from kafka.coordinator.assignors.cooperative_sticky import CooperativeStickyAssignor
    assignors = [CooperativeStickyAssignor]
options = {"group_instance_id": member.instance} if member.instance else {}
consumer = KafkaConsumer(
    bootstrap_servers=member.broker, group_id=member.group, client_id=member.name, auto_offset_reset="earliest",
    enable_auto_commit=False, session_timeout_ms=member.session_ms, heartbeat_interval_ms=500,
    fetch_max_wait_ms=50, max_poll_interval_ms=30000, partition_assignment_strategy=assignors, **options)


def places_of(offsets):
    more = [-1] * (len(OffsetAndMetadata._fields) - 2)  # a leader epoch, where the version knows it
    return {TopicPartition(member.topic, p): OffsetAndMetadata(offset, "", *more) for p, offset in offsets.items()}


def commit(partitions=None):
    offsets = member.offsets(partitions)
    if not offsets:
        return
    try:
        consumer.commit(places_of(offsets))
        member.committed(offsets)
    except KafkaError as error:
        member.refused(error)


class Blocking:
    def on_partitions_revoked(self, revoked):
        partitions = [place.partition for place in revoked]
        commit(partitions)
        member.gone("revoked", partitions)

    def on_partitions_assigned(self, assigned):
        member.assigned([place.partition for place in assigned])


class Awaiting:
    """From 3.0 on a listener runs where the answers arrive, so it may not wait for one."""

    async def on_partitions_revoked(self, revoked):
        partitions = [place.partition for place in revoked]
        offsets = member.offsets(partitions)
        if offsets:
            try:
                await consumer.commit_async(places_of(offsets))
                member.committed(offsets)
            except KafkaError as error:
                member.refused(error)
        member.gone("revoked", partitions)

    async def on_partitions_assigned(self, assigned):
        member.assigned([place.partition for place in assigned])

    async def on_partitions_lost(self, lost):
        member.gone("lost", [place.partition for place in lost])


if hasattr(kafka, "AsyncConsumerRebalanceListener"):
    class Listener(Awaiting, kafka.AsyncConsumerRebalanceListener):
        pass
else:
    class Listener(Blocking, kafka.ConsumerRebalanceListener):
        pass

consumer.subscribe([member.topic], listener=Listener())
while not member.leaving.is_set():
    for records in consumer.poll(timeout_ms=100, max_records=50).values():
        member.read([(r.partition, r.offset, int(r.value)) for r in records])
    if member.is_due():
        commit()
commit()
member.gone("revoked", list(member.next))
consumer.close(autocommit=False)
