package hermod.broker;

import static hermod.broker.FilteringClient.filtered;
import static hermod.broker.FilteringClient.publish;
import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import hermod.broker.filter.FilterConfig;
import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.control.wire.Filter;
import hermod.protocol.control.wire.FilteredTopic;
import hermod.protocol.control.wire.Replace;
import hermod.protocol.control.wire.Subscribe;
import hermod.protocol.control.wire.Subscribed;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.control.wire.Welcome;
import hermod.protocol.frame.FlowFrames;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@Tag("EV-8")
@ExtendWith(LeakCheck.class)
class FilterEndToEndTest {
    private static FilterConfig withProgressEvery(int ms) {
        FilterConfig defaults = FilterConfig.defaults();
        return new FilterConfig(
                defaults.sizeLimitBytes(),
                defaults.depthLimitCount(),
                defaults.termLimitCount(),
                defaults.costLimitCount(),
                defaults.perConnectionLimitBytes(),
                ms,
                defaults.waitingChangesLimitCount());
    }

    @Test
    void aSubscriberIsSentOnlyWhatItsFilterMatchesAndOthersAll() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            FilteringClient some = FilteringClient.of(broker, "some");
            RawClient all = broker.client("all");
            some.subscribe("feed:a", "propertyId = 17 and price < 250000");
            all.subscribe("feed:a");
            RawClient publisher = broker.client("publisher");
            int handle = publisher.open("feed:a").getHandle();
            publish(publisher, handle, 1, "one", "propertyId", "17", "price", "249999.99");
            publish(publisher, handle, 2, "two", "propertyId", "17", "price", "250000");
            publish(publisher, handle, 3, "three", "propertyId", "18", "price", "1");
            publish(publisher, handle, 4, "four", "price", "1");
            publish(publisher, handle, 5, "five");
            publish(publisher, handle, 6, "six", "x", "y", "price", "-3", "propertyId", "17");
            publish(publisher, handle, 7, "seven", "propertyId", "17", "price", "1");

