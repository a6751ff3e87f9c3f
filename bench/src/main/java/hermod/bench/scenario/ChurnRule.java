package hermod.bench.scenario;

import hermod.protocol.control.wire.Filter;
import java.util.Map;
import java.util.SplittableRandom;
import java.util.TreeMap;

/** A filter as the bench draws and judges it, written without the broker's code; events carry the attributes {@code group} and {@code price}. Immutable. */
sealed interface ChurnRule {
    int GROUPS = 8;
    int PRICES = 1_000;

    /** Attributes of an event. */
    record Attributes(int group, int price) {
        /** Spread evenly, and the same for the same number. */
        static Attributes of(long number) {
            long mixed = number * 0x9E3779B97F4A7C15L;
            mixed ^= mixed >>> 29;
            return new Attributes(
                    (int) Math.floorMod(mixed, (long) GROUPS), (int) Math.floorMod(mixed >>> 8, (long) PRICES));
        }

        Map<String, String> toMap() {
            Map<String, String> map = new TreeMap<>();
            map.put("group", "g" + group);
            map.put("price", Integer.toString(price));
            return map;
        }
    }

    /** Every event. */
    record All() implements ChurnRule {}

    /** One of some groups, as bits. */
    record Groups(int bits) implements ChurnRule {}

    /** A price from {@code atLeast} to below {@code below}. */
    record Prices(int atLeast, int below) implements ChurnRule {}

    /** Both. */
    record Both(Groups groups, Prices prices) implements ChurnRule {}

    /** None of some groups. */
    record NotIn(Groups groups) implements ChurnRule {}

    static ChurnRule draw(SplittableRandom random) {
        Groups groups = new Groups(1 + random.nextInt((1 << GROUPS) - 1));
        int low = random.nextInt(PRICES);
        Prices prices = new Prices(low, low + 1 + random.nextInt(PRICES - low));
        return switch (random.nextInt(5)) {
            case 0 -> new All();
            case 1 -> groups;
            case 2 -> prices;
            case 3 -> new Both(groups, prices);
            default -> new NotIn(groups);
        };
    }

    default boolean matches(Attributes event) {
        if (this instanceof Groups groups) {
            return (groups.bits >> event.group & 1) != 0;
        }
        if (this instanceof Prices prices) {
            return event.price >= prices.atLeast && event.price < prices.below;
        }
        if (this instanceof Both both) {
            return both.groups.matches(event) && both.prices.matches(event);
        }
        if (this instanceof NotIn not) {
            return !not.groups.matches(event);
        }
        return true;
    }

    /** As it goes over the wire; for {@link All} there is no filter to send. */
    default Filter toMessage() {
        if (this instanceof Groups groups) {
            Filter.Builder filter = Filter.newBuilder().setKey("group");
            for (int group = 0; group < GROUPS; group++) {
                if ((groups.bits >> group & 1) != 0) {
                    filter.addIn("g" + group);
                }
            }
            return filter.build();
        }
        if (this instanceof Prices prices) {
            return Filter.newBuilder()
                    .setKey("price")
                    .setAtLeast(Integer.toString(prices.atLeast))
                    .setBelow(Integer.toString(prices.below))
                    .build();
        }
        if (this instanceof Both both) {
            return Filter.newBuilder()
                    .addAll(both.groups.toMessage())
                    .addAll(both.prices.toMessage())
                    .build();
        }
        if (this instanceof NotIn not) {
            return Filter.newBuilder().setNot(not.groups.toMessage()).build();
        }
        throw new IllegalStateException("no filter");
    }
}
