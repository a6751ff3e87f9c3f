package hermod.client;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.control.wire.ResumeResult;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.FlowFrames;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.PublishedWriter;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.ByteBufUtil;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import java.util.Map;
import java.util.Set;
import java.util.TreeMap;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("HR-5")
class StateTest extends ClientFixture {
    private static final String WALLET = "wallet:1";
    private static final Feature[] ALL = {Feature.RESUME, Feature.GAP, Feature.STATE};

    private static final Set<String> FIRST_STATES = Set.of("1 a=one", "2 b=two", "4 a=one", "9 b=two");

    private FakeBroker.Peer peer;
    private HermodClient client;
    private int handle;
    private final BlockingQueue<String> changes = new LinkedBlockingQueue<>();

    private static void event(FakeBroker.Peer to, int handle, long offset, String key, @Nullable String value) {
        ByteBuf fields = Unpooled.buffer();
        EventFields.write(fields, EventFields.TAG_SOURCE, "bob".getBytes(StandardCharsets.UTF_8));
        EventFields.write(fields, EventFields.TAG_KEY, key.getBytes(StandardCharsets.UTF_8));
        if (value == null) {
            EventFields.write(fields, EventFields.TAG_DELETED, new byte[0]);
        }
        byte[] payload = value == null ? new byte[0] : value.getBytes(StandardCharsets.UTF_8);
        int fieldsBytes = fields.readableBytes();
        ByteBuf out = Unpooled.buffer();
        FrameHeader.write(
                out, FrameType.EVENT, 2, handle, 0, Long.BYTES + Entry.FIXED_BYTES + fieldsBytes + payload.length);
        out.writeLongLE(offset);
        Entry.writeFixed(out, 1, 0, 0, fieldsBytes);
        to.send(out.writeBytes(ByteBufUtil.getBytes(fields)).writeBytes(payload));
    }

    private void wholeUpTo(long offset) {
        ByteBuf out = Unpooled.buffer();
        FlowFrames.writeOneNumber(out, FrameType.PROGRESS, handle, offset);
        peer.send(out);
    }

    private TopicResult granted(int epoch, long nextOffset, int count) {
        TopicResult result = peer.granted(WALLET, epoch, nextOffset).toBuilder()
                .setStateCount(count)
                .build();
        handle = result.getHandle();
        return result;
    }

    private CompletableFuture<State> follow() throws Exception {
        client = client(builder());
        CompletableFuture<ConnectionInfo> connected = client.connect();
        peer = broker.accept();
        peer.welcomeWith(ALL);
        done(connected);
        return client.state(WALLET);
    }

    /** The connection breaks and the next one is welcomed; what the client then asks. */
    private FakeBroker.Frame comeBack() throws Exception {
        peer.cut();
        peer = broker.accept();
        peer.welcomeWith(ALL);
        return peer.next();
    }

    private static Map<String, String> texts(State state) {
        Map<String, String> texts = new TreeMap<>();
        state.snapshot().forEach((key, value) -> texts.put(key, value.version() + " " + value.text()));
        return texts;
    }

    private void listenTo(State state) {
        state.addListener((key, value) ->
                changes.add(value == null ? key + " gone" : value.version() + " " + key + "=" + value.text()));
    }

    /** The next change; a listener may still be told of what the state had when it was added. */
    private String change() throws InterruptedException {
        String next;
        do {
            next = changes.poll(60, TimeUnit.SECONDS);
        } while (next != null && FIRST_STATES.contains(next));
        return next == null ? "nothing" : next;
    }

    @Test
    void theStateIsThereWhenItIsWholeAndThenItsChangesAre() throws Exception {
        CompletableFuture<State> following = follow();
        peer.subscribed(peer.expect(FrameType.SUBSCRIBE), granted(7, 11, 2));
        event(peer, handle, 4, "a", "one");
        event(peer, handle, 9, "b", "two");
        wholeUpTo(10);
        State state = done(following);
        assertThat(texts(state)).containsExactly(Map.entry("a", "4 one"), Map.entry("b", "9 two"));
        assertThat(state.isCurrent()).isTrue();
        listenTo(state);
        event(peer, handle, 11, "a", "three");
        assertThat(change()).isEqualTo("11 a=three");
        event(peer, handle, 12, "b", null);
        assertThat(change()).isEqualTo("b gone");
        assertThat(texts(state)).containsExactly(Map.entry("a", "11 three"));
    }

