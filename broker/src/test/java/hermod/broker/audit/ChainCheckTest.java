package hermod.broker.audit;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.broker.audit.Finding.Kind;
import hermod.broker.engine.EngineFault;
import hermod.broker.engine.StoredEntry;
import java.util.List;
import java.util.NavigableMap;
import java.util.TreeMap;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("SA-4")
class ChainCheckTest {
    private static final int RECORDS = 2_500;

    private final AlterableEngine engine = new AlterableEngine();
    private NavigableMap<Long, byte[]> entries = new TreeMap<>();

    @BeforeEach
    void write() throws Exception {
        engine.completesAtOnce = true;
        new Writer(engine).write(RECORDS);
        entries = engine.entries(Writer.STREAM);
    }

    @AfterEach
    void close() {
        engine.close();
    }

    private ChainCheck check() throws Exception {
        return check(new ChainCheck(Writer.STREAM));
    }

    private ChainCheck check(ChainCheck check) throws Exception {
        EngineAudit audit = new EngineAudit(engine);
        return check.run(audit, audit.streams().get(0));
    }

    private static List<Kind> kinds(ChainCheck check) {
        return check.findings().stream().map(Finding::kind).toList();
    }

    /** Computes a changed record's own hash anew. */
    private static void seal(byte[] entry) {
        RecordLayout.hash(
                RecordLayout.sha256(),
                entry,
                StoredEntry.FIXED_BYTES,
                entry.length - StoredEntry.FIXED_BYTES,
                entry,
                StoredEntry.FIXED_BYTES + RecordLayout.OWN_HASH_AT);
    }

    @Test
    void aChainThatNobodyTouchedIsIntactOverManyPages() throws Exception {
        ChainCheck check = check();
        assertThat(check.findings()).isEmpty();
        assertThat(check.isIntact()).isTrue();
        assertThat(check.recordCount()).isEqualTo(RECORDS);
        assertThat(check.headSequence()).isEqualTo(RECORDS);
        assertThat(check.headHash()).matches("[0-9a-f]{64}");
    }

    @Test
    void anyByteThatWasChangedIsFoundWhereItIs() throws Exception {
        byte[] original = entries.get(1_234L);
        int sequenceAt = StoredEntry.FIXED_BYTES + RecordLayout.SEQUENCE_AT;
        for (int i = 0; i < original.length; i++) {
            byte[] changed = original.clone();
            changed[i] ^= 1;
            entries.put(1_234L, changed);
            ChainCheck check = check();
            assertThat(check.isIntact()).as("byte %d", i).isFalse();
            boolean isLength = i < 4;
            boolean isSequence = i >= sequenceAt && i < sequenceAt + 8;
            if (!isLength && !isSequence) {
                assertThat(check.findings().get(0).sequence()).as("byte %d", i).isEqualTo(1_234);
                assertThat(kinds(check)).as("byte %d", i).contains(Kind.CHANGED);
            }
        }
    }

    @Test
    void aChangedRecordWhoseOwnHashWasMadeAnewIsFoundByTheNextOne() throws Exception {
        byte[] changed = entries.get(77L).clone();
        changed[changed.length - 1] ^= 1;
        seal(changed);
        entries.put(77L, changed);
        assertThat(check().findings()).singleElement().satisfies(found -> {
            assertThat(found.kind()).isEqualTo(Kind.CHANGED);
            assertThat(found.sequence()).isEqualTo(78);
            assertThat(found.found()).contains("record 77");
        });
    }

    @Test
    void recordsMissingInTheMiddleAreFound() throws Exception {
        entries.subMap(100L, 103L).clear();
        assertThat(check().findings())
                .containsExactly(new Finding(Kind.MISSING, 100, "records 100 to 102", "record 103"));
    }

    @Test
    void recordsMissingAtTheFrontAreFound() throws Exception {
        entries.headMap(5L, true).clear();
        assertThat(check().findings()).containsExactly(new Finding(Kind.MISSING, 1, "records 1 to 5", "record 6"));
    }

