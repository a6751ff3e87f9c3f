package hermod.client.internal;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.client.Event;
import hermod.client.EventListener;
import hermod.client.HermodException;
import hermod.protocol.Priority;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Random;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("SD-5")
class MailboxTest {
    private static final int EVENTS_MAX = 100_000;

    /** Without threads: the test takes the turns. */
    private final LaneQueue queue = new LaneQueue(0, Thread::new);

    private final List<Long> grants = new ArrayList<>();
    private final Credit credit = new Credit(1 << 20, () -> grants.add(0L));
    private final AtomicInteger rooms = new AtomicInteger();
    private final DeliveryBudget budget =
            new DeliveryBudget(EVENTS_MAX, Long.MAX_VALUE, credit, rooms::incrementAndGet, () -> {});
    private final ListenerFaults faults = new ListenerFaults();
    private final ChannelMeter meter = new ChannelMeter(1);
    private final Mailbox mailbox = mailbox("chat:room_7");

    private Mailbox mailbox(String topic) {
        return new Mailbox(topic, meter, budget, faults, queue, () -> 2_000);
    }

    static ReceivedEvent event(long offset) {
        return event(offset, Priority.LOW, 0);
    }

    static ReceivedEvent event(long offset, Priority priority, int creditBytes) {
        ByteBuf in = Unpooled.buffer();
        FrameHeader.write(in, FrameType.EVENT, priority.code(), 1, 0, Long.BYTES + Entry.FIXED_BYTES);
        in.writeLongLE(offset);
        Entry.writeFixed(in, 1_000, 0, 0, 0);
        return ReceivedEvent.of("chat:room_7", 1, 1, creditBytes, 1_500, in, 0);
    }

    private void offer(Mailbox to, long offset) {
        offer(to, offset, Priority.LOW);
    }

    private void offer(Mailbox to, long offset, Priority priority) {
        ReceivedEvent event = event(offset, priority, 0);
        budget.add(event);
        to.offer(event);
    }

    private int runTurns() {
        int count = 0;
        while (queue.runNext()) {
            count++;
        }
        return count;
    }

    private ListenerHold attach(EventListener listener) {
        ListenerHold hold = new ListenerHold(listener);
        mailbox.attach(hold);
        return hold;
    }

    @Test
    void aBurstIsDeliveredInOrderInBoundedTurns() {
        List<Long> seen = new ArrayList<>();
        attach(event -> seen.add(event.offset()));
        for (int i = 0; i < 1_000; i++) {
            offer(mailbox, i);
        }

        int count = runTurns();

        assertThat(seen).isEqualTo(LongStream.range(0, 1_000).boxed().toList());
        assertThat(count).isEqualTo(16);
        assertThat(budget.events()).isZero();
        assertThat(budget.bytes()).isZero();
        assertThat(meter.status().delivered()).isEqualTo(1_000);
    }

    @Test
    void orderHoldsOnManyHandlerThreads() throws Exception {
        LaneQueue handlers = new LaneQueue(4, Thread::new);
        try {
            Mailbox busy = new Mailbox("chat:room_7", meter, budget, faults, handlers, () -> 2_000);
            List<Long> seen = Collections.synchronizedList(new ArrayList<>());
            CountDownLatch all = new CountDownLatch(50_000);
            busy.attach(new ListenerHold(event -> {
                seen.add(event.offset());
                all.countDown();
            }));
            for (int i = 0; i < 50_000; i++) {
                offer(busy, i);
            }
            assertThat(all.await(60, TimeUnit.SECONDS)).isTrue();
            assertThat(seen).isEqualTo(LongStream.range(0, 50_000).boxed().toList());
        } finally {
            handlers.close();
        }
    }

    @Test
    void whatAListenerThrowsIsCountedAndTheOthersAreCalled() {
        List<Event> seen = new ArrayList<>();
        attach(event -> {
            throw new AssertionError("on purpose, an Error even");
        });
        attach(seen::add);
        offer(mailbox, 1);
        offer(mailbox, 2);
        runTurns();

        assertThat(seen).hasSize(2);
        assertThat(faults.count()).isEqualTo(2);
        assertThat(budget.events()).isZero();
    }

    @Test
    void aReleasedListenerIsNotCalledForWhatIsQueued() {
        List<Event> seen = new ArrayList<>();
        ListenerHold hold = attach(seen::add);
        offer(mailbox, 1);
        hold.release();
        runTurns();

        assertThat(seen).isEmpty();
        assertThat(meter.status().delivered()).isZero();
        assertThat(budget.events()).isZero();
    }

