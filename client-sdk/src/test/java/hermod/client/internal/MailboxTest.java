package hermod.client.internal;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.client.Event;
import hermod.client.EventListener;
import hermod.client.HermodException;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.ArrayDeque;
import java.util.ArrayList;
import java.util.Collections;
import java.util.List;
import java.util.Queue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import java.util.stream.LongStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("SD-5")
class MailboxTest {
    private static final int EVENTS_MAX = 100_000;

    private final Queue<Runnable> turns = new ArrayDeque<>();
    private final AtomicInteger rooms = new AtomicInteger();
    private final DeliveryBudget budget =
            new DeliveryBudget(EVENTS_MAX, Long.MAX_VALUE, rooms::incrementAndGet, () -> {});
    private final ListenerFaults faults = new ListenerFaults();
    private final ChannelMeter meter = new ChannelMeter(1);
    private final Mailbox mailbox = new Mailbox("chat:room_7", meter, budget, faults, turns::add, () -> 2_000);

    static ReceivedEvent event(long offset) {
        ByteBuf in = Unpooled.buffer();
        FrameHeader.write(in, FrameType.EVENT, 0, 1, 0, Long.BYTES + Entry.FIXED_BYTES);
        in.writeLongLE(offset);
        Entry.writeFixed(in, 1_000, 0, 0, 0);
        return ReceivedEvent.of("chat:room_7", 1, 1, 1_500, in, 0);
    }

    private void offer(Mailbox to, long offset) {
        ReceivedEvent event = event(offset);
        budget.add(event.bytes());
        to.offer(event);
    }

    private int runTurns() {
        int count = 0;
        for (Runnable turn = turns.poll(); turn != null; turn = turns.poll()) {
            turn.run();
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
        ExecutorService handlers = Executors.newFixedThreadPool(4);
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
            assertThat(all.await(10, TimeUnit.SECONDS)).isTrue();
            assertThat(seen).isEqualTo(LongStream.range(0, 50_000).boxed().toList());
        } finally {
            handlers.shutdown();
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
    void readingStopsAtTheBoundAndGoesOnAtHalfOfIt() {
        AtomicInteger room = new AtomicInteger();
        DeliveryBudget small = new DeliveryBudget(4, 1_000, room::incrementAndGet, () -> {});

        assertThat(small.add(1)).isFalse();
        assertThat(small.add(1)).isFalse();
        assertThat(small.add(1)).isFalse();
        assertThat(small.add(1)).isTrue();
        assertThat(small.add(1)).isFalse();
        small.release(2, 2);
        assertThat(room).hasValue(0);
        small.release(1, 1);
        assertThat(room).hasValue(1);
        small.release(2, 2);
        assertThat(room).hasValue(1);
        assertThat(small.add(1_000)).isTrue();
        small.release(1, 499);
        assertThat(room).hasValue(1);
        small.release(0, 1);
        assertThat(room).hasValue(2);
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
