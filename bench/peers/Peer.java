import java.io.BufferedReader;
import java.io.InputStreamReader;
import java.lang.management.ManagementFactory;
import java.util.Locale;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StreamsConfig;

/**
 * Runs jobs in Kafka Streams for bench/bench_streams.c. A command is a line on stdin, its answer a line on stdout
 * that begins with "ok" or "failed":
 *
 *   in TOPIC                  copy a topic from Weir to Kafka
 *   out TOPIC AS              copy one from Kafka to Weir, under another name
 *   run JOB APPLICATION COMMIT_MS WINDOW_MS INPUT COUNT
 *                             until COUNT records are processed, then close; answers with the seconds of CPU of this
 *                             process, from when the job runs to when it is closed, and those of the wall
 *   forget APPLICATION        drop its topics in Kafka
 *   drop TOPIC                drop a topic in Kafka
 *
 * COMMIT_MS 0 leaves Kafka Streams at its own defaults, in this as in all else.
 */
public final class Peer {
    private static final com.sun.management.OperatingSystemMXBean MACHINE =
        (com.sun.management.OperatingSystemMXBean) ManagementFactory.getOperatingSystemMXBean();

    public static void main(String[] arguments) throws Exception {
        String kafka = arguments[0], weir = arguments[1], stateDir = arguments[2];
        BufferedReader commands = new BufferedReader(new InputStreamReader(System.in));
        for (String line; (line = commands.readLine()) != null; ) {
            String[] words = line.split(" ");
            try {
                System.out.println("ok " + switch (words[0]) {
                    case "in" -> Topics.copy(weir, words[1], kafka, words[1]);
                    case "out" -> Topics.copy(kafka, words[1], weir, words[2]);
                    case "run" -> run(kafka, stateDir, words);
                    case "forget" -> { Topics.delete(kafka, words[1] + "-"); yield ""; }
                    case "drop" -> { Topics.delete(kafka, words[1]); yield ""; }
                    default -> throw new IllegalArgumentException(line);
                });
            } catch (Exception failed) {
                fail(failed);
            }
        }
    }

    static void fail(Exception failed) {
        System.out.println("failed " + String.valueOf(failed).replace('\n', ' '));
        failed.printStackTrace();
        System.exit(1);
    }

    private static String run(String kafka, String stateDir, String[] words) throws Exception {
        String job = words[1], application = words[2], input = words[5], output = application + "-output";
        long windowMs = Long.parseLong(words[4]), count = Long.parseLong(words[6]);
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, application);
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, kafka);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, stateDir);
        if (!words[3].equals("0")) settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, words[3]);
        // Windows of past years are not to be removed from the changelog before they are compared.
        settings.put(StreamsConfig.WINDOW_STORE_CHANGE_LOG_ADDITIONAL_RETENTION_MS_CONFIG, "315360000000");
        Topics.create(kafka, output, 1);
        KafkaStreams streams = new KafkaStreams(Jobs.of(job, input, output, windowMs), settings);
        CountDownLatch running = new CountDownLatch(1);
        double[] from = new double[2];
        streams.setStateListener((state, before) -> {
            if (state == KafkaStreams.State.ERROR) fail(new IllegalStateException(application + " failed"));
            if (state != KafkaStreams.State.RUNNING || running.getCount() == 0) return;
            from[0] = cpu();
            from[1] = wall();
            running.countDown();
        });
        streams.start();
        running.await();
        for (double told = wall(); processed(streams) < count; Thread.sleep(10)) {
            if (wall() - told < 20) continue;
            told = wall();
            System.err.printf("    ... %s: %.2f M of %.2f M records%n", application, processed(streams) / 1e6, count / 1e6);
        }
        streams.close();
        String figures = String.format(Locale.ROOT, "%.6f %.6f", cpu() - from[0], wall() - from[1]);
        streams.cleanUp();
        return figures;
    }

    /** By all tasks, records of repartition topics among them. */
    private static double processed(KafkaStreams streams) {
        return streams.metrics().entrySet().stream()
            .filter(e -> e.getKey().group().equals("stream-thread-metrics") && e.getKey().name().equals("process-total"))
            .mapToDouble(e -> (Double) e.getValue().metricValue()).sum();
    }

    private static double cpu() {
        return MACHINE.getProcessCpuTime() / 1e9;
    }

    private static double wall() {
        return System.nanoTime() / 1e9;
    }
}
