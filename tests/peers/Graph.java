import java.time.Duration;
import java.time.Instant;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.stream.Collectors;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.kstream.*;
import org.apache.kafka.streams.kstream.internals.NamedInternal;
import org.apache.kafka.streams.state.BuiltInDslStoreSuppliers;

/** The declarations of a case, as calls of the DSL; objects of all types are `Object`. */
@SuppressWarnings({"unchecked", "rawtypes"})
final class Graph {
    static final class NotHere extends RuntimeException {
        NotHere(String what) {
            super(what);
        }
    }

    static final class Topic {
        Type key, value;
    }

    /** A stream, a table, a group, a windowed group or a cogroup, and what its keys and values are. */
    private static final class Thing {
        final Object handle;
        final Type key, value;
        Windows windows; /* and, of others: */
        SlidingWindows sliding;
        SessionWindows session;
        char[] cell; /* of a cogroup: what its aggregate will be */

        Thing(Object handle, Type key, Type value) {
            this.handle = handle;
            this.key = key;
            this.value = value;
        }
    }

    final StreamsBuilder builder;
    final Map<String, Topic> topics = new HashMap<>();
    private final Map<String, Thing> things = new HashMap<>();
    private Map<String, String> options;
    private String[] words;

    Graph(StreamsBuilder builder) {
        this.builder = builder;
    }

    /* ---- words --------------------------------------------------------------------------------- */

    private void take(String line) {
        options = new HashMap<>();
        List<String> plain = new ArrayList<>();
        for (String word : line.split(" ")) {
            boolean isOption = !plain.isEmpty() && word.matches("[a-z.]+=.*");
            if (isOption) options.put(word.split("=", 2)[0], word.split("=", 2)[1]);
            else plain.add(word);
        }
        words = plain.toArray(new String[0]);
    }

    private Thing thing(int word) {
        Thing thing = things.get(words[word]);
        if (thing == null) throw new NotHere(words[word]);
        return thing;
    }

    private void add(Object handle, Type key, Type value) {
        things.put(words[1], new Thing(handle, key, value));
    }

    private static Type type(String word) {
        return new Type(word.charAt(0));
    }

    private Topic topic(String name, Type key, Type value) {
        Topic topic = topics.computeIfAbsent(name, any -> new Topic());
        topic.key = key;
        topic.value = value;
        return topic;
    }

    private String name() {
        return options.get("name");
    }

    private Named named() {
        return name() != null ? Named.as(name()) : NamedInternal.empty();
    }

    private static String text(Object object) {
        return Functions.text(object);
    }

    private Duration ms(String option) {
        return Duration.ofMillis(Long.parseLong(options.get(option)));
    }

    private static Object initial(String word) {
        byte[] bytes = Topologies.bytes(word, 'S');
        return bytes == null ? null : new String(bytes, java.nio.charset.StandardCharsets.ISO_8859_1);
    }

    /* ---- stores -------------------------------------------------------------------------------- */

    private boolean hasStore() {
        return List.of("store", "kind", "cache", "log", "retention", "versioned").stream().anyMatch(options::containsKey);
    }

    private Materialized materialized(Type key, Type value) {
        if (options.containsKey("versioned")) throw new NotHere("versioned");
        String log = options.getOrDefault("log", "on");
        if (!log.equals("on") && !log.equals("off")) throw new NotHere("log configs");
        Materialized with = options.containsKey("store") ? Materialized.as(options.get("store"))
                                                         : Materialized.with(key.serde(), value.serde());
        with = with.withKeySerde(key.serde()).withValueSerde(value.serde());
        if (options.containsKey("kind")) with = with.withStoreType(BuiltInDslStoreSuppliers.IN_MEMORY);
        if (options.containsKey("cache")) with = with.withCachingDisabled();
        if (log.equals("off")) with = with.withLoggingDisabled();
        return options.containsKey("retention") ? with.withRetention(ms("retention")) : with;
    }

    /* ---- streams ------------------------------------------------------------------------------- */

