package hermod.broker.filter;

import static org.assertj.core.api.Assertions.assertThat;

import com.sun.management.ThreadMXBean;
import hermod.protocol.frame.EventFields;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.lang.management.ManagementFactory;
import java.util.Map;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

class FeedFilterTest {
    private static EventFilter filter(String text) throws BadFilterException {
        return EventFilter.compile(FilterText.parse(text), FilterConfig.defaults());
    }

    private static boolean wants(FeedFilter feed, long offset, String a) {
        ByteBuf in = Unpooled.buffer();
        EventFields.writeAttributes(in, Map.of("a", a));
        return feed.wants(offset, in, EventFields.HEAD_BYTES, in.writerIndex() - EventFields.HEAD_BYTES);
    }

    @Tag("CN-6")
    @Test
    void anEventGoesByTheFilterItsOffsetHadHoweverLateItIsSelected() throws Exception {
        FeedFilter feed = new FeedFilter(filter("a = 1"), 10, 0);
        feed.switchTo(filter("a = 2"), 20);
        feed.switchTo(null, 30);
        feed.switchTo(filter("a = 3"), 40);
        assertThat(wants(feed, 19, "1")).isTrue();
        assertThat(wants(feed, 19, "2")).isFalse();
        assertThat(wants(feed, 20, "1")).isFalse();
        assertThat(wants(feed, 29, "2")).isTrue();
        assertThat(wants(feed, 30, "9")).isTrue();
        assertThat(wants(feed, 39, "9")).isTrue();
        assertThat(wants(feed, 40, "9")).isFalse();
        assertThat(wants(feed, 1_000, "3")).isTrue();
        // Evicted and read again.
        assertThat(wants(feed, 15, "1")).isTrue();
    }

    @Test
    void aSwitchWithoutAnEventSinceTheLastOneTakesItsPlace() throws Exception {
        FeedFilter feed = new FeedFilter(filter("a = 1"), 10, 0);
        for (int i = 0; i < 100; i++) {
            feed.switchTo(filter("a = 2"), 20);
        }
        assertThat(feed.isFull(1)).isFalse();
        assertThat(wants(feed, 19, "1")).isTrue();
        assertThat(wants(feed, 20, "2")).isTrue();
    }

    @Test
    void earlierFiltersAreBoundedAndForgottenWhenWhatWentByThemIsSent() throws Exception {
        FeedFilter feed = new FeedFilter(filter("a = 1"), 1, 0);
        for (int i = 1; i <= FeedFilter.EARLIER_MAX; i++) {
            assertThat(feed.isFull(1)).isFalse();
            feed.switchTo(filter("a = " + i), 1 + i * 10L);
        }
        assertThat(feed.isFull(1)).isTrue();
        assertThat(feed.isFull(10)).isTrue();
        assertThat(feed.isFull(11)).isFalse();
        feed.switchTo(null, 1_000);
        feed.prune(999);
        assertThat(feed.isOver()).isFalse();
        feed.prune(1_000);
        assertThat(feed.isOver()).isTrue();
    }

    @Test
    void askingAllocatesNothing() throws Exception {
        FeedFilter feed = new FeedFilter(
                filter("a in (1, 2, 3) and (n >= 10 and n < 20.5 or not b starts x) and not (c or d = 4)"), 1, 0);
        feed.switchTo(filter("a in (1, 2, 3) and n > -3.25"), 500);
        ByteBuf in = Unpooled.directBuffer();
        EventFields.writeAttributes(in, Attributes.of("z", "0", "a", "2", "n", "17.25", "b", "y"));
        int at = EventFields.HEAD_BYTES;
        int bytes = in.writerIndex() - at;
        ThreadMXBean threads = (ThreadMXBean) ManagementFactory.getThreadMXBean();
        long id = Thread.currentThread().getId();
        int matched = 0;
        long allocated = Long.MAX_VALUE;
        for (int round = 0; round < 20; round++) {
            long before = threads.getThreadAllocatedBytes(id);
            for (int i = 0; i < 10_000; i++) {
                matched += feed.wants(i % 1_000 + 1, in, at, bytes) ? 1 : 0;
            }
            allocated = Math.min(allocated, threads.getThreadAllocatedBytes(id) - before);
        }
        in.release();
        assertThat(matched).isEqualTo(200_000);
        // 10,000 events; the look at the counter costs some bytes itself.
        assertThat(allocated).isLessThan(10_000);
    }
}
