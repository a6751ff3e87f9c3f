package hermod.broker.admin;

import com.google.protobuf.MessageLite;
import hermod.protocol.Feature;
import hermod.protocol.ProtocolException;
import hermod.protocol.TopicName;
import hermod.protocol.control.wire.Fetch;
import hermod.protocol.control.wire.Join;
import hermod.protocol.control.wire.Joined;
import hermod.protocol.control.wire.Leave;
import hermod.protocol.control.wire.Left;
import hermod.protocol.control.wire.PositionRange;
import hermod.protocol.control.wire.Settle;
import hermod.protocol.frame.FetchedFrame;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import java.io.IOException;
import java.util.function.BiPredicate;
import java.util.function.Consumer;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;

/** One member of a group of a channel, by hand: fetches, shows, settles, one after the other. One thread. */
final class ChannelReader {
    /** Few, so that what waits here for a slow reader of the output is not long in these hands. */
    private static final int FETCHED_COUNT = 100;

    private static final Pattern NAME = Pattern.compile("[a-zA-Z0-9._-]{1,64}");

    private final BrokerConnection connection;
    private final Consumer<String> tell;
    private long member;
    private int requests;
    private @Nullable Left left;

    /** @param tell takes sentences for people. */
    ChannelReader(BrokerConnection connection, Consumer<String> tell) {
        this.connection = connection;
        this.tell = tell;
    }

    static boolean isName(String group) {
        return NAME.matcher(group).matches();
    }

    /** @throws CliException where the broker refuses, or has no groups. */
    void join(String channel, String group, boolean isObserver, boolean isFirst) throws IOException {
        if (!Feature.GROUP.isIn(connection.welcome().getFeatures())) {
            throw new CliException(ExitCode.FAILED, "The broker has no consumer groups.");
        }
        Join wanted = Join.newBuilder()
                .setChannel(channel)
                .setGroup(group)
                .setMode(isObserver ? Join.Mode.MODE_OBSERVER : Join.Mode.MODE_SHARED)
                .setStart(isFirst ? Join.Start.START_FIRST : Join.Start.START_NOW)
                .build();
        Joined joined = connection.decode(
                Joined.parser(), connection.ask(FrameType.JOIN, ++requests, wanted, FrameType.JOINED));
        member = joined.getMember();
        tell.accept((isObserver ? "observing " : "consuming ") + TopicName.shown(channel) + " as " + group
                + (joined.getExisted() ? ", " + joined.getLag() + " events behind" : ", which is new"));
        connection.waitForEver();
    }

    /**
     * Fetches, shows and settles until the broker ends it, so many were shown, or one could not be; then it leaves.
     *
     * @param count 0 for no end.
     * @param show gets topic and EVENT; says whether it could, which is what settles it.
     */
    void read(long count, BiPredicate<String, ByteBuf> show) throws IOException {
        long shown = 0;
        boolean isShown = true;
        while (isShown && (count == 0 || shown < count)) {
            int limit = (int) (count == 0 ? FETCHED_COUNT : Math.min(FETCHED_COUNT, count - shown));
            Fetch wanted = Fetch.newBuilder().setMember(member).setLimit(limit).build();
            ByteBuf frame = ask(FrameType.FETCH, wanted, FrameType.FETCHED);
            if (frame == null) {
                return;
            }
            check(frame);
            FetchedFrame.Head head = FetchedFrame.head(frame, 0);
            if (head.lostFrom() != 0) {
                tell.accept("positions " + head.lostFrom() + " to " + head.lostTo() + " are no longer kept");
            }
            Settle.Builder settle = Settle.newBuilder().setMember(member);
            for (int at = FetchedFrame.itemsAt(frame, 0);
                    at < frame.writerIndex();
                    at += FetchedFrame.itemBytes(frame, at)) {
                int eventAt = FetchedFrame.eventAt(frame, at);
                isShown = show.test(
                        FetchedFrame.topic(frame, at), frame.copy(eventAt, FrameHeader.frameBytes(frame, eventAt)));
                if (!isShown) {
                    break;
                }
                long position = FetchedFrame.position(frame, at);
                settle.addSettled(PositionRange.newBuilder().setFrom(position).setTo(position));
                shown++;
            }
            if (settle.getSettledCount() > 0 && ask(FrameType.SETTLE, settle.build(), FrameType.SETTLED) == null) {
                return;
            }
        }
        ByteBuf unused =
                ask(FrameType.LEAVE, Leave.newBuilder().setMember(member).build(), FrameType.LEFT);
    }

    private static void check(ByteBuf frame) {
        try {
            FetchedFrame.check(frame, 0);
        } catch (ProtocolException broken) {
            throw new CliException(
                    ExitCode.FAILED, "The broker breaks the protocol: " + broken.getMessage() + ".", broken);
        }
    }

    /** @return the answer; null where the membership has ended meanwhile, and that is told. */
    private @Nullable ByteBuf ask(FrameType type, MessageLite message, FrameType answer) throws IOException {
        connection.send(type, ++requests, message);
        while (true) {
            ByteBuf frame = connection.read();
            int found = FrameHeader.type(frame, 0);
            if (found == answer.code()) {
                return frame;
            }
            if (found == FrameType.LEFT.code()) {
                Left told = connection.decode(Left.parser(), frame);
                left = told;
                tell.accept("the membership has ended: "
                        + told.getReason().name().replace("REASON_", "")
                        + (told.getMessage().isEmpty() ? "" : ", " + TopicName.shown(told.getMessage())));
                return null;
            }
        }
    }

    boolean isEndedByBroker() {
        return left != null;
    }
}
