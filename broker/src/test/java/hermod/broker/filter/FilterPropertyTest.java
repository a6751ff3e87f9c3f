package hermod.broker.filter;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.protocol.control.wire.Filter;
import java.math.BigDecimal;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** The compiled filter against a slow one that reads the message and decoded attributes; the seed is in the failure's text. */
@Tag("EV-8")
class FilterPropertyTest {
    private static final int FILTERS = 20_000;
    private static final String[] KEYS = {"a", "b", "ab", "price", "größe"};
    private static final String[] VALUES = {
        "",
        "0",
        "-0",
        "00",
        "1",
        "-1",
        "1.0",
        "1.5",
        "-1.5",
        "10",
        "17",
        "017",
        "17.",
        ".17",
        "1e2",
        "-",
        "a",
        "ab",
        "abc",
        "ä",
        "99999999999999999999",
        "99999999999999999999.1",
        "0.000001",
        "-0.000001"
    };
    private static final String[] NUMBERS = {"0", "-0.0", "1", "-1", "1.50", "017", "99999999999999999999", "0.000001"};

    @Test
    void aCompiledFilterMatchesWhatTheSlowOneMatches() {
        long seed = Long.getLong("hermod.test.seed", new Random().nextLong());
        Random random = new Random(seed);
        int matched = 0;
        int asked = 0;
        for (int i = 0; i < FILTERS; i++) {
            Filter message = filter(random, 1 + random.nextInt(6));
            EventFilter filter;
            try {
                filter = EventFilter.compile(message, FilterConfig.defaults());
            } catch (BadFilterException refused) {
                continue;
            }
            for (int j = 0; j < 5; j++) {
                Map<String, String> attributes = attributes(random);
                boolean expected = slow(message, attributes);
                assertThat(Attributes.matches(filter, attributes))
                        .as("seed=%d filter=%s attributes=%s", seed, filter, attributes)
                        .isEqualTo(expected);
                matched += expected ? 1 : 0;
                asked++;
            }
        }
        // Both answers are really tried.
        assertThat(asked).as("seed=%d", seed).isGreaterThan(FILTERS);
        assertThat(matched).as("seed=%d", seed).isBetween(asked / 20, asked - asked / 20);
    }

    @Test
    void theTextOfAFilterIsReadAsTheSameFilter() throws Exception {
        long seed = Long.getLong("hermod.test.seed", new Random().nextLong());
        Random random = new Random(seed);
        for (int i = 0; i < FILTERS; i++) {
            Filter message = filter(random, 1 + random.nextInt(5));
            Filter read = FilterText.parse(FilterText.of(message));
            for (int j = 0; j < 5; j++) {
                Map<String, String> attributes = attributes(random);
                assertThat(slow(read, attributes))
                        .as("seed=%d filter=%s attributes=%s", seed, FilterText.of(message), attributes)
                        .isEqualTo(slow(message, attributes));
            }
        }
    }

    private static Filter filter(Random random, int depth) {
        int shape = depth == 1 ? 3 : random.nextInt(4);
        Filter.Builder filter = Filter.newBuilder();
        switch (shape) {
            case 0 -> parts(random, depth).forEach(filter::addAll);
            case 1 -> parts(random, depth).forEach(filter::addAny);
            case 2 -> filter.setNot(filter(random, depth - 1));
            default -> test(random, filter);
        }
        return filter.build();
    }

    private static List<Filter> parts(Random random, int depth) {
        List<Filter> parts = new ArrayList<>();
        for (int i = random.nextInt(3); i >= 0; i--) {
            parts.add(filter(random, depth - 1));
        }
        return parts;
    }

    private static void test(Random random, Filter.Builder test) {
        test.setKey(KEYS[random.nextInt(KEYS.length)]);
        switch (random.nextInt(4)) {
            case 0 -> {
                for (int i = random.nextInt(6); i >= 0; i--) {
                    test.addIn(VALUES[random.nextInt(VALUES.length)]);
                }
            }
            case 1 -> test.setPrefix(VALUES[random.nextInt(VALUES.length)]);
            case 2 -> {
                int bounds = 1 + random.nextInt(15);
                if ((bounds & 3) != 0) {
                    String lower = NUMBERS[random.nextInt(NUMBERS.length)];
                    if ((bounds & 1) != 0) {
                        test.setAtLeast(lower);
                    } else {
                        test.setAbove(lower);
                    }
                }
                if ((bounds & 12) != 0) {
                    String upper = NUMBERS[random.nextInt(NUMBERS.length)];
                    if ((bounds & 4) != 0) {
                        test.setAtMost(upper);
                    } else {
                        test.setBelow(upper);
                    }
                }
            }
            default -> {
                // Whether it is there.
            }
        }
    }

    private static Map<String, String> attributes(Random random) {
        Map<String, String> attributes = new LinkedHashMap<>();
        for (int i = random.nextInt(5); i > 0; i--) {
            attributes.put(KEYS[random.nextInt(KEYS.length)], VALUES[random.nextInt(VALUES.length)]);
        }
        return attributes;
    }

    private static boolean slow(Filter filter, Map<String, String> attributes) {
        if (filter.getAllCount() > 0) {
            return filter.getAllList().stream().allMatch(part -> slow(part, attributes));
        }
        if (filter.getAnyCount() > 0) {
            return filter.getAnyList().stream().anyMatch(part -> slow(part, attributes));
        }
        if (filter.hasNot()) {
            return !slow(filter.getNot(), attributes);
        }
        String value = attributes.get(filter.getKey());
        if (value == null) {
            return false;
        }
        if (filter.getInCount() > 0) {
            return filter.getInList().contains(value);
        }
        if (!filter.getPrefix().isEmpty()) {
            return value.startsWith(filter.getPrefix());
        }
        String bounds = filter.getAtLeast() + filter.getAbove() + filter.getAtMost() + filter.getBelow();
        if (bounds.isEmpty()) {
            return true;
        }
        if (!value.matches("-?[0-9]+(\\.[0-9]+)?")) {
            return false;
        }
        BigDecimal number = new BigDecimal(value);
        return (filter.getAtLeast().isEmpty() || number.compareTo(new BigDecimal(filter.getAtLeast())) >= 0)
                && (filter.getAbove().isEmpty() || number.compareTo(new BigDecimal(filter.getAbove())) > 0)
                && (filter.getAtMost().isEmpty() || number.compareTo(new BigDecimal(filter.getAtMost())) <= 0)
                && (filter.getBelow().isEmpty() || number.compareTo(new BigDecimal(filter.getBelow())) < 0);
    }
}
