package hermod.bench.scenario;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.bench.check.Verdict;
import hermod.bench.scenario.ChurnRule.All;
import hermod.bench.scenario.ChurnRule.Attributes;
import hermod.bench.scenario.ChurnRule.Groups;
import hermod.broker.filter.EventFilter;
import hermod.broker.filter.FilterConfig;
import hermod.protocol.frame.EventFields;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.NavigableMap;
import java.util.SplittableRandom;
import java.util.TreeMap;
import org.junit.jupiter.api.Test;

class ChurnLogTest {
    private static final ChurnRule EVEN = new Groups(0b01010101);

    /** Offsets 1 to 20, the group of each is the offset's last three bits. */
    private final NavigableMap<Long, Attributes> history = new TreeMap<>();

    private final ChurnLog log = new ChurnLog("reader 0, tasks:x");

    ChurnLogTest() {
        for (long offset = 1; offset <= 20; offset++) {
            history.put(offset, new Attributes((int) offset & 7, 0));
        }
    }

    /** From 3 on all, from 8 on even ones, none from 14 on, and all again from 18 on. */
    private void switchedThreeTimes(long... received) {
        log.switched(1, 3, new All());
        log.switched(1, 8, EVEN);
        log.end(14);
        log.switched(2, 18, new All());
        for (long offset : received) {
            log.event(offset);
        }
    }

    @Test
    void exactlyWhatEachSetAsksForIsClean() {
        switchedThreeTimes(3, 4, 5, 6, 7, 8, 10, 12, 18, 19, 20);

        Verdict verdict = log.check(history);

        assertThat(verdict.isClean()).as(verdict.toString()).isTrue();
        assertThat(verdict.expected()).isEqualTo(11);
    }

    @Test
    void anEventMissingAtTheSwitchIsLost() {
        switchedThreeTimes(3, 4, 5, 6, 7, 10, 12, 18, 19, 20);

        assertThat(log.check(history).lost()).isEqualTo(1);
    }

    @Test
    void anEventThatComesBeforeAndAfterTheSwitchIsDuplicatedAndOutOfOrderOnlyIfItSteps() {
        switchedThreeTimes(3, 4, 5, 6, 7, 7, 8, 10, 12, 18, 19, 20);

        assertThat(log.check(history).duplicated()).isEqualTo(1);
        assertThat(log.check(history).disordered()).isZero();
    }

    @Test
    void whatTheFilterHidesOrNoSetAskedForIsAPhantom() {
        switchedThreeTimes(3, 4, 5, 6, 7, 8, 9, 10, 12, 14, 18, 19, 20);

        assertThat(log.check(history).phantom()).isEqualTo(2);
    }

    @Test
    void fallingOffsetsAreDisorder() {
        switchedThreeTimes(3, 5, 4, 6, 7, 8, 10, 12, 18, 19, 20);

        assertThat(log.check(history).disordered()).isEqualTo(1);
    }

    /** The readers judge by rules of their own; they and the broker's filters must mean the same. */
    @Test
    void theRulesMeanWhatTheBrokerMakesOfThem() throws Exception {
        SplittableRandom random = new SplittableRandom(5);
        for (int i = 0; i < 300; i++) {
            ChurnRule rule = ChurnRule.draw(random);
            if (rule instanceof All) {
                continue;
            }
            EventFilter filter = EventFilter.compile(rule.toMessage(), FilterConfig.defaults());
            for (int event = 0; event < 50; event++) {
                Attributes attributes = Attributes.of(random.nextLong());
                ByteBuf field = Unpooled.buffer();
                EventFields.writeAttributes(field, attributes.toMap());
                int valueAt = EventFields.HEAD_BYTES;
                boolean matches = filter.matches(field, valueAt, field.readableBytes() - valueAt);
                assertThat(matches).as(rule + " on " + attributes).isEqualTo(rule.matches(attributes));
            }
        }
    }
}
