package hermod.client.internal;

import com.google.protobuf.ByteString;
import com.google.protobuf.MessageLite;
import com.google.protobuf.Parser;
import hermod.client.HermodException;
import hermod.client.Schedule;
import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.ProtocolException;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Cancel;
import hermod.protocol.control.wire.Cancelled;
import hermod.protocol.control.wire.Recurrence;
import hermod.protocol.control.wire.ScheduleList;
import hermod.protocol.control.wire.Scheduled;
import hermod.protocol.control.wire.ScheduledEvent;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.time.Instant;
import java.time.temporal.ChronoUnit;
import java.util.ArrayList;
import java.util.LinkedHashSet;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * Requests about events for later. They wait for a connection, and one whose connection was lost is sent again on the next: a broker answers a repeated one as the first. Loop thread only, but for the static methods.
 */
final class Schedules {
    private final Session session;
    private final Completions completions;
    private final Set<Ask<?>> asks = new LinkedHashSet<>();

    Schedules(Session session, Completions completions) {
        this.session = session;
        this.completions = completions;
    }

    private final class Ask<M extends MessageLite> implements Requests.Answer {
        final FrameType type;
        final MessageLite message;
        final FrameType answerType;
        private final Parser<M> parser;
        private final Consumer<M> onAnswer;
        private final CompletableFuture<?> future;
        boolean isSent;

        Ask(
                FrameType type,
                MessageLite message,
                FrameType answerType,
                Parser<M> parser,
                CompletableFuture<?> future,
                Consumer<M> onAnswer) {
            this.type = type;
            this.message = message;
            this.answerType = answerType;
            this.parser = parser;
            this.future = future;
            this.onAnswer = onAnswer;
        }

        @Override
        public void onAnswer(ByteBuf in, int at) throws ProtocolException {
            M answer = ControlCodec.decode(parser, in, at);
            asks.remove(this);
            onAnswer.accept(answer);
        }

        @Override
        public void onFailure(HermodException why) {
            asks.remove(this);
            completions.fail(future, why);
        }
    }

    void schedule(hermod.protocol.control.wire.Schedule asked, CompletableFuture<Schedule> result) {
        asks.add(new Ask<>(
                FrameType.SCHEDULE,
                asked,
                FrameType.SCHEDULED,
                Scheduled.parser(),
                result,
                answer -> completions.complete(result, new Known(session, answer.getEvent()))));
    }

    void cancel(ByteString id, CompletableFuture<Boolean> result) {
        asks.add(new Ask<>(
                FrameType.CANCEL,
                Cancel.newBuilder().setId(id).build(),
                FrameType.CANCELLED,
                Cancelled.parser(),
                result,
                answer -> completions.complete(result, answer.getCancelled())));
    }

    void list(CompletableFuture<List<Schedule>> result) {
        list(ByteString.EMPTY, new ArrayList<>(), result);
    }

    private void list(ByteString after, List<Schedule> found, CompletableFuture<List<Schedule>> result) {
        asks.add(new Ask<>(
                FrameType.SCHEDULES,
                hermod.protocol.control.wire.Schedules.newBuilder()
                        .setAfter(after)
                        .build(),
                FrameType.SCHEDULE_LIST,
                ScheduleList.parser(),
                result,
                page -> {
                    page.getEventsList().forEach(event -> found.add(new Known(session, event)));
                    if (page.getMore() && page.getEventsCount() > 0) {
                        list(page.getEvents(page.getEventsCount() - 1).getId(), found, result);
                    } else {
                        completions.complete(result, List.copyOf(found));
                    }
                }));
    }

    /** Sends what has not been sent; the caller flushes. */
    void send(Connection to, long nowNs) {
        if (asks.isEmpty()) {
            return;
        }
        for (Ask<?> ask : List.copyOf(asks)) {
            if (ask.isSent) {
                continue;
            }
            int frameBytes = FrameHeader.LENGTH + ask.message.getSerializedSize();
            if (!to.has(Feature.SCHEDULE)) {
                ask.onFailure(new HermodException(ErrorCode.UNSUPPORTED, "the broker schedules no events"));
            } else if (frameBytes > to.limits().frameBytes()) {
                ask.onFailure(new HermodException(
                        ErrorCode.PAYLOAD_TOO_LARGE,
                        "the event is larger than the broker takes: bytes=" + frameBytes + ", limit="
                                + to.limits().frameBytes()));
            } else {
                ask.isSent = true;
                to.request(ask.type, ask.message, ask.answerType, nowNs, ask);
            }
        }
    }

    /** The answers that were awaited will not come. */
    void onDisconnected() {
        asks.forEach(ask -> ask.isSent = false);
    }

    void onClosed(HermodException why) {
        asks.forEach(ask -> completions.fail(ask.future, why));
        asks.clear();
    }

    /** The message of a request; any thread. @param rule null for once. */
    static hermod.protocol.control.wire.Schedule message(
            String topic,
            byte @Nullable [] id,
            OutgoingEntry entry,
            long atUs,
            @Nullable String rule,
            String zone,
            long untilUs) {
        ByteBuf bytes = Unpooled.buffer(Entry.FIXED_BYTES + entry.fields().length + entry.payload().length);
        Entry.writeFixed(bytes, 0, entry.ttlSeconds(), entry.type(), entry.fields().length);
        bytes.writeBytes(entry.fields()).writeBytes(entry.payload());
        hermod.protocol.control.wire.Schedule.Builder message = hermod.protocol.control.wire.Schedule.newBuilder()
                .setTopic(topic)
                .setId(ByteString.copyFrom(id == null ? EventIds.next() : id))
                .setFlags(entry.flags())
                .setEntry(ByteString.copyFrom(bytes.nioBuffer()));
        if (rule == null) {
            message.setDeliverAtUs(atUs);
        } else {
            message.setRecurrence(
                    Recurrence.newBuilder().setRule(rule).setZone(zone).setUntilUs(untilUs));
        }
        return message.build();
    }

    /** What the broker has told of one. */
    private record Known(Session session, ScheduledEvent told) implements Schedule {
        @Override
        public String id() {
            return EventIds.text(told.getId().toByteArray());
        }

        @Override
        public String topic() {
            return told.getTopic();
        }

        @Override
        public Instant nextAt() {
            return Instant.EPOCH.plus(told.getDeliverAtUs(), ChronoUnit.MICROS);
        }

        @Override
        public @Nullable String rule() {
            return told.hasRecurrence() ? told.getRecurrence().getRule() : null;
        }

        @Override
        public @Nullable String zone() {
            String zone = told.getRecurrence().getZone();
            return !told.hasRecurrence() ? null : zone.isEmpty() ? "UTC" : zone;
        }

        @Override
        public @Nullable Instant until() {
            long untilUs = told.getRecurrence().getUntilUs();
            return untilUs == 0 ? null : Instant.EPOCH.plus(untilUs, ChronoUnit.MICROS);
        }

        @Override
        public int payloadBytes() {
            return told.getPayloadBytes();
        }

        @Override
        public CompletableFuture<Boolean> cancel() {
            return session.cancelSchedule(told.getId().toByteArray());
        }

        @Override
        public String toString() {
            return "Schedule[id=" + id() + ", topic=" + topic() + ", nextAt=" + nextAt()
                    + (rule() == null ? "" : ", rule=" + rule() + ", zone=" + zone()) + "]";
        }
    }
}
