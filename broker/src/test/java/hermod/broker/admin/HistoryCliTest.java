package hermod.broker.admin;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.Priority;
import hermod.protocol.control.wire.Error;
import hermod.protocol.control.wire.Hello;
import hermod.protocol.control.wire.History;
import hermod.protocol.control.wire.History.Start;
import hermod.protocol.control.wire.Resume;
import hermod.protocol.control.wire.ResumeResult;
import hermod.protocol.control.wire.ResumeResult.Outcome;
import hermod.protocol.control.wire.Resumed;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.control.wire.Welcome;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFields;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.HistoryPageFrame;
import hermod.protocol.frame.HistoryPageFrame.Head;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

@Tag("HR-3")
class HistoryCliTest {
    private static final int HANDLE = 77;
    private static final int EPOCH = 9;
    private static final long NOW_US = 1_000_000_000_000L;
    private static final com.google.protobuf.ByteString TOKEN =
            com.google.protobuf.ByteString.copyFromUtf8("resume me");

    private static void welcome(ScriptedBroker script, Feature... features) throws Exception {
        long offered = script.expect(FrameType.HELLO, Hello.parser()).getFeatures();
        Welcome.Builder welcome = Welcome.newBuilder()
                .setVersion(1)
                .setConnectionId("c")
                .setServerTimeUs(NOW_US)
                .setPingIntervalMs(15_000);
        for (Feature feature : features) {
            assertThat(feature.isIn(offered)).isTrue();
            welcome.setFeatures(welcome.getFeatures() | feature.bit()).setResumeToken(TOKEN);
        }
        script.send(FrameType.WELCOME, welcome.build());
    }

    private static History asked(ScriptedBroker script) throws Exception {
        return script.expect(FrameType.HISTORY, History.parser());
    }

    private static void page(ScriptedBroker script, boolean hasMore, long... offsets) throws Exception {
        long low = Math.min(offsets[0], offsets[offsets.length - 1]);
        long high = Math.max(offsets[0], offsets[offsets.length - 1]);
        page(script, new Head(EPOCH, offsets.length, 0, hasMore, false, 1, 100, high + 1, low - 1, 0, 0), offsets);
    }

    private static void page(ScriptedBroker script, Head head, long... offsets) throws Exception {
        ByteBuf events = Unpooled.buffer();
        for (long offset : offsets) {
            events.writeBytes(event(0, offset));
        }
        ByteBuf out = Unpooled.buffer();
        HistoryPageFrame.writeHead(out, 7, head, events.readableBytes());
        script.send(out.writeBytes(events));
    }

    private static ByteBuf event(int handle, long offset) {
        ByteBuf fields = Unpooled.buffer();
        EventFields.write(fields, EventFields.TAG_SOURCE, "ada".getBytes(StandardCharsets.UTF_8));
        byte[] payload = ("e" + offset).getBytes(StandardCharsets.UTF_8);
        ByteBuf frame = Unpooled.buffer();
        FrameHeader.write(
                frame,
                FrameType.EVENT,
                Priority.HIGH.code(),
                handle,
                0,
                Long.BYTES + Entry.FIXED_BYTES + fields.readableBytes() + payload.length);
        frame.writeLongLE(offset);
        Entry.writeFixed(frame, 1_000, 60, 1, fields.readableBytes());
        return frame.writeBytes(fields).writeBytes(payload);
    }

    private static void resumed(ScriptedBroker script, Outcome outcome, int epoch, long from, long next)
            throws Exception {
        script.send(
                FrameType.RESUMED,
                Resumed.newBuilder()
                        .addResults(ResumeResult.newBuilder()
                                .setTopic(TopicResult.newBuilder()
                                        .setTopic("chat:room_7")
                                        .setGranted(true)
                                        .setHandle(HANDLE)
                                        .setEpoch(epoch)
                                        .setNextOffset(next))
                                .setOutcome(outcome)
                                .setFromOffset(from)
                                .setToOffset(Math.max(0, next - 1)))
                        .build());
    }

