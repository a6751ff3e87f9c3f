package hermod.broker.audit;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.broker.engine.EngineFault;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("SA-4")
class AuditTrailTest {
    private static final int LIMIT_BYTES = 65_536;

    private final AlterableEngine engine = new AlterableEngine();

    @AfterEach
    void close() {
        engine.close();
    }

    private ChainCheck check() throws Exception {
        EngineAudit audit = new EngineAudit(engine);
        return new ChainCheck(Writer.STREAM).run(audit, audit.streams().get(0));
    }

    private List<AuditRecord> newestFirst() throws Exception {
        EngineAudit audit = new EngineAudit(engine);
        NewestFirst all = new NewestFirst(audit, audit.streams());
        List<AuditRecord> records = new ArrayList<>();
        for (AuditRecord next = all.next(); next != null; next = all.next()) {
            records.add(next);
        }
        return records;
    }

    @Test
    void aRecordIsHandedToTheEngineBeforeItsEventCanBe() throws Exception {
        Writer writer = new Writer(engine);
        assertThat(writer.trail.safetyEvent(5, "acme", "safety:alarm", 17, utf8("ann"), 0xabcL, 3, 4))
                .isEqualTo(1);
        assertThat(engine.underWay()).isEqualTo(1);
        assertThat(writer.trail.storedSequence()).isZero();
        engine.storeNext();
        assertThat(writer.trail.storedSequence()).isEqualTo(1);
        assertThat(writer.trail.keptBytes()).isZero();
    }

    @Test
    void whatWasRecordedIsReadAgain() throws Exception {
        engine.completesAtOnce = true;
        Writer writer = new Writer(engine);
        writer.trail.safetyEvent(5_000_000, "acme", "safety:alarm", 17, utf8("änn"), 0xabcL, -2, 4_000_000);
        writer.write("chat");
        List<AuditRecord> records = newestFirst();
        assertThat(records).hasSize(2).allMatch(AuditRecord::isIntact);
        AuditRecord event = records.get(1);
        assertThat(event.stream()).isEqualTo(Writer.STREAM);
        assertThat(event.actor()).isEqualTo("user");
        assertThat(event.who()).isEqualTo("änn");
        assertThat(event.org()).isEqualTo("acme");
        assertThat(event.action()).isEqualTo("safety.event");
        assertThat(event.subject()).isEqualTo("safety:alarm");
        assertThat(event.timeUs()).isEqualTo(5_000_000);
        assertThat(event.details())
                .isEqualTo(Map.of(
                        "offset", "17", "device", "0000000000000abc", "type", "4294967294", "timestampUs", "4000000"));
        assertThat(records.get(0).who()).isEqualTo("ann");
        assertThat(records.get(0).details()).isEqualTo(Map.of("key", "value"));
        // The clock was behind what was recorded already.
        assertThat(records.get(0).timeUs()).isEqualTo(5_000_000);
    }

    @Test
    void aTextThatIsTooLongIsCutBetweenTwoCharacters() throws Exception {
        engine.completesAtOnce = true;
        Writer writer = new Writer(engine);
        String longest = "ä".repeat(RecordLayout.TEXT_BYTES_MAX / 2);
        writer.write(longest);
        writer.write(longest + "b");
        String[] details = new String[2 * RecordLayout.DETAILS_MAX + 2];
        java.util.Arrays.fill(details, longest + longest);
        writer.trail.record(1, Actor.BROKER, longest, longest, longest, longest, longest, details);
        writer.write("");
        List<AuditRecord> records = newestFirst();
        assertThat(records.get(3).subject()).isEqualTo(longest);
        assertThat(records.get(2).subject()).matches("ä{254}…");
        assertThat(check().isIntact()).isTrue();
    }

    @Test
    void aChainGoesOnOverRestarts() throws Exception {
        engine.completesAtOnce = true;
        for (int start = 0; start < 3; start++) {
            new Writer(engine).write(10);
        }
        ChainCheck check = check();
        assertThat(check.findings()).isEmpty();
        assertThat(check.headSequence()).isEqualTo(30);
        assertThat(new EngineAudit(engine).streams())
                .singleElement()
                .satisfies(stream -> assertThat(stream.name()).isEqualTo(Writer.STREAM));
    }

    @Test
    void recordsWhoseAppendFailedAreAppendedAgainInTheirOrder() throws Exception {
        Writer writer = new Writer(engine).write(5);
        engine.failAll(EngineFault.FAILED);
        assertThat(writer.trail.isFailing()).isTrue();
        writer.passRetryTime();
        engine.failAll(EngineFault.FAILED);
        // The first of these tries again with all that is kept, as its event will; the others wait for the end of that.
        writer.write(5);
        assertThat(engine.underWay()).isEqualTo(1);
        engine.failAll(EngineFault.FAILED);
        writer.passRetryTime();
        engine.storeAll();
        assertThat(writer.trail.isFailing()).isFalse();
        assertThat(writer.trail.keptBytes()).isZero();
        writer.write(1);
        engine.storeAll();
        ChainCheck check = check();
        assertThat(check.findings()).isEmpty();
        assertThat(check.headSequence()).isEqualTo(11);
        assertThat(check.lostCount()).isZero();
    }

