package hermod.broker.filter;

import hermod.broker.filter.EventFilter.KeyTests;
import hermod.broker.filter.EventFilter.Node;
import hermod.protocol.ProtocolLimits;
import hermod.protocol.control.wire.Filter;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Checks one filter and turns it into its compiled form. Used once. */
final class FilterCompiler {
    private record Test(AttributeTest test, long bit) {}

    private final FilterConfig limits;
    private final Map<String, List<Test>> testsByKey = new LinkedHashMap<>();
    private int termCount;
    private int testCount;
    private long cost;

    FilterCompiler(FilterConfig limits) {
        this.limits = limits;
    }

    EventFilter compile(Filter message) throws BadFilterException {
        int bytes = message.getSerializedSize();
        if (bytes > limits.sizeLimitBytes()) {
            throw beyond("has " + bytes + " bytes", limits.sizeLimitBytes(), "size-limit-bytes");
        }
        Node root = node(message, 1);
        if (cost > limits.costLimitCount()) {
            throw beyond("costs " + cost, limits.costLimitCount(), "cost-limit-count");
        }
        List<KeyTests> keys = new ArrayList<>();
        testsByKey.forEach((key, tests) -> keys.add(new KeyTests(
                key.getBytes(StandardCharsets.UTF_8),
                tests.stream().map(Test::test).toArray(AttributeTest[]::new),
                tests.stream().mapToLong(Test::bit).toArray())));
        return new EventFilter(message, keys.toArray(new KeyTests[0]), root);
    }

    private static BadFilterException beyond(String has, int limit, String setting) {
        return new BadFilterException(
                "the filter " + has + "; this broker takes at most " + limit + " (filter." + setting + ")");
    }

    private Node node(Filter part, int depth) throws BadFilterException {
        if (depth > limits.depthLimitCount()) {
            throw beyond("nests deeper than it may", limits.depthLimitCount(), "depth-limit-count");
        }
        if (++termCount > limits.termLimitCount()) {
            throw beyond("has too many parts", limits.termLimitCount(), "term-limit-count");
        }
        cost++;
        boolean isTest = !part.getKey().isEmpty();
        int shapes = (part.getAllCount() > 0 ? 1 : 0)
                + (part.getAnyCount() > 0 ? 1 : 0)
                + (part.hasNot() ? 1 : 0)
                + (isTest ? 1 : 0);
        if (shapes != 1) {
            throw new BadFilterException("each part of a filter is exactly one of all, any, not, and a test of a key; "
                    + (shapes == 0 ? "one is none of them" : "one is several of them"));
        }
        if (!isTest && hasTest(part)) {
            throw new BadFilterException("a test of a value needs the key it is about");
        }
        if (isTest) {
            return test(part);
        }
        if (part.hasNot()) {
            Node inner = node(part.getNot(), depth + 1);
            return bits -> !inner.holds(bits);
        }
        return part.getAllCount() > 0 ? all(part.getAllList(), depth) : any(part.getAnyList(), depth);
    }

    private static boolean hasTest(Filter part) {
        return part.getInCount() > 0 || !part.getPrefix().isEmpty() || hasLower(part) || hasUpper(part);
    }

    private static boolean hasLower(Filter part) {
        return !part.getAtLeast().isEmpty() || !part.getAbove().isEmpty();
    }

    private static boolean hasUpper(Filter part) {
        return !part.getAtMost().isEmpty() || !part.getBelow().isEmpty();
    }

    /** What is a test among the parts becomes one mask, the rest is asked one by one. */
    private Node all(List<Filter> parts, int depth) throws BadFilterException {
        Parts split = new Parts();
        for (Filter part : parts) {
            split.add(node(part, depth + 1));
        }
        long mask = split.mask;
        Node[] rest = split.rest();
        return bits -> {
            if ((bits & mask) != mask) {
                return false;
            }
            for (Node node : rest) {
                if (!node.holds(bits)) {
                    return false;
                }
            }
            return true;
        };
    }

    private Node any(List<Filter> parts, int depth) throws BadFilterException {
        Parts split = new Parts();
        for (Filter part : parts) {
            split.add(node(part, depth + 1));
        }
        long mask = split.mask;
        Node[] rest = split.rest();
        return bits -> {
            if ((bits & mask) != 0) {
                return true;
            }
            for (Node node : rest) {
                if (node.holds(bits)) {
                    return true;
                }
            }
            return false;
        };
    }

    private static final class Parts {
        private long mask;
        private final List<Node> others = new ArrayList<>();

        void add(Node node) {
            if (node instanceof TestNode test) {
                mask |= test.bit;
            } else {
                others.add(node);
            }
        }

        Node[] rest() {
            return others.toArray(new Node[0]);
        }
    }

    private record TestNode(long bit) implements Node {
        @Override
        public boolean holds(long bits) {
            return (bits & bit) != 0;
        }
    }

    private Node test(Filter part) throws BadFilterException {
        String key = part.getKey();
        int keyBytes = key.getBytes(StandardCharsets.UTF_8).length;
        if (keyBytes > ProtocolLimits.ATTRIBUTE_KEY_BYTES) {
            throw new BadFilterException("a key has at most " + ProtocolLimits.ATTRIBUTE_KEY_BYTES
                    + " bytes, as those of attributes: bytes=" + keyBytes);
        }
        int kinds = (part.getInCount() > 0 ? 1 : 0)
                + (part.getPrefix().isEmpty() ? 0 : 1)
                + (hasLower(part) || hasUpper(part) ? 1 : 0);
        if (kinds > 1) {
            throw new BadFilterException("a test of a key has one of in, prefix and a range; put '" + key
                    + "' into several tests inside all");
        }
        AttributeTest test = AttributeTest.PRESENT;
        if (part.getInCount() > 0) {
            test = new AttributeTest.In(part.getInList());
            cost += Integer.SIZE - Integer.numberOfLeadingZeros(part.getInCount());
        } else if (!part.getPrefix().isEmpty()) {
            test = AttributeTest.prefix(part.getPrefix());
            cost++;
        } else if (kinds == 1) {
            test = range(part);
        }
        // At most 64, because the parts are.
        long bit = 1L << testCount++;
        testsByKey.computeIfAbsent(key, none -> new ArrayList<>()).add(new Test(test, bit));
        return new TestNode(bit);
    }

    private AttributeTest range(Filter part) throws BadFilterException {
        if (!part.getAtLeast().isEmpty() && !part.getAbove().isEmpty()
                || !part.getAtMost().isEmpty() && !part.getBelow().isEmpty()) {
            throw new BadFilterException(
                    "a range has one lower bound (at_least or above) and one upper (at_most or below): key='"
                            + part.getKey() + "'");
        }
        Decimal lower = bound(part.getAtLeast(), part.getAbove());
        Decimal upper = bound(part.getAtMost(), part.getBelow());
        boolean isLowerIn = part.getAbove().isEmpty();
        boolean isUpperIn = part.getBelow().isEmpty();
        if (lower != null && upper != null) {
            int order = lower.compareTo(upper);
            if (order > 0 || (order == 0 && !(isLowerIn && isUpperIn))) {
                throw new BadFilterException("the range of '" + part.getKey() + "' is empty: no number is in it");
            }
        }
        return new AttributeTest.Range(lower, isLowerIn, upper, isUpperIn);
    }

    private @Nullable Decimal bound(String included, String excluded) throws BadFilterException {
        String text = included.isEmpty() ? excluded : included;
        if (text.isEmpty()) {
            return null;
        }
        cost += 2;
        return Decimal.parse(text);
    }
}
