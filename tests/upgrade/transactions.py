#!/usr/bin/python3
"""Transactions of a directory that is upgraded. transactions.py BROKER leave: payments 0-9 are committed, 10-19 aborted
and 20-29 left open, by three producers. BROKER run TOPIC: ten records more are committed, ten aborted, and what is read of
the topic as committed is printed, a value per line."""
import os
import sys
import time

from confluent_kafka import Consumer, Producer, TopicPartition

WAIT_S = 60


def begin(broker, name, topic, values):
    producer = Producer({"bootstrap.servers": broker, "transactional.id": name, "transaction.timeout.ms": 600000})
    producer.init_transactions(WAIT_S)
    producer.begin_transaction()
    for value in values:
        producer.produce(topic, value=b"%d" % value, key=b"key-%d" % (value % 4), partition=0)
    if producer.flush(WAIT_S) != 0:
        sys.exit("not all records were acknowledged")
    return producer


def read(broker, topic):
    consumer = Consumer({"bootstrap.servers": broker, "group.id": "look", "isolation.level": "read_committed",
                         "enable.auto.commit": False, "enable.partition.eof": True})
    consumer.assign([TopicPartition(topic, 0, 0)])
    values, until = [], time.monotonic() + WAIT_S
    while time.monotonic() < until:
        message = consumer.poll(1)
        if message is not None and message.error():
            consumer.close()
            return values
        if message is not None:
            values.append(message.value().decode())
    sys.exit(f"the end of {topic} was not reached")


def main():
    broker, what = sys.argv[1:3]
    if what == "leave":
        begin(broker, "first", "payments", range(10)).commit_transaction(WAIT_S)
        begin(broker, "second", "payments", range(10, 20)).abort_transaction(WAIT_S)
        begin(broker, "third", "payments", range(20, 30))
        sys.stdout.flush()
        os._exit(0)  # nobody ends it
    topic = sys.argv[3]
    begin(broker, "first", topic, range(1000, 1010)).commit_transaction(WAIT_S)
    begin(broker, "third", topic, range(1010, 1020)).abort_transaction(WAIT_S)
    print("\n".join(read(broker, topic)))


main()
