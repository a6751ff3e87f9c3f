package hermod.broker.audit;

import hermod.broker.config.Setting;

/** What the audit log may hold back in memory. Immutable. */
public record AuditConfig(
        @Setting(
                unit = "bytes",
                min = 65_536,
                max = 268_435_456,
                text =
                        "Audit records of one writer (each shard, and the operators' port) that wait in memory for the disk, at most; a record takes some 300 bytes. While the disk takes none they pile up here. Beyond it records are lost: an error in the log, "
                                + "audit_records_lost counts them, and the next record that is stored says how many.")
        int keptLimitBytes) {

    public static AuditConfig defaults() {
        return new AuditConfig(1024 * 1024);
    }
}
