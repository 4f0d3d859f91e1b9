import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.PrintStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.TreeMap;
import java.util.TreeSet;
import org.apache.kafka.common.Metric;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.header.internals.RecordHeaders;
import org.apache.kafka.common.serialization.ByteArrayDeserializer;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.TestOutputTopic;
import org.apache.kafka.streams.TopologyTestDriver;
import org.apache.kafka.streams.test.TestRecord;

/**
 * Cases of ../vectors on Kafka Streams' TopologyTestDriver: each is printed with what it gave (`out`, `dropped`, `fail`,
 * `changelog`). Answers in the input are ignored. A case that needs what is not here is left out, and named on stderr.
 * usage: Topologies STATE_DIR &lt;cases
 */
public class Topologies {
    static final long WALL_MS = 1000000;
    final PrintStream out;
    final List<String> lines;
    final String name;
    final Path state; /* directory of its own */
    private TopologyTestDriver driver;
    private Graph graph;
    private double dropped;

    Topologies(String name, List<String> lines, Path state, PrintStream out) {
        this.name = name;
        this.state = state;
        this.lines = lines;
        this.out = out;
    }

    /* ---- texts --------------------------------------------------------------------------------- */

    static byte[] bytes(String word, char type) {
        if (word.equals("~")) return null;
        if (word.startsWith("!")) return unhex(word.substring(1));
        if (word.equals("%")) return new byte[0];
        if (type == 'L') return java.nio.ByteBuffer.allocate(8).putLong(Long.parseLong(word)).array();
        StringBuilder text = new StringBuilder();
        for (int i = 0; i < word.length(); i++) {
            boolean isEscape = word.charAt(i) == '%';
            text.append(isEscape ? (char) Integer.parseInt(word.substring(i + 1, i + 3), 16) : word.charAt(i));
            i += isEscape ? 2 : 0;
        }
        return text.toString().getBytes(StandardCharsets.ISO_8859_1);
    }

    private static byte[] unhex(String digits) {
        byte[] bytes = new byte[digits.length() / 2];
        for (int i = 0; i < bytes.length; i++) bytes[i] = (byte) Integer.parseInt(digits.substring(2 * i, 2 * i + 2), 16);
        return bytes;
    }

    private static String hex(byte[] bytes) {
        if (bytes == null) return "~";
        StringBuilder text = new StringBuilder(bytes.length == 0 ? "%" : "");
        for (byte octet : bytes) text.append(String.format("%02x", octet));
        return text.toString();
    }

    private static String shown(byte[] bytes) {
        if (bytes == null) return "~";
        StringBuilder text = new StringBuilder(bytes.length == 0 ? "%" : "");
        for (int i = 0; i < bytes.length; i++) {
            char octet = (char) (bytes[i] & 0xff);
            boolean isPlain = octet > ' ' && octet < 127 && "%~=".indexOf(octet) < 0 && (octet != '!' || i > 0);
            text.append(isPlain ? String.valueOf(octet) : String.format("%%%02X", (int) octet));
        }
        return text.toString();
    }

    private static long longAt(byte[] bytes, int at) {
        return java.nio.ByteBuffer.wrap(bytes, at, 8).getLong();
    }

    /** A windowed key has its window's times behind the key. */
    private static String shown(Type type, byte[] bytes) {
        if (bytes == null || type.window == Type.PLAIN) {
            boolean isNumber = type.letter == 'L' && bytes != null && bytes.length == 8;
            return isNumber ? String.valueOf(longAt(bytes, 0)) : shown(bytes);
        }
        int size = bytes.length - (type.window == Type.SESSION ? 16 : 8);
        long start = longAt(bytes, bytes.length - 8);
        long end = type.window == Type.SESSION ? longAt(bytes, size)
            : type.window == Long.MAX_VALUE ? Long.MAX_VALUE : start + type.window;
        return shown(new Type(type.letter), java.util.Arrays.copyOf(bytes, size)) + "@" + start + "/" + end;
    }