    @Test
    void theNewestEventsArePrintedOldestFirst() throws Exception {
        try (ScriptedBroker broker = new ScriptedBroker(script -> {
            welcome(script, Feature.HISTORY);
            assertThat(asked(script))
                    .isEqualTo(History.newBuilder()
                            .setTopic("chat:room_7")
                            .setStart(Start.START_NEWEST)
                            .setBackwards(true)
                            .setLimit(3)
                            .build());
            page(script, true, 9, 8);
            History second = asked(script);
            assertThat(second.getStart()).isEqualTo(Start.START_OFFSET);
            assertThat(second.getOffset()).isEqualTo(7);
            assertThat(second.getEpoch()).isEqualTo(EPOCH);
            assertThat(second.getLimit()).isEqualTo(1);
            page(script, true, 5);
            script.expect(FrameType.CLOSE);
        })) {
            Command history = Command.run("history", "chat:room_7", "--limit", "3", "--server", broker.address());
            assertThat(history.out()).isEqualTo("chat:room_7 5 ada e5\nchat:room_7 8 ada e8\nchat:room_7 9 ada e9\n");
            assertThat(history.err()).isEqualTo("more with --before 5\n");
            assertThat(history.exitCode()).isZero();
        }
    }

    @Test
    void eventsAreReadFromAnOffsetAndWhatIsMissingIsTold() throws Exception {
        try (ScriptedBroker broker = new ScriptedBroker(script -> {
            welcome(script, Feature.HISTORY);
            History first = asked(script);
            assertThat(first.getOffset()).isEqualTo(5);
            assertThat(first.getBackwards()).isFalse();
            page(script, new Head(EPOCH, 1, 2, true, false, 20, 40, 21, 4, 5, 19), 20);
            assertThat(asked(script).getOffset()).isEqualTo(21);
            script.send(
                    FrameType.ERROR,
                    Error.newBuilder()
                            .setCode(ErrorCode.RATE_LIMITED.code())
                            .setRetryAfterMs(30)
                            .build());
            assertThat(asked(script).getOffset()).isEqualTo(21);
            page(script, false, 21, 22);
            script.expect(FrameType.CLOSE);
        })) {
            Command history =
                    Command.run("history", "chat:room_7", "--from", "5", "--json", "--server", broker.address());
            assertThat(history.out()).hasLineCount(3).contains("\"offset\":20", "\"offset\":21", "\"offset\":22");
            assertThat(history.err())
                    .isEqualTo("no longer kept: offsets 5 to 19\ntoo large for this broker's limits and left out: 2\n");
        }
    }

    @Test
    void timesCountBackFromTheBrokersClockAndBeforeLeavesItsOffsetOut() throws Exception {
        try (ScriptedBroker broker = new ScriptedBroker(script -> {
            welcome(script, Feature.HISTORY);
            History since = asked(script);
            assertThat(since.getStart()).isEqualTo(Start.START_TIME);
            assertThat(since.getTimeUs()).isEqualTo(NOW_US - 600_000_000L);
            page(script, new Head(0, 0, 0, false, false, 1, 1, 1, 0, 0, 0));
            script.expect(FrameType.CLOSE);
        })) {
            Command history = Command.run("history", "chat:room_7", "--since", "10m", "--server", broker.address());
            assertThat(history.out()).isEmpty();
            assertThat(history.err()).isEqualTo("nothing is stored of chat:room_7\n");
        }
        try (ScriptedBroker broker = new ScriptedBroker(script -> {
            welcome(script, Feature.HISTORY);
            History before = asked(script);
            assertThat(before.getOffset()).isEqualTo(41);
            assertThat(before.getBackwards()).isTrue();
            page(script, false, 41, 40);
            script.expect(FrameType.CLOSE);
        })) {
            Command history = Command.run("history", "chat:room_7", "--before", "42", "--server", broker.address());
            assertThat(history.out()).isEqualTo("chat:room_7 40 ada e40\nchat:room_7 41 ada e41\n");
            assertThat(history.err()).isEmpty();
        }
    }

