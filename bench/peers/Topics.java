import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.Properties;
import java.util.Set;
import java.util.concurrent.ExecutionException;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.TopicExistsException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/** Topics of two brokers: made, dropped, and copied record by record from one to the other. */
final class Topics {
    static void create(String broker, String topic, int partitions) throws Exception {
        try (Admin admin = Admin.create(settings(broker))) {
            NewTopic wanted = new NewTopic(topic, Optional.of(partitions), Optional.of((short) 1))
                .configs(Map.of("retention.ms", "-1"));
            admin.createTopics(List.of(wanted)).all().get();
        } catch (ExecutionException failed) {
            if (!(failed.getCause() instanceof TopicExistsException)) throw failed;
        }
    }

    /** All whose names begin so. */
    static void delete(String broker, String beginning) throws Exception {
        try (Admin admin = Admin.create(settings(broker))) {
            Set<String> topics = new HashSet<>(admin.listTopics().names().get());
            topics.removeIf(topic -> !topic.startsWith(beginning));
            admin.deleteTopics(topics).all().get();
        }
    }

    /** Each record with its partition, key, value and time, from the beginning to what is now the end. */
    static long copy(String from, String topic, String to, String as) throws Exception {
        Properties reads = settings(from), writes = settings(to);
        reads.put("enable.auto.commit", "false");
        reads.put("auto.offset.reset", "earliest");
        writes.put("batch.size", "262144");
        writes.put("linger.ms", "5");
        try (var consumer = new KafkaConsumer<>(reads, new ByteArrayDeserializer(), new ByteArrayDeserializer());
                var producer = new KafkaProducer<>(writes, new ByteArraySerializer(), new ByteArraySerializer())) {
            List<TopicPartition> partitions = new ArrayList<>();
            consumer.partitionsFor(topic).forEach(p -> partitions.add(new TopicPartition(topic, p.partition())));
            create(to, as, partitions.size());
            consumer.assign(partitions);
            consumer.seekToBeginning(partitions);
            Map<TopicPartition, Long> ends = new HashMap<>(consumer.endOffsets(partitions));
            long count = 0;
            while (partitions.stream().anyMatch(p -> consumer.position(p) < ends.get(p))) {
                for (ConsumerRecord<byte[], byte[]> record : consumer.poll(Duration.ofMillis(100))) {
                    producer.send(new ProducerRecord<>(as, record.partition(), record.timestamp(), record.key(),
                        record.value()), (metadata, failed) -> { if (failed != null) Peer.fail(failed); });
                    count++;
                }
            }
            producer.flush();
            return count;
        }
    }

    private static Properties settings(String broker) {
        Properties settings = new Properties();
        settings.put("bootstrap.servers", broker);
        return settings;
    }

    private Topics() {}
}