    @Test
    void recordsThatChangedPlacesAreFound() throws Exception {
        byte[] former = entries.get(40L);
        entries.put(40L, entries.get(41L));
        entries.put(41L, former);
        assertThat(kinds(check())).containsExactly(Kind.MISSING, Kind.REORDERED);
    }

    @Test
    void recordsThatChangedPlacesAndNumbersAreFound() throws Exception {
        byte[] former = entries.get(40L).clone();
        byte[] latter = entries.get(41L).clone();
        former[StoredEntry.FIXED_BYTES + RecordLayout.SEQUENCE_AT] = 41;
        latter[StoredEntry.FIXED_BYTES + RecordLayout.SEQUENCE_AT] = 40;
        seal(former);
        seal(latter);
        entries.put(40L, latter);
        entries.put(41L, former);
        assertThat(kinds(check())).containsExactly(Kind.CHANGED, Kind.CHANGED, Kind.CHANGED);
    }

    @Test
    void aRecordPutInTwiceIsFound() throws Exception {
        entries.put(RECORDS + 1L, entries.get(9L));
        assertThat(check().findings()).singleElement().satisfies(found -> {
            assertThat(found.kind()).isEqualTo(Kind.REORDERED);
            assertThat(found.sequence()).isEqualTo(9);
        });
    }

    @Test
    void aRecordWithANumberBeyondAllOthersIsFoundAndTheCheckEnds() throws Exception {
        byte[] changed = entries.get(3L).clone();
        for (int i = 0; i < 7; i++) {
            changed[StoredEntry.FIXED_BYTES + RecordLayout.SEQUENCE_AT + i] = (byte) 0xff;
        }
        changed[StoredEntry.FIXED_BYTES + RecordLayout.SEQUENCE_AT + 7] = 0x7f;
        entries.put(3L, changed);
        assertThat(kinds(check())).contains(Kind.MISSING, Kind.CHANGED);
    }

    @Test
    void aChainOfAnotherWriterIsNotThisOnes() throws Exception {
        EngineAudit audit = new EngineAudit(engine);
        ChainCheck asAnothers =
                new ChainCheck("audit:shard-1").run(audit, audit.streams().get(0));
        assertThat(asAnothers.findings()).singleElement().satisfies(found -> {
            assertThat(found.kind()).isEqualTo(Kind.CHANGED);
            assertThat(found.sequence()).isEqualTo(1);
        });
    }

    @Test
    void aTailThatWasCutOffIsFoundWithAnEarlierHeadOnly() throws Exception {
        String head = check().headHash();
        entries.tailMap(2_400L, true).clear();
        assertThat(check().isIntact()).isTrue();
        assertThat(check(new ChainCheck(Writer.STREAM).expect(RECORDS, head)).findings())
                .containsExactly(new Finding(Kind.CUT, 2_400, "records 2400 to 2500", "the end"));
    }

    @Test
    void aChainWrittenAnewIsFoundWithAnEarlierHead() throws Exception {
        String head = check().headHash();
        entries.clear();
        Writer again = new Writer(engine);
        again.write("something else");
        again.write(RECORDS - 1);
        assertThat(check().isIntact()).isTrue();
        assertThat(kinds(check(new ChainCheck(Writer.STREAM).expect(RECORDS, head))))
                .containsExactly(Kind.REWRITTEN);
        assertThat(check(new ChainCheck(Writer.STREAM).expect(RECORDS, check().headHash()))
                        .isIntact())
                .isTrue();
    }

    @Test
    void damageThatTheEngineFindsIsToldAsDamage() throws Exception {
        engine.readFault = EngineFault.CORRUPT;
        assertThat(kinds(check())).containsExactly(Kind.UNREADABLE);
    }

    @Test
    void findingsAreBoundedAndAllAreCounted() throws Exception {
        entries.replaceAll((sequence, entry) -> {
            byte[] changed = entry.clone();
            changed[changed.length - 1] ^= 1;
            return changed;
        });
        ChainCheck check = check();
        assertThat(check.findings()).hasSize(ChainCheck.FINDINGS_MAX);
        assertThat(check.findingCount()).isEqualTo(RECORDS);
    }
}
