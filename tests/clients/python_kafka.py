"""python3-kafka against `weir server`: an independent implementation of the protocol, from before
topic ids. usage: python_kafka.py BROKER"""
import sys
import threading
import time

from kafka import (KafkaAdminClient, KafkaConsumer, KafkaProducer, OffsetAndMetadata, TopicPartition)
from kafka.admin import ConfigResource, ConfigResourceType, NewPartitions, NewTopic
from kafka.errors import (MessageSizeTooLargeError, TopicAlreadyExistsError, UnknownTopicOrPartitionError)

broker = sys.argv[1]
claims = 0


def claim(what, is_so, got=None):
    global claims
    if not is_so:
        sys.exit(f"not ok - {what}; got {got!r}")
    claims += 1
    print(f"ok {claims} - {what}")


def read(topic, partition=0, offset=0, count=None, **options):
    """Records from `offset` to the end that is there now, or `count` of them."""
    consumer = KafkaConsumer(bootstrap_servers=broker, consumer_timeout_ms=20000, **options)
    place = TopicPartition(topic, partition)
    end = consumer.end_offsets([place])[place]
    consumer.assign([place])
    consumer.seek(place, offset)
    records = []
    while offset + len(records) < end and (count is None or len(records) < count):
        records.append(next(consumer))
    consumer.close()
    return records


admin = KafkaAdminClient(bootstrap_servers=broker)
admin.create_topics([NewTopic("py", 3, 1, topic_configs={"retention.ms": "-1"})])
claim("a created topic is listed", "py" in admin.list_topics())
try:
    admin.create_topics([NewTopic("py", 1, 1)])
    claim("a topic is not created twice", False)
except TopicAlreadyExistsError:
    claim("a topic is not created twice", True)
claim("its partitions are described", len(admin.describe_topics(["py"])[0]["partitions"]) == 3)
answer = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, "py")])
configs = {entry[0]: entry[1] for entry in answer[0].resources[0][4]}
claim("its configuration is described", configs.get("retention.ms") == "-1", configs.get("retention.ms"))
admin.alter_configs([ConfigResource(ConfigResourceType.TOPIC, "py", {"retention.ms": "3600000"})])
answer = admin.describe_configs([ConfigResource(ConfigResourceType.TOPIC, "py")])
configs = {entry[0]: entry[1] for entry in answer[0].resources[0][4]}
claim("and changed", configs.get("retention.ms") == "3600000", configs.get("retention.ms"))
admin.create_partitions({"py": NewPartitions(5)})
claim("partitions are added", len(admin.describe_topics(["py"])[0]["partitions"]) == 5)

producer = KafkaProducer(bootstrap_servers=broker, acks="all", retries=5)
began = int(time.time() * 1000)
sent = [producer.send("py", b"v%d" % i, b"k%d" % i, [("n", b"%d" % i), ("none", b"")], partition=0,
                      timestamp_ms=began + i) for i in range(1000)]
offsets = [future.get(30).offset for future in sent]
claim("a thousand records are acknowledged with dense offsets", offsets == list(range(1000)))
records = read("py")
claim("values come back in order", [r.value for r in records] == [b"v%d" % i for i in range(1000)])
claim("keys come back", [r.key for r in records] == [b"k%d" % i for i in range(1000)])
claim("headers come back", records[7].headers == [("n", b"7"), ("none", b"")], records[7].headers)
claim("timestamps come back", [r.timestamp for r in records] == [began + i for i in range(1000)])
claim("from the middle", read("py", offset=990)[0].value == b"v990")

producer.send("py", None, b"gone", partition=1).get(30)
record = read("py", 1)[0]
claim("a null value is None", record.value is None and record.key == b"gone")

for codec in ("gzip", "snappy", "lz4", "zstd"):
    packed = KafkaProducer(bootstrap_servers=broker, compression_type=codec, linger_ms=20)
    admin.create_topics([NewTopic("py-" + codec, 1, 1)])
    for i in range(2000):
        packed.send("py-" + codec, b"value %d " % i * 5)
    packed.flush(30)
    packed.close()
    values = [r.value for r in read("py-" + codec)]
    claim(codec + " comes back", values == [b"value %d " % i * 5 for i in range(2000)], len(values))

