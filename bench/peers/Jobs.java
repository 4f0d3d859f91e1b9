import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.Duration;
import java.util.Arrays;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.WindowedSerdes;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.WindowStore;

/** The jobs of bench/bench_*.c, as one writes them with Kafka Streams: same input, same stores, same bytes out. */
final class Jobs {
    private static final Serde<Bytes> KEY = Serdes.Bytes();
    private static final Serde<byte[]> VALUE = Serdes.ByteArray();

    /** A sale of a product whose category is known. */
    record Sale(Bytes category, long cents) {}

    private static final Serde<Sale> SALE = Serdes.serdeFrom(
        (topic, sale) -> sale == null ? null
            : ByteBuffer.allocate(8 + sale.category.get().length).putLong(sale.cents).put(sale.category.get()).array(),
        (topic, bytes) -> bytes == null ? null
            : new Sale(Bytes.wrap(Arrays.copyOfRange(bytes, 8, bytes.length)), ByteBuffer.wrap(bytes).getLong()));

    /** As Weir stores a declared struct: a version and the fields. */
    record Revenue(long count, long cents) {
        Revenue plus(Sale sale) {
            return new Revenue(count + 1, cents + sale.cents);
        }
    }

    private static final Serde<Revenue> REVENUE = Serdes.serdeFrom(
        (topic, revenue) -> revenue == null ? null
            : ByteBuffer.allocate(17).put((byte) 1).putLong(revenue.count).putLong(revenue.cents).array(),
        (topic, bytes) -> bytes == null ? null
            : new Revenue(ByteBuffer.wrap(bytes).getLong(1), ByteBuffer.wrap(bytes).getLong(9)));

    static Topology of(String name, String input, String output, long windowMs) {
        StreamsBuilder builder = new StreamsBuilder();
        switch (name) {
            case "stateless" -> stateless(builder, input, output);
            case "count" -> count(builder, input);
            case "window" -> window(builder, input, windowMs);
            case "revenue" -> revenue(builder, output, windowMs);
            case "fraud" -> Fraud.build(builder, output);
            default -> throw new IllegalArgumentException("there is no job " + name);
        }
        return builder.build();
    }

    private static KStream<Bytes, byte[]> stream(StreamsBuilder builder, String topic) {
        return builder.stream(topic, Consumed.with(KEY, VALUE));
    }

    private static void stateless(StreamsBuilder builder, String input, String output) {
        stream(builder, input)
            .filter((key, value) -> value[0] < 'i')
            .mapValues(value -> Arrays.copyOf(value, value.length / 2))
            .to(output, Produced.with(KEY, VALUE));
    }

    private static void count(StreamsBuilder builder, String input) {
        stream(builder, input)
            .groupByKey(Grouped.with(KEY, VALUE))
            .count(Materialized.<Bytes, Long, KeyValueStore<Bytes, byte[]>>as("counts")
                .withKeySerde(KEY).withValueSerde(Serdes.Long()));
    }

    private static void window(StreamsBuilder builder, String input, long windowMs) {
        stream(builder, input)
            .groupByKey(Grouped.with(KEY, VALUE))
            .windowedBy(TimeWindows.ofSizeWithNoGrace(Duration.ofMillis(windowMs)))
            .count(Materialized.<Bytes, Long, WindowStore<Bytes, byte[]>>as("counts")
                .withKeySerde(KEY).withValueSerde(Serdes.Long()));
    }

    private static void revenue(StreamsBuilder builder, String output, long windowMs) {
        var products = builder.table("products", Consumed.with(KEY, VALUE),
            Materialized.<Bytes, byte[], KeyValueStore<Bytes, byte[]>>as("products"));
        stream(builder, "sales")
            .join(products, (value, category) -> new Sale(Bytes.wrap(category), price(value)),
                Joined.with(KEY, VALUE, VALUE))
            .groupBy((key, sale) -> sale.category, Grouped.with(KEY, SALE))
            .windowedBy(TimeWindows.ofSizeWithNoGrace(Duration.ofMillis(windowMs)))
            .aggregate(() -> new Revenue(0, 0), (category, sale, revenue) -> revenue.plus(sale),
                Materialized.<Bytes, Revenue, WindowStore<Bytes, byte[]>>as("revenue")
                    .withKeySerde(KEY).withValueSerde(REVENUE))
            .toStream()
            .to(output, Produced.with(new WindowedSerdes.TimeWindowedSerde<>(KEY, windowMs), REVENUE));
    }

    /** First in the value, in the order of the machine that wrote it. */
    private static long price(byte[] value) {
        return ByteBuffer.wrap(value).order(ByteOrder.nativeOrder()).getLong();
    }

    private Jobs() {}
}
