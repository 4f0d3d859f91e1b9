// A member by @platformatic/kafka. Its stream reads ahead and tells of no partitions: what it hands over after
// a rebalance may be from before it. So a member waits while one is under way, and then takes each record in its
// turn, from what is committed or, of a partition that it had before, from where it was.
import { Consumer, MessagesStreamFallbackModes, MessagesStreamModes } from '@platformatic/kafka';
import { Member } from './member.js';

const member = new Member();
const { topic } = member.words;
const isNew = member.words.protocol === 'consumer';
const consumer = new Consumer({
    groupId: member.words.group, clientId: member.words.member, bootstrapBrokers: [member.words.broker],
    autocommit: false, maxWaitTime: 50, minBytes: 1, rebalanceTimeout: 30000, sessionTimeout: Number(member.words.session_ms),
    ...(member.words.instance ? { groupInstanceId: member.words.instance } : {}),
    ...(isNew ? { groupProtocol: 'consumer', groupRemoteAssignor: member.words.assignor }
        : { heartbeatInterval: 500 }),
});
let isLeaving = false;
let ready = Promise.resolve(); // when it is known where each of its partitions begins
const turns = new Map(); // by partition: the offsets that may come next
const leaderEpochs = new Map();

async function commit() {
    const offsets = member.offsets();
    if (Object.keys(offsets).length === 0) return;
    try {
        await consumer.commit({
            offsets: Object.entries(offsets).map(([p, offset]) => (
                { topic, partition: Number(p), offset: BigInt(offset), leaderEpoch: leaderEpochs.get(Number(p)) ?? 0 })),
        });
        member.committed(Object.fromEntries(Object.entries(offsets).filter(([p]) => member.next.has(Number(p)))));
    } catch (error) {
        member.refused(error);
    }
}

function give(partitions) {
    if (partitions.length === 0) return;
    member.assigned(partitions);
    const before = ready;
    ready = (async () => {
        await before;
        const found = (await consumer.listCommittedOffsets({ topics: [{ topic, partitions }] })).get(topic);
        for (const p of partitions) {
            turns.set(p, [found[p] >= 0n ? Number(found[p]) : 0, ...(turns.get(p) ?? []).slice(0, 1)]);
        }
    })();
}

const partitionsOf = (assignments) => (assignments ?? []).filter((one) => one.topic === topic).flatMap((one) => one.partitions);

if (isNew) {
    // No event tells of partitions; this is set before the broker is told that they are given up.
    let assignments = null;
    Object.defineProperty(consumer, 'assignments', {
        get: () => assignments,
        set(given) {
            const partitions = partitionsOf(assignments = given);
            const gone = member.owned().filter((p) => !partitions.includes(p));
            member.gone('revoked', gone);
            for (const p of gone) turns.delete(p);
            give(partitions.filter((p) => !member.next.has(p)));
        },
    });
} else {
    let joined;
    consumer.on('consumer:group:rebalance', () => {
        member.gone('revoked', member.owned());
        if (!joined) ready = new Promise((resolve) => { joined = resolve; });
    });
    consumer.on('consumer:group:join', () => {
        member.gone('lost', member.owned());
        const partitions = partitionsOf(consumer.assignments);
        for (const p of turns.keys()) if (!partitions.includes(p)) turns.delete(p);
        joined?.();
        joined = undefined;
        give(partitions);
    });
}
consumer.on('error', (error) => {
    console.error(error);
    process.exit(1);
});
const stream = await consumer.consume({
    topics: [topic], mode: MessagesStreamModes.COMMITTED, fallbackMode: MessagesStreamFallbackModes.EARLIEST,
});
member.leaving.then(async () => {
    isLeaving = true;
    await commit();
    member.gone('revoked', member.owned());
    await consumer.close(true);
    process.exit(0);
});
for await (const message of stream) {
    for (let seen; seen !== ready;) await (seen = ready);
    if (isLeaving) break;
    const { partition } = message;
    const offset = Number(message.offset);
    if (!member.next.has(partition) || !turns.get(partition).includes(offset)) continue;
    leaderEpochs.set(partition, message.leaderEpoch);
    member.read([[partition, offset, Number(message.value)]]);
    turns.set(partition, [offset + 1]);
    if (member.isDue()) await commit();
}