large = KafkaProducer(bootstrap_servers=broker, max_request_size=8 << 20)
payload = bytes(range(256)) * 4000
large.send("py", payload, partition=2).get(30)
claim("a record of 1,024,000 bytes comes back", read("py", 2)[0].value == payload)
try:
    large.send("py", payload * 2, partition=2).get(30)
    claim("one beyond max.message.bytes is refused", False)
except MessageSizeTooLargeError:
    claim("one beyond max.message.bytes is refused", len(read("py", 2)) == 1)
large.close()

consumer = KafkaConsumer(bootstrap_servers=broker)
place = TopicPartition("py", 0)
found = consumer.offsets_for_times({place: began + 500})[place]
claim("an offset is found by its time", found.offset == 500 and found.timestamp == began + 500, found)
claim("none beyond the last", consumer.offsets_for_times({place: began + 10**9})[place] is None)
claim("beginning and end are known", (consumer.beginning_offsets([place])[place],
                                      consumer.end_offsets([place])[place]) == (0, 1000))
consumer.close()

group = KafkaConsumer(bootstrap_servers=broker, group_id="py-group", enable_auto_commit=False)
group.assign([place])
claim("nothing is committed at first", group.committed(place) is None, group.committed(place))
group.commit({place: OffsetAndMetadata(500, "note")})
claim("a committed offset comes back", group.committed(place) == 500, group.committed(place))
group.close()
group = KafkaConsumer(bootstrap_servers=broker, group_id="py-group", enable_auto_commit=False)
group.assign([place])
claim("and is where the next consumer begins", group.position(place) == 500, group.position(place))
group.close()

admin.create_topics([NewTopic("py-shared", 6, 1)])
for i in range(600):
    producer.send("py-shared", b"v%d" % i, partition=i % 6)
producer.flush(30)
seen = [[], []]
shares = [set(), set()]
is_over = threading.Event()


def subscribe(number):
    member = KafkaConsumer("py-shared", bootstrap_servers=broker, group_id="py-members",
                           auto_offset_reset="earliest", enable_auto_commit=False)
    while not is_over.is_set():
        for records in member.poll(100).values():
            seen[number] += [r.value for r in records]
        member.commit()
        shares[number] = {place.partition for place in member.assignment()}
    member.close()


members = [threading.Thread(target=subscribe, args=(number,)) for number in range(2)]
for member in members:
    member.start()
until = time.time() + 60
while time.time() < until:
    is_shared = sorted(shares[0] | shares[1]) == list(range(6)) and not shares[0] & shares[1]
    if is_shared and all(shares) and len(set(seen[0] + seen[1])) == 600:
        break
    time.sleep(0.1)
claim("two members share six partitions and read all", is_shared and all(shares), shares)
described = admin.describe_consumer_groups(["py-members"])[0]
claim("their group is described", (described.state, len(described.members)) == ("Stable", 2), described)
claim("and listed", ("py-members", "consumer") in admin.list_consumer_groups())
is_over.set()
for member in members:
    member.join()
committed = admin.list_consumer_group_offsets("py-members")
claim("what they committed stays", sum(place.offset for place in committed.values()) == 600, committed)
claim("their group is empty when they have left",
      admin.describe_consumer_groups(["py-members"])[0].state == "Empty")
claim("and is deleted", admin.delete_consumer_groups(["py-members"])[0][1].errno == 0)

readers = [read("py") for _ in range(3)]
claim("three readers see the same", all([r.value for r in one] == [r.value for r in readers[0]]
                                        for one in readers))
producer.close()
admin.delete_topics(["py"])
claim("a deleted topic is gone", "py" not in admin.list_topics())
try:
    admin.delete_topics(["py"])
    claim("and is not deleted twice", False)
except UnknownTopicOrPartitionError:
    claim("and is not deleted twice", True)
admin.close()
print(f"Checks: {claims}, Failures: 0, Errors: 0")
