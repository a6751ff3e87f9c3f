package hermod.broker.group;

import static org.assertj.core.api.Assertions.assertThat;

import org.junit.jupiter.api.Tag;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** What must hold is in {@link LedgerScript}, which checks it with each of its steps. */
@Tag("EV-12")
class LedgerPropertyTest {
    @ParameterizedTest
    @ValueSource(longs = {1, 2, 3, 4, 5, 6, 7, 8})
    void whateverMembersDoEachEventIsSettledOnceAndInTheOrderOfItsTopic(long seed) {
        for (int script = 0; script < 40; script++) {
            LedgerScript made = new LedgerScript(seed * 1_000 + script);
            for (int i = 0; i < 250; i++) {
                made.step();
            }
            made.drain();
            assertThat(made.takenCount()).isPositive();
        }
    }
}
