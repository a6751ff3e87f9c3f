package hermod.broker.admission;

import hermod.protocol.ProtocolLimits;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TreeSet;

/**
 * What a token allows; what it does not name is denied. Immutable, any thread; asking allocates nothing.
 *
 * <p>From the claim {@code rights}, a list of texts:
 *
 * <pre>
 *  pub:PATTERN      publish to topics        PATTERN: a topic's whole name, or a beginning and *; * alone is all
 *  sub:PATTERN      subscribe to topics
 *  group:PATTERN    read whole channels in consumer groups; here PATTERN is a channel's name
 *  urgent           publish with URGENT where the channel allows it
 *  limits:service   a back end's connection: the limits that are there for people don't hold
 *  rate:unlimited   no publish rate
 * </pre>
 *
 * <p>A text that is none of these gives nothing: a newer right is no reason to refuse a token, and never a reason to allow more.
 */
public final class Rights {
    /** Entries in one token. */
    public static final int COUNT_MAX = 256;

    private static final String PUB = "pub:";
    private static final String SUB = "sub:";
    private static final String GROUP = "group:";
    private static final String URGENT = "urgent";
    private static final String SERVICE = "limits:service";
    private static final String UNLIMITED = "rate:unlimited";

    /** Bytes of one entry: the prefix of a topic, its name and the star; a channel is shorter. */
    public static final int LENGTH_MAX = PUB.length() + ProtocolLimits.TOPIC_NAME_BYTES + 1;

    private static final Rights NONE = new Rights(Patterns.NONE, Patterns.NONE, Patterns.NONE, false, false, false);
    private static final Rights ALL = new Rights(Patterns.ALL, Patterns.ALL, Patterns.ALL, true, true, true);

    private final Patterns publish;
    private final Patterns subscribe;
    private final Patterns group;
    private final boolean urgent;
    private final boolean service;
    private final boolean rateUnlimited;

    private Rights(
            Patterns publish,
            Patterns subscribe,
            Patterns group,
            boolean urgent,
            boolean service,
            boolean rateUnlimited) {
        this.publish = publish;
        this.subscribe = subscribe;
        this.group = group;
        this.urgent = urgent;
        this.service = service;
        this.rateUnlimited = rateUnlimited;
    }

    public static Rights none() {
        return NONE;
    }

    public static Rights all() {
        return ALL;
    }

    /** @throws IllegalArgumentException if there are too many entries or one is too long. */
    public static Rights of(List<String> entries) {
        if (entries.size() > COUNT_MAX) {
            throw new IllegalArgumentException("too many rights: count=" + entries.size() + ", limit=" + COUNT_MAX);
        }
        List<String> publish = new ArrayList<>();
        List<String> subscribe = new ArrayList<>();
        List<String> group = new ArrayList<>();
        for (String entry : entries) {
            if (entry.length() > LENGTH_MAX) {
                throw new IllegalArgumentException(
                        "right too long: length=" + entry.length() + ", limit=" + LENGTH_MAX);
            }
            if (hasPattern(entry, PUB)) {
                publish.add(entry.substring(PUB.length()));
            } else if (hasPattern(entry, SUB)) {
                subscribe.add(entry.substring(SUB.length()));
            } else if (hasPattern(entry, GROUP)) {
                group.add(entry.substring(GROUP.length()));
            }
        }
        return new Rights(
                Patterns.of(publish),
                Patterns.of(subscribe),
                Patterns.of(group),
                entries.contains(URGENT),
                entries.contains(SERVICE),
                entries.contains(UNLIMITED));
    }

    /** Whether an entry means something to this version. */
    public static boolean isKnown(String entry) {
        return entry.equals(URGENT)
                || entry.equals(SERVICE)
                || entry.equals(UNLIMITED)
                || (entry.length() <= LENGTH_MAX
                        && (hasPattern(entry, PUB) || hasPattern(entry, SUB) || hasPattern(entry, GROUP)));
    }

    private static boolean hasPattern(String entry, String prefix) {
        return entry.startsWith(prefix) && isPattern(entry.substring(prefix.length()));
    }

    public boolean mayPublish(String topic) {
        return publish.matches(topic);
    }

    public boolean maySubscribe(String topic) {
        return subscribe.matches(topic);
    }

    /** Whether a whole channel may be read in a group. */
    public boolean mayJoin(String channel) {
        return group.matches(channel);
    }

    public boolean isUrgent() {
        return urgent;
    }

    public boolean isService() {
        return service;
    }

    public boolean isRateUnlimited() {
        return rateUnlimited;
    }

    private static boolean isPattern(String pattern) {
        int star = pattern.indexOf('*');
        return !pattern.isEmpty() && (star < 0 || star == pattern.length() - 1);
    }

    /**
     * Exact names and beginnings, each sorted.
     *
     * <p>No beginning starts with another one, so the only one that can match a topic is the greatest that is not above it.
     */
    private record Patterns(String[] exact, String[] beginnings) {
        static final Patterns NONE = of(List.of());
        static final Patterns ALL = of(List.of("*"));

        static Patterns of(List<String> patterns) {
            TreeSet<String> exact = new TreeSet<>();
            TreeSet<String> sorted = new TreeSet<>();
            for (String pattern : patterns) {
                if (pattern.endsWith("*")) {
                    sorted.add(pattern.substring(0, pattern.length() - 1));
                } else {
                    exact.add(pattern);
                }
            }
            List<String> beginnings = new ArrayList<>();
            for (String beginning : sorted) {
                if (beginnings.isEmpty() || !beginning.startsWith(beginnings.get(beginnings.size() - 1))) {
                    beginnings.add(beginning);
                }
            }
            return new Patterns(exact.toArray(String[]::new), beginnings.toArray(String[]::new));
        }

        boolean matches(String topic) {
            if (Arrays.binarySearch(exact, topic) >= 0) {
                return true;
            }
            int found = Arrays.binarySearch(beginnings, topic);
            int at = found >= 0 ? found : -found - 2;
            return at >= 0 && topic.startsWith(beginnings[at]);
        }
    }
}
