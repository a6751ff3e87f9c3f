package hermod.broker.audit;

import hermod.broker.engine.EngineFault;
import hermod.broker.engine.EventLog;
import hermod.broker.metrics.ShardMetrics;

/** A shard's part in the audit: one trail, driven by the test's thread. */
final class Writer {
    static final String NAME = "shard-0";
    static final String STREAM = "audit:shard-0";

    final AuditTrail trail;
    final AuditStream.Head head;
    private final EventLog.Appender appender;
    private long nowNs = 1;

    Writer(AlterableEngine engine, int keptLimitBytes) throws Exception {
        head = AuditStream.open(engine, NAME);
        AuditTrail[] made = new AuditTrail[1];
        appender = engine.appender(new EventLog.Completion() {
            @Override
            public void onStored(boolean isUrgent, long ticket) {
                made[0].onStored(ticket);
            }

            @Override
            public void onFailed(boolean isUrgent, long ticket, EngineFault fault) {
                made[0].onFailed(ticket, fault);
            }
        });
        made[0] = new AuditTrail(new AuditConfig(keptLimitBytes), head, appender, new ShardMetrics(0, 1, 0));
        trail = made[0];
        trail.tellDamage(head, 1);
    }

    Writer(AlterableEngine engine) throws Exception {
        this(engine, AuditConfig.defaults().keptLimitBytes());
    }

    /** @return the sequence. */
    long write(String subject) {
        long sequence = trail.record(1_000, Actor.OPERATOR, "ann", "", "test", subject, "done", "key", "value");
        appender.flush();
        return sequence;
    }

    Writer write(int count) {
        for (int i = 0; i < count; i++) {
            write("subject-" + i);
        }
        return this;
    }

    /** Lets the time pass after which a failed append is tried again. */
    void passRetryTime() {
        trail.tick(nowNs);
        nowNs += 1_000_000_000L;
        trail.tick(nowNs);
    }
}
