import java.nio.charset.StandardCharsets;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.streams.kstream.SessionWindowedDeserializer;
import org.apache.kafka.streams.kstream.SessionWindowedSerializer;
import org.apache.kafka.streams.kstream.TimeWindowedDeserializer;
import org.apache.kafka.streams.kstream.TimeWindowedSerializer;

/** What a key or a value is: S text, L integer, Q a text whose serde fails on some; of a key also the windows around it. */
final class Type {
    static final long PLAIN = 0, SESSION = -1;
    final char letter;
    final long window; /* in ms; Long.MAX_VALUE: unlimited */

    Type(char letter) {
        this(letter, PLAIN);
    }

    Type(char letter, long window) {
        this.letter = letter;
        this.window = window;
    }

    /** Of texts as bytes, each a char. */
    @SuppressWarnings({"unchecked", "rawtypes"})
    Serde<Object> serde() {
        Serde inner = letter == 'L' ? Serdes.Long() : Serdes.serdeFrom(
            (topic, text) -> {
                if (letter == 'Q' && "bad".equals(text)) throw new Functions.Failure("serializer");
                return text == null ? null : ((String) text).getBytes(StandardCharsets.ISO_8859_1);
            },
            (topic, bytes) -> {
                String text = bytes == null ? null : new String(bytes, StandardCharsets.ISO_8859_1);
                if (letter == 'Q' && "ugly".equals(text)) throw new Functions.Failure("deserializer");
                return text;
            });
        if (window == SESSION)
            return Serdes.serdeFrom(new SessionWindowedSerializer(inner.serializer()),
                                    new SessionWindowedDeserializer(inner.deserializer()));
        if (window == PLAIN) return inner;
        return Serdes.serdeFrom(new TimeWindowedSerializer(inner.serializer()),
                                new TimeWindowedDeserializer(inner.deserializer(), window));
    }
}
