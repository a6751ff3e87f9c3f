package hermod.client;

import java.util.List;

/**
 * Which events of a topic are wanted, by their attributes: {@code Filter.of("propertyId").is("17").and(Filter.of("price").below("250000"))}.
 *
 * <p>The broker sends only what matches. An attribute that is not there passes no test; a value that is no decimal number ({@code 17}, {@code -0.5}) is in no range. The broker bounds a filter's size, depth and cost and
 * refuses one beyond with {@code BAD_FILTER}, saying what is wrong. Immutable, any thread.
 */
public final class Filter {
    private final hermod.protocol.control.wire.Filter message;

    private Filter(hermod.protocol.control.wire.Filter message) {
        this.message = message;
    }

    /** Begins a test of the attribute with this key. */
    public static Test of(String key) {
        if (key.isEmpty()) {
            throw new IllegalArgumentException("a key has at least one character");
        }
        return new Test(key);
    }

    /** Matches what all of these match; at least one. */
    public static Filter all(List<Filter> filters) {
        return joined(filters, true);
    }

    /** Matches what any of these matches; at least one. */
    public static Filter any(List<Filter> filters) {
        return joined(filters, false);
    }

    private static Filter joined(List<Filter> filters, boolean areAll) {
        if (filters.isEmpty()) {
            throw new IllegalArgumentException("at least one filter is needed");
        }
        var joined = hermod.protocol.control.wire.Filter.newBuilder();
        for (Filter each : filters) {
            if (areAll) {
                joined.addAll(each.message);
            } else {
                joined.addAny(each.message);
            }
        }
        return new Filter(joined.build());
    }

    public Filter and(Filter other) {
        return all(List.of(this, other));
    }

    public Filter or(Filter other) {
        return any(List.of(this, other));
    }

    /** Matches what this one does not match, events without the attribute among them. */
    public Filter not() {
        return new Filter(
                hermod.protocol.control.wire.Filter.newBuilder().setNot(message).build());
    }

    hermod.protocol.control.wire.Filter message() {
        return message;
    }

    static Filter of(hermod.protocol.control.wire.Filter message) {
        return new Filter(message);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof Filter filter && filter.message.equals(message);
    }

    @Override
    public int hashCode() {
        return message.hashCode();
    }

    /** As protobuf prints it, on one line. */
    @Override
    public String toString() {
        return message.toString().replaceAll("\\s+", " ").strip();
    }

    /** What is asked of one attribute. Numbers are decimal and compared exactly. */
    public static final class Test {
        private final String key;

        private Test(String key) {
            this.key = key;
        }

        private hermod.protocol.control.wire.Filter.Builder test() {
            return hermod.protocol.control.wire.Filter.newBuilder().setKey(key);
        }

        /** It is there, whatever its value. */
        public Filter exists() {
            return new Filter(test().build());
        }

        public Filter is(String value) {
            return new Filter(test().addIn(value).build());
        }

        /** At least one value. */
        public Filter isOneOf(List<String> values) {
            if (values.isEmpty()) {
                throw new IllegalArgumentException("at least one value is needed");
            }
            return new Filter(test().addAllIn(values).build());
        }

        /** Not empty. */
        public Filter startsWith(String prefix) {
            if (prefix.isEmpty()) {
                throw new IllegalArgumentException("a prefix has at least one character; use exists()");
            }
            return new Filter(test().setPrefix(prefix).build());
        }

        public Filter atLeast(String number) {
            return new Filter(test().setAtLeast(checked(number)).build());
        }

        public Filter above(String number) {
            return new Filter(test().setAbove(checked(number)).build());
        }

        public Filter atMost(String number) {
            return new Filter(test().setAtMost(checked(number)).build());
        }

        public Filter below(String number) {
            return new Filter(test().setBelow(checked(number)).build());
        }

        /** Both included. */
        public Filter between(String lowest, String highest) {
            return new Filter(test().setAtLeast(checked(lowest))
                    .setAtMost(checked(highest))
                    .build());
        }

        private static String checked(String number) {
            if (!number.matches("-?[0-9]+(\\.[0-9]+)?")) {
                throw new IllegalArgumentException("no decimal number: " + number);
            }
            return number;
        }
    }
}