    @Test
    void aRefusalOrABrokerWithoutHistoryIsOneSentence() throws Exception {
        try (ScriptedBroker broker = new ScriptedBroker(script -> {
            welcome(script);
            script.expect(FrameType.CLOSE);
        })) {
            Command history = Command.run("history", "chat:room_7", "--server", broker.address());
            assertThat(history.exitCode()).isEqualTo(ExitCode.FAILED);
            assertThat(history.err()).contains("has no history").hasLineCount(1);
        }
        try (ScriptedBroker broker = new ScriptedBroker(script -> {
            welcome(script, Feature.HISTORY);
            asked(script);
            script.send(
                    FrameType.ERROR,
                    Error.newBuilder()
                            .setCode(ErrorCode.FORBIDDEN.code())
                            .setMessage("no right")
                            .build());
            script.expect(FrameType.CLOSE);
        })) {
            Command history = Command.run("history", "chat:room_7", "--server", broker.address());
            assertThat(history.exitCode()).isEqualTo(ExitCode.FAILED);
            assertThat(history.err()).contains("FORBIDDEN, no right").hasLineCount(1);
        }
        Command both = Command.run("history", "chat:room_7", "--from", "1", "--before", "2");
        assertThat(both.exitCode()).isEqualTo(ExitCode.USAGE);
    }

    @Test
    void subReadsWhatIsStoredAndResumesBehindIt() throws Exception {
        try (ScriptedBroker broker = new ScriptedBroker(script -> {
            welcome(script, Feature.HISTORY, Feature.RESUME);
            assertThat(asked(script).getOffset()).isEqualTo(3);
            page(script, true, 3, 4);
            History second = asked(script);
            assertThat(second.getOffset()).isEqualTo(5);
            assertThat(second.getEpoch()).isEqualTo(EPOCH);
            page(script, false, 6);
            Resume resume = script.expect(FrameType.RESUME, Resume.parser());
            assertThat(resume.getResumeToken()).isEqualTo(TOKEN);
            assertThat(resume.getCursors(0).getTopic()).isEqualTo("chat:room_7");
            assertThat(resume.getCursors(0).getEpoch()).isEqualTo(EPOCH);
            assertThat(resume.getCursors(0).getOffset()).isEqualTo(6);
            resumed(script, Outcome.OUTCOME_REPLAYING, EPOCH, 7, 7);
            script.send(event(HANDLE, 7));
            script.send(event(HANDLE, 9));
            script.expect(FrameType.CLOSE);
        })) {
            Command sub =
                    Command.run("sub", "chat:room_7", "--from", "3", "--count", "5", "--server", broker.address());
            assertThat(sub.out())
                    .isEqualTo(
                            "chat:room_7 3 ada e3\nchat:room_7 4 ada e4\nchat:room_7 6 ada e6\nchat:room_7 7 ada e7\nchat:room_7 9 ada e9\n");
            assertThat(sub.exitCode()).isZero();
        }
    }

    @Test
    void whatTheBrokerCantReplaySubReadsFromTheHistoryWhileEventsComeAlready() throws Exception {
        try (ScriptedBroker broker = new ScriptedBroker(script -> {
            welcome(script, Feature.HISTORY, Feature.RESUME);
            asked(script);
            page(script, false, 3);
            script.expect(FrameType.RESUME);
            resumed(script, Outcome.OUTCOME_LOST, EPOCH, 6, 6);
            script.send(event(HANDLE, 6));
            script.send(event(HANDLE, 7));
            assertThat(asked(script).getOffset()).isEqualTo(4);
            page(script, false, 4, 5, 6, 7);
            script.expect(FrameType.CLOSE);
        })) {
            Command sub =
                    Command.run("sub", "chat:room_7", "--from", "3", "--count", "5", "--server", broker.address());
            assertThat(sub.out().lines())
                    .containsExactly(
                            "chat:room_7 3 ada e3",
                            "chat:room_7 4 ada e4",
                            "chat:room_7 5 ada e5",
                            "chat:room_7 6 ada e6",
                            "chat:room_7 7 ada e7");
            assertThat(sub.err()).isEqualTo("subscribed to chat:room_7, next offset 6\n");
        }
    }

    @Test
    void subStopsWithinTheHistoryWhenItHasPrintedEnough() throws Exception {
        try (ScriptedBroker broker = new ScriptedBroker(script -> {
            welcome(script, Feature.HISTORY, Feature.RESUME);
            asked(script);
            page(script, true, 1, 2, 3);
            script.expect(FrameType.CLOSE);
        })) {
            Command sub =
                    Command.run("sub", "chat:room_7", "--from", "1", "--count", "2", "--server", broker.address());
            assertThat(sub.out()).hasLineCount(2);
            assertThat(sub.exitCode()).isZero();
        }
    }
}