            assertThat(RawClient.texts(all, 7)).containsExactly("one", "two", "three", "four", "five", "six", "seven");
            assertThat(RawClient.texts(some.raw(), 3)).containsExactly("one", "six", "seven");
            await().untilAsserted(
                            () -> assertThat(broker.channel("feed").filtered()).isEqualTo(4));
            assertThat(broker.channel("feed").delivered()).isEqualTo(10);
        }
    }

    @Test
    void aFilterAndAnExcludedDeviceWorkTogether() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            FilteringClient me = FilteringClient.of(broker, "me");
            int handle = me.subscribe("feed:a", "room = 7").getHandle();
            FilteringClient other = FilteringClient.of(broker, "other");
            other.subscribe("feed:a", "room = 7");
            ByteBuf fields = io.netty.buffer.Unpooled.buffer();
            hermod.protocol.frame.EventFields.writeAttributes(fields, java.util.Map.of("room", "7"));
            me.raw()
                    .publish(
                            handle,
                            1,
                            FrameHeader.FLAG_EXCLUDE_DEVICE,
                            0,
                            0,
                            0,
                            0,
                            io.netty.buffer.ByteBufUtil.getBytes(fields),
                            new byte[] {'x'});
            me.raw().readPublished();
            publish(me.raw(), handle, 2, "seven", "room", "7");
            publish(me.raw(), handle, 3, "eight", "room", "8");
            publish(me.raw(), handle, 4, "end", "room", "7");

            assertThat(RawClient.texts(other.raw(), 3)).containsExactly("x", "seven", "end");
            List<String> mine = new java.util.ArrayList<>();
            while (!mine.contains("end")) {
                ByteBuf frame = me.raw().read();
                if (FrameHeader.type(frame, 0) == FrameType.EVENT.code()) {
                    mine.add(new RawClient.Event(frame).text());
                }
            }
            assertThat(mine).containsExactly("seven", "end");
        }
    }

    @Test
    void filteredWishesOfAHelloAreAnsweredBehindThePlainOnesAndInForceAtOnce() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient raw = broker.socket();
            Welcome welcome = raw.connect(RawClient.hello(broker.token("u", BrokerUnderTest.ORDINARY))
                    .setFeatures(Feature.FILTER.bit() | Feature.LZ4.bit() << 40)
                    .addSubscriptions("chat:a")
                    .addFiltered(filtered("feed:a", "a = 1")));
            assertThat(welcome.getFeatures()).isEqualTo(Feature.FILTER.bit());
            assertThat(welcome.getSubscriptionsList())
                    .extracting(TopicResult::getTopic)
                    .containsExactly("chat:a", "feed:a");
            RawClient publisher = broker.client("publisher");
            int handle = publisher.open("feed:a").getHandle();
            publish(publisher, handle, 1, "no", "a", "2");
            publish(publisher, handle, 2, "yes", "a", "1");
            assertThat(raw.readEvent().text()).isEqualTo("yes");
        }
    }

    @Test
    void aFilterThatCanNotBeTakenRefusesItsTopicAloneAndSaysWhy() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            FilteringClient client = FilteringClient.of(broker, "u");
            Filter.Builder large = Filter.newBuilder().setKey("k").addIn("x".repeat(5_000));
            client.raw()
                    .send(
                            FrameType.SUBSCRIBE,
                            1,
                            Subscribe.newBuilder()
                                    .addTopics("chat:a")
                                    .addFiltered(FilteredTopic.newBuilder()
                                            .setTopic("feed:a")
                                            .setFilter(large))
                                    .addFiltered(FilteredTopic.newBuilder()
                                            .setTopic("feed:b")
                                            .setFilter(Filter.getDefaultInstance()))
                                    .addFiltered(filtered("feed:c", "k"))
                                    .build());
            List<TopicResult> results = Subscribed.parseFrom(
                            RawClient.body(client.raw().read(FrameType.SUBSCRIBED)))
                    .getResultsList();
            assertThat(results).extracting(TopicResult::getGranted).containsExactly(true, false, false, true);
            assertThat(results)
                    .extracting(TopicResult::getCode)
                    .containsExactly(0, ErrorCode.BAD_FILTER.code(), ErrorCode.BAD_FILTER.code(), 0);
            assertThat(results.get(1).getMessage())
                    .contains("this broker takes at most 4096 (filter.size-limit-bytes)");
            assertThat(results.get(2).getMessage()).contains("exactly one of all, any, not, and a test of a key");
        }
    }

    @Tag("SE-4")
    @Test
    void allFiltersOfAConnectionTogetherAreBounded() throws Exception {
        FilterConfig small = new FilterConfig(1_000, 6, 64, 256, 2_500, 1_000, 16);
        try (BrokerUnderTest broker = new BrokerUnderTest.Setup().filter(small).start()) {
            FilteringClient client = FilteringClient.of(broker, "u");
            String filter = "k = " + "x".repeat(900);
            assertThat(client.subscribe("feed:a", filter).getGranted()).isTrue();
            assertThat(client.subscribe("feed:b", filter).getGranted()).isTrue();
            TopicResult third = client.subscribe("feed:c", filter);
            assertThat(third.getCode()).isEqualTo(ErrorCode.BAD_FILTER.code());
            assertThat(third.getMessage())
                    .contains("filter.per-connection-limit-bytes")
                    .contains("2500");
            // In place of the others there is room for it.
            assertThat(client.replace(Replace.newBuilder().addFiltered(filtered("feed:c", filter)))
                            .getResults(0)
                            .getGranted())
                    .isTrue();
        }
    }

    @Test
    void withoutTheFeatureAgreedAFilterIsUnsupported() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient old = broker.client("u");
            old.send(
                    FrameType.SUBSCRIBE,
                    1,
                    Subscribe.newBuilder().addFiltered(filtered("feed:a", "k")).build());
            assertThat(Subscribed.parseFrom(RawClient.body(old.read(FrameType.SUBSCRIBED)))
                            .getResults(0)
                            .getCode())
                    .isEqualTo(ErrorCode.UNSUPPORTED.code());
            old.send(FrameType.REPLACE, 2, Replace.getDefaultInstance());
            assertThat(old.readError()).isEqualTo(ErrorCode.UNSUPPORTED.code());
        }
    }

    @Test
    void whatWasPassedOverIsToldByProgressBehindTheEventsBeforeItAndOnlyOnce() throws Exception {
        try (BrokerUnderTest broker =
                new BrokerUnderTest.Setup().filter(withProgressEvery(100)).start()) {
            FilteringClient client = FilteringClient.of(broker, "u");
            int subscribed = client.subscribe("feed:a", "a = 1").getHandle();
            RawClient publisher = broker.client("publisher");
            int handle = publisher.open("feed:a").getHandle();
            publish(publisher, handle, 1, "yes", "a", "1");
            publish(publisher, handle, 2, "no", "a", "2");
            publish(publisher, handle, 3, "no", "a", "3");
            long told = 0;
            long seen = 0;
            while (told < 3) {
                ByteBuf frame = client.raw().read();
                if (FrameHeader.type(frame, 0) == FrameType.EVENT.code()) {
                    seen = new RawClient.Event(frame).offset();
                    assertThat(seen).isGreaterThan(told);
                } else {
                    assertThat(FrameHeader.type(frame, 0)).isEqualTo(FrameType.PROGRESS.code());
                    assertThat(FrameHeader.handle(frame, 0)).isEqualTo(subscribed);
                    assertThat(FlowFrames.first(frame, 0)).isGreaterThan(told);
                    told = FlowFrames.first(frame, 0);
                }
            }
            assertThat(seen).isEqualTo(1);
            assertThat(told).isEqualTo(3);
            // Everything is told; a subscriber that has the topic's last event needs none.
            publish(publisher, handle, 4, "yes", "a", "1");
            assertThat(client.raw().readEvent().offset()).isEqualTo(4);
            assertThat(client.raw().isQuiet(500)).isTrue();
        }
    }

    @Tag("CN-2")
    @Test
    void operatorsSeeTheFilterOfASubscription() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            FilteringClient client = FilteringClient.of(broker, "u");
            client.subscribe("feed:a", "a = 1 and b >= 2");
            assertThat(broker.broker().connections().get(0).filters())
                    .containsExactly(java.util.Map.entry("feed:a", "(a = 1) and (b >= 2)"));
        }
    }
}