    @Test
    void aFailureInTheMiddleLeavesNoHoleWhateverWasStoredAroundIt() throws Exception {
        for (int failing = 0; failing < 32; failing++) {
            try (AlterableEngine fresh = new AlterableEngine()) {
                Writer writer = new Writer(fresh).write(5);
                for (int i = 0; i < 5; i++) {
                    if ((failing & 1 << i) == 0) {
                        fresh.storeNext();
                    } else {
                        fresh.failNext(EngineFault.FULL, i % 2 == 0);
                    }
                }
                writer.passRetryTime();
                fresh.storeAll();
                assertThat(writer.trail.keptBytes()).isZero();
                assertThat(writer.trail.storedSequence()).isEqualTo(5);
                EngineAudit audit = new EngineAudit(fresh);
                ChainCheck check =
                        new ChainCheck(Writer.STREAM).run(audit, audit.streams().get(0));
                assertThat(check.findings()).isEmpty();
                assertThat(check.headSequence()).isEqualTo(5);
            }
        }
    }

    @Test
    void nothingIsHandedOverWhileThePartBehindAFailureIsUnderWay() throws Exception {
        Writer writer = new Writer(engine).write(3);
        engine.failNext(EngineFault.FAILED, false);
        writer.passRetryTime();
        assertThat(engine.underWay()).isEqualTo(2);
        engine.storeAll();
        writer.passRetryTime();
        assertThat(engine.underWay()).isEqualTo(1);
        engine.storeAll();
        assertThat(check().findings()).isEmpty();
    }

    @Test
    void recordsBeyondTheBoundAreLostAndTheNextOneThatIsStoredSaysHowMany() throws Exception {
        Writer writer = new Writer(engine, LIMIT_BYTES).write(1);
        engine.failAll(EngineFault.FULL);
        int recorded = 1;
        while (writer.write("while the disk is full") != 0) {
            recorded++;
            assertThat(writer.trail.keptBytes()).isLessThanOrEqualTo(LIMIT_BYTES);
        }
        writer.write(6);
        assertThat(writer.trail.lastSequence()).isEqualTo(recorded);
        writer.passRetryTime();
        engine.storeAll();
        // It says so by itself: there may be no other record for a long time.
        assertThat(newestFirst().get(0).action()).isEqualTo("audit.resumed");
        assertThat(newestFirst().get(0).missing()).isEqualTo(7);
        writer.write(1);
        engine.storeAll();
        ChainCheck check = check();
        assertThat(check.findings()).isEmpty();
        assertThat(check.headSequence()).isEqualTo(recorded + 2);
        assertThat(check.lostCount()).isEqualTo(7);
    }

    @Test
    void anEngineWithoutRoomIsGivenTheRestWhenItHasSome() throws Exception {
        engine.roomBytes = 700;
        Writer writer = new Writer(engine).write(20);
        assertThat(engine.underWay()).isPositive().isLessThan(4);
        engine.storeAll();
        assertThat(writer.trail.storedSequence()).isEqualTo(20);
        assertThat(check().findings()).isEmpty();
    }

    @Test
    void anEngineThatHadNoRoomForTheFirstOneIsAskedAgain() throws Exception {
        engine.roomBytes = 0;
        Writer writer = new Writer(engine).write(2);
        assertThat(engine.underWay()).isZero();
        engine.roomBytes = Integer.MAX_VALUE;
        writer.passRetryTime();
        engine.storeAll();
        assertThat(writer.trail.storedSequence()).isEqualTo(2);
    }

    @Test
    void aLastRecordThatWasChangedIsToldAtTheStartAndStaysFound() throws Exception {
        engine.completesAtOnce = true;
        new Writer(engine).write(3);
        byte[] last = engine.entries(Writer.STREAM).get(3L);
        last[last.length - 1] ^= 1;
        Writer again = new Writer(engine);
        assertThat(again.head.damage()).isNotEmpty();
        again.write(2);
        assertThat(newestFirst().get(2).action()).isEqualTo("audit.damage-found");
        ChainCheck check = check();
        assertThat(check.findings())
                .singleElement()
                .satisfies(found -> assertThat(found.sequence()).isEqualTo(3));
        assertThat(check.headSequence()).isEqualTo(6);
    }

    @Test
    void ticketsOfOthersAreNoneOfItsBusiness() throws Exception {
        Writer writer = new Writer(engine).write(1);
        writer.trail.onFailed(0, EngineFault.FAILED);
        assertThat(writer.trail.isFailing()).isFalse();
        engine.storeNext();
        writer.trail.onFailed(99, EngineFault.FAILED);
        assertThat(writer.trail.isFailing()).isFalse();
        assertThat(writer.trail.storedSequence()).isEqualTo(1);
    }

    private static byte[] utf8(String text) {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
