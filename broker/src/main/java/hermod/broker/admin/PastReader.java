package hermod.broker.admin;

import hermod.protocol.Feature;
import hermod.protocol.ProtocolException;
import hermod.protocol.TopicName;
import hermod.protocol.control.wire.History;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.HistoryPageFrame;
import io.netty.buffer.ByteBuf;
import java.io.IOException;
import java.io.PrintWriter;
import java.util.ArrayList;
import java.util.List;

/** Pages of a topic's past for a command, one after the other; what is missing is told on the standard error. One thread. */
final class PastReader {
    private static final int REQUEST_ID = 7;

    private final BrokerConnection connection;
    private final PrintWriter err;

    PastReader(BrokerConnection connection, PrintWriter err) {
        this.connection = connection;
        this.err = err;
        if (!Feature.HISTORY.isIn(connection.welcome().getFeatures())) {
            throw new CliException(ExitCode.FAILED, "The broker has no history.");
        }
    }

    /** A page and the EVENT frames in it, in its order. */
    record Page(HistoryPageFrame.Head head, List<ByteBuf> events) {}

    Page read(History asked) throws IOException {
        ByteBuf frame = connection.ask(FrameType.HISTORY, REQUEST_ID, asked, FrameType.HISTORY_PAGE);
        try {
            HistoryPageFrame.check(frame, 0);
        } catch (ProtocolException broken) {
            throw new CliException(
                    ExitCode.FAILED, "The broker breaks the protocol: " + broken.getMessage() + ".", broken);
        }
        HistoryPageFrame.Head head = HistoryPageFrame.head(frame, 0);
        List<ByteBuf> events = new ArrayList<>(head.count());
        int next = HistoryPageFrame.eventsAt(frame, 0);
        while (next < frame.writerIndex()) {
            int bytes = FrameHeader.frameBytes(frame, next);
            events.add(frame.slice(next, bytes));
            next += bytes;
        }
        tellOfGaps(asked.getTopic(), head);
        return new Page(head, events);
    }

    private void tellOfGaps(String topic, HistoryPageFrame.Head head) {
        if (head.isEpochChanged()) {
            err.println("the topic was forgotten meanwhile and began anew: " + TopicName.shown(topic));
        }
        if (head.lostTo() > 0) {
            err.println("no longer kept: offsets " + head.lostFrom() + " to " + head.lostTo());
        }
        if (head.leftOut() > 0) {
            err.println("too large for this broker's limits and left out: " + head.leftOut());
        }
        err.flush();
    }
}
