package hermod.client;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.google.protobuf.ByteString;
import hermod.client.internal.EventIds;
import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.Priority;
import hermod.protocol.control.wire.Cancel;
import hermod.protocol.control.wire.Cancelled;
import hermod.protocol.control.wire.Recurrence;
import hermod.protocol.control.wire.ScheduleList;
import hermod.protocol.control.wire.Scheduled;
import hermod.protocol.control.wire.ScheduledEvent;
import hermod.protocol.control.wire.Schedules;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.time.Instant;
import java.time.ZoneId;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("EV-10")
class ScheduleTest {
    private static final String ID = "01JENRYK0000000000000000AB";
    private static final Instant TOMORROW = Instant.now().plus(Duration.ofDays(1));

    private FakeBroker broker;
    private HermodClient client;
    private FakeBroker.Peer peer;

    @BeforeEach
    void connect() throws Exception {
        broker = new FakeBroker();
        client = HermodClient.builder()
                .server(broker.hostPort())
                .reconnect(new ReconnectPolicy(Duration.ofMillis(1), Duration.ofMillis(10), 3, 0))
                .build();
        client.connect();
        peer = broker.accept();
    }

    @AfterEach
    void close() throws Exception {
        client.closeAsync();
        broker.close();
    }

    private static <T> T done(CompletableFuture<T> future) throws Exception {
        return future.get(60, TimeUnit.SECONDS);
    }

    private static ErrorCode refusal(CompletableFuture<?> future) throws Exception {
        try {
            future.get(60, TimeUnit.SECONDS);
            throw new AssertionError("it was not refused");
        } catch (ExecutionException refused) {
            HermodException why = (HermodException) refused.getCause();
            return List.of(ErrorCode.values()).stream()
                    .filter(why::is)
                    .findFirst()
                    .orElseThrow();
        }
    }

    private static ScheduledEvent told(hermod.protocol.control.wire.Schedule asked) {
        return ScheduledEvent.newBuilder()
                .setId(asked.getId())
                .setTopic(asked.getTopic())
                .setDeliverAtUs(asked.getDeliverAtUs())
                .setPayloadBytes(5)
                .build();
    }

    private hermod.protocol.control.wire.Schedule answer() throws InterruptedException {
        FakeBroker.Frame frame = peer.expect(FrameType.SCHEDULE);
        hermod.protocol.control.wire.Schedule asked = frame.body(hermod.protocol.control.wire.Schedule.parser());
        peer.send(
                FrameType.SCHEDULED,
                frame.requestId(),
                Scheduled.newBuilder().setEvent(told(asked)).build());
        return asked;
    }

    @Test
    void anEventIsLeftWithTheBrokerWithAllItSaysAndCanBeCancelled() throws Exception {
        peer.welcomeWith(Feature.SCHEDULE);
        OutgoingEvent event = OutgoingEvent.builder()
                .text("hello")
                .type("reminder")
                .priority(Priority.HIGH)
                .ttl(Duration.ofMinutes(1))
                .eventId(ID)
                .build();
        CompletableFuture<Schedule> asking = client.schedule("chat:room", event).at(TOMORROW);
        hermod.protocol.control.wire.Schedule asked = answer();
        Schedule schedule = done(asking);
        assertThat(asked.getTopic()).isEqualTo("chat:room");
        assertThat(asked.getId().toByteArray()).isEqualTo(EventIds.parse(ID));
        assertThat(asked.getFlags()).isEqualTo(FrameHeader.FLAG_PRIORITY_GIVEN | Priority.HIGH.code());
        ByteBuf entry = Unpooled.wrappedBuffer(asked.getEntry().toByteArray());
        assertThat(Entry.ttlSeconds(entry, 0)).isEqualTo(60);
        int payloadAt = Entry.payloadAt(entry, 0);
        assertThat(entry.toString(payloadAt, entry.writerIndex() - payloadAt, StandardCharsets.UTF_8))
                .isEqualTo("hello");
        assertThat(schedule.id()).isEqualTo(ID);
        assertThat(schedule.nextAt()).isEqualTo(TOMORROW.truncatedTo(java.time.temporal.ChronoUnit.MICROS));
        assertThat(schedule.rule()).isNull();
        assertThat(schedule.until()).isNull();

        CompletableFuture<Boolean> cancelling = schedule.cancel();
        FakeBroker.Frame cancel = peer.expect(FrameType.CANCEL);
        assertThat(cancel.body(Cancel.parser()).getId()).isEqualTo(asked.getId());
        peer.send(
                FrameType.CANCELLED,
                cancel.requestId(),
                Cancelled.newBuilder().setCancelled(true).build());
        assertThat(done(cancelling)).isTrue();
    }

    @Test
    void aRuleTravelsWithItsZoneAndItsEnd() throws Exception {
        peer.welcomeWith(Feature.SCHEDULE);
        Instant until = Instant.ofEpochSecond(2_000_000_000L);
        client.schedule("chat:room", OutgoingEvent.of("x"))
                .recurring("weekly MON,THU 08:30", ZoneId.of("Europe/Berlin"), until);
        assertThat(answer().getRecurrence())
                .isEqualTo(Recurrence.newBuilder()
                        .setRule("weekly MON,THU 08:30")
                        .setZone("Europe/Berlin")
                        .setUntilUs(2_000_000_000_000_000L)
                        .build());
    }

