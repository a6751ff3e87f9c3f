package hermod.broker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import hermod.broker.admission.ServiceConfig;
import hermod.broker.admission.ServiceState;
import hermod.protocol.CloseCode;
import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.control.wire.Cursor;
import hermod.protocol.control.wire.Open;
import hermod.protocol.control.wire.Replace;
import hermod.protocol.control.wire.Replaced;
import hermod.protocol.control.wire.Resume;
import hermod.protocol.control.wire.Resumed;
import hermod.protocol.control.wire.Service;
import hermod.protocol.control.wire.Subscribe;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.control.wire.Welcome;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FlowFrames;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.PublishedFrame;
import io.netty.buffer.ByteBuf;
import java.util.ArrayList;
import java.util.List;
import java.util.stream.IntStream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

@Tag("OB-10")
@ExtendWith(LeakCheck.class)
class ServiceEndToEndTest {
    private static Service notice(RawClient client) throws Exception {
        ByteBuf frame = client.read(FrameType.SERVICE);
        assertThat(FrameHeader.flags(frame, 0)).isEqualTo(FrameHeader.FLAG_IGNORE_IF_UNKNOWN);
        assertThat(FrameHeader.requestId(frame, 0)).isZero();
        return Service.parseFrom(RawClient.body(frame));
    }

    private static int refusalOf(RawClient client, int handle) throws Exception {
        client.publish(handle, 1, "x");
        PublishedFrame published = client.readPublished();
        return published.exceptionCount() == 0 ? 0 : published.exceptionCode(0);
    }

