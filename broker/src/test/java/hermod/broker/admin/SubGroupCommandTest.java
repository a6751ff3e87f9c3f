package hermod.broker.admin;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.Priority;
import hermod.protocol.control.wire.Error;
import hermod.protocol.control.wire.Fetch;
import hermod.protocol.control.wire.Hello;
import hermod.protocol.control.wire.Join;
import hermod.protocol.control.wire.Joined;
import hermod.protocol.control.wire.Leave;
import hermod.protocol.control.wire.Left;
import hermod.protocol.control.wire.PositionRange;
import hermod.protocol.control.wire.Settle;
import hermod.protocol.control.wire.Settled;
import hermod.protocol.control.wire.Welcome;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.FetchedFrame;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

@Tag("EV-12")
class SubGroupCommandTest {
    private static final long MEMBER = 7;

    private static void welcome(ScriptedBroker script, long features) throws Exception {
        assertThat(Feature.GROUP.isIn(
                        script.expect(FrameType.HELLO, Hello.parser()).getFeatures()))
                .isTrue();
        script.send(
                FrameType.WELCOME,
                Welcome.newBuilder()
                        .setVersion(1)
                        .setFeatures(features)
                        .setPingIntervalMs(15_000)
                        .build());
    }

    private static Join join(ScriptedBroker script, boolean existed) throws Exception {
        welcome(script, Feature.GROUP.bit());
        Join join = script.expect(FrameType.JOIN, Join.parser());
        script.send(
                FrameType.JOINED,
                Joined.newBuilder()
                        .setMember(MEMBER)
                        .setExisted(existed)
                        .setLag(3)
                        .build());
        return join;
    }

    private static void fetched(ScriptedBroker script, int limit, FetchedFrame.Head head, String... texts)
            throws Exception {
        assertThat(script.expect(FrameType.FETCH, Fetch.parser()))
                .isEqualTo(Fetch.newBuilder().setMember(MEMBER).setLimit(limit).build());
        ByteBuf items = Unpooled.buffer();
        for (int i = 1; i <= texts.length; i++) {
            FetchedFrame.writeItemHead(items, 10 + 2 * i, 1, 5, "chat:room_" + i);
            ByteBuf fields = Unpooled.buffer();
            EventFields.write(fields, EventFields.TAG_SOURCE, "u1".getBytes(StandardCharsets.UTF_8));
            byte[] text = texts[i - 1].getBytes(StandardCharsets.UTF_8);
            int bodyBytes = Long.BYTES + Entry.FIXED_BYTES + fields.readableBytes() + text.length;
            FrameHeader.write(items, FrameType.EVENT, Priority.NORMAL.code(), 0, 0, bodyBytes);
            items.writeLongLE(i);
            Entry.writeFixed(items, 1_000, 60, 1, fields.readableBytes());
            items.writeBytes(fields).writeBytes(text);
        }
        ByteBuf frame = Unpooled.buffer();
        FetchedFrame.writeHead(frame, 0, head, items.readableBytes());
        script.send(frame.writeBytes(items));
    }

    private static PositionRange one(long position) {
        return PositionRange.newBuilder().setFrom(position).setTo(position).build();
    }

