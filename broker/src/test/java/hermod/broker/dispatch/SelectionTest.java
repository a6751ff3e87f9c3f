package hermod.broker.dispatch;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.broker.filter.EventFilter;
import hermod.broker.filter.FeedFilter;
import hermod.broker.filter.FilterConfig;
import hermod.broker.filter.FilterText;
import hermod.broker.metrics.ChannelInfo;
import hermod.broker.metrics.Metrics;
import hermod.broker.metrics.MetricsConfig;
import hermod.broker.outbox.Feed;
import hermod.broker.outbox.FlushList;
import hermod.broker.outbox.Outbox;
import hermod.broker.shard.ShardClock;
import hermod.protocol.Priority;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Random;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class SelectionTest {
    private static final long DEVICE = 77;

    private final Metrics metrics =
            new Metrics(List.of(new ChannelInfo("feed", "NORMAL", "MEMORY", false, 1, 1)), 1, MetricsConfig.defaults());
    private final ShardClock clock = new ShardClock();
    private final ProgressList progress =
            new ProgressList(clock, new FlushList(), UnpooledByteBufAllocator.DEFAULT, 1_000);
    private final Selection selection = new Selection(metrics.shard(0), progress);

    /** An event with an attribute that leaves a device out, or none (0), as a home shard writes it. */
    private static void write(ByteBuf out, long offset, String value, long excludedDevice) {
        ByteBuf fields = Unpooled.buffer();
        EventFields.write(fields, EventFields.TAG_SOURCE, new byte[] {'u'});
        EventFields.writeAttributes(fields, Map.of("a", value));
        if (excludedDevice != 0) {
            fields.writeByte(EventFields.TAG_EXCLUDED_DEVICE).writeShortLE(8).writeLongLE(excludedDevice);
        }
        int flags = excludedDevice == 0 ? 0 : FrameHeader.FLAG_EXCLUDE_DEVICE;
        FrameHeader.write(out, FrameType.EVENT, flags, 9, 0, 8 + Entry.FIXED_BYTES + fields.readableBytes() + 3);
        out.writeLongLE(offset);
        Entry.writeFixed(out, 1, 0, 0, fields.readableBytes());
        out.writeBytes(fields).writeBytes(new byte[] {1, 2, 3});
    }

    private static Feed feed() {
        Outbox noOutbox = null;
        return new Feed(noOutbox, 9, 0, Priority.NORMAL, DEVICE, 1);
    }

    private static FeedFilter filter(String text) throws Exception {
        return new FeedFilter(EventFilter.compile(FilterText.parse(text), FilterConfig.defaults()), 1, 0);
    }

    private List<Long> selected(Feed feed, ByteBuf run, int from) {
        List<Long> offsets = new ArrayList<>();
        selection.begin(feed, run, from, run.writerIndex());
        int last = -1;
        while (selection.next()) {
            assertThat(selection.from()).as("pieces do not touch").isGreaterThan(last);
            last = selection.to();
            int count = 0;
            for (int at = selection.from(); at < selection.to(); at += FrameHeader.frameBytes(run, at)) {
                offsets.add(EventFrame.offset(run, at));
                count++;
            }
            assertThat(selection.count()).isEqualTo(count);
        }
        return offsets;
    }

    @Tag("EV-8")
    @Test
    void whatIsLeftInIsWhatTheFilterMatchesAndTheDeviceMayHaveInAnyMixture() throws Exception {
        long seed = Long.getLong("hermod.test.seed", new Random().nextLong());
        Random random = new Random(seed);
        for (int round = 0; round < 2_000; round++) {
            ByteBuf run = Unpooled.buffer();
            run.writeZero(random.nextInt(5));
            int from = run.writerIndex();
            boolean isFiltered = random.nextBoolean();
            List<Long> expected = new ArrayList<>();
            for (long offset = 1; offset <= random.nextInt(12); offset++) {
                int value = random.nextInt(3);
                long excluded = random.nextInt(3) == 0 ? DEVICE + random.nextInt(2) : 0;
                write(run, offset, Integer.toString(value), excluded);
                if (excluded != DEVICE && (!isFiltered || value == 1)) {
                    expected.add(offset);
                }
            }
            Feed feed = feed();
            if (isFiltered) {
                feed.filter(filter("a = 1"));
            }
            assertThat(selected(feed, run, from))
                    .as("seed=%d round=%d", seed, round)
                    .isEqualTo(expected);
            if (isFiltered && !expected.isEmpty()) {
                assertThat(feed.filter().knownOffset()).isEqualTo(expected.get(expected.size() - 1));
            }
            run.release();
        }
    }

    @Tag("EV-8")
    @Test
    void whatAFilterPassesOverIsCountedAndWhatIsNotInForceYetIsNot() throws Exception {
        ByteBuf run = Unpooled.buffer();
        write(run, 1, "1", 0);
        write(run, 2, "2", 0);
        write(run, 3, "1", DEVICE);
        write(run, 4, "3", 0);
        Feed feed = feed();
        feed.filter(filter("a = 1"));
        assertThat(selected(feed, run, 0)).containsExactly(1L);
        assertThat(metrics.channels().get(0).filtered()).isEqualTo(2);
        feed.filter(new FeedFilter(EventFilter.NOTHING, 1, 0));
        assertThat(selected(feed, run, 0)).isEmpty();
        assertThat(metrics.channels().get(0).filtered()).isEqualTo(2);
        run.release();
    }
}
