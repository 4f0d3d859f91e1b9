// A producer and a consumer by kafkajs. It reads without a group in one of its own, and sends offsets in the name of the group alone.
import kafkajs from 'kafkajs';
import { Queue, pairs, serve, words } from './transactor.js';

const kafka = new kafkajs.Kafka({ brokers: [words.broker], clientId: words.name, logLevel: kafkajs.logLevel.NOTHING });
const queue = new Queue();
const assigned = new Set();
let producer, consumer, transaction, topic;

async function open(groupId, topics, more = {}) {
    consumer = kafka.consumer({
        groupId, maxWaitTimeInMs: 50, readUncommitted: words.isolation === 'read_uncommitted', heartbeatInterval: 500, ...more,
    });
    consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
        assigned.clear();
        for (const p of payload.memberAssignment[topics[0]] ?? []) assigned.add(p);
    });
    consumer.on(consumer.events.CRASH, ({ payload }) => {
        console.error(payload.error);
        process.exit(1);
    });
    await consumer.connect();
    await consumer.subscribe({ topics, fromBeginning: true });
    await consumer.run({
        autoCommit: false,
        eachMessage: ({ topic: from, partition, message }) => queue.put([from, partition, Number(message.offset), Number(message.value)]),
    });
}

await serve({
    async init() {
        producer = kafka.producer({
            transactionalId: words.id, maxInFlightRequests: 1, idempotent: true, transactionTimeout: Number(words.timeout_ms),
            createPartitioner: kafkajs.Partitioners.DefaultPartitioner,
        });
        await producer.connect();
        // Its id is asked for by the first transaction; one without a record sends nothing else.
        await (await producer.transaction()).abort();
    },
    async begin() { transaction = await producer.transaction(); },
    async send(to, ...records) {
        await transaction.send({ topic: to, acks: -1, messages: pairs(records.join(',')).map(([partition, number]) => ({ partition, value: `${number}` })) });
    },
    async offsets(text) {
        await transaction.sendOffsets({
            consumerGroupId: words.group,
            topics: [{ topic, partitions: pairs(text).map(([partition, offset]) => ({ partition, offset: `${offset}` })) }],
        });
    },
    async commit() { await transaction.commit(); },
    async abort() { await transaction.abort(); },
    async subscribe(name) {
        topic = name;
        await open(words.group, [topic], { sessionTimeout: 6000, rebalanceTimeout: 10000 });
    },
    async assign(topics) { await open(`${words.group}-${words.name}`, topics.split(',')); },
    async poll() { return { records: await queue.take(), assigned: [...assigned] }; },
    async told(partitions) {
        const admin = kafka.admin();
        await admin.connect();
        const [found] = await admin.fetchOffsets({ groupId: words.group, topics: [topic] });
        await admin.disconnect();
        const asked = partitions.split(',').map(Number);
        return { offsets: Object.fromEntries(found.partitions.filter(({ partition, offset }) => asked.includes(partition) && offset >= 0)
            .map(({ partition, offset }) => [partition, Number(offset)])) };
    },
    async close() {
        queue.put = async () => {};
        await queue.take();
        await consumer?.disconnect();
        await producer?.disconnect();
    },
});
