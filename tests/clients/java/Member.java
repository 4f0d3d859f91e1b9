import java.io.FileOutputStream;
import java.io.FileDescriptor;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Collection;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.stream.Collectors;
import org.apache.kafka.clients.consumer.ConsumerRebalanceListener;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.common.KafkaException;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;

/**
 * A member by Java's own client, 2.8 or 4.x; ../groups/members/member.py says how it is asked, ../groups/judge.py what it says.
 */
public class Member implements ConsumerRebalanceListener {
    static final int LINE_RECORDS = 100; /* a line is one write, below PIPE_BUF */
    static final Map<String, String> ASSIGNORS = Map.of(
        "range", "org.apache.kafka.clients.consumer.RangeAssignor",
        "cooperative-sticky", "org.apache.kafka.clients.consumer.CooperativeStickyAssignor");

    final Map<String, String> words = new HashMap<>();
    final FileOutputStream out = new FileOutputStream(FileDescriptor.out);
    final Map<Integer, Long> next = new HashMap<>(); /* of what it has; null: nothing read yet */
    final KafkaConsumer<byte[], byte[]> consumer;
    volatile boolean isLeaving;
    int uncommitted;

    Member(String[] arguments) {
        for (String argument : arguments) {
            String[] parts = argument.split("=", 2);
            words.put(parts[0], parts[1]);
        }
        Properties config = new Properties();
        config.put("bootstrap.servers", words.get("broker"));
        config.put("group.id", words.get("group"));
        config.put("client.id", words.get("member"));
        config.put("auto.offset.reset", "earliest");
        config.put("enable.auto.commit", "false");
        config.put("fetch.max.wait.ms", "50");
        if (!words.get("instance").isEmpty()) config.put("group.instance.id", words.get("instance"));
        if (words.get("protocol").equals("consumer")) {
            config.put("group.protocol", "consumer");
            config.put("group.remote.assignor", words.get("assignor"));
        } else {
            config.put("session.timeout.ms", words.get("session_ms"));
            config.put("heartbeat.interval.ms", "500");
            config.put("partition.assignment.strategy", ASSIGNORS.get(words.get("assignor")));
        }
        consumer = new KafkaConsumer<>(config, new ByteArrayDeserializer(), new ByteArrayDeserializer());
    }

    void say(String event, String more) {
        String line = "{\"member\": \"" + words.get("member") + "\", \"event\": \"" + event + "\", " + more + "}\n";
        try {
            out.write(line.getBytes(StandardCharsets.UTF_8));
        } catch (IOException error) {
            throw new RuntimeException(error);
        }
    }

    void commit(Collection<Integer> partitions) {
        Map<TopicPartition, OffsetAndMetadata> offsets = new HashMap<>();
        for (int p : partitions) {
            Long offset = next.get(p);
            if (offset != null) offsets.put(new TopicPartition(words.get("topic"), p), new OffsetAndMetadata(offset));
        }
        if (offsets.isEmpty()) return;
        try {
            consumer.commitSync(offsets);
            uncommitted = 0;
            say("committed", "\"offsets\": {" + offsets.entrySet().stream()
                .map(e -> "\"" + e.getKey().partition() + "\": " + e.getValue().offset())
                .collect(Collectors.joining(", ")) + "}");
        } catch (KafkaException error) {
            say("refused", "\"error\": \"" + error.getClass().getSimpleName() + "\"");
        }
    }

    static List<Integer> numbers(Collection<TopicPartition> places) {
        return places.stream().map(TopicPartition::partition).sorted().collect(Collectors.toList());
    }

    void gone(String event, Collection<Integer> partitions) {
        if (partitions.isEmpty()) return;
        say(event, "\"partitions\": " + partitions);
        next.keySet().removeAll(partitions);
    }

    @Override
    public void onPartitionsAssigned(Collection<TopicPartition> places) {
        if (places.isEmpty()) return;
        say("assigned", "\"partitions\": " + numbers(places));
        for (int p : numbers(places)) next.put(p, null);
    }

    @Override
    public void onPartitionsRevoked(Collection<TopicPartition> places) {
        commit(numbers(places));
        gone("revoked", numbers(places));
    }

    @Override
    public void onPartitionsLost(Collection<TopicPartition> places) {
        gone("lost", numbers(places));
    }

    void read(Iterable<ConsumerRecord<byte[], byte[]>> records) {
        List<String> texts = new ArrayList<>();
        for (ConsumerRecord<byte[], byte[]> record : records) {
            texts.add("[" + record.partition() + ", " + record.offset() + ", " + new String(record.value()) + "]");
            next.put(record.partition(), record.offset() + 1);
            uncommitted++;
        }
        for (int i = 0; i < texts.size(); i += LINE_RECORDS) {
            say("records", "\"records\": " + texts.subList(i, Math.min(i + LINE_RECORDS, texts.size())));
        }
    }

    void run() {
        Thread waiter = new Thread(() -> {
            try {
                while (System.in.read() >= 0) {
                }
            } catch (IOException ignored) {
                /* An end, too. */
            }
            isLeaving = true;
        });
        waiter.setDaemon(true);
        waiter.start();
        consumer.subscribe(List.of(words.get("topic")), this);
        while (!isLeaving) {
            read(consumer.poll(Duration.ofMillis(100)));
            if (uncommitted >= Integer.parseInt(words.get("commit_every"))) commit(List.copyOf(next.keySet()));
        }
        consumer.close();
    }

    public static void main(String[] arguments) {
        new Member(arguments).run();
    }
}
