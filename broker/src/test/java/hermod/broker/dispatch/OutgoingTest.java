package hermod.broker.dispatch;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.broker.metrics.ShardMetrics;
import hermod.broker.shard.RingHandler;
import hermod.broker.shard.Shard;
import hermod.broker.shard.ShardConfig;
import hermod.protocol.Priority;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.util.ArrayDeque;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;

class OutgoingTest {
    private final ArrayDeque<Runnable> tasks = new ArrayDeque<>();
    private final Shard shard = new Shard(0, new ShardConfig(1, 64 * 1024, 1_000_000, 0));
    private final Outgoing outgoing = new Outgoing(shard, new ShardMetrics(1, 2, 64));
    private final ByteBuf record = Unpooled.buffer(8);
    private int sent;
    private int received;

    @BeforeEach
    void start() {
        start(shard);
        tasks.remove().run();
    }

    private void start(Shard shard) {
        shard.start(tasks::addLast, new RingHandler() {
            @Override
            public void onRecord(int recordType, ByteBuf in, int at, int bytes) {
                assertThat(in.getIntLE(at)).isEqualTo(received++);
            }

            @Override
            public void onDrained() {}

            @Override
            public void onTurnEnd() {}

            @Override
            public void onTick() {}
        });
    }

    private ByteBuf next() {
        return record.clear().writeIntLE(sent++);
    }

    private void receiveAll() {
        do {
            shard.turnNow();
        } while (outgoing.retry());
        shard.turnNow();
        assertThat(received).isEqualTo(sent);
    }

    private void fillRing() {
        while (outgoing.trySend(Priority.NORMAL, 1, next())) {
            // Until it is full.
        }
        sent--;
    }

    @Test
    void whatFindsTheRingFullWaitsAndArrivesInOrder() {
        fillRing();
        for (int i = 0; i < 10_000; i++) {
            assertThat(outgoing.send(Priority.NORMAL, 1, next())).isTrue();
        }
        receiveAll();
    }

    @Test
    void anUnhurriedRecordWakesTheOtherShardOnlyWhenToldTo() throws Exception {
        Shard other = new Shard(1, new ShardConfig(2, 64 * 1024, 1_000, 0));
        Outgoing toOther = new Outgoing(other, new ShardMetrics(1, 2, 64));
        start(other);
        Thread itsThread = new Thread(tasks.remove());
        itsThread.start();
        itsThread.join();
        toOther.wake();
        assertThat(tasks).isEmpty();
        assertThat(toOther.sendUnhurried(Priority.HIGH, 1, next())).isTrue();
        assertThat(toOther.sendUnhurried(Priority.HIGH, 1, next())).isTrue();
        assertThat(tasks).isEmpty();
        toOther.wake();
        assertThat(tasks).hasSize(1);
        tasks.remove().run();
        assertThat(received).isEqualTo(2);
        toOther.wake();
        assertThat(tasks).isEmpty();
    }

    @Test
    void anUnhurriedRecordFindsRoomOrWaitsLikeAnyOther() {
        fillRing();
        for (int i = 0; i < Outgoing.WAITING_COUNT_MAX; i++) {
            assertThat(outgoing.sendUnhurried(Priority.NORMAL, 1, next())).isTrue();
        }
        assertThat(outgoing.sendUnhurried(Priority.NORMAL, 1, record)).isFalse();
        receiveAll();
    }

    @Test
    void nothingOvertakesWhatWaits() {
        fillRing();
        outgoing.send(Priority.NORMAL, 1, next());
        shard.turnNow();
        assertThat(outgoing.trySend(Priority.NORMAL, 1, record)).isFalse();
        assertThat(outgoing.send(Priority.NORMAL, 1, next())).isTrue();
        receiveAll();
        assertThat(outgoing.trySend(Priority.NORMAL, 1, next())).isTrue();
        receiveAll();
    }

    @Test
    void atItsBoundItTakesNothingMoreButWhatMustNotBeLost() {
        fillRing();
        for (int i = 0; i < Outgoing.WAITING_COUNT_MAX; i++) {
            assertThat(outgoing.send(Priority.NORMAL, 1, next())).isTrue();
        }
        assertThat(outgoing.send(Priority.NORMAL, 1, record)).isFalse();
        for (int i = 0; i < 1_000; i++) {
            outgoing.sendSurely(Priority.NORMAL, 1, next());
        }
        receiveAll();
    }
}