    private static String shown(Iterable<Header> headers) {
        StringBuilder text = new StringBuilder();
        for (Header header : headers) text.append(" ").append(header.key()).append("=").append(shown(header.value()));
        return text.toString();
    }

    /* ---- a case -------------------------------------------------------------------------------- */

    private Properties properties() {
        Properties properties = new Properties();
        properties.put(StreamsConfig.APPLICATION_ID_CONFIG, "app");
        properties.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, "none:1");
        properties.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 0);
        properties.put(StreamsConfig.STATE_DIR_CONFIG, state.toString());
        String interval = "0";
        for (String line : lines) {
            String[] words = line.split(" ");
            if (!words[0].equals("config")) continue;
            String[] pair = words[1].split("=", 2);
            String handler = "org.apache.kafka.streams.errors.LogAndContinue";
            switch (pair[0]) {
                case "cache": properties.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 10 << 20); break;
                case "optimize": properties.put(StreamsConfig.TOPOLOGY_OPTIMIZATION_CONFIG, pair[1]); break;
                case "processing":
                    properties.put(StreamsConfig.PROCESSING_EXCEPTION_HANDLER_CLASS_CONFIG,
                                   handler + "ProcessingExceptionHandler");
                    break;
                case "deserialization":
                    properties.put(StreamsConfig.DESERIALIZATION_EXCEPTION_HANDLER_CLASS_CONFIG, handler + "ExceptionHandler");
                    break;
                case "emit.interval": interval = pair[1]; break;
                default: throw new Graph.NotHere("config " + pair[0]);
            }
        }
        properties.put("__emit.interval.ms.kstreams.windowed.aggregation__", interval);
        properties.put("__emit.interval.ms.kstreams.outer.join.spurious.results.fix__", interval);
        return properties;
    }

    private List<TestRecord<byte[], byte[]>> drain(String topic) {
        TestOutputTopic<byte[], byte[]> output =
            driver.createOutputTopic(topic, new ByteArrayDeserializer(), new ByteArrayDeserializer());
        return output.isEmpty() ? List.of() : output.readRecordsToList();
    }

    private static boolean isInternal(String topic, String kind) {
        return topic.startsWith("app-") && topic.endsWith(kind);
    }

    private void printOutputs() {
        for (String topic : new TreeSet<>(driver.producedTopicNames())) {
            if (isInternal(topic, "-changelog")) continue;
            for (TestRecord<byte[], byte[]> record : drain(topic)) {
                boolean isInner = isInternal(topic, "-repartition");
                Graph.Topic types = isInner ? null : graph.topics.get(topic);
                String key = isInner ? hex(record.key()) : shown(types.key, record.key());
                String value = isInner ? hex(record.value()) : shown(types.value, record.value());
                out.println((isInner ? "inner " : "out ") + topic + " " + key + " " + value + " " + record.timestamp()
                    + shown(record.headers()));
            }
        }
        double now = 0;
        for (Metric metric : driver.metrics().values())
            if (metric.metricName().name().equals("dropped-records-total")) now += (double) metric.metricValue();
        if (now != dropped) out.println("dropped " + (long) now);
        dropped = now;
    }

    private void printChangelogs() {
        for (String topic : new TreeSet<>(driver.producedTopicNames())) {
            if (!isInternal(topic, "-changelog")) continue;
            Map<String, String> last = new TreeMap<>();
            for (TestRecord<byte[], byte[]> record : drain(topic)) {
                String key = hex(record.key());
                if (record.value() == null) last.remove(key);
                else last.put(key, hex(record.value()) + " " + record.timestamp() + shown(record.headers()));
            }
            last.forEach((key, value) -> out.println("changelog " + topic + " " + key + " " + value));
        }
    }

    private void step(String[] words) {
        if (words[0].equals("wall")) {
            driver.advanceWallClockTime(Duration.ofMillis(Long.parseLong(words[1])));
            return;
        }
        Graph.Topic types = graph.topics.get(words[1]);
        RecordHeaders headers = new RecordHeaders();
        for (int i = 5; i < words.length; i++) {
            String[] pair = words[i].split("=", 2);
            headers.add(pair[0], bytes(pair[1], 'S'));
        }
        driver.createInputTopic(words[1], new ByteArraySerializer(), new ByteArraySerializer())
            .pipeInput(new TestRecord<>(bytes(words[2], types.key.letter), bytes(words[3], types.value.letter), headers,
                                        Long.parseLong(words[4])));
    }

    private static String said(Throwable thrown) {
        StringBuilder text = new StringBuilder("#");
        for (; thrown != null; thrown = thrown.getCause()) text.append(" ").append(thrown);
        return text.toString().replaceAll("\\s+", " ");
    }

    /** False: it has failed, as the comment says. */
    private boolean print(String line) {
        try {
            step(line.split(" "));
            printOutputs();
            return true;
        } catch (Exception failure) {
            out.println("fail " + said(failure));
            return false;
        }
    }

    private boolean build() {
        try {
            Properties properties = properties();
            graph = new Graph(new StreamsBuilder());
            for (String line : lines) if (!isStep(line) && !line.startsWith("config ")) graph.declare(line);
            driver = new TopologyTestDriver(graph.builder.build(properties), properties, Instant.ofEpochMilli(WALL_MS));
            return true;
        } catch (Graph.NotHere missing) {
            throw missing;
        } catch (Exception refused) {
            out.println("builderror " + said(refused));
            return false;
        }
    }

    static boolean isStep(String line) {
        return line.startsWith("in ") || line.startsWith("wall ");
    }

    void run() {
        out.println("case " + name);
        for (String line : lines) if (!isStep(line)) out.println(line);
        boolean goesOn = build();
        for (String line : lines) {
            if (!goesOn || !isStep(line)) continue;
            out.println(line);
            goesOn = print(line);
        }
        if (goesOn) printChangelogs();
        out.println("end");
        try {
            if (driver != null) driver.close();
        } catch (Exception ignored) {
            goesOn = false; /* one that has failed may not close */
        }
    }

    /* ---- all of them --------------------------------------------------------------------------- */

    private static boolean isAnswer(String word) {
        return List.of("rows", "odd", "describe", "topics", "out", "inner", "got", "dropped", "fail", "builderror", "unordered",
                       "changelog", "get").contains(word);
    }

    /** `store` declares one, and behind the steps tells what is in one. */
    private static boolean isOurs(List<String> before, String line) {
        String word = line.split(" ")[0];
        boolean isStore = word.equals("store") && before.stream().anyMatch(Topologies::isStep);
        return !line.isEmpty() && !line.startsWith("#") && !isStore && !isAnswer(word);
    }

    public static void main(String[] arguments) throws IOException {
        BufferedReader in = new BufferedReader(new InputStreamReader(System.in, StandardCharsets.ISO_8859_1));
        String name = null;
        List<String> lines = new ArrayList<>();
        Map<String, Integer> missing = new HashMap<>();
        Path state = Path.of(arguments[0]);
        int number = 0;
        for (String line = in.readLine(); line != null; line = in.readLine()) {
            if (line.startsWith("case ")) {
                name = line.substring(5);
                lines = new ArrayList<>();
            } else if (line.equals("end")) {
                java.io.ByteArrayOutputStream text = new java.io.ByteArrayOutputStream();
                try {
                    new Topologies(name, lines, state.resolve(String.valueOf(number++)), new PrintStream(text)).run();
                    System.out.write(text.toByteArray());
                } catch (Graph.NotHere what) {
                    missing.merge(what.getMessage(), 1, Integer::sum);
                }
            } else if (isOurs(lines, line)) {
                lines.add(line);
            }
        }
        System.out.flush();
        missing.forEach((what, count) -> System.err.println("not here: " + what + " (" + count + ")"));
    }
}
