import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.AlterConfigOp;
import org.apache.kafka.clients.admin.ConfigEntry;
import org.apache.kafka.clients.admin.NewPartitions;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.admin.RecordsToDelete;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndTimestamp;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.InvalidRecordException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.config.ConfigResource;
import org.apache.kafka.common.errors.RecordTooLargeException;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.header.internals.RecordHeader;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Java's own client: topic ids, fetch sessions, idempotence by default. usage: Clients.java BROKER */
public class Clients {
    static String broker;
    static int claims;

    static void claim(String what, boolean isSo, Object got) {
        if (!isSo) {
            System.out.println("not ok - " + what + "; got " + got);
            System.exit(1);
        }
        System.out.println("ok " + ++claims + " - " + what);
    }

    static Map<String, Object> config(Object... more) {
        Map<String, Object> config = new HashMap<>(Map.of("bootstrap.servers", broker));
        for (int i = 0; i < more.length; i += 2) config.put((String) more[i], more[i + 1]);
        return config;
    }

    static KafkaProducer<byte[], byte[]> producer(Object... more) {
        return new KafkaProducer<>(config(more), new ByteArraySerializer(), new ByteArraySerializer());
    }

    static KafkaConsumer<byte[], byte[]> consumer(Object... more) {
        return new KafkaConsumer<>(config(more), new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    static List<ConsumerRecord<byte[], byte[]>> read(String topic, int partitions) {
        List<ConsumerRecord<byte[], byte[]>> records = new ArrayList<>();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer()) {
            List<TopicPartition> places = new ArrayList<>();
            for (int i = 0; i < partitions; i++) places.add(new TopicPartition(topic, i));
            consumer.assign(places);
            consumer.seekToBeginning(places);
            long end = consumer.endOffsets(places).values().stream().mapToLong(n -> n).sum();
            long start = consumer.beginningOffsets(places).values().stream().mapToLong(n -> n).sum();
            while (records.size() < end - start) {
                consumer.poll(Duration.ofSeconds(10)).forEach(records::add);
            }
        }
        return records;
    }

    static Throwable failure(Future<?> future) throws InterruptedException {
        try {
            future.get();
            return null;
        } catch (ExecutionException error) {
            return error.getCause();
        }
    }

    static void administration(Admin admin) throws Exception {
        claim("the cluster has one broker", admin.describeCluster().nodes().get().size() == 1, null);
        admin.createTopics(List.of(new NewTopic("java", 3, (short) 1).configs(Map.of("retention.ms", "-1"))))
            .all().get();
        Throwable again = failure(admin.createTopics(List.of(new NewTopic("java", 3, (short) 1))).all());
        claim("a topic is not created twice", again instanceof TopicExistsException, again);
        claim("its partitions are described",
            admin.describeTopics(List.of("java")).allTopicNames().get().get("java").partitions().size() == 3, null);
        ConfigResource resource = new ConfigResource(ConfigResource.Type.TOPIC, "java");
        String retention = admin.describeConfigs(List.of(resource)).all().get().get(resource).get("retention.ms").value();
        claim("its configuration is described", retention.equals("-1"), retention);
        admin.incrementalAlterConfigs(Map.of(resource, List.of(new AlterConfigOp(
            new ConfigEntry("cleanup.policy", "compact"), AlterConfigOp.OpType.APPEND)))).all().get();
        String cleanup = admin.describeConfigs(List.of(resource)).all().get().get(resource).get("cleanup.policy").value();
        claim("a list is appended to", Set.of(cleanup.split(",")).equals(Set.of("delete", "compact")), cleanup);
        admin.incrementalAlterConfigs(Map.of(resource, List.of(new AlterConfigOp(
            new ConfigEntry("cleanup.policy", null), AlterConfigOp.OpType.DELETE)))).all().get();
        admin.createPartitions(Map.of("java", NewPartitions.increaseTo(4))).all().get();
        claim("partitions are added",
            admin.describeTopics(List.of("java")).allTopicNames().get().get("java").partitions().size() == 4, null);
        claim("log directories are described", admin.describeLogDirs(List.of(0)).allDescriptions().get().size() == 1, null);
    }

    static void production() throws Exception {
        long began = System.currentTimeMillis();
        List<Future<RecordMetadata>> sent = new ArrayList<>();
        try (KafkaProducer<byte[], byte[]> producer = producer()) {
            for (int i = 0; i < 1000; i++) {
                sent.add(producer.send(new ProducerRecord<>("java", 0, began + i, ("k" + i).getBytes(), ("v" + i).getBytes(),
                    List.of(new RecordHeader("n", ("" + i).getBytes()), new RecordHeader("none", null)))));
            }
            sent.add(producer.send(new ProducerRecord<>("java", 1, "gone".getBytes(), null)));
        }
        for (int i = 0; i < 1000; i++) {
            if (sent.get(i).get().offset() != i) claim("offsets are dense", false, sent.get(i).get());
        }
        claim("idempotent sends are acknowledged with dense offsets", true, null);
        List<ConsumerRecord<byte[], byte[]>> records = read("java", 1);
        boolean isSame = records.size() == 1000;
        for (int i = 0; isSame && i < 1000; i++) {
            ConsumerRecord<byte[], byte[]> record = records.get(i);
            isSame = new String(record.value()).equals("v" + i) && new String(record.key()).equals("k" + i)
                && record.timestamp() == began + i && record.leaderEpoch().isPresent()
                && new String(record.headers().lastHeader("n").value()).equals("" + i)
                && record.headers().lastHeader("none").value() == null;
        }
        claim("keys, values, headers and times come back", isSame, records.size());
        try (KafkaConsumer<byte[], byte[]> consumer = consumer()) {
            TopicPartition place = new TopicPartition("java", 0);
            OffsetAndTimestamp found = consumer.offsetsForTimes(Map.of(place, began + 500)).get(place);
            claim("an offset is found by its time", found.offset() == 500 && found.timestamp() == began + 500, found);
        }
        List<ConsumerRecord<byte[], byte[]>> both = read("java", 2);
        claim("a null value is null", both.stream().anyMatch(r -> r.partition() == 1 && r.value() == null), both.size());
    }

    static void codecs(Admin admin) throws Exception {
        for (String codec : List.of("gzip", "snappy", "lz4", "zstd")) {
            String topic = "java-" + codec;
            admin.createTopics(List.of(new NewTopic(topic, 2, (short) 1))).all().get();
            try (KafkaProducer<byte[], byte[]> producer = producer("compression.type", codec, "linger.ms", 20)) {
                for (int i = 0; i < 4000; i++) {
                    producer.send(new ProducerRecord<>(topic, i % 2, null, ("value " + i + " ").repeat(5).getBytes()));
                }
            }
            Set<String> wanted = new java.util.HashSet<>(), got = new java.util.HashSet<>();
            for (int i = 0; i < 4000; i++) wanted.add(("value " + i + " ").repeat(5));
            read(topic, 2).forEach(record -> got.add(new String(record.value())));
            claim(codec + " comes back", got.equals(wanted), got.size());
        }
        /* The topic's codec wins over the producer's. */
        admin.createTopics(List.of(new NewTopic("java-anew", 1, (short) 1).configs(Map.of("compression.type", "zstd"))))
            .all().get();
        try (KafkaProducer<byte[], byte[]> producer = producer("compression.type", "gzip", "linger.ms", 20)) {
            for (int i = 0; i < 1000; i++) producer.send(new ProducerRecord<>("java-anew", ("same " + i).getBytes()));
        }
        claim("compressed anew it comes back", read("java-anew", 1).size() == 1000, null);
    }

    static void limits(Admin admin) throws Exception {
        byte[] large = new byte[1_000_000];
        Arrays.fill(large, (byte) 7);
        try (KafkaProducer<byte[], byte[]> producer = producer("max.request.size", 8 << 20)) {
            producer.send(new ProducerRecord<>("java", 2, null, large)).get();
            Throwable error = failure(producer.send(new ProducerRecord<>("java", 2, null, new byte[3_000_000])));
            claim("a batch beyond max.message.bytes is refused", error instanceof RecordTooLargeException, error);
        }
        admin.deleteRecords(Map.of(new TopicPartition("java", 0), RecordsToDelete.beforeOffset(900))).all().get();
        long earliest = admin.listOffsets(Map.of(new TopicPartition("java", 0), OffsetSpec.earliest())).all().get()
            .get(new TopicPartition("java", 0)).offset();
        claim("records are deleted up to an offset", earliest == 900 && read("java", 1).size() == 100, earliest);
        long newest = admin.listOffsets(Map.of(new TopicPartition("java", 0), OffsetSpec.maxTimestamp())).all().get()
            .get(new TopicPartition("java", 0)).offset();
        claim("the largest timestamp has its offset", newest == 999, newest);
    }

    /* The record without a key is at fault; its neighbours only came with it. */
    static void compacted(Admin admin) throws Exception {
        admin.createTopics(List.of(new NewTopic("java-table", 1, (short) 1)
            .configs(Map.of("cleanup.policy", "compact")))).all().get();
        try (KafkaProducer<byte[], byte[]> producer = producer("linger.ms", 10000)) {
            Future<?> keyed = producer.send(new ProducerRecord<>("java-table", 0, new byte[] {1}, new byte[] {1}));
            Future<?> keyless = producer.send(new ProducerRecord<>("java-table", 0, null, new byte[] {2}));
            producer.flush();
            Throwable fault = failure(keyless);
            claim("a record without a key is told so", fault instanceof InvalidRecordException, fault);
            Throwable neighbour = failure(keyed);
            claim("its neighbour is told that it was not at fault",
                neighbour != null && !(neighbour instanceof InvalidRecordException), neighbour);
        }
        claim("nothing of the batch was stored", read("java-table", 1).isEmpty(), null);
    }

    /* A reader that is parked at the end of a topic meets another topic of that name, which is shorter. */
    static void recreation(Admin admin) throws Exception {
        TopicPartition place = new TopicPartition("java-again", 0);
        NewTopic topic = new NewTopic("java-again", 1, (short) 1);
        admin.createTopics(List.of(topic)).all().get();
        try (KafkaConsumer<byte[], byte[]> consumer = consumer("auto.offset.reset", "earliest");
             KafkaProducer<byte[], byte[]> producer = producer("linger.ms", 0)) {
            for (int i = 0; i < 5; i++) producer.send(new ProducerRecord<>("java-again", 0, null, new byte[] {1})).get();
            consumer.assign(List.of(place));
            while (consumer.position(place) < 5) consumer.poll(Duration.ofSeconds(10));
            admin.deleteTopics(List.of("java-again")).all().get();
            admin.createTopics(List.of(topic)).all().get();
            RecordMetadata first = producer.send(new ProducerRecord<>("java-again", 0, null, new byte[] {2})).get();
            claim("a producer goes on with a topic made again", first.offset() == 0, first);
            int seen = 0;
            while (seen == 0) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(10))) {
                    if (record.value()[0] != 2) claim("only the new topic's records", false, record);
                    seen++;
                }
            }
            claim("a reader that was parked, too", seen == 1, seen);
        }
    }

    static void tail() throws Exception {
        TopicPartition place = new TopicPartition("java", 3);
        try (KafkaConsumer<byte[], byte[]> consumer = consumer("fetch.max.wait.ms", 20000);
             KafkaProducer<byte[], byte[]> producer = producer("linger.ms", 0)) {
            consumer.assign(List.of(place));
            consumer.seekToEnd(List.of(place));
            consumer.poll(Duration.ofMillis(200)); /* its fetch is parked at the server now */
            int seen = 0;
            for (int i = 0; i < 100; i++) {
                producer.send(new ProducerRecord<>("java", 3, null, ("live " + i).getBytes())).get();
                while (seen <= i) {
                    for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofSeconds(10))) {
                        if (!new String(record.value()).equals("live " + seen)) claim("in order", false, record);
                        seen++;
                    }
                }
            }
            claim("a parked fetch wakes for each record", seen == 100, seen);
        }
    }

    public static void main(String[] arguments) throws Exception {
        broker = arguments[0];
        try (Admin admin = Admin.create(config())) {
            administration(admin);
            production();
            codecs(admin);
            limits(admin);
            compacted(admin);
            recreation(admin);
            tail();
            admin.deleteTopics(List.of("java")).all().get();
            claim("a deleted topic is gone", !admin.listTopics().names().get().contains("java"), null);
        }
        System.out.println("Checks: " + claims + ", Failures: 0, Errors: 0");
    }
}
