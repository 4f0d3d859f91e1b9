import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.errors.InvalidProducerEpochException;
import org.apache.kafka.common.errors.ProducerFencedException;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;

/**
 * A producer and a consumer by Java's own client, 2.8 (transactions version 1) or 4.x (version 2);
 * ../transactions/members/driver.py says how they are asked.
 */
public class Transactor {
    static final int POLL_RECORDS = 200;
    static final Duration POLL = Duration.ofMillis(100);

    final Map<String, String> words = new HashMap<>();
    KafkaProducer<byte[], byte[]> producer;
    KafkaConsumer<byte[], byte[]> consumer;
    String topic;

    Transactor(String[] arguments) {
        for (String argument : arguments) {
            String[] parts = argument.split("=", 2);
            words.put(parts[0], parts[1]);
        }
    }

    Properties config() {
        Properties config = new Properties();
        config.put("bootstrap.servers", words.get("broker"));
        config.put("client.id", words.get("name"));
        return config;
    }

    void init() {
        Properties config = config();
        config.put("transactional.id", words.get("id"));
        config.put("transaction.timeout.ms", words.get("timeout_ms"));
        producer = new KafkaProducer<>(config, new ByteArraySerializer(), new ByteArraySerializer());
        producer.initTransactions();
    }

    static List<long[]> pairs(String text) {
        return Arrays.stream(text.split(",")).map(word -> word.split(":"))
            .map(word -> new long[] {Long.parseLong(word[0]), Long.parseLong(word[1])}).collect(Collectors.toList());
    }

    void send(String[] request) throws Throwable {
        List<Future<?>> sent = new ArrayList<>();
        for (int i = 2; i < request.length; i++) {
            for (long[] record : pairs(request[i])) {
                sent.add(producer.send(new ProducerRecord<>(request[1], (int) record[0], null,
                    Long.toString(record[1]).getBytes())));
            }
        }
        producer.flush();
        try {
            for (Future<?> future : sent) future.get();
        } catch (ExecutionException error) {
            throw error.getCause();
        }
    }

    void offsets(String text) {
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        for (long[] pair : pairs(text)) offsets.put(new TopicPartition(topic, (int) pair[0]), new OffsetAndMetadata(pair[1]));
        producer.sendOffsetsToTransaction(offsets, consumer.groupMetadata());
    }

    void openConsumer(Properties config) {
        config.put("isolation.level", words.get("isolation"));
        config.put("auto.offset.reset", "earliest");
        config.put("enable.auto.commit", "false");
        config.put("fetch.max.wait.ms", "50");
        config.put("max.poll.records", POLL_RECORDS);
        consumer = new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    void subscribe(String topic) {
        this.topic = topic;
        Properties config = config();
        config.put("group.id", words.get("group"));
        config.put("session.timeout.ms", "6000");
        config.put("heartbeat.interval.ms", "500");
        if (!words.get("instance").isEmpty()) config.put("group.instance.id", words.get("instance"));
        openConsumer(config);
        consumer.subscribe(List.of(topic));
    }

    void assign(String topics, int count) {
        openConsumer(config());
        List<TopicPartition> places = Arrays.stream(topics.split(","))
            .flatMap(topic -> IntStream.range(0, count).mapToObj(p -> new TopicPartition(topic, p)))
            .collect(Collectors.toList());
        consumer.assign(places);
        consumer.seekToBeginning(places);
    }

    String poll() {
        List<String> records = new ArrayList<>();
        for (ConsumerRecord<byte[], byte[]> record : consumer.poll(POLL)) {
            records.add("[\"" + record.topic() + "\", " + record.partition() + ", " + record.offset() + ", "
                + new String(record.value()) + "]");
        }
        return "{\"records\": " + records + ", \"assigned\": "
            + consumer.assignment().stream().map(TopicPartition::partition).collect(Collectors.toList()) + "}";
    }

    String told(String partitions) {
        Map<TopicPartition, OffsetAndMetadata> found = consumer.committed(Arrays.stream(partitions.split(","))
            .map(p -> new TopicPartition(topic, Integer.parseInt(p))).collect(Collectors.toSet()));
        return "{\"offsets\": {" + found.entrySet().stream().filter(e -> e.getValue() != null)
            .map(e -> "\"" + e.getKey().partition() + "\": " + e.getValue().offset()).collect(Collectors.joining(", ")) + "}}";
    }

    void close() {
        if (consumer != null) consumer.close();
        if (producer != null) producer.close();
    }

    String answer(String[] request) throws Throwable {
        switch (request[0]) {
            case "init": init(); break;
            case "begin": producer.beginTransaction(); break;
            case "send": send(request); break;
            case "offsets": offsets(request[1]); break;
            case "commit": producer.commitTransaction(); break;
            case "abort": producer.abortTransaction(); break;
            case "subscribe": subscribe(request[1]); break;
            case "assign": assign(request[1], Integer.parseInt(request[2])); break;
            case "poll": return poll();
            case "seek":
                for (long[] pair : pairs(request[1])) consumer.seek(new TopicPartition(topic, (int) pair[0]), pair[1]);
                break;
            case "told": return told(request[1]);
            case "close": close(); break;
            default: throw new IllegalArgumentException(request[0]);
        }
        return "{}";
    }

    static boolean isFenced(Throwable error) {
        return error != null && (error instanceof ProducerFencedException || error instanceof InvalidProducerEpochException
            || isFenced(error.getCause()));
    }

    void run() throws Throwable {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in));
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            String answer;
            try {
                answer = answer(line.split(" "));
            } catch (KafkaException error) {
                answer = "{\"error\": \"" + error.toString().replaceAll("[\"\\\\\\s]+", " ") + "\", \"is_fenced\": "
                    + isFenced(error) + "}";
            }
            System.out.println(answer);
        }
    }

    public static void main(String[] arguments) throws Throwable {
        new Transactor(arguments).run();
    }
}
