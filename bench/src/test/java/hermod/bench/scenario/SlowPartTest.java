package hermod.bench.scenario;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.within;

import hermod.bench.scenario.SlowRound.Kind;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class SlowPartTest {
    private static final String GOOD =
            " features=10 events=500 gaps=1 missed=90 filled=90 unfilled=0 unaccounted=0 dup=0";

    private final List<String> notes = new ArrayList<>();
    private final List<String> faults = new ArrayList<>();

    private static SlowRound round(int block, Kind kind, double perSecond, double p99, double cpu) {
        return SlowRound.parse("ROUND block=" + block + " kind=" + kind.label() + " deliv_s=" + perSecond + " p99="
                + p99 + " cpu_us=" + cpu + " cpu_rate_us=" + cpu);
    }

    /** Pairs of which each is slower than the one before, as on a machine that gets busy. */
    private static SlowPart drifting(int pairs, double share) {
        SlowPart part = new SlowPart("tasks", 10, false);
        for (int block = 0; block <= pairs; block++) {
            double quiet = 1e6 / (1 + block);
            double jitter = block % 2 == 0 ? 1.01 : 0.99;
            part.add(round(block, Kind.ABSENT, quiet, 1000 * (1 + block), 0.06));
            part.add(round(block, Kind.SOCKET, quiet * share * jitter, 1000 * (1 + block) * jitter, 0.06 * jitter));
        }
        return part;
    }

    @Test
    void aMachineThatSlowsDownIsNotTakenForACostOfTheStalled() {
        SlowPart part = drifting(20, 1);

        part.judge(Kind.SOCKET, notes, faults);

        assertThat(part.ratio(Kind.SOCKET, Kind.ABSENT, "deliv_s").ratio()).isCloseTo(1, within(0.01));
        assertThat(part.isWithinNoise(Kind.SOCKET)).isTrue();
        assertThat(faults).isEmpty();
        assertThat(notes).singleElement().asString().endsWith("inside ± 3 %: yes");
    }

    @Test
    void aCostThatIsProvedIsAFault() {
        SlowPart part = drifting(20, 0.95);

        part.judge(Kind.SOCKET, notes, faults);

        assertThat(part.isWithinNoise(Kind.SOCKET)).isFalse();
        assertThat(faults).singleElement().asString().contains("throughput 0.950", "NO");
    }

    @Test
    void fewPairsAreNotJudged() {
        drifting(19, 0.5).judge(Kind.SOCKET, notes, faults);

        assertThat(faults).isEmpty();
        assertThat(notes).singleElement().asString().contains("not judged below 20 pairs");
    }

    private void account(boolean mustFill, Kind kind, String keys, Map<String, Integer> causes, long outboxBytes) {
        SlowPart part = new SlowPart("chat", 10, mustFill);
        part.add(SlowRound.parse("ROUND block=0 kind=" + kind.label() + keys));
        part.add(0, kind, new SlowLook(0, 10, outboxBytes, outboxBytes, causes));
        part.account(kind, notes, faults);
    }

    @Test
    void everythingAnnouncedAndFilledIsNoFault() {
        account(true, Kind.SOCKET, GOOD, Map.of("socket", 10), 700_000);

        assertThat(faults).isEmpty();
        assertThat(notes).isEmpty();
    }

    @Test
    void whatNeitherCameNorWasAnnouncedIsAFaultAsIsWhatCameTwice() {
        account(false, Kind.SOCKET, GOOD.replace("unaccounted=0 dup=0", "unaccounted=3 dup=4"), Map.of(), 0);

        assertThat(faults).hasSize(2);
        assertThat(faults.get(0)).contains("3 events neither came");
        assertThat(faults.get(1)).contains("4 events came again");
    }

    @Test
    void aMemoryChannelMayAnnounceForGoodAndADurableOneMayNot() {
        String shed = GOOD.replace("filled=90", "filled=80");
        account(false, Kind.SOCKET, shed, Map.of("socket", 10), 0);
        assertThat(faults).isEmpty();

        account(true, Kind.SOCKET, shed, Map.of("socket", 10), 0);
        assertThat(faults).singleElement().asString().contains("10 events of a durable channel");
    }

    @Test
    void anOutboxAboveItsCapAndAWrongCauseAreFaults() {
        account(false, Kind.HANDLER, GOOD, Map.of("socket", 10), SlowPart.OUTBOX_BYTES + 1);

        assertThat(faults).hasSize(2);
        assertThat(faults.get(0)).contains("above its cap");
        assertThat(faults.get(1)).contains("another cause", "socket");
    }

    @Test
    void aBrokerThatDoesNotAgreeToGapsIsToldAsSuch() {
        account(false, Kind.HANDLER, GOOD.replace("features=10", "features=8"), Map.of("credit", 10), 0);

        assertThat(faults).singleElement().asString().contains("does not agree");
    }

    @Test
    void memoryAboveTheCapOfAllStoppedOutboxesIsAFault() {
        SlowPart part = new SlowPart("tasks", 1, false);
        for (int block = 0; block <= 20; block++) {
            part.add(block, Kind.ABSENT, new SlowLook(200_000 + block * 1_000L, 0, 0, 0, Map.of()));
            part.add(block, Kind.SOCKET, new SlowLook(200_900 + block * 1_000L, 1, 1, 1, Map.of()));
            part.add(block, Kind.HANDLER, new SlowLook(203_000 + block * 1_000L, 1, 1, 1, Map.of()));
        }

        assertThat(part.memory(Kind.SOCKET, faults)).containsEntry("limitMib", 1.0);
        assertThat(faults).isEmpty();
        part.memory(Kind.HANDLER, faults);
        assertThat(faults).singleElement().asString().contains("grew by 2.9 MiB");
    }
}
