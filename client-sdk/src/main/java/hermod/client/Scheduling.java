package hermod.client;

import hermod.client.internal.EventIds;
import hermod.client.internal.OutgoingEntry;
import hermod.client.internal.Session;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * An event to be scheduled, until it is said when: one of {@link #at}, {@link #in} and {@link #recurring}. Made by {@link HermodClient#schedule}; one thread at a time.
 *
 * <p>Each returns the schedule when the broker has stored it, or fails with a {@link HermodException}: {@code BAD_REQUEST} with a sentence where the channel is not durable, the time is not in the next 30 days or the rule can't be read; {@code TOO_MANY_SCHEDULES}; {@code UNSUPPORTED} where the
 * broker schedules nothing; what refuses a publish. A request that a lost connection left without an answer is sent again by itself, and schedules once.
 */
public final class Scheduling {
    private final Session session;
    private final String topic;
    private final OutgoingEntry entry;
    private byte @Nullable [] id;

    Scheduling(Session session, String topic, OutgoingEntry entry) {
        this.session = session;
        this.topic = topic;
        this.entry = entry;
        this.id = entry.eventId();
    }

    /**
     * The id of the schedule; without it the event's, or a new one. Whoever draws and keeps it before can ask again after a crash and schedules once.
     *
     * @param ulid 26 characters, not all 0.
     */
    public Scheduling id(String ulid) {
        id = EventIds.parse(ulid);
        return this;
    }

    /** Once, at this time of the broker's clock; see {@link HermodClient#brokerNowUs}. */
    public CompletableFuture<Schedule> at(Instant time) {
        return session.schedule(topic, id, entry, microseconds(time), null, "", 0);
    }

    /** Once, so long from now. */
    public CompletableFuture<Schedule> in(Duration delay) {
        return session.schedule(
                topic, id, entry, session.brokerNowUs() + TimeUnit.NANOSECONDS.toMicros(delay.toNanos()), null, "", 0);
    }

    /** Again and again until it is cancelled: {@code daily 08:30}, {@code weekly MON,THU 08:30}, or five fields of cron; local times of the zone. */
    public CompletableFuture<Schedule> recurring(String rule, ZoneId zone) {
        return session.schedule(topic, id, entry, 0, rule, nameOf(zone), 0);
    }

    /** The same with an end: nothing is due after it. */
    public CompletableFuture<Schedule> recurring(String rule, ZoneId zone, Instant until) {
        return session.schedule(topic, id, entry, 0, rule, nameOf(zone), microseconds(until));
    }

    private static String nameOf(ZoneId zone) {
        return zone.getId().equals("Z") ? "UTC" : zone.getId();
    }

    private static long microseconds(Instant time) {
        if (time.getEpochSecond() <= 0) {
            throw new IllegalArgumentException("time must be after 1970: " + time);
        }
        return Math.addExact(Math.multiplyExact(time.getEpochSecond(), 1_000_000L), time.getNano() / 1_000);
    }
}
