package hermod.bench.account;

import hermod.bench.account.Truth.Published;
import hermod.protocol.control.wire.Filter;
import java.util.List;
import java.util.function.Predicate;

/** The filters that scripts choose from: as the broker is told them, and as the model understands them. Stateless. */
final class Filters {
    static final String KIND = "kind";
    static final String SIZE = "size";

    private record Choice(Filter told, Predicate<Published> meant) {}

    private static final List<Choice> CHOICES = List.of(
            new Choice(kindIn("k0", "k1"), event -> isKind(event, "k0", "k1")),
            new Choice(Filter.newBuilder().setNot(kindIn("k2")).build(), event -> !isKind(event, "k2")),
            new Choice(
                    Filter.newBuilder()
                            .setKey(SIZE)
                            .setAtLeast("3")
                            .setBelow("7")
                            .build(),
                    event -> isSizeFrom3Below7(event)),
            new Choice(
                    Filter.newBuilder()
                            .addAny(kindIn("k3"))
                            .addAny(Filter.newBuilder()
                                    .addAll(Filter.newBuilder().setKey(KIND).setPrefix("k"))
                                    .addAll(Filter.newBuilder()
                                            .setKey(SIZE)
                                            .setAtLeast("3")
                                            .setBelow("7")))
                            .build(),
                    event -> isKind(event, "k3") || (event.attributes().containsKey(KIND) && isSizeFrom3Below7(event))),
            new Choice(kindIn("nothing has this kind"), event -> false));

    private Filters() {}

    static int count() {
        return CHOICES.size();
    }

    static Filter told(int number) {
        return CHOICES.get(number).told;
    }

    static boolean passes(int number, Published event) {
        return CHOICES.get(number).meant.test(event);
    }

    private static Filter kindIn(String... kinds) {
        return Filter.newBuilder().setKey(KIND).addAllIn(List.of(kinds)).build();
    }

    private static boolean isKind(Published event, String... kinds) {
        String kind = event.attributes().get(KIND);
        return kind != null && List.of(kinds).contains(kind);
    }

    private static boolean isSizeFrom3Below7(Published event) {
        String size = event.attributes().get(SIZE);
        return size != null && Integer.parseInt(size) >= 3 && Integer.parseInt(size) < 7;
    }
}