    @Test
    void wordOfAHoleStandsInItsPlaceAndOnlyForThoseWhoListenedThen() {
        List<String> one = new ArrayList<>();
        List<String> two = new ArrayList<>();
        attach(recorder(one));
        offer(mailbox, 1);
        mailbox.tell(listener -> listener.onMissed("chat:room_7", 2, 9, false));
        attach(recorder(two));
        offer(mailbox, 9);
        runTurns();

        assertThat(one).containsExactly("1", "missed", "9");
        assertThat(two).doesNotContain("missed").contains("9");
        assertThat(budget.events()).isZero();
    }

    @Test
    void afterTheEndNothingComes() {
        List<String> seen = new ArrayList<>();
        attach(recorder(seen));
        offer(mailbox, 1);
        mailbox.tellTheEnd(listener -> listener.onEnded("chat:room_7", new HermodException(1005, "no")));
        offer(mailbox, 2);
        runTurns();

        assertThat(seen).containsExactly("1", "ended");
    }

    @Test
    void theSameHoldAttachedTwiceIsCalledOnce() {
        List<String> seen = new ArrayList<>();
        ListenerHold hold = attach(recorder(seen));
        mailbox.attach(hold);
        offer(mailbox, 1);
        runTurns();

        assertThat(seen).containsExactly("1");
    }

    @Test
    void readingStopsAtTheBoundOfWhatIsNotUnderCreditAndGoesOnAtHalfOfIt() {
        AtomicInteger room = new AtomicInteger();
        DeliveryBudget small = new DeliveryBudget(4, 1_000, credit, room::incrementAndGet, () -> {});

        assertThat(small.add(weighing(1))).isFalse();
        assertThat(small.add(weighing(1))).isFalse();
        assertThat(small.add(weighing(1))).isFalse();
        assertThat(small.add(weighing(1))).isTrue();
        assertThat(small.add(weighing(1))).isFalse();
        release(small, 2, 2);
        assertThat(room).hasValue(0);
        release(small, 1, 1);
        assertThat(room).hasValue(1);
        release(small, 2, 2);
        assertThat(room).hasValue(1);
        assertThat(small.add(weighing(1_000))).isTrue();
        release(small, 1, 499);
        assertThat(room).hasValue(1);
        release(small, 0, 1);
        small.recheck();
        assertThat(room).hasValue(1);
        assertThat(small.add(weighing(0))).isFalse();
        release(small, 1, 1);
        assertThat(room).hasValue(2);
    }

    @Test
    @Tag("FL-11")
    void whatCameUnderCreditDoesNotStopTheReading() {
        DeliveryBudget small = new DeliveryBudget(1_000, 1_000, credit, rooms::incrementAndGet, () -> {});
        for (int i = 1; i <= 10_000; i++) {
            assertThat(small.add(event(i, Priority.LOW, 50))).isFalse();
        }

        assertThat(small.isPaused()).isFalse();
        assertThat(small.events()).isEqualTo(10_000);
        assertThat(small.bytes()).isEqualTo(500_000);
    }

    @Test
    void aBrokerThatSendsFarMoreThanItsCreditIsNotReadUntilMostOfItIsHandled() {
        DeliveryBudget small = new DeliveryBudget(1_000, 1_000, credit, rooms::incrementAndGet, () -> {});
        Letter huge = event(1, Priority.LOW, Connection.FRAME_BYTES_MAX);
        assertThat(small.add(huge)).isFalse();
        assertThat(small.add(huge)).isTrue();
        HandledTally handled = new HandledTally();
        handled.add(huge);
        small.release(handled);

        assertThat(small.isPaused()).isFalse();
        assertThat(rooms).hasValue(1);
    }

    @Test
    @Tag("EV-5")
    void anUrgentEventOfAnotherTopicIsHandledNextHoweverManyLowOnesAreQueued() {
        List<String> seen = new ArrayList<>();
        Mailbox safety = mailbox("safety:room_7");
        safety.attach(new ListenerHold(event -> seen.add("urgent " + event.offset())));
        attach(event -> {
            seen.add("low " + event.offset());
            if (event.offset() == 10) {
                offer(safety, 1, Priority.URGENT);
            }
        });
        Mailbox feed = mailbox("feed:1");
        feed.attach(new ListenerHold(event -> seen.add("feed " + event.offset())));
        for (int i = 1; i <= 1_000; i++) {
            offer(mailbox, i);
            offer(feed, i);
        }
        runTurns();

        assertThat(seen.indexOf("urgent 1")).isEqualTo(seen.indexOf("low 10") + 1);
        assertThat(seen).hasSize(2_001);
    }

