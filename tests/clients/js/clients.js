// kafkajs against a Weir server: the old, not flexible forms of the protocol. usage: clients.js BROKER
import kafkajs from 'kafkajs';

const { Kafka, CompressionTypes, ConfigResourceTypes, logLevel } = kafkajs;
const broker = process.argv[2];
const kafka = new Kafka({ brokers: [broker], logLevel: logLevel.NOTHING, retry: { retries: 5 } });
let claims = 0;

function claim(what, isSo, got) {
    if (!isSo) {
        console.log(`not ok - ${what}; got`, got);
        process.exit(1);
    }
    console.log(`ok ${++claims} - ${what}`);
}

const admin = kafka.admin();
await admin.connect();
const topic = { topic: 'js', numPartitions: 2, replicationFactor: 1, configEntries: [{ name: 'retention.ms', value: '-1' }] };
claim('a topic is created', await admin.createTopics({ topics: [topic], waitForLeaders: true }));
claim('and not twice', !(await admin.createTopics({ topics: [topic] })));
const described = await admin.fetchTopicMetadata({ topics: ['js'] });
claim('its partitions are described', described.topics[0].partitions.length === 2, described);
const configs = await admin.describeConfigs({ resources: [{ type: ConfigResourceTypes.TOPIC, name: 'js', configNames: ['retention.ms'] }] });
claim('its configuration is described', configs.resources[0].configEntries[0].configValue === '-1', configs);
await admin.createPartitions({ topicPartitions: [{ topic: 'js', count: 3 }] });

for (const idempotent of [false, true]) {
    const producer = kafka.producer({ idempotent, maxInFlightRequests: 1 });
    await producer.connect();
    const messages = Array.from({ length: 500 }, (_, i) => ({ key: `k${i}`, value: `v${i}`, partition: 0, headers: { n: `${i}` } }));
    const answer = await producer.send({ topic: 'js', messages, acks: -1 });
    claim(`${idempotent ? 'idempotent' : 'plain'} records are acknowledged`, answer[0].errorCode === 0, answer);
    await producer.send({ topic: 'js', messages: [{ key: 'gone', value: null, partition: 1 }], compression: CompressionTypes.GZIP });
    await producer.disconnect();
}
const offsets = await admin.fetchTopicOffsets('js');
claim('end offsets are listed', offsets.find((o) => o.partition === 0).high === '1000', offsets);
await admin.deleteTopicRecords({ topic: 'js', partitions: [{ partition: 0, offset: '100' }] });
const later = await admin.fetchTopicOffsets('js');
claim('records are deleted up to an offset', later.find((o) => o.partition === 0).low === '100', later);
await admin.deleteTopics({ topics: ['js'] });
claim('a deleted topic is gone', !(await admin.listTopics()).includes('js'));
await admin.disconnect();
console.log(`Checks: ${claims}, Failures: 0, Errors: 0`);
