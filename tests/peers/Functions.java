import java.math.BigInteger;
import java.util.ArrayList;
import java.util.List;
import org.apache.kafka.streams.kstream.Windowed;

/** The functions that cases name (../vectors/functions.c has the same): of texts, null is no text. */
final class Functions {
    private Functions() {
    }

    static final class Failure extends RuntimeException {
        Failure(String word) {
            super(word);
        }
    }

    /** Of whatever a topology hands over. */
    static String text(Object object) {
        if (object instanceof Windowed) {
            Windowed<?> windowed = (Windowed<?>) object;
            return text(windowed.key()) + "@" + windowed.window().start() + "/" + windowed.window().end();
        }
        return object == null ? null : object.toString();
    }

    static Object object(String text, char type) {
        return text == null || type != 'L' ? text : (Object) Long.valueOf(text);
    }

    private static String show(String text) {
        return text == null ? "_" : text;
    }

    private static BigInteger number(String text) {
        if (text == null) return BigInteger.ZERO;
        return text.matches("-?[0-9]{1,18}") ? new BigInteger(text) : BigInteger.valueOf(text.length());
    }

    private static long hash(String... parts) {
        long hash = 0x811c9dc5L;
        for (String part : parts) {
            hash = step(hash, part == null ? 0 : 1);
            for (int i = 0; part != null && i < part.length(); i++) hash = step(hash, part.charAt(i));
        }
        return hash ^ (hash >> 15);
    }

    private static long step(long hash, int octet) {
        return ((hash ^ octet) * 16777619L) & 0xffffffffL;
    }

    private static String argument(String word) {
        int colon = word.indexOf(':');
        return colon < 0 ? null : word.substring(colon + 1);
    }

    private static String name(String word) {
        return word.split(":", 2)[0];
    }

    private static String failOn(String x, String value) {
        if (x.equals(value)) throw new Failure("failon:" + x);
        return value;
    }

    static boolean predicate(String word, String k, String v) {
        String x = argument(word);
        switch (name(word)) {
            case "all": return true;
            case "none": return false;
            case "veq": return x.equals(v);
            case "keq": return x.equals(k);
            case "vnull": return v == null;
            case "knull": return k == null;
            case "vpre": return v != null && v.startsWith(x);
            case "vgt": return number(v).compareTo(new BigInteger(x)) > 0;
            case "mod": return hash(k, v) % Long.parseLong(x.split(":")[0]) == Long.parseLong(x.split(":")[1]);
            case "failon": return failOn(x, v) == v;
            default: throw new IllegalArgumentException(word);
        }
    }

    static String map(String word, String k, String v) {
        String x = argument(word);
        switch (name(word)) {
            case "id": return v;
            case "key": return k;
            case "null": return null;
            case "const": return x;
            case "app": return v == null ? null : v + x;
            case "nz": return v == null ? x : v;
            case "show": return show(v);
            case "pre": return v == null ? null : v.substring(0, Math.min(v.length(), Integer.parseInt(x)));
            case "part": {
                String[] parts = v == null ? new String[0] : v.split(",", -1);
                int at = Integer.parseInt(x);
                return at < parts.length && !parts[at].isEmpty() ? parts[at] : null;
            }
            case "len": return String.valueOf(v == null ? 0 : v.length());
            case "num": return number(v).toString();
            case "kv": return show(k) + ":" + show(v);
            case "kmod": return "k" + hash(k) % Long.parseLong(x);
            case "vmod": return "k" + hash(v) % Long.parseLong(x);
            case "mix": return "m" + hash(k, v) % 1000;
            case "mixnull": return hash(k, v) % 7 == 0 ? null : "m" + hash(k, v) % 1000;
            case "nullon": return x.equals(v) ? null : v;
            case "failon": return failOn(x, v);
            default: throw new IllegalArgumentException(word);
        }
    }

    static List<String> list(String word, String v) {
        List<String> list = new ArrayList<>();
        switch (name(word)) {
            case "split":
                if (v != null) list.addAll(List.of(v.split(",", -1)));
                break;
            case "twice":
                list.add(v);
                list.add(v == null ? null : v + "'");
                break;
            case "nothing":
                break;
            case "onenull":
                list.add(null);
                break;
            case "failon":
                list.add(failOn(argument(word), v));
                break;
            default: throw new IllegalArgumentException(word);
        }
        return list;
    }

    static String fold(String word, String k, String v, String g) {
        String x = argument(word);
        switch (name(word)) {
            case "add": return show(g) + "+" + show(v);
            case "sub": return show(g) + "-" + show(v);
            case "kadd": return show(g) + "+" + show(k) + show(v);
            case "sum": return number(g).add(number(v)).toString();
            case "minus": return number(g).subtract(number(v)).toString();
            case "cnt": return number(g).add(BigInteger.ONE).toString();
            case "uncnt": return number(g).subtract(BigInteger.ONE).toString();
            case "max": return number(v).compareTo(number(g)) > 0 ? v : g;
            case "min": return number(v).compareTo(number(g)) < 0 ? v : g;
            case "last": return v;
            case "first": return g;
            case "null": return null;
            case "nullon": return x.equals(v) ? null : show(g) + "+" + show(v);
            case "failon": failOn(x, v); return show(g) + "+" + show(v);
            case "mix": return "m" + hash(k, v, g) % 100000;
            case "mixnull": return hash(k, v, g) % 7 == 0 ? null : "m" + hash(k, v, g) % 100000;
            default: throw new IllegalArgumentException(word);
        }
    }

    static String join(String word, String k, String l, String r) {
        String x = argument(word);
        switch (name(word)) {
            case "cat": return show(l) + "|" + show(r);
            case "kcat": return show(k) + ":" + show(l) + "|" + show(r);
            case "left": return l;
            case "right": return r;
            case "sum": return number(l).add(number(r)).toString();
            case "null": return null;
            case "lnull": return x.equals(l) ? null : show(l) + "|" + show(r);
            case "failon": failOn(x, l); return show(l) + "|" + show(r);
            case "mix": return "m" + hash(k, l, r) % 100000;
            case "mixnull": return hash(k, l, r) % 7 == 0 ? null : "m" + hash(k, l, r) % 100000;
            default: throw new IllegalArgumentException(word);
        }
    }
}
