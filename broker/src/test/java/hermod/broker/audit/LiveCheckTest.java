package hermod.broker.audit;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatExceptionOfType;

import hermod.broker.engine.Engine;
import hermod.broker.engine.memory.MemoryEngine;
import hermod.broker.metrics.ShardMetrics;
import java.io.IOException;
import java.util.concurrent.atomic.AtomicBoolean;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** Checking while others write. */
@Tag("SA-4")
class LiveCheckTest {
    @Test
    void aChainThatIsBeingWrittenIsIntactWheneverItIsLookedAt() throws Exception {
        try (Engine engine = new MemoryEngine();
                OperatorAudit audit = OperatorAudit.open(engine, AuditConfig.defaults(), new ShardMetrics(0, 1, 0))) {
            AtomicBoolean isOver = new AtomicBoolean();
            Thread writer = new Thread(() -> {
                while (!isOver.get()) {
                    audit.record(Actor.OPERATOR, "ann", "test", "subject", "done");
                }
            });
            writer.start();
            long seen = 0;
            try {
                // Until many were written between two looks and within one.
                while (seen < 3_000) {
                    ChainCheck check = new ChainCheck("audit:operators")
                            .run(audit.source(), audit.source().streams().get(0));
                    assertThat(check.findings()).isEmpty();
                    assertThat(check.headSequence()).isGreaterThanOrEqualTo(seen);
                    seen = check.headSequence();
                }
            } finally {
                isOver.set(true);
                writer.join();
            }
        }
    }

    @Test
    void aRecordThatWasWaitedForIsOnDisk() throws Exception {
        try (Engine engine = new MemoryEngine();
                OperatorAudit audit = OperatorAudit.open(engine, AuditConfig.defaults(), new ShardMetrics(0, 1, 0))) {
            assertThat(audit.record(Actor.OPERATOR, "ann", "test", "subject", "done"))
                    .isTrue();
            assertThat(new NewestFirst(audit.source(), audit.source().streams())
                            .next()
                            .who())
                    .isEqualTo("ann");
        }
    }

    @Test
    void anEngineThatIsClosedOpensNothingAndSaysWhy() {
        Engine engine = new MemoryEngine();
        engine.close();
        assertThatExceptionOfType(IOException.class)
                .isThrownBy(() -> OperatorAudit.open(engine, AuditConfig.defaults(), new ShardMetrics(0, 1, 0)))
                .withMessage("the audit log can't be opened: audit:operators: the store is closed");
    }
}
