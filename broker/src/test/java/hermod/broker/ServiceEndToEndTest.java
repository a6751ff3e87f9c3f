package hermod.broker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import hermod.broker.admission.ServiceConfig;
import hermod.broker.admission.ServiceState;
import hermod.protocol.ErrorCode;
import hermod.protocol.control.wire.Open;
import hermod.protocol.control.wire.Service;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.control.wire.Welcome;
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
    void aSubscriberIsSentNothingOfAChannelThatIsOffNotEvenWhatWaited() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient publisher = broker.client("publisher", List.of("pub:*", "rate:unlimited"));
            RawClient subscriber = broker.client("subscriber");
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
            int got = 0;
            ByteBuf frame = subscriber.read();
            while (FrameHeader.type(frame, 0) == FrameType.EVENT.code()) {
                got++;
                frame = subscriber.read();
            }
            assertThat(FrameHeader.type(frame, 0)).isEqualTo(FrameType.SERVICE.code());
            assertThat(got).isLessThan(count);
            broker.broker().lift("chat");
            notice(subscriber);
            notice(publisher);
            notice(publisher);
            publisher.publish(handle, 99, "after");
            assertThat(subscriber.readEvent().text()).isEqualTo("after");
        }
    }

    private static long owed(BrokerUnderTest broker) {
        return broker.broker().connections().stream()
                .mapToLong(one -> one.outboxBytes())
                .sum();
    }

    @Test
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
