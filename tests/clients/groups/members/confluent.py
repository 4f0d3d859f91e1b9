"""A member by confluent-kafka (librdkafka); member.py says how it is asked."""
from confluent_kafka import Consumer, KafkaException, TopicPartition

from member import Member

member = Member()
config = {
    "bootstrap.servers": member.broker, "group.id": member.group, "client.id": member.name,
    "auto.offset.reset": "earliest", "enable.auto.commit": False, "fetch.wait.max.ms": 50,
}
if member.protocol == "consumer":
    config.update({"group.protocol": "consumer", "group.remote.assignor": member.assignor})
else:
    config.update({"session.timeout.ms": member.session_ms, "heartbeat.interval.ms": 500,
                   "partition.assignment.strategy": member.assignor})
if member.instance:
    config["group.instance.id"] = member.instance
consumer = Consumer(config)


def commit(partitions=None):
    offsets = member.offsets(partitions)
    if not offsets:
        return
    try:
        answers = consumer.commit(offsets=[TopicPartition(member.topic, p, offset) for p, offset in offsets.items()],
                                  asynchronous=False)
        member.committed({answer.partition: answer.offset for answer in answers if answer.error is None})
        for answer in answers:
            if answer.error is not None:
                member.refused(answer.error)
    except KafkaException as error:
        member.refused(error)


def numbers(partitions):
    return [partition.partition for partition in partitions]


def on_revoke(_, partitions):
    commit(numbers(partitions))
    member.gone("revoked", numbers(partitions))


consumer.subscribe([member.topic], on_assign=lambda _, partitions: member.assigned(numbers(partitions)),
                   on_revoke=on_revoke, on_lost=lambda _, partitions: member.gone("lost", numbers(partitions)))
while not member.leaving.is_set():
    # One at a time: with consume() partitions may go and come between two messages of one answer.
    message = consumer.poll(0.1)
    if message is None:
        continue
    if message.error() is not None:
        raise KafkaException(message.error())
    member.read([(message.partition(), message.offset(), int(message.value()))])
    if member.is_due():
        commit()
consumer.close()
member.gone("revoked", list(member.next))