    @Test
    void aStateThatDidNotComeWholeIsAskedForAnewAndNotResumed() throws Exception {
        CompletableFuture<State> following = follow();
        peer.subscribed(peer.expect(FrameType.SUBSCRIBE), granted(7, 11, 2));
        event(peer, handle, 4, "a", "one");
        peer.cut();
        peer = broker.accept();
        peer.welcome(welcome -> {
            peer.agree(welcome, ALL);
            welcome.clearSubscriptions().addSubscriptions(granted(7, 13, 2));
        });
        event(peer, handle, 4, "a", "one");
        event(peer, handle, 12, "b", "two");
        wholeUpTo(12);
        assertThat(texts(done(following))).containsExactly(Map.entry("a", "4 one"), Map.entry("b", "12 two"));
    }

    @Test
    void aClientThatWasAwayForTooLongHasTheOldStateUntilTheNewOneIsWholeAndHearsOfKeysThatWent() throws Exception {
        CompletableFuture<State> following = follow();
        peer.subscribed(peer.expect(FrameType.SUBSCRIBE), granted(7, 3, 2));
        event(peer, handle, 1, "a", "one");
        event(peer, handle, 2, "b", "two");
        wholeUpTo(2);
        State state = done(following);
        listenTo(state);
        FakeBroker.Frame resume = comeBack();
        assertThat(resume.type()).isEqualTo(FrameType.RESUME);
        assertThat(state.isCurrent()).isFalse();
        peer.resumed(
                resume,
                ResumeResult.newBuilder()
                        .setTopic(granted(7, 21, 2))
                        .setOutcome(ResumeResult.Outcome.OUTCOME_LOST)
                        .setFromOffset(21)
                        .setToOffset(20)
                        .build());
        event(peer, handle, 1, "a", "one");
        event(peer, handle, 20, "c", "three");
        assertThat(change()).isEqualTo("20 c=three");
        assertThat(texts(state)).containsOnlyKeys("a", "b");
        wholeUpTo(20);
        assertThat(change()).isEqualTo("b gone");
        assertThat(texts(state)).containsExactly(Map.entry("a", "1 one"), Map.entry("c", "20 three"));
        assertThat(state.isCurrent()).isTrue();
        // In another epoch nothing of before counts.
        resume = comeBack();
        peer.resumed(
                resume,
                ResumeResult.newBuilder()
                        .setTopic(granted(8, 3, 1))
                        .setOutcome(ResumeResult.Outcome.OUTCOME_LOST)
                        .setFromOffset(3)
                        .setToOffset(2)
                        .build());
        event(peer, handle, 2, "a", "anew");
        assertThat(change()).isEqualTo("2 a=anew");
        wholeUpTo(2);
        assertThat(change()).isEqualTo("c gone");
        assertThat(texts(state)).containsExactly(Map.entry("a", "2 anew"));
    }

    @Test
    void aConflictNamesTheVersionThereIs() throws Exception {
        CompletableFuture<State> following = follow();
        TopicResult result = granted(7, 1, 0).toBuilder().setCanPublish(true).build();
        peer.subscribed(peer.expect(FrameType.SUBSCRIBE), result);
        State state = done(following);
        CompletableFuture<PublishReceipt> put = state.put("a", new byte[] {1}, 5);
        FakeBroker.Sent sent = peer.expectPublishes(1).get(0);
        PublishedWriter outcomes = new PublishedWriter();
        outcomes.conflict(sent.requestId(), sent.handle(), 17);
        ByteBuf out = Unpooled.buffer();
        outcomes.writeTo(out);
        peer.send(out);
        assertThat(failure(put)).isInstanceOfSatisfying(ConflictException.class, why -> {
            assertThat(why.currentVersion()).isEqualTo(17);
            assertThat(why.isRetryable()).isFalse();
        });
    }

    @Test
    void aTopicWithoutAStateIsRefusedAndItsSubscriptionEnds() throws Exception {
        CompletableFuture<State> following = follow();
        int plain = peer.grantSubscribe(WALLET, 7, 1);
        assertThat(failure(following).is(ErrorCode.UNSUPPORTED)).isTrue();
        peer.grantUnsubscribe(plain);
    }
}