    @Test
    void aChannelThatIsKilledIsOffOnAllShardsAtOnceAndGoesOnWithoutReconnectWhenLifted() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.withShards(2)) {
            List<RawClient> clients = new ArrayList<>();
            List<Integer> handles = new ArrayList<>();
            for (int i = 0; i < 8; i++) {
                RawClient client = broker.client("user-" + i);
                handles.add(client.subscribe("chat:room-" + i).getHandle());
                clients.add(client);
            }
            long beforeNs = System.nanoTime();
            broker.broker().kill("chat", "chat is broken", false);
            for (int i = 0; i < clients.size(); i++) {
                Service told = notice(clients.get(i));
                assertThat(told.getEnabled()).isTrue();
                assertThat(told.getChannelsOffList()).singleElement().satisfies(off -> {
                    assertThat(off.getChannel()).isEqualTo("chat");
                    assertThat(off.getReason()).isEqualTo("chat is broken");
                });
                assertThat(refusalOf(clients.get(i), handles.get(i))).isEqualTo(ErrorCode.NOT_ENABLED.code());
                assertThat(clients.get(i).subscribe("chat:other").getCode()).isEqualTo(ErrorCode.NOT_ENABLED.code());
                assertThat(clients.get(i).open("chat:other").getMessage()).isEqualTo("chat is broken");
                assertThat(clients.get(i)
                                .echo(clients.get(i).subscribe("feed:" + i).getHandle(), "others go on"))
                        .isEqualTo("others go on");
            }
            assertThat(System.nanoTime() - beforeNs).as("all of it").isLessThan(5_000_000_000L);
            assertThat(broker.counter("publishes_not_enabled")).isEqualTo(8);
            broker.broker().lift("chat");
            for (int i = 0; i < clients.size(); i++) {
                assertThat(notice(clients.get(i)).getChannelsOffCount()).isZero();
                assertThat(clients.get(i).echo(handles.get(i), "back")).isEqualTo("back");
            }
        }
    }

    @Test
    void aSubscriberIsSentNothingOfAChannelThatIsOffAndGoesOnWithWhatWaitedWhenItIsLifted() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient publisher = broker.client("publisher", List.of("pub:*", "rate:unlimited"));
            RawClient subscriber = with(broker, "subscriber", Feature.GAP);
            int handle = publisher.open("chat:1").getHandle();
            subscriber.subscribe("chat:1");
            // More than the sockets take: the rest waits in the outbox.
            byte[] payload = new byte[200_000];
            int count = 0;
            while (owed(broker) == 0) {
                publisher.publish(handle, ++count, 0, 0, 0, 0, 0, new byte[0], payload);
                publisher.readPublished();
            }
            broker.broker().kill("chat", "", false);
            assertThat(owed(broker)).as("bytes in the outbox").isLessThan(200_000);
            long got = 0;
            ByteBuf frame = subscriber.read();
            while (FrameHeader.type(frame, 0) == FrameType.EVENT.code()) {
                assertThat(EventFrame.offset(frame, 0)).isEqualTo(++got);
                frame = subscriber.read();
            }
            assertThat(FrameHeader.type(frame, 0)).isEqualTo(FrameType.SERVICE.code());
            assertThat(got).isLessThan(count);
            broker.broker().lift("chat");
            notice(subscriber);
            notice(publisher);
            notice(publisher);
            publisher.publish(handle, 99, "after");
            assertThat(got + told(subscriber, got, count + 1)).isEqualTo(count + 1);
        }
    }

    private static RawClient with(BrokerUnderTest broker, String user, Feature... features) throws Exception {
        RawClient client = broker.socket();
        long mask = 0;
        for (Feature feature : features) {
            mask |= feature.bit();
        }
        assertThat(client.connect(RawClient.hello(broker.token(user, BrokerUnderTest.ORDINARY))
                                .setFeatures(mask))
                        .getFeatures())
                .isEqualTo(mask);
        return client;
    }

    /** Reads from behind one offset to another: each is delivered or announced as missing, in order. @return how many. */
    private static long told(RawClient client, long behind, long to) throws Exception {
        long seen = behind;
        while (seen < to) {
            ByteBuf frame = client.read();
            boolean isGap = FrameHeader.type(frame, 0) == FrameType.GAP.code();
            if (!isGap) {
                assertThat(FrameHeader.type(frame, 0)).isEqualTo(FrameType.EVENT.code());
            }
            assertThat(isGap ? FlowFrames.first(frame, 0) : EventFrame.offset(frame, 0))
                    .isEqualTo(seen + 1);
            seen = isGap ? FlowFrames.last(frame, 0) : seen + 1;
        }
        return seen - behind;
    }

    @Test
    void whatBackEndsPublishWhileAUserIsOutsideOfTheRolloutComesWhenTheUserIsInsideAgain() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.withShards(2)) {
            RawClient backEnd = broker.client("back-end", List.of("pub:*", "sub:*", "limits:service"));
            RawClient before = broker.client("before");
            RawClient filtering = with(broker, "filtering", Feature.FILTER);
            before.subscribe("chat:1");
            filtering.send(
                    FrameType.SUBSCRIBE,
                    1,
                    Subscribe.newBuilder()
                            .addFiltered(FilteringClient.filtered("chat:1", "propertyId = 17"))
                            .build());
            filtering.read(FrameType.SUBSCRIBED);
            int handle = backEnd.open("chat:1").getHandle();
            backEnd.publish(handle, 1, "first");
            assertThat(before.readEvent().text()).isEqualTo("first");
            for (int round = 0; round < 3; round++) {
                broker.broker().rollout(0);
                assertThat(notice(before).getEnabled()).isFalse();
                notice(filtering);
                for (int i = 0; i < 5; i++) {
                    backEnd.publish(handle, i, "meanwhile " + i);
                    FilteringClient.publish(backEnd, handle, i, "of 17: " + i, "propertyId", "17");
                }
                for (int i = 0; i < 10; i += published(backEnd)) {}
                broker.broker().rollout(100);
                // Nothing came before.
                assertThat(notice(before).getEnabled()).isTrue();
                notice(filtering);
                for (int i = 0; i < 5; i++) {
                    assertThat(before.readEvent().text()).isEqualTo("meanwhile " + i);
                    assertThat(before.readEvent().text()).isEqualTo("of 17: " + i);
                    assertThat(filtering.readEvent().text()).isEqualTo("of 17: " + i);
                }
            }
        }
    }

    private static int published(RawClient client) throws Exception {
        PublishedFrame frame = client.readPublished();
        int count = 0;
        for (int i = 0; i < frame.rangeCount(); i++) {
            count += frame.rangeLength(i);
        }
        return count;
    }

    @Test
    void whatIsNotKeptUntilAChannelIsOnAgainIsAnnouncedAndWhoCanNotBeToldIsClosed() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient backEnd =
                    broker.client("back-end", List.of("pub:*", "sub:*", "limits:service", "rate:unlimited"));
            RawClient told = with(broker, "told", Feature.GAP);
            RawClient untold = with(broker, "untold");
            told.subscribe("presence:1");
            untold.subscribe("presence:1");
            broker.broker().rollout(0);
            int handle = backEnd.open("presence:1").getHandle();
            byte[] payload = new byte[100_000];
            for (int i = 1; i <= 100; i++) {
                backEnd.publish(handle, i, 0, 0, 0, 0, 0, new byte[0], payload);
                backEnd.readPublished();
            }
            broker.broker().rollout(100);
            notice(told);
            notice(told);
            notice(untold);
            notice(untold);
            ByteBuf gap = told.read(FrameType.GAP);
            assertThat(FlowFrames.first(gap, 0)).isEqualTo(1);
            backEnd.publish(handle, 101, "after");
            long seen = FlowFrames.last(gap, 0);
            assertThat(seen + told(told, seen, 101)).isEqualTo(101);
            assertThat(untold.readClose()).isEqualTo(CloseCode.SLOW_CONSUMER.code());
        }
    }

    @Test
    void resumeAndReplaceAreRefusedTopicByTopicWhereTheirChannelIsOff() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient client = with(broker, "alice", Feature.RESUME, Feature.FILTER);
            broker.broker().kill("chat", "chat is broken", false);
            notice(client);
            client.send(
                    FrameType.RESUME,
                    1,
                    Resume.newBuilder()
                            .addCursors(Cursor.newBuilder().setTopic("chat:1"))
                            .addCursors(Cursor.newBuilder().setTopic("feed:1"))
                            .build());
            assertThat(Resumed.parseFrom(RawClient.body(client.read(FrameType.RESUMED)))
                            .getResultsList())
                    .extracting(result -> result.getTopic().getCode())
                    .containsExactly(ErrorCode.NOT_ENABLED.code(), 0);
            client.send(
                    FrameType.REPLACE,
                    2,
                    Replace.newBuilder()
                            .addTopics("chat:1")
                            .addTopics("tasks:1")
                            .build());
            Replaced replaced = Replaced.parseFrom(RawClient.body(client.read(FrameType.REPLACED)));
            assertThat(replaced.getResultsList())
                    .extracting(TopicResult::getCode)
                    .containsExactly(ErrorCode.NOT_ENABLED.code(), 0);
            assertThat(replaced.getResults(0).getMessage()).isEqualTo("chat is broken");
            assertThat(replaced.getRemovedCount()).isEqualTo(1);
        }
    }

    private static long owed(BrokerUnderTest broker) {
        return broker.broker().connections().stream()
                .mapToLong(one -> one.outboxBytes())
                .sum();
    }

    @Test
    @Tag("SA-3")
    void killAllLeavesSafetyOnUnlessThatIsConfirmedToo() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient client = broker.client("alice");
            int safety = client.subscribe("safety:1").getHandle();
            int chat = client.subscribe("chat:1").getHandle();
            assertThatIllegalArgumentException()
                    .isThrownBy(() -> broker.broker().kill("safety", "", false))
                    .withMessageContaining("--confirm-safety");
            broker.broker().kill("all", "maintenance", false);
            Service off = notice(client);
            assertThat(off.getEnabled()).isFalse();
            assertThat(off.getReason()).isEqualTo("maintenance");
            assertThat(off.getChannelsOnList()).containsExactly("safety");
            assertThat(refusalOf(client, chat)).isEqualTo(ErrorCode.NOT_ENABLED.code());
            assertThat(client.echo(safety, "fire")).isEqualTo("fire");
            broker.broker().kill("all", "maintenance", true);
            assertThat(notice(client).getChannelsOnCount()).isZero();
            assertThat(refusalOf(client, safety)).isEqualTo(ErrorCode.NOT_ENABLED.code());
            broker.broker().lift("all");
            assertThat(notice(client).getEnabled()).isTrue();
            assertThat(client.echo(safety, "over")).isEqualTo("over");
            broker.broker().kill("safety", "a test", true);
            notice(client);
            assertThat(refusalOf(client, safety)).isEqualTo(ErrorCode.NOT_ENABLED.code());
            assertThat(client.echo(chat, "chat goes on")).isEqualTo("chat goes on");
        }
    }

    @Test
    void aNewConnectionIsToldInWelcome() throws Exception {
        ServiceConfig off = new ServiceConfig(
                false, "not today", List.of("feed"), List.of("typing"), 100, List.of(), List.of(), 1, 1);
        try (BrokerUnderTest broker = new BrokerUnderTest.Setup().service(off).start()) {
            RawClient client = broker.socket();
            Welcome welcome = client.connect(RawClient.hello(broker.token("alice", BrokerUnderTest.ORDINARY))
                    .addSubscriptions("chat:1")
                    .addSubscriptions("safety:1"));
            assertThat(welcome.getServiceEnabled()).isFalse();
            assertThat(welcome.getServiceReason()).isEqualTo("not today");
            assertThat(welcome.getSubscriptionsList())
                    .extracting(TopicResult::getGranted)
                    .containsExactly(false, true);
            Service told = welcome.getService();
            assertThat(told.getChannelsOnList()).containsExactly("safety");
            assertThat(told.getChannelsOffList())
                    .singleElement()
                    .satisfies(one -> assertThat(one.getChannel()).isEqualTo("feed"));
            assertThat(told.getFeaturesOffList()).containsExactly("typing");
            broker.broker().lift("all");
            assertThat(notice(client).getEnabled()).isTrue();
            assertThat(client.subscribe("chat:1").getGranted()).isTrue();
            assertThat(client.subscribe("feed:1").getCode()).isEqualTo(ErrorCode.NOT_ENABLED.code());
            broker.broker().lift("feed");
            notice(client);
            assertThat(client.subscribe("feed:1").getGranted()).isTrue();
        }
    }

    @Test
    void aSubscribeThatIsUnderWayWhenItsChannelIsKilledIsRefused() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.withShards(2)) {
            RawClient client = broker.client("alice", List.of("pub:*", "sub:*", "limits:service"));
            // In between at random: whatever wins, a topic that is granted is dead at once, or was before.
            for (int round = 0; round < 20; round++) {
                Open.Builder open = Open.newBuilder();
                for (int i = 0; i < 500; i++) {
                    open.addTopics("chat:" + round + "-" + i);
                }
                client.send(FrameType.OPEN, round, open.build());
                broker.broker().kill("chat", "", false);
                int handle = 0;
                for (int i = 0; i < 2; i++) {
                    ByteBuf frame = client.read();
                    if (FrameHeader.type(frame, 0) == FrameType.OPENED.code()) {
                        for (TopicResult result : hermod.protocol.control.wire.Opened.parseFrom(RawClient.body(frame))
                                .getResultsList()) {
                            handle = result.getGranted() ? result.getHandle() : handle;
                        }
                    }
                }
                if (handle != 0) {
                    assertThat(refusalOf(client, handle)).isEqualTo(ErrorCode.NOT_ENABLED.code());
                }
                broker.broker().lift("chat");
                notice(client);
            }
        }
    }

    @Test
    void aRolloutServesTheSameUsersAlwaysAndMoreWhenItIsRaised() throws Exception {
        List<String> users = IntStream.range(0, 30).mapToObj(i -> "person-" + i).toList();
        try (BrokerUnderTest broker = BrokerUnderTest.withShards(2)) {
            List<RawClient> clients = new ArrayList<>();
            List<Integer> handles = new ArrayList<>();
            for (String user : users) {
                RawClient client = broker.client(user);
                handles.add(client.subscribe("chat:" + user).getHandle());
                clients.add(client);
            }
            int before = 100;
            for (int percent : new int[] {30, 60, 0, 100}) {
                broker.broker().rollout(percent);
                for (int i = 0; i < users.size(); i++) {
                    int percentile = ServiceState.percentileOf(users.get(i));
                    boolean isServed = percentile < percent;
                    if (isServed != percentile < before) {
                        assertThat(notice(clients.get(i)).getEnabled()).isEqualTo(isServed);
                    }
                    if (isServed) {
                        assertThat(clients.get(i).echo(handles.get(i), "in")).isEqualTo("in");
                    } else {
                        assertThat(refusalOf(clients.get(i), handles.get(i))).isEqualTo(ErrorCode.NOT_ENABLED.code());
                    }
                }
                before = percent;
            }
        }
    }

    @Test
    void aBackEndIsServedByEveryRolloutButNotWhenAllIsOff() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient backEnd = broker.client("back-end", List.of("pub:*", "sub:*", "limits:service"));
            int chat = backEnd.subscribe("chat:1").getHandle();
            broker.broker().rollout(0);
            assertThat(backEnd.echo(chat, "in")).isEqualTo("in");
            broker.broker().kill("all", "", false);
            assertThat(notice(backEnd).getEnabled()).isFalse();
            assertThat(refusalOf(backEnd, chat)).isEqualTo(ErrorCode.NOT_ENABLED.code());
        }
    }

    @Test
    void theHashOfAUserIsTheDocumentedOne() {
        assertThat(ServiceState.percentileOf("alice")).isEqualTo(PERCENTILE_OF_ALICE);
        int[] counts = new int[100];
        for (int i = 0; i < 100_000; i++) {
            counts[ServiceState.percentileOf("user" + i)]++;
        }
        assertThat(IntStream.of(counts).min().orElseThrow()).isGreaterThan(850);
        assertThat(IntStream.of(counts).max().orElseThrow()).isLessThan(1_150);
    }

    private static final int PERCENTILE_OF_ALICE = 1;
}
