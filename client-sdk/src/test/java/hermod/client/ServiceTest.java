package hermod.client;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.control.wire.ChannelOff;
import hermod.protocol.control.wire.Service;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** What a client does when its broker switches something off. */
@Tag("OB-10")
class ServiceTest extends ClientFixture {
    private static final Service CHAT_OFF = Service.newBuilder()
            .setEnabled(true)
            .addChannelsOff(ChannelOff.newBuilder().setChannel("chat").setReason("chat is broken"))
            .build();
    private static final Service ALL_OFF = Service.newBuilder()
            .setReason("maintenance")
            .addChannelsOn("safety")
            .build();
    private static final Service ALL_ON = Service.newBuilder().setEnabled(true).build();

    private final BlockingQueue<ServiceStatus> told = new LinkedBlockingQueue<>();
    private HermodClient client;
    private FakeBroker.Peer peer;

    private void connect() throws Exception {
        client = client();
        client.addServiceListener(told::add);
        CompletableFuture<ConnectionInfo> connected = client.connect();
        peer = broker.accept();
        peer.welcomeWith(Feature.GAP);
        done(connected);
    }

    private ServiceStatus next() throws InterruptedException {
        ServiceStatus next = told.poll(60, TimeUnit.SECONDS);
        assertThat(next).as("news").isNotNull();
        return next;
    }

    @Test
    void whatIsOffFailsAtOnceWithTheReasonAndNothingIsSentUntilItIsOnAgain() throws Exception {
        connect();
        peer.send(CHAT_OFF);
        assertThat(next().channelsOff()).containsEntry("chat", "chat is broken");
        HermodException refused = failure(client.publish("chat:1", "x"));
        assertThat(refused.is(ErrorCode.NOT_ENABLED)).isTrue();
        assertThat(refused.isRetryable()).isFalse();
        assertThat(refused).hasMessageContaining("chat is broken");
        assertThat(failure(client.subscribe("chat:1", event -> {})).is(ErrorCode.NOT_ENABLED))
                .isTrue();
        CompletableFuture<PublishReceipt> other = client.publish("feed:1", "x");
        peer.grantOpen("feed:1");
        peer.ack(peer.expectPublishes(1), 1);
        done(other);
        peer.send(ALL_ON);
        assertThat(next()).isEqualTo(ServiceStatus.ALL_ON);
        CompletableFuture<PublishReceipt> again = client.publish("chat:1", "y");
        peer.grantOpen("chat:1");
        assertThat(peer.expectPublishes(1).get(0).text()).isEqualTo("y");
    }

    @Test
    void whereEverythingIsOffWhatIsNamedGoesOn() throws Exception {
        connect();
        assertThat(client.connectionInfo().serviceEnabled()).isTrue();
        peer.send(ALL_OFF);
        assertThat(next().reason()).isEqualTo("maintenance");
        assertThat(client.connectionInfo().serviceEnabled()).isFalse();
        assertThat(client.serviceStatus().enabled()).isFalse();
        assertThat(failure(client.publish("chat:1", "x"))).hasMessageContaining("maintenance");
        CompletableFuture<PublishReceipt> safety = client.publish("safety:1", "fire");
        peer.grantOpen("safety:1");
        peer.ack(peer.expectPublishes(1), 1);
        done(safety);
    }

    @Test
    void welcomeTellsAsWell() throws Exception {
        client = client();
        CompletableFuture<ConnectionInfo> connected = client.connect();
        peer = broker.accept();
        peer.welcome(welcome -> welcome.setServiceEnabled(false).setService(ALL_OFF));
        assertThat(done(connected).serviceEnabled()).isFalse();
        assertThat(failure(client.publish("chat:1", "x"))).hasMessageContaining("maintenance");
    }

    @Test
    void aSubscriptionThatIsRefusedOnTheWayBackWaitsForTheChannelWithoutAskingAgain() throws Exception {
        connect();
        BlockingQueue<String> heard = new LinkedBlockingQueue<>();
        CompletableFuture<Subscription> subscribed = client.subscribe("chat:1", new EventListener() {
            @Override
            public void onEvent(Event event) {
                heard.add(event.text());
            }

            @Override
            public void onEnded(String topic, HermodException why) {
                heard.add("ended");
            }
        });
        peer.grantSubscribe("chat:1", EPOCH, 1);
        done(subscribed);
        peer.cut();
        peer = broker.accept();
        peer.welcome(welcome -> welcome.clearSubscriptions()
                .setService(CHAT_OFF)
                .addSubscriptions(peer.refused("chat:1", ErrorCode.NOT_ENABLED)));
        assertThat(next().channelsOff()).containsKey("chat");
        // A request of another topic comes next: nothing was asked for chat.
        CompletableFuture<PublishReceipt> other = client.publish("feed:1", "x");
        peer.grantOpen("feed:1");
        peer.ack(peer.expectPublishes(1), 1);
        done(other);
        peer.send(ALL_ON);
        int handle = peer.grantSubscribe("chat:1", EPOCH, 1);
        peer.event(handle, 1, "back");
        assertThat(heard.poll(60, TimeUnit.SECONDS)).isEqualTo("back");
        assertThat(heard).isEmpty();
    }

    @Test
    void aSubscriptionThatIsHeldGoesOnByItselfAndTheBrokerTellsWhatIsMissing() throws Exception {
        connect();
        BlockingQueue<String> heard = new LinkedBlockingQueue<>();
        CompletableFuture<Subscription> subscribed = client.subscribe("chat:1", new EventListener() {
            @Override
            public void onEvent(Event event) {
                heard.add(event.text());
            }

            @Override
            public void onGap(Gap gap) {
                heard.add("missed " + gap.fromOffset() + " to " + gap.toOffset());
            }
        });
        int handle = peer.grantSubscribe("chat:1", EPOCH, 1);
        done(subscribed);
        peer.event(handle, 1, "before");
        peer.send(CHAT_OFF);
        peer.send(ALL_ON);
        peer.event(handle, 2, "waited");
        peer.gap(handle, 3, 4, 2, false);
        peer.event(handle, 5, "after");
        assertThat(heard.poll(60, TimeUnit.SECONDS)).isEqualTo("before");
        assertThat(heard.poll(60, TimeUnit.SECONDS)).isEqualTo("waited");
        assertThat(heard.poll(60, TimeUnit.SECONDS)).isEqualTo("missed 3 to 4");
        assertThat(heard.poll(60, TimeUnit.SECONDS)).isEqualTo("after");
    }
}
