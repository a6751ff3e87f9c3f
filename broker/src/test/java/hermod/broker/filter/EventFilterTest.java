package hermod.broker.filter;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import hermod.protocol.control.wire.Filter;
import java.util.Collections;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Tag("EV-8")
class EventFilterTest {
    private static final Map<String, String> NONE = Map.of();

    private static boolean matches(String text, String... keysAndValues) throws BadFilterException {
        return Attributes.matches(
                EventFilter.compile(FilterText.parse(text), FilterConfig.defaults()), Attributes.of(keysAndValues));
    }

    @Test
    void anEqualityMatchesTheWholeValueByteByByte() throws Exception {
        assertThat(matches("propertyId = 17", "propertyId", "17")).isTrue();
        assertThat(matches("propertyId = 17", "a", "b", "propertyId", "17", "c", "d"))
                .isTrue();
        assertThat(matches("propertyId = 17", "propertyId", "170")).isFalse();
        assertThat(matches("propertyId = 17", "propertyId", "1")).isFalse();
        assertThat(matches("propertyId = 17", "propertyId", "17.0")).isFalse();
        assertThat(matches("propertyId = 17", "propertyid", "17")).isFalse();
        assertThat(matches("propertyId = 17")).isFalse();
        assertThat(matches("city = Köln", "city", "Köln")).isTrue();
        assertThat(matches("note = ''", "note", "")).isTrue();
    }

    @Test
    void aSetMatchesEachOfItsValuesAndNothingElse() throws Exception {
        String set = "state in (open, offered, zu, ö, '', sold)";
        for (String value : new String[] {"open", "offered", "zu", "ö", "", "sold"}) {
            assertThat(matches(set, "state", value)).as(value).isTrue();
        }
        for (String value : new String[] {"ope", "opened", "z", "o", "Sold"}) {
            assertThat(matches(set, "state", value)).as(value).isFalse();
        }
    }

    @Test
    void aPrefixMatchesTheValuesThatBeginWithIt() throws Exception {
        assertThat(matches("ref starts A-", "ref", "A-17")).isTrue();
        assertThat(matches("ref starts A-", "ref", "A-")).isTrue();
        assertThat(matches("ref starts A-", "ref", "A")).isFalse();
        assertThat(matches("ref starts A-", "ref", "BA-")).isFalse();
        assertThat(matches("ref starts A-")).isFalse();
    }

    @Test
    void aKeyAloneAsksWhetherTheAttributeIsThere() throws Exception {
        assertThat(matches("sold", "sold", "")).isTrue();
        assertThat(matches("sold", "so", "ld")).isFalse();
        assertThat(matches("not sold")).isTrue();
    }

    @ParameterizedTest
    @CsvSource({
        "17, true",
        "17.0, true",
        "017, true",
        "16.999999999999999999999999, false",
        "20, true",
        "20.0, true",
        "20.0000000000000000001, false",
        "-18, false",
        "19.5, true",
        "1e1, false",
        "'', false",
        "18 , true",
        "+18, false",
        "18., false",
        ".18, false",
        "-, false",
        "١٨, false",
        "184467440737095516170018, false",
        "18.5.1, false",
        "0x12, false"
    })
    void aRangeComparesDecimalNumbersExactlyAndNothingElseIsInIt(String value, boolean isIn) throws Exception {
        assertThat(matches("n >= 17 and n <= 20", "n", value)).isEqualTo(isIn);
        Filter oneTest = Filter.newBuilder()
                .setKey("n")
                .setAtLeast("17.00")
                .setAtMost("020")
                .build();
        assertThat(Attributes.matches(EventFilter.compile(oneTest, FilterConfig.defaults()), Attributes.of("n", value)))
                .isEqualTo(isIn);
    }

    @Test
    void aBoundThatIsNotInTheRangeIsNotInIt() throws Exception {
        assertThat(matches("n > 17", "n", "17")).isFalse();
        assertThat(matches("n > 17", "n", "17.0001")).isTrue();
        assertThat(matches("n < 17", "n", "17.0")).isFalse();
        assertThat(matches("n < 17", "n", "-100000000000000000000000")).isTrue();
        assertThat(matches("n < 0", "n", "-0.0")).isFalse();
        assertThat(matches("n >= 0", "n", "-0")).isTrue();
        assertThat(matches("n > -0.5", "n", "-0.49")).isTrue();
        assertThat(matches("n > -0.5", "n", "-0.51")).isFalse();
        assertThat(matches("n > -12", "n", "-9")).isTrue();
    }

