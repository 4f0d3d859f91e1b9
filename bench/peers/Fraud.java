import java.time.Duration;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.Joined;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.Repartitioned;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.processor.api.FixedKeyProcessor;
import org.apache.kafka.streams.processor.api.FixedKeyProcessorContext;
import org.apache.kafka.streams.processor.api.FixedKeyRecord;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.Stores;
import org.apache.kafka.streams.state.WindowStore;

/** examples/fraud/fraud.c: four rules over one stream of card payments, with its stores and its numbers. */
final class Fraud {
    private static final Serde<String> TEXT = Serdes.String();
    private static final Duration VELOCITY_WINDOW = Duration.ofMinutes(10), VELOCITY_GRACE = Duration.ofMinutes(1);
    private static final long VELOCITY_COUNT = 5, AMOUNT_COUNT_MIN = 20;
    private static final double AMOUNT_DEVIATIONS = 10, JOURNEY_KM_MIN = 100, JOURNEY_KM_PER_HOUR = 900;

    static void build(StreamsBuilder builder, String alerts) {
        KStream<String, Payment> payments = builder.stream("payments", Consumed.with(TEXT, Payment.SERDE));
        KGroupedStream<String, Payment> byCard = payments.groupByKey(Grouped.with(TEXT, Payment.SERDE));
        velocity(byCard).to(alerts, Produced.with(TEXT, TEXT));
        amount(byCard).to(alerts, Produced.with(TEXT, TEXT));
        journey(builder, payments).to(alerts, Produced.with(TEXT, TEXT));
        blocked(builder, payments).to(alerts, Produced.with(TEXT, TEXT));
    }

    private static KStream<String, String> velocity(KGroupedStream<String, Payment> byCard) {
        return byCard.windowedBy(TimeWindows.ofSizeAndGrace(VELOCITY_WINDOW, VELOCITY_GRACE))
            .count(Materialized.<String, Long, WindowStore<Bytes, byte[]>>as("payments-per-window")
                .withKeySerde(TEXT).withValueSerde(Serdes.Long()))
            .toStream()
            .filter((window, count) -> count != null && count >= VELOCITY_COUNT)
            .map((window, count) -> KeyValue.pair(window.key(), String.format(
                "{\"rule\":\"velocity\",\"card\":\"%s\",\"window\":%d,\"count\":%d,"
                    + "\"reason\":\"%d payments within ten minutes\"}",
                window.key(), window.window().start(), count, count)));
    }

    /** Every update counts here, not only the last one before a commit: no cache. */
    private static KStream<String, String> amount(KGroupedStream<String, Payment> byCard) {
        return byCard.aggregate(() -> Payment.Profile.EMPTY,
                (card, payment, profile) -> profile.plus(payment, AMOUNT_COUNT_MIN),
                Materialized.<String, Payment.Profile, KeyValueStore<Bytes, byte[]>>as("card-profile")
                    .withKeySerde(TEXT).withValueSerde(Payment.Profile.SERDE).withCachingDisabled())
            .toStream()
            .filter((card, profile) -> profile != null && profile.deviations() > AMOUNT_DEVIATIONS)
            .mapValues(profile -> alert("amount", profile.payment(), String.format(
                "%.0f deviations above the card's mean of %.2f", profile.deviations(), profile.mean())));
    }

    private static KStream<String, String> journey(StreamsBuilder builder, KStream<String, Payment> payments) {
        builder.addStateStore(Stores.keyValueStoreBuilder(Stores.persistentKeyValueStore("last-place"), TEXT,
            Payment.SERDE).withCachingEnabled());
        return payments.processValues(Journey::new, "last-place");
    }

    private static final class Journey implements FixedKeyProcessor<String, Payment, String> {
        private FixedKeyProcessorContext<String, String> context;
        private KeyValueStore<String, Payment> places;

        @Override
        public void init(FixedKeyProcessorContext<String, String> context) {
            this.context = context;
            places = context.getStateStore("last-place");
        }

        @Override
        public void process(FixedKeyRecord<String, Payment> record) {
            Payment payment = record.value(), last = places.get(record.key());
            if (last == null || !isImpossible(last, payment)) {
                places.put(record.key(), payment);
                return;
            }
            context.forward(record.withValue(alert("journey", payment, String.format("%.0f km from payment %d in %d s",
                distanceKm(last, payment), last.position(), (payment.timeMs() - last.timeMs()) / 1000))));
        }
    }

    private static KStream<String, String> blocked(StreamsBuilder builder, KStream<String, Payment> payments) {
        KTable<String, String> blocked = builder.table("blocked-merchants", Consumed.with(TEXT, TEXT),
            Materialized.<String, String, KeyValueStore<Bytes, byte[]>>as("blocked"));
        return payments.selectKey((card, payment) -> payment.merchant())
            .repartition(Repartitioned.with(TEXT, Payment.SERDE).withName("by-merchant"))
            .join(blocked, (payment, why) -> alert("blocked-merchant", payment, "merchant is blocked: " + why),
                Joined.with(TEXT, Payment.SERDE, TEXT));
    }

    private static String alert(String rule, Payment payment, String reason) {
        return String.format("{\"rule\":\"%s\",\"card\":\"%s\",\"payment\":%d,\"time\":%d,\"amount\":%.2f,\"reason\":\"%s\"}",
            rule, payment.card(), payment.position(), payment.timeMs(), payment.amount(), reason);
    }

    private static boolean isImpossible(Payment from, Payment to) {
        double km = distanceKm(from, to);
        double hours = (to.timeMs() - from.timeMs()) / 3600000.0;
        return km > JOURNEY_KM_MIN && km > hours * JOURNEY_KM_PER_HOUR;
    }

    private static double distanceKm(Payment from, Payment to) {
        double radians = Math.PI / 180;
        double latitude = Math.sin((to.shopLatitude() - from.shopLatitude()) * radians / 2);
        double longitude = Math.sin((to.shopLongitude() - from.shopLongitude()) * radians / 2);
        double a = latitude * latitude + Math.cos(from.shopLatitude() * radians) * Math.cos(to.shopLatitude() * radians)
            * longitude * longitude;
        return 2 * 6371.0 * Math.asin(Math.sqrt(Math.min(1, a)));
    }

    private Fraud() {}
}
