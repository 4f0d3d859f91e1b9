import java.time.Duration;
import java.util.Arrays;
import java.util.Properties;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.JoinWindows;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.StreamJoined;

/**
 * A Kafka Streams application, exactly once: it counts the words of TOPIC-lines into TOPIC-counts, through a repartition topic and a
 * changelog, and joins TOPIC-left with TOPIC-right within a window into TOPIC-joined. It says each state that it comes to, a line each, and
 * ends with its standard input. usage: Streamer BROKER APPLICATION TOPIC STATE_DIR
 */
public class Streamer {
    static final Duration WITHIN = Duration.ofMillis(1000);

    static Properties config(String[] arguments) {
        Properties config = new Properties();
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, arguments[0]);
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, arguments[1]);
        config.put(StreamsConfig.STATE_DIR_CONFIG, arguments[3]);
        config.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        config.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        config.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, 2);
        config.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 100);
        config.put(StreamsConfig.consumerPrefix("auto.offset.reset"), "earliest");
        config.put(StreamsConfig.consumerPrefix("session.timeout.ms"), 6000);
        config.put(StreamsConfig.consumerPrefix("heartbeat.interval.ms"), 500);
        config.put(StreamsConfig.producerPrefix("transaction.timeout.ms"), 10000);
        config.put(StreamsConfig.DEFAULT_KEY_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        config.put(StreamsConfig.DEFAULT_VALUE_SERDE_CLASS_CONFIG, Serdes.StringSerde.class);
        return config;
    }

    static StreamsBuilder topology(String topic) {
        StreamsBuilder builder = new StreamsBuilder();
        KStream<String, String> lines = builder.stream(topic + "-lines", Consumed.with(Serdes.String(), Serdes.String()));
        lines.flatMapValues(line -> Arrays.asList(line.split(" ")))
            .groupBy((key, word) -> word, Grouped.as("words"))
            .count(Materialized.as("counts"))
            .toStream()
            .mapValues(count -> Long.toString(count))
            .to(topic + "-counts", Produced.with(Serdes.String(), Serdes.String()));
        KStream<String, String> left = builder.stream(topic + "-left");
        KStream<String, String> right = builder.stream(topic + "-right");
        left.join(right, (l, r) -> l + "/" + r, JoinWindows.ofTimeDifferenceAndGrace(WITHIN, Duration.ofDays(1)),
            StreamJoined.as("joined")).to(topic + "-joined");
        return builder;
    }

    public static void main(String[] arguments) throws Exception {
        KafkaStreams streams = new KafkaStreams(topology(arguments[2]).build(), config(arguments));
        streams.setUncaughtExceptionHandler(error -> {
            System.out.println("died: " + error);
            error.printStackTrace();
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.setStateListener((now, before) -> System.out.println(now));
        streams.start();
        while (System.in.read() >= 0) {
        }
        if (!streams.close(Duration.ofSeconds(60))) throw new IllegalStateException("it does not close");
    }
}