    private void source() {
        if (options.containsKey("ts")) throw new NotHere("time extractors");
        Type key = type(words[3]), value = type(words[4]);
        Consumed consumed = Consumed.with(key.serde(), value.serde());
        if (name() != null) consumed = consumed.withName(name());
        for (String name : words[2].split(",")) topic(name, key, value);
        if (words[0].equals("stream")) add(builder.stream(Arrays.asList(words[2].split(",")), consumed), key, value);
        else if (hasStore()) add(builder.table(words[2], consumed, materialized(key, value)), key, value);
        else add(builder.table(words[2], consumed), key, value);
    }

    private void map() {
        Thing from = thing(2);
        KStream stream = (KStream) from.handle;
        String one = words[3], two = words.length > 4 ? words[4] : null;
        switch (words[0]) {
            case "filter":
                add(stream.filter((k, v) -> Functions.predicate(one, text(k), text(v)), named()), from.key, from.value);
                break;
            case "filternot":
                add(stream.filterNot((k, v) -> Functions.predicate(one, text(k), text(v)), named()), from.key, from.value);
                break;
            case "map": {
                Type key = type(words[5]), value = type(words[6]);
                add(stream.map((k, v) -> KeyValue.pair(
                    Functions.object(Functions.map(one, text(k), text(v)), key.letter),
                    Functions.object(Functions.map(two, text(k), text(v)), value.letter)), named()), key, value);
                break;
            }
            case "mapvalues": {
                Type value = type(two);
                add(stream.mapValues((k, v) -> Functions.object(Functions.map(one, text(k), text(v)), value.letter), named()),
                    from.key, value);
                break;
            }
            case "selectkey": {
                Type key = type(two);
                add(stream.selectKey((k, v) -> Functions.object(Functions.map(one, text(k), text(v)), key.letter), named()),
                    key, from.value);
                break;
            }
            case "flatmap":
                add(stream.flatMap((k, v) -> Functions.list(one, text(v)).stream()
                    .map(x -> KeyValue.pair(Functions.map(two, text(k), x), x)).collect(Collectors.toList()), named()),
                    new Type('S'), new Type('S'));
                break;
            default:
                add(stream.flatMapValues(v -> Functions.list(one, text(v)), named()), from.key, new Type('S'));
        }
    }

    private void pass() {
        Thing from = thing(words[0].equals("foreach") ? 1 : 2);
        KStream stream = (KStream) from.handle;
        switch (words[0]) {
            case "peek": add(stream.peek((k, v) -> { }, named()), from.key, from.value); break;
            case "foreach": stream.foreach((k, v) -> { }, named()); break;
            case "merge": add(stream.merge((KStream) thing(3).handle, named()), from.key, from.value); break;
            default: {
                Repartitioned with = Repartitioned.with(from.key.serde(), from.value.serde());
                if (name() != null) with = with.withName(name());
                if (options.containsKey("parts")) with = with.withNumberOfPartitions(Integer.parseInt(options.get("parts")));
                add(stream.repartition(with), from.key, from.value);
            }
        }
    }

    /** Branches are found by the ends of their names. */
    private void split() {
        Thing from = thing(1);
        KStream stream = (KStream) from.handle;
        BranchedKStream split = name() != null ? stream.split(named()) : stream.split();
        Map<String, KStream> branches = null;
        for (int i = 2; i + 1 < words.length; i += 2) {
            String predicate = words[i + 1];
            if (words[i].equals("-")) branches = split.defaultBranch(Branched.as("-" + words[i + 1]));
            else split = split.branch((k, v) -> Functions.predicate(predicate, text(k), text(v)), Branched.as("-" + words[i]));
        }
        if (branches == null) branches = split.noDefaultBranch();
        for (int i = 2; i + 1 < words.length; i += 2) {
            String id = words[i].equals("-") ? words[i + 1] : words[i];
            for (Map.Entry<String, KStream> branch : branches.entrySet())
                if (branch.getKey().endsWith("-" + id)) things.put(id, new Thing(branch.getValue(), from.key, from.value));
        }
    }

