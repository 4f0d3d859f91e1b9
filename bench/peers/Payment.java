import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;

/** examples/fraud/payment.h: a card payment, and what is known of a card, in the bytes of docs/format/struct.md. */
record Payment(long position, long timeMs, String card, String merchant, String category, double amount,
        double homeLatitude, double homeLongitude, double shopLatitude, double shopLongitude, boolean isFraud) {
    private static final int SIZE_MAX = 256;
    private static final byte VERSION = 1;

    static final Serde<Payment> SERDE = Serdes.serdeFrom(
        (topic, payment) -> {
            if (payment == null) return null;
            ByteBuffer bytes = ByteBuffer.allocate(SIZE_MAX).put(VERSION);
            payment.write(bytes);
            return taken(bytes);
        },
        (topic, bytes) -> bytes == null ? null : read(ByteBuffer.wrap(bytes, 1, bytes.length - 1)));

    /** A card's amounts: running count, mean and sum of squared deviations (Welford), and the last payment. */
    record Profile(long count, double mean, double squares, double deviations, Payment payment) {
        static final Profile EMPTY = new Profile(0, 0, 0, 0, null);
        static final Serde<Profile> SERDE = Serdes.serdeFrom(
            (topic, profile) -> {
                if (profile == null) return null;
                ByteBuffer bytes = ByteBuffer.allocate(SIZE_MAX + 64).put(VERSION).putLong(profile.count)
                    .putDouble(profile.mean).putDouble(profile.squares).putDouble(profile.deviations);
                profile.payment.write(bytes);
                return taken(bytes);
            },
            (topic, bytes) -> {
                if (bytes == null) return null;
                ByteBuffer from = ByteBuffer.wrap(bytes, 1, bytes.length - 1);
                return new Profile(from.getLong(), from.getDouble(), from.getDouble(), from.getDouble(), read(from));
            });

        Profile plus(Payment payment, long countMin) {
            double deviation = count > 1 ? Math.sqrt(squares / (count - 1)) : 0;
            boolean isKnown = count >= countMin && deviation > 0;
            double delta = payment.amount - mean;
            double newMean = mean + delta / (count + 1);
            return new Profile(count + 1, newMean, squares + delta * (payment.amount - newMean),
                isKnown ? delta / deviation : 0, payment);
        }
    }

    private void write(ByteBuffer to) {
        to.putLong(position).putLong(timeMs);
        writeText(to, card);
        writeText(to, merchant);
        writeText(to, category);
        to.putDouble(amount).putDouble(homeLatitude).putDouble(homeLongitude).putDouble(shopLatitude)
            .putDouble(shopLongitude).put((byte) (isFraud ? 1 : 0));
    }

    private static Payment read(ByteBuffer from) {
        return new Payment(from.getLong(), from.getLong(), readText(from), readText(from), readText(from),
            from.getDouble(), from.getDouble(), from.getDouble(), from.getDouble(), from.getDouble(), from.get() != 0);
    }

    /** Texts here are shorter than 128 bytes, whose varint is one byte. */
    private static void writeText(ByteBuffer to, String text) {
        byte[] bytes = text.getBytes(StandardCharsets.UTF_8);
        to.put((byte) bytes.length).put(bytes);
    }

    private static String readText(ByteBuffer from) {
        int size = from.get();
        String text = new String(from.array(), from.arrayOffset() + from.position(), size, StandardCharsets.UTF_8);
        from.position(from.position() + size);
        return text;
    }

    private static byte[] taken(ByteBuffer bytes) {
        return java.util.Arrays.copyOf(bytes.array(), bytes.position());
    }
}
