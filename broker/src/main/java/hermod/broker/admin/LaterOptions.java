package hermod.broker.admin;

import com.github.f4b6a3.ulid.UlidCreator;
import com.google.protobuf.ByteString;
import hermod.protocol.control.wire.Recurrence;
import hermod.protocol.control.wire.Schedule;
import hermod.protocol.frame.Entry;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.time.DateTimeException;
import java.time.Instant;
import java.time.OffsetDateTime;
import java.util.regex.Matcher;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Option;

/** When an event is to be published, where that is not now. */
final class LaterOptions {
    private static final Pattern DELAY = Pattern.compile("\\+(\\d{1,9})([smhd])");

    @Option(
            names = "--at",
            paramLabel = "TIME",
            description =
                    "Have the broker publish it then: 2026-12-24T18:00:00Z, with another offset, or +10m from now (s, m, h, d). Durable channels only.")
    private @Nullable String at;

    @Option(
            names = "--every",
            paramLabel = "RULE",
            description =
                    "Have the broker publish it again and again: 'daily 08:30', 'weekly MON,THU 08:30' or five fields of cron.")
    private @Nullable String every;

    @Option(
            names = "--zone",
            paramLabel = "ZONE",
            defaultValue = "UTC",
            description = "Time zone of --every (default: ${DEFAULT-VALUE}).")
    private String zone = "";

    @Option(names = "--until", paramLabel = "TIME", description = "When --every ends; as --at.")
    private @Nullable String until;

    boolean isGiven() {
        return at != null || every != null || until != null;
    }

    /** @param nowUs on the broker's clock. */
    Schedule schedule(String topic, int flags, byte[] payload, long nowUs) {
        if ((at == null) == (every == null) || (until != null && every == null)) {
            throw new CliException(ExitCode.USAGE, "Give --at or --every, not both; --until goes with --every.");
        }
        ByteBuf entry = Unpooled.buffer(Entry.FIXED_BYTES + payload.length);
        Entry.writeFixed(entry, 0, 0, 0, 0);
        entry.writeBytes(payload);
        Schedule.Builder schedule = Schedule.newBuilder()
                .setTopic(topic)
                .setId(ByteString.copyFrom(UlidCreator.getUlid().toBytes()))
                .setFlags(flags)
                .setEntry(ByteString.copyFrom(entry.nioBuffer()));
        if (at != null) {
            return schedule.setDeliverAtUs(us("--at", at, nowUs)).build();
        }
        Recurrence.Builder recurrence =
                Recurrence.newBuilder().setRule(every == null ? "" : every).setZone(zone);
        if (until != null) {
            recurrence.setUntilUs(us("--until", until, nowUs));
        }
        return schedule.setRecurrence(recurrence).build();
    }

    private static long us(String option, String text, long nowUs) {
        Matcher delay = DELAY.matcher(text);
        if (delay.matches()) {
            long seconds = switch (delay.group(2)) {
                case "s" -> 1;
                case "m" -> 60;
                case "h" -> 3_600;
                default -> 86_400;
            };
            return nowUs + Long.parseLong(delay.group(1)) * seconds * 1_000_000L;
        }
        try {
            Instant time = OffsetDateTime.parse(text).toInstant();
            return time.getEpochSecond() * 1_000_000L + time.getNano() / 1_000;
        } catch (DateTimeException wrong) {
            throw new CliException(
                    ExitCode.USAGE,
                    option + " must be a time such as 2026-12-24T18:00:00Z or +10m, not '"
                            + hermod.protocol.TopicName.shown(text) + "'.",
                    wrong);
        }
    }
}