    private void sink() {
        Thing from = thing(1);
        topic(words[2], from.key, from.value);
        Produced with = Produced.with(from.key.serde(), from.value.serde());
        ((KStream) from.handle).to(words[2], name() != null ? with.withName(name()) : with);
    }

    /* ---- aggregates ---------------------------------------------------------------------------- */

    private void group() {
        Thing from = thing(2);
        Type key = words[0].equals("groupby") ? type(words[4]) : from.key;
        Grouped with = Grouped.with(key.serde(), from.value.serde());
        if (name() != null) with = with.withName(name());
        KStream stream = (KStream) from.handle;
        if (words[0].equals("groupbykey")) {
            add(stream.groupByKey(with), key, from.value);
            return;
        }
        String function = words[3];
        add(stream.groupBy((k, v) -> Functions.object(Functions.map(function, text(k), text(v)), key.letter), with), key,
            from.value);
    }

    private Object windowed(Object group, Thing thing) {
        if (group instanceof CogroupedKStream) {
            CogroupedKStream cogroup = (CogroupedKStream) group;
            return thing.windows != null ? cogroup.windowedBy(thing.windows)
                : thing.sliding != null ? cogroup.windowedBy(thing.sliding) : cogroup.windowedBy(thing.session);
        }
        KGroupedStream stream = (KGroupedStream) group;
        boolean isClose = "close".equals(options.get("emit"));
        if (thing.session != null) {
            SessionWindowedKStream session = stream.windowedBy(thing.session);
            return isClose ? session.emitStrategy(EmitStrategy.onWindowClose()) : session;
        }
        TimeWindowedKStream time = thing.windows != null ? stream.windowedBy(thing.windows) : stream.windowedBy(thing.sliding);
        return isClose ? time.emitStrategy(EmitStrategy.onWindowClose()) : time;
    }

    private void window() {
        Thing from = thing(2);
        Duration size = Duration.ofMillis(Long.parseLong(words[4]));
        boolean hasGrace = options.containsKey("grace");
        Thing windows = new Thing(null, from.key, from.value);
        long around = size.toMillis();
        switch (words[3]) {
            case "time": {
                TimeWindows time = hasGrace ? TimeWindows.ofSizeAndGrace(size, ms("grace"))
                                            : TimeWindows.ofSizeWithNoGrace(size);
                windows.windows = options.containsKey("advance") ? time.advanceBy(ms("advance")) : time;
                break;
            }
            case "sliding":
                windows.sliding = hasGrace ? SlidingWindows.ofTimeDifferenceAndGrace(size, ms("grace"))
                                           : SlidingWindows.ofTimeDifferenceWithNoGrace(size);
                break;
            case "session":
                windows.session = hasGrace ? SessionWindows.ofInactivityGapAndGrace(size, ms("grace"))
                                           : SessionWindows.ofInactivityGapWithNoGrace(size);
                around = Type.SESSION;
                break;
            default:
                windows.windows = UnlimitedWindows.of().startOn(Instant.ofEpochMilli(size.toMillis()));
                around = Long.MAX_VALUE;
        }
        Thing made = new Thing(windowed(from.handle, windows), new Type(from.key.letter, around), from.value);
        made.cell = from.cell;
        things.put(words[1], made);
    }

    private void cogroup() {
        Thing from = thing(2);
        CogroupedKStream cogroup = null;
        char[] cell = {'S'};
        for (int i = 2; i + 1 < words.length; i += 2) {
            KGroupedStream group = (KGroupedStream) thing(i).handle;
            Aggregator fold = aggregator(words[i + 1], cell);
            cogroup = cogroup == null ? group.cogroup(fold) : cogroup.cogroup(group, fold);
        }
        add(cogroup, from.key, from.value);
        things.get(words[1]).cell = cell;
    }

    private static Aggregator aggregator(String fold, char[] type) {
        return (k, v, g) -> Functions.object(Functions.fold(fold, text(k), text(v), text(g)), type[0]);
    }

    private static Merger merger(String fold, char type) {
        return (k, one, two) -> Functions.object(Functions.fold(fold, text(k), text(two), text(one)), type);
    }

