// A producer and a consumer by @platformatic/kafka. It reads without a group in one of its own, and commits a message, not an offset.
import { Consumer, FetchIsolationLevels, MessagesStreamFallbackModes, MessagesStreamModes, Producer } from '@platformatic/kafka';
import { POLL_MS, Queue, namesOf, pairs, serve, words } from './transactor.js';

const queue = new Queue();
const messages = new Map(); // by partition and offset: what is read and may be committed
let producer, consumer, transaction, topic, stream;

async function open(groupId, topics, more = {}) {
    consumer = new Consumer({
        groupId, clientId: words.name, bootstrapBrokers: [words.broker], autocommit: false, maxWaitTime: 50, minBytes: 1,
        isolationLevel: words.isolation === 'read_committed' ? FetchIsolationLevels.READ_COMMITTED : FetchIsolationLevels.READ_UNCOMMITTED,
        heartbeatInterval: 500, ...more,
    });
    stream = await consumer.consume({
        topics, mode: MessagesStreamModes.COMMITTED, fallbackMode: MessagesStreamFallbackModes.EARLIEST,
    });
    (async () => {
        for await (const message of stream) {
            messages.set(`${message.partition}:${message.offset}`, message);
            await queue.put([message.topic, message.partition, Number(message.offset), Number(message.value)]);
        }
    })().catch((error) => {
        console.error(error);
        process.exit(1);
    });
}

await serve({
    async init() {
        producer = new Producer({
            clientId: words.name, bootstrapBrokers: [words.broker], transactionalId: words.id, idempotent: true, acks: -1,
            // What it calls its timeout is the transactions', too; and by default it asks for the epoch after 0 of producer id 0.
            timeout: Number(words.timeout_ms), producerId: -1n, producerEpoch: -1, retries: 10,
        });
        // Its id is asked for by the first transaction; while what its predecessor left is being aborted that is left to us.
        for (;;) {
            try {
                return void await (await producer.beginTransaction()).cancel();
            } catch (error) {
                if (!namesOf(error).includes('CONCURRENT_TRANSACTIONS')) throw error;
                await new Promise((resolve) => setTimeout(resolve, POLL_MS));
            }
        }
    },
    async begin() { transaction = await producer.beginTransaction(); },
    async send(to, ...records) {
        await transaction.send({ acks: -1, messages: pairs(records.join(',')).map(([partition, number]) => (
            { topic: to, partition, value: Buffer.from(`${number}`) })) });
    },
    async offsets(text) {
        await transaction.addConsumer(consumer);
        for (const [partition, offset] of pairs(text)) await transaction.addOffset(messages.get(`${partition}:${offset - 1}`));
    },
    async commit() { await transaction.commit(); },
    async abort() { await transaction.abort(); },
    async subscribe(name) {
        topic = name;
        await open(words.group, [topic], { sessionTimeout: 6000, rebalanceTimeout: 10000,
            ...(words.instance ? { groupInstanceId: words.instance } : {}) });
    },
    async assign(topics) { await open(`${words.group}-${words.name}`, topics.split(',')); },
    async poll() {
        const assigned = (consumer.assignments ?? []).flatMap((one) => one.partitions);
        return { records: await queue.take(), assigned };
    },
    async told(partitions) {
        const asked = partitions.split(',').map(Number);
        const found = (await consumer.listCommittedOffsets({ topics: [{ topic, partitions: asked }] })).get(topic);
        return { offsets: Object.fromEntries(asked.filter((p) => found[p] >= 0n).map((p) => [p, Number(found[p])])) };
    },
    async close() {
        queue.put = async () => {};
        await queue.take();
        await stream?.close();
        await consumer?.close(true);
        await producer?.close();
    },
});