    @Test
    void aDelayCountsOnTheBrokersClock() throws Exception {
        broker.clockShiftUs = Duration.ofHours(5).toNanos() / 1_000;
        CompletableFuture<ConnectionInfo> connected = client.connect();
        peer.welcomeWith(Feature.SCHEDULE);
        done(connected);
        client.schedule("chat:room", OutgoingEvent.of("x")).in(Duration.ofMinutes(10));
        long aheadUs = answer().getDeliverAtUs() - broker.nowUs();
        assertThat(aheadUs)
                .isBetween(
                        Duration.ofMinutes(9).toNanos() / 1_000,
                        Duration.ofMinutes(11).toNanos() / 1_000);
    }

    @Test
    void aRequestWithoutAnAnswerIsSentAgainUnderItsIdOnTheNextConnection() throws Exception {
        peer.welcomeWith(Feature.SCHEDULE);
        CompletableFuture<Schedule> asking =
                client.schedule("chat:room", OutgoingEvent.of("x")).at(TOMORROW);
        ByteString id = peer.expect(FrameType.SCHEDULE)
                .body(hermod.protocol.control.wire.Schedule.parser())
                .getId();
        peer.cut();
        peer = broker.accept();
        peer.welcomeWith(Feature.SCHEDULE);
        assertThat(answer().getId()).isEqualTo(id);
        assertThat(done(asking).topic()).isEqualTo("chat:room");
    }

    @Test
    void allPagesOfTheListAreFetched() throws Exception {
        peer.welcomeWith(Feature.SCHEDULE);
        CompletableFuture<List<Schedule>> asking = client.schedules();
        ByteString first = ByteString.copyFrom(EventIds.parse(ID));
        FakeBroker.Frame frame = peer.expect(FrameType.SCHEDULES);
        assertThat(frame.body(Schedules.parser()).getAfter()).isEqualTo(ByteString.EMPTY);
        ScheduledEvent.Builder event = ScheduledEvent.newBuilder().setTopic("chat:room");
        peer.send(
                FrameType.SCHEDULE_LIST,
                frame.requestId(),
                ScheduleList.newBuilder()
                        .addEvents(event.setId(first))
                        .setMore(true)
                        .build());
        frame = peer.expect(FrameType.SCHEDULES);
        assertThat(frame.body(Schedules.parser()).getAfter()).isEqualTo(first);
        event.setRecurrence(Recurrence.newBuilder().setRule("daily 08:30"));
        peer.send(
                FrameType.SCHEDULE_LIST,
                frame.requestId(),
                ScheduleList.newBuilder().addEvents(event).build());
        List<Schedule> found = done(asking);
        assertThat(found).extracting(Schedule::rule).containsExactly(null, "daily 08:30");
        assertThat(found.get(1).zone()).isEqualTo("UTC");
    }

    @Test
    void whatTheBrokerRefusesOrCannotDoFailsWithItsCode() throws Exception {
        peer.welcomeWith(Feature.SCHEDULE);
        Scheduling scheduling = client.schedule("chat:room", OutgoingEvent.of("x"));
        CompletableFuture<Schedule> asking = scheduling.at(TOMORROW);
        peer.send(
                FrameType.ERROR,
                peer.expect(FrameType.SCHEDULE).requestId(),
                hermod.protocol.control.wire.Error.newBuilder()
                        .setCode(ErrorCode.TOO_MANY_SCHEDULES.code())
                        .build());
        assertThat(refusal(asking)).isEqualTo(ErrorCode.TOO_MANY_SCHEDULES);
        OutgoingEvent large = OutgoingEvent.of(new byte[1024 * 1024]);
        assertThat(refusal(client.schedule("chat:room", large).at(TOMORROW))).isEqualTo(ErrorCode.PAYLOAD_TOO_LARGE);
        peer.cut();
        peer = broker.accept();
        peer.welcome();
        assertThat(refusal(client.schedules())).isEqualTo(ErrorCode.UNSUPPORTED);
        assertThatThrownBy(() -> client.schedule("no topic", OutgoingEvent.of("x")))
                .isInstanceOf(IllegalArgumentException.class);
        assertThatThrownBy(() -> scheduling.id("short")).isInstanceOf(IllegalArgumentException.class);
    }

    @Test
    void whatWaitsWhenTheClientIsClosedFails() throws Exception {
        peer.welcomeWith(Feature.SCHEDULE);
        CompletableFuture<Schedule> asking =
                client.schedule("chat:room", OutgoingEvent.of("x")).at(TOMORROW);
        peer.expect(FrameType.SCHEDULE);
        client.closeAsync();
        assertThatThrownBy(() -> done(asking)).cause().hasMessageContaining("CLIENT_CLOSED");
    }
}
