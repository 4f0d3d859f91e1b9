// A member by kafkajs: it is told of a rebalance when its heartbeat is, and cannot commit between that and its
// next join; so what a batch has read is committed where the heartbeat within the batch says so.
import kafkajs from 'kafkajs';
import { Member } from './member.js';

const member = new Member();
const { topic } = member.words;
const kafka = new kafkajs.Kafka({ brokers: [member.words.broker], clientId: member.words.member, logLevel: kafkajs.logLevel.NOTHING });
const consumer = kafka.consumer({
    groupId: member.words.group, sessionTimeout: Number(member.words.session_ms), rebalanceTimeout: 30000,
    heartbeatInterval: 500, maxWaitTimeInMs: 50,
});
let isLeaving = false;
let working = Promise.resolve();

async function commit() {
    const offsets = member.offsets();
    if (Object.keys(offsets).length === 0) return;
    try {
        await consumer.commitOffsets(Object.entries(offsets).map(([p, offset]) => ({ topic, partition: Number(p), offset: `${offset}` })));
        member.committed(offsets);
    } catch (error) {
        member.refused(error);
    }
}

async function handle({ batch, resolveOffset, heartbeat, isStale }) {
    if (isLeaving || isStale() || !member.next.has(batch.partition)) return;
    member.read(batch.messages.map((message) => [batch.partition, Number(message.offset), Number(message.value)]));
    resolveOffset(batch.lastOffset());
    if (member.isDue()) await commit();
    try {
        await heartbeat();
    } catch (error) {
        await commit();
        throw error;
    }
}

consumer.on(consumer.events.GROUP_JOIN, ({ payload }) => {
    member.gone('lost', member.owned());
    member.assigned(payload.memberAssignment[topic] ?? []);
});
consumer.on(consumer.events.REBALANCING, () => member.gone('revoked', member.owned()));
consumer.on(consumer.events.CRASH, ({ payload }) => {
    console.error(payload.error);
    process.exit(1);
});
await consumer.connect();
await consumer.subscribe({ topic, fromBeginning: true });
await consumer.run({
    autoCommit: false,
    eachBatchAutoResolve: false,
    eachBatch: (payload) => (working = handle(payload)),
});
await member.leaving;
isLeaving = true;
await working.catch(() => {});
await commit();
member.gone('revoked', member.owned());
await consumer.disconnect();
process.exit(0);