    private void count() {
        Thing from = thing(2);
        Type key = new Type(from.key.letter), value = new Type('L');
        Materialized with = materialized(key, value);
        Object group = from.handle;
        Object table = group instanceof KGroupedStream ? ((KGroupedStream) group).count(named(), with)
            : group instanceof TimeWindowedKStream ? ((TimeWindowedKStream) group).count(named(), with)
                                                   : ((SessionWindowedKStream) group).count(named(), with);
        add(table, from.key, value);
    }

    private void reduce() {
        if (words.length > 4) throw new NotHere("groups of tables");
        Thing from = thing(2);
        String fold = words[3];
        Reducer reducer = (g, v) -> Functions.object(Functions.fold(fold, null, text(v), text(g)), from.value.letter);
        Materialized with = materialized(new Type(from.key.letter), from.value);
        Object group = from.handle;
        Object table = group instanceof KGroupedStream ? ((KGroupedStream) group).reduce(reducer, named(), with)
            : group instanceof TimeWindowedKStream ? ((TimeWindowedKStream) group).reduce(reducer, named(), with)
                                                   : ((SessionWindowedKStream) group).reduce(reducer, named(), with);
        add(table, from.key, from.value);
    }

    private void aggregate() {
        boolean isCogroup = words[0].equals("coaggregate");
        if (words.length > (isCogroup ? 5 : 6)) throw new NotHere("groups of tables");
        Thing from = thing(2);
        Type value = type(words[isCogroup ? 4 : 5]);
        Object first = Functions.object((String) initial(words[3]), value.letter);
        Initializer begin = () -> first;
        Aggregator fold = isCogroup ? null : aggregator(words[4], new char[] {value.letter});
        if (isCogroup) from.cell[0] = value.letter;
        Merger merge = options.containsKey("merge") ? merger(options.get("merge"), value.letter) : null;
        Materialized with = materialized(new Type(from.key.letter), value);
        add(aggregated(from.handle, begin, fold, merge, with), from.key, value);
    }

    private Object aggregated(Object group, Initializer begin, Aggregator fold, Merger merge, Materialized with) {
        if (group instanceof KGroupedStream) return ((KGroupedStream) group).aggregate(begin, fold, named(), with);
        if (group instanceof TimeWindowedKStream) return ((TimeWindowedKStream) group).aggregate(begin, fold, named(), with);
        if (group instanceof SessionWindowedKStream)
            return ((SessionWindowedKStream) group).aggregate(begin, fold, merge, named(), with);
        if (group instanceof CogroupedKStream) return ((CogroupedKStream) group).aggregate(begin, named(), with);
        if (group instanceof TimeWindowedCogroupedKStream)
            return ((TimeWindowedCogroupedKStream) group).aggregate(begin, named(), with);
        return ((SessionWindowedCogroupedKStream) group).aggregate(begin, merge, named(), with);
    }

    /* ---- tables and joins ---------------------------------------------------------------------- */

    private void toStream() {
        if (options.containsKey("key")) throw new NotHere("toStream with a new key");
        Thing from = thing(2);
        add(((KTable) from.handle).toStream(named()), from.key, from.value);
    }

    private void suppress() {
        Thing from = thing(2);
        boolean isClose = words[3].equals("close");
        Suppressed with = isClose ? Suppressed.untilWindowCloses((Suppressed.StrictBufferConfig) bound(true))
                                  : Suppressed.untilTimeLimit(Duration.ofMillis(Long.parseLong(words[4])),
                                                              bound("stop".equals(options.get("full"))));
        if (name() != null) with = with.withName(name());
        add(((KTable) from.handle).suppress(with), from.key, from.value);
    }