    @Test
    void whatIsNoNumberIsInNoRangeAndSoPassesItsOpposite() throws Exception {
        assertThat(matches("n < 17", "n", "few")).isFalse();
        assertThat(matches("n >= 17", "n", "few")).isFalse();
        assertThat(matches("not n >= 17", "n", "few")).isTrue();
    }

    @Test
    void andOrAndNotAreWhatTheySay() throws Exception {
        String text = "a = 1 and (b = 2 or not c = 3)";
        assertThat(matches(text, "a", "1", "b", "2", "c", "3")).isTrue();
        assertThat(matches(text, "a", "1", "b", "0", "c", "3")).isFalse();
        assertThat(matches(text, "a", "1")).isTrue();
        assertThat(matches(text, "b", "2")).isFalse();
        assertThat(matches("a != 1", "a", "1")).isFalse();
        assertThat(matches("a != 1")).isTrue();
        assertThat(matches("(a = 1 or a = 2) and (b or c)", "a", "2", "c", "")).isTrue();
        assertThat(matches("a = 1 and a = 2", "a", "1")).isFalse();
    }

    @Test
    void everyTestOfTheLargestFilterHasABitOfItsOwn() throws Exception {
        Filter.Builder any = Filter.newBuilder();
        for (int i = 0; i < 63; i++) {
            any.addAny(Filter.newBuilder().setKey("k" + i).addIn("v"));
        }
        EventFilter filter = EventFilter.compile(any.build(), FilterConfig.defaults());
        for (int i = 0; i < 63; i++) {
            assertThat(Attributes.matches(filter, Map.of("k" + i, "v")))
                    .as("test %d", i)
                    .isTrue();
            assertThat(Attributes.matches(filter, Map.of("k" + i, "w"))).isFalse();
        }
        assertThat(Attributes.matches(filter, NONE)).isFalse();
    }

    @Tag("SE-4")
    @Test
    void aFilterBeyondALimitIsRefusedWithWhatItHasAndTheLimit() {
        FilterConfig limits = new FilterConfig(100, 3, 5, 10, 100, 1_000, 16);
        assertRefused(
                limits,
                Filter.newBuilder().setKey("k").addIn("x".repeat(100)),
                "has 105 bytes; this broker takes at most 100 (filter.size-limit-bytes)");
        assertRefused(
                limits,
                not(not(not(key("k")))),
                "nests deeper than it may; this broker takes at most 3 (filter.depth-limit-count)");
        assertRefused(
                limits,
                Filter.newBuilder().addAllAll(Collections.nCopies(5, key("k").build())),
                "has too many parts; this broker takes at most 5 (filter.term-limit-count)");
        assertRefused(
                limits,
                Filter.newBuilder()
                        .addAny(key("a").addAllIn(Collections.nCopies(15, "")))
                        .addAny(key("b").addAllIn(Collections.nCopies(15, ""))),
                "costs 11; this broker takes at most 10 (filter.cost-limit-count)");
    }

    @Test
    void aFilterThatBreaksARuleIsRefusedWithWhatWouldBeRight() {
        FilterConfig limits = FilterConfig.defaults();
        assertRefused(limits, Filter.newBuilder(), "exactly one of all, any, not, and a test of a key; one is none");
        assertRefused(limits, key("k").setNot(key("l")), "one is several of them");
        assertRefused(limits, Filter.newBuilder().addIn("x"), "one is none of them");
        assertRefused(limits, Filter.newBuilder().setNot(key("k")).addIn("x"), "needs the key it is about");
        assertRefused(limits, key("k").addIn("x").setPrefix("y"), "one of in, prefix and a range");
        assertRefused(limits, key("k").setAbove("1").setAtLeast("1"), "one lower bound");
        assertRefused(limits, key("k").setAbove("1e3"), "'1e3' is no decimal number");
        assertRefused(limits, key("k").setAbove("3").setAtMost("3.0"), "is empty: no number is in it");
        assertRefused(limits, key("x".repeat(65)), "a key has at most 64 bytes");
    }

    private static Filter.Builder key(String key) {
        return Filter.newBuilder().setKey(key);
    }

    private static Filter.Builder not(Filter.Builder inner) {
        return Filter.newBuilder().setNot(inner);
    }

    private static void assertRefused(FilterConfig limits, Filter.Builder filter, String words) {
        assertThatThrownBy(() -> EventFilter.compile(filter.build(), limits))
                .isInstanceOf(BadFilterException.class)
                .hasMessageContaining(words);
    }
}