    @Test
    @Tag("EV-5")
    void aRaisedEventLiftsThoseOfItsTopicBeforeItAndOvertakesNone() {
        List<String> seen = new ArrayList<>();
        Mailbox feed = mailbox("feed:1");
        feed.attach(new ListenerHold(event -> seen.add("feed " + event.offset())));
        attach(event -> seen.add("room " + event.offset()));
        // Takes the turn that is LOW's anyway.
        Mailbox first = mailbox("feed:2");
        offer(first, 1, Priority.NORMAL);
        queue.runNext();
        for (int i = 1; i <= 100; i++) {
            offer(feed, i, Priority.NORMAL);
        }
        for (int i = 1; i <= 100; i++) {
            offer(mailbox, i, Priority.LOW);
        }
        offer(mailbox, 101, Priority.URGENT);
        offer(mailbox, 102, Priority.LOW);
        runTurns();

        List<String> room =
                LongStream.rangeClosed(1, 102).mapToObj(i -> "room " + i).toList();
        assertThat(seen.stream().filter(each -> each.startsWith("room"))).containsExactlyElementsOf(room);
        assertThat(seen.subList(0, 101)).isEqualTo(room.subList(0, 101));
    }

    @Test
    @Tag("FL-9")
    void lowIsHandledTooWhileHighNeverEnds() {
        int[] count = new int[Priority.COUNT];
        Mailbox high = mailbox("chat:high");
        high.attach(new ListenerHold(event -> {
            count[Priority.HIGH.ordinal()]++;
            offer(high, event.offset() + 1, Priority.HIGH);
        }));
        Mailbox normal = mailbox("chat:normal");
        normal.attach(new ListenerHold(event -> count[Priority.NORMAL.ordinal()]++));
        attach(event -> count[Priority.LOW.ordinal()]++);
        for (int i = 1; i <= 64; i++) {
            offer(high, i, Priority.HIGH);
        }
        for (int i = 1; i <= 2_000; i++) {
            offer(normal, i, Priority.NORMAL);
            offer(mailbox, i, Priority.LOW);
        }
        for (int i = 0; i < 160; i++) {
            queue.runNext();
        }

        assertThat(count[Priority.LOW.ordinal()]).isEqualTo(640);
        assertThat(count[Priority.NORMAL.ordinal()]).isEqualTo(1_280);
        assertThat(count[Priority.HIGH.ordinal()]).isEqualTo(8_320);
    }

    @Test
    @Tag("EV-5")
    void orderHoldsWhileEventsAreRaisedAndThreadsCompete() throws Exception {
        int topics = 20;
        int events = 5_000;
        LaneQueue handlers = new LaneQueue(4, Thread::new);
        try {
            List<Mailbox> mailboxes = new ArrayList<>();
            List<List<Long>> seen = new ArrayList<>();
            CountDownLatch all = new CountDownLatch(topics * events);
            for (int i = 0; i < topics; i++) {
                Mailbox one = new Mailbox("chat:" + i, meter, budget, faults, handlers, () -> 2_000);
                List<Long> own = Collections.synchronizedList(new ArrayList<>());
                one.attach(new ListenerHold(event -> {
                    own.add(event.offset());
                    all.countDown();
                }));
                mailboxes.add(one);
                seen.add(own);
            }
            Random random = new Random(5);
            for (long offset = 0; offset < events; offset++) {
                for (Mailbox one : mailboxes) {
                    offer(one, offset, Priority.ofCode(random.nextInt(Priority.COUNT)));
                }
            }
            assertThat(all.await(60, TimeUnit.SECONDS)).isTrue();
            List<Long> inOrder = LongStream.range(0, events).boxed().toList();
            assertThat(seen).allSatisfy(own -> assertThat(own).isEqualTo(inOrder));
        } finally {
            handlers.close();
        }
    }

    private static Letter weighing(int bytes) {
        return new Letter() {
            @Override
            public void deliverTo(EventListener listener) {}

            @Override
            public int bytes() {
                return bytes;
            }
        };
    }

    private static void release(DeliveryBudget from, int letters, long bytes) {
        HandledTally handled = new HandledTally();
        handled.freeLetters = letters;
        handled.freeBytes = bytes;
        from.release(handled);
    }

    private static EventListener recorder(List<String> seen) {
        return new EventListener() {
            @Override
            public void onEvent(Event event) {
                seen.add(Long.toString(event.offset()));
            }

            @Override
            public void onMissed(String topic, long fromOffset, long toOffset, boolean epochChanged) {
                seen.add("missed");
            }

            @Override
            public void onEnded(String topic, HermodException why) {
                seen.add("ended");
            }
        };
    }
}