    @Test
    void aMemberPrintsThenSettlesAndLeavesAfterTheLastOne() throws Exception {
        try (ScriptedBroker broker = new ScriptedBroker(script -> {
            Join join = join(script, true);
            assertThat(join.getChannel()).isEqualTo("chat");
            assertThat(join.getGroup()).isEqualTo("mail");
            assertThat(join.getMode()).isEqualTo(Join.Mode.MODE_SHARED);
            assertThat(join.getStart()).isEqualTo(Join.Start.START_NOW);
            fetched(script, 3, new FetchedFrame.Head(2, 4, 9), "one\ntwo", "three");
            assertThat(script.expect(FrameType.SETTLE, Settle.parser()).getSettledList())
                    .containsExactly(one(12), one(14));
            script.send(FrameType.SETTLED, Settled.getDefaultInstance());
            fetched(script, 1, new FetchedFrame.Head(1, 0, 0), "four");
            script.expect(FrameType.SETTLE);
            script.send(FrameType.SETTLED, Settled.getDefaultInstance());
            assertThat(script.expect(FrameType.LEAVE, Leave.parser()).getMember())
                    .isEqualTo(MEMBER);
            script.send(
                    FrameType.LEFT,
                    Left.newBuilder().setReason(Left.Reason.REASON_ASKED).build());
            script.expect(FrameType.CLOSE);
        })) {
            Command sub = Command.run("sub", "chat", "--group", "mail", "--count", "3", "--server", broker.address());
            assertThat(sub.out())
                    .isEqualTo("chat:room_1 1 u1 one\\ntwo\nchat:room_2 2 u1 three\nchat:room_1 1 u1 four\n");
            assertThat(sub.err().lines())
                    .containsExactly("consuming chat as mail, 3 events behind", "positions 4 to 9 are no longer kept");
            assertThat(sub.exitCode()).isZero();
        }
    }

    @Test
    void anObserverIsToldWhyItEnds() throws Exception {
        try (ScriptedBroker broker = new ScriptedBroker(script -> {
            Join join = join(script, false);
            assertThat(join.getMode()).isEqualTo(Join.Mode.MODE_OBSERVER);
            assertThat(join.getStart()).isEqualTo(Join.Start.START_FIRST);
            script.expect(FrameType.FETCH);
            script.send(
                    FrameType.LEFT,
                    Left.newBuilder()
                            .setMember(MEMBER)
                            .setReason(Left.Reason.REASON_TAKEN_OVER)
                            .setMessage("by\nanother")
                            .build());
            script.expect(FrameType.CLOSE);
        })) {
            Command sub = Command.run("sub", "chat", "--observe", "eye", "--first", "--server", broker.address());
            assertThat(sub.err().lines())
                    .containsExactly(
                            "observing chat as eye, which is new", "the membership has ended: TAKEN_OVER, by?another");
            assertThat(sub.exitCode()).isEqualTo(ExitCode.FAILED);
        }
    }

    @Test
    void aRefusalAndABrokerWithoutGroupsAreOneSentence() throws Exception {
        try (ScriptedBroker broker = new ScriptedBroker(script -> {
            welcome(script, Feature.GROUP.bit());
            script.expect(FrameType.JOIN);
            script.send(
                    FrameType.ERROR,
                    Error.newBuilder()
                            .setCode(ErrorCode.FORBIDDEN.code())
                            .setMessage("no right")
                            .build());
            script.expect(FrameType.CLOSE);
        })) {
            Command sub = Command.run("sub", "chat", "--group", "mail", "--server", broker.address());
            assertThat(sub.err()).contains("FORBIDDEN", "no right").hasLineCount(1);
            assertThat(sub.exitCode()).isEqualTo(ExitCode.FAILED);
        }
        try (ScriptedBroker broker = new ScriptedBroker(script -> {
            welcome(script, 0);
            script.expect(FrameType.CLOSE);
        })) {
            Command sub = Command.run("sub", "chat", "--group", "mail", "--server", broker.address());
            assertThat(sub.err()).contains("no consumer groups").hasLineCount(1);
            assertThat(sub.exitCode()).isEqualTo(ExitCode.FAILED);
        }
    }

    @ParameterizedTest
    @CsvSource({
        "chat:room --group mail, take one channel",
        "chat dm --observe eye, take one channel",
        "chat --group mail --observe eye, exclude each other",
        "chat --group mail --from 3, --from goes with a topic",
        "chat --group m/l, A group's name has",
        "chat:room --first, --first goes with"
    })
    void whatDoesNotGoTogetherIsSaidBeforeAnythingIsDone(String arguments, String sentence) {
        Command sub = Command.run(("sub " + arguments).split(" "));
        assertThat(sub.err()).contains(sentence).hasLineCount(1);
        assertThat(sub.exitCode()).isEqualTo(ExitCode.USAGE);
    }
}