    private Suppressed.BufferConfig bound(boolean isStop) {
        boolean isQuiet = options.containsKey("log");
        if (isQuiet && !options.get("log").equals("off")) throw new NotHere("log configs");
        String records = options.get("records"), bytes = options.get("bytes");
        if (records == null && bytes == null) {
            Suppressed.StrictBufferConfig all = Suppressed.BufferConfig.unbounded();
            return isQuiet ? all.withLoggingDisabled() : all;
        }
        Suppressed.EagerBufferConfig some = records != null ? Suppressed.BufferConfig.maxRecords(Long.parseLong(records))
                                                            : Suppressed.BufferConfig.maxBytes(Long.parseLong(bytes));
        if (records != null && bytes != null) some = some.withMaxBytes(Long.parseLong(bytes));
        if (!isStop) return isQuiet ? some.withLoggingDisabled() : some.emitEarlyWhenFull();
        Suppressed.StrictBufferConfig strict = some.shutDownWhenFull();
        return isQuiet ? strict.withLoggingDisabled() : strict;
    }

    private static ValueJoinerWithKey joiner(String word, Type type) {
        return (k, l, r) -> Functions.object(Functions.join(word, text(k), text(l), text(r)), type.letter);
    }

    private void tableJoin() {
        Thing from = thing(2), table = thing(3);
        Type value = type(words[6]);
        Joined with = Joined.with(from.key.serde(), from.value.serde(), table.value.serde());
        if (name() != null) with = with.withName(name());
        if (options.containsKey("grace")) throw new NotHere("joins with grace");
        KStream stream = (KStream) from.handle;
        ValueJoinerWithKey join = joiner(words[5], value);
        boolean isLeft = words[4].equals("left");
        add(isLeft ? stream.leftJoin((KTable) table.handle, join, with) : stream.join((KTable) table.handle, join, with),
            from.key, value);
    }

    /** One of both may be negative, so the other one comes first. */
    private JoinWindows within() {
        Duration before = ms("before"), after = options.containsKey("after") ? ms("after") : before;
        Duration first = before.isNegative() ? after : before;
        boolean hasGrace = options.containsKey("grace");
        Duration grace = hasGrace ? ms("grace") : Duration.ZERO;
        JoinWindows windows = !options.containsKey("api") ? JoinWindows.ofTimeDifferenceAndGrace(first, grace)
            : hasGrace ? JoinWindows.of(first).grace(ms("grace")) : JoinWindows.of(first);
        return before.isNegative() ? windows.before(before) : windows.after(after);
    }

    private void streamJoin() {
        Thing left = thing(2), right = thing(3);
        Type value = type(words[6]);
        StreamJoined with = StreamJoined.with(left.key.serde(), left.value.serde(), right.value.serde());
        if (name() != null) with = with.withName(name());
        if (options.containsKey("store")) with = with.withStoreName(options.get("store"));
        if (options.containsKey("kind")) with = with.withDslStoreSuppliers(BuiltInDslStoreSuppliers.IN_MEMORY);
        ValueJoinerWithKey join = joiner(words[5], value);
        KStream one = (KStream) left.handle, other = (KStream) right.handle;
        add(words[4].equals("inner") ? one.join(other, join, within(), with)
            : words[4].equals("left") ? one.leftJoin(other, join, within(), with) : one.outerJoin(other, join, within(), with),
            left.key, value);
    }

    /* ---- the door ------------------------------------------------------------------------------ */

    void declare(String line) {
        take(line);
        switch (words[0]) {
            case "stream": case "table": source(); break;
            case "topic": topic(words[1], type(words[2]), type(words[3])); break;
            case "filter": case "filternot": case "map": case "mapvalues": case "selectkey": case "flatmap":
            case "flatmapvalues":
                map();
                break;
            case "peek": case "foreach": case "merge": case "repartition": pass(); break;
            case "split": split(); break;
            case "to": sink(); break;
            case "groupbykey": case "groupby": group(); break;
            case "window": window(); break;
            case "cogroup": cogroup(); break;
            case "count": count(); break;
            case "reduce": reduce(); break;
            case "aggregate": case "coaggregate": aggregate(); break;
            case "tostream": toStream(); break;
            case "suppress": suppress(); break;
            case "stjoin": tableJoin(); break;
            case "join": streamJoin(); break;
            default: throw new NotHere(words[0]);
        }
    }
}
