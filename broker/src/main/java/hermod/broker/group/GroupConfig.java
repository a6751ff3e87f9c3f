package hermod.broker.group;

import hermod.broker.config.Setting;
import java.util.concurrent.TimeUnit;

/** How many consumer groups there may be, and what their members may hold. Immutable. */
public record GroupConfig(
        @Setting(
                min = 1,
                max = 10_000,
                text =
                        "Groups of one org, over all channels. Beyond it JOIN is refused with TOO_MANY_GROUPS, as with the next two. A group costs 8 KiB of memory, and some 150 bytes for each event it has read and not settled, of which there are "
                                + "65,536 at most.")
        int perOrgLimitCount,

        @Setting(min = 1, max = 10_000, text = "Members of one group.")
        int membersLimitCount,

        @Setting(min = 1, max = 1_000, text = "Memberships of one connection.")
        int perConnectionLimitCount,

        @Setting(
                min = 1,
                max = 65_536,
                text =
                        "Events that a member may have fetched and not settled. A FETCH beyond waits until something is settled.")
        int inFlightLimitCount,

        @Setting(
                unit = "bytes",
                min = 1_024,
                max = 1_073_741_824,
                text = "The same in bytes. An event larger than that goes to a member that has nothing else.")
        int inFlightLimitBytes,

        @Setting(
                unit = "ms",
                min = 100,
                max = 3_600_000,
                text =
                        "How long a member may take to settle an event. Then it is handed out again: too short repeats what is still being handled, too long delays what a broken member holds.")
        int settleTimeoutMs,

        @Setting(
                unit = "ms",
                min = 1,
                max = 3_600_000,
                text =
                        "After how long an event that was released, or not settled in time, is handed out again; doubled with each attempt.")
        int retryMinMs,

        @Setting(unit = "ms", min = 1, max = 3_600_000, text = "The longest such wait. At least retry-min-ms.")
        int retryMaxMs,

        @Setting(
                unit = "bytes",
                min = 1_024,
                max = 1_000_000,
                text = "Events of one FETCHED; one goes whatever its size.")
        int fetchedLimitBytes,

        @Setting(
                unit = "bytes",
                min = 4_096,
                max = 1_073_741_824,
                text =
                        "Events that a group with members has in memory ahead of need; what is beyond is read when it is fetched.")
        int aheadLimitBytes,

        @Setting(
                min = 1,
                max = 1_000_000,
                text =
                        "Requests (JOIN, FETCH, SETTLE, LEAVE) of all connections that may wait to be looked at or for the store. Beyond it they are refused with BACK_PRESSURED.")
        int waitingLimitCount) {

    public GroupConfig {
        if (retryMaxMs < retryMinMs) {
            throw new IllegalArgumentException("groups.retry-max-ms is " + retryMaxMs
                    + "; it must be at least groups.retry-min-ms, which is " + retryMinMs);
        }
    }

    public static GroupConfig defaults() {
        return new GroupConfig(64, 64, 16, 1_000, 1024 * 1024, 30_000, 1_000, 60_000, 64 * 1024, 256 * 1024, 10_000);
    }

    long settleTimeoutNs() {
        return TimeUnit.MILLISECONDS.toNanos(settleTimeoutMs);
    }

    long retryMinNs() {
        return TimeUnit.MILLISECONDS.toNanos(retryMinMs);
    }

    long retryMaxNs() {
        return TimeUnit.MILLISECONDS.toNanos(retryMaxMs);
    }
}
