package hermod.bench.durable;

import hermod.bench.wire.LinkEvents;
import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.ProtocolException;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Cursor;
import hermod.protocol.control.wire.Resume;
import hermod.protocol.control.wire.ResumeResult;
import hermod.protocol.control.wire.Resumed;
import hermod.protocol.control.wire.Unsubscribe;
import hermod.protocol.control.wire.Welcome;
import hermod.protocol.frame.Entry;
import hermod.protocol.frame.EventFrame;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import java.io.IOException;
import java.net.InetSocketAddress;
import java.util.function.IntConsumer;
import org.jspecify.annotations.Nullable;

/** A connection that reads pages of a topic's past by RESUME, one at a time: what lies behind a cursor, and then the topic is left. One thread. */
final class PageLink extends FrameLink {
    private static final int READ_BYTES = 256 * 1024;

    /**
     * What came of it.
     *
     * @param events in it.
     * @param ns from the request to its last event.
     * @param outcome of the RESUME.
     */
    record Page(int events, long ns, ResumeResult.Outcome outcome) {}

    /** Where {@link TopicsPublisher} writes an event's number. */
    private static final int NUMBER_BYTES = Integer.BYTES;

    private final LinkEvents words = new LinkEvents() {
        @Override
        public void closing(String reason) {
            end = reason;
        }
    };
    private com.google.protobuf.ByteString resumeToken = com.google.protobuf.ByteString.EMPTY;
    private @Nullable ResumeResult result;
    private String end = "";
    private IntConsumer numbers = number -> {};
    private long lastOffset;
    private int eventCount;
    private int nextRequestId = 1;
    private boolean isReady;
    private boolean isLeft;

    PageLink(InetSocketAddress address, String token, String device) throws IOException {
        super(address, token, device, Feature.RESUME.bit());
    }

    /** Told the number that each event of {@link TopicsPublisher} has. */
    void onNumber(IntConsumer listener) {
        numbers = listener;
    }

    /**
     * Reads what a topic has behind an offset.
     *
     * @throws IOException if the broker refuses or ends the connection.
     */
    Page read(String topic, int epoch, long offset) throws IOException {
        result = null;
        eventCount = 0;
        lastOffset = 0;
        isLeft = false;
        Resume resume = Resume.newBuilder()
                .setResumeToken(resumeToken)
                .addCursors(Cursor.newBuilder().setTopic(topic).setEpoch(epoch).setOffset(offset))
                .build();
        long fromNs = System.nanoTime();
        send(FrameType.RESUME, ++nextRequestId, resume);
        while (!isWhole()) {
            readOn();
        }
        long ns = System.nanoTime() - fromNs;
        ResumeResult whole = result;
        if (whole == null) {
            throw new IOException("no answer");
        }
        send(
                FrameType.UNSUBSCRIBE,
                ++nextRequestId,
                Unsubscribe.newBuilder()
                        .addHandles(whole.getTopic().getHandle())
                        .build());
        while (!isLeft) {
            readOn();
        }
        return new Page(eventCount, ns, whole.getOutcome());
    }

    private boolean isWhole() {
        ResumeResult answer = result;
        if (answer == null) {
            return false;
        }
        boolean isEmpty = answer.getOutcome() == ResumeResult.Outcome.OUTCOME_RESUMED
                || answer.getToOffset() < answer.getFromOffset();
        return isEmpty || lastOffset >= answer.getToOffset();
    }

    private void readOn() throws IOException {
        if (read(READ_BYTES, words) < 0) {
            throw new IOException(end.isEmpty() ? "the broker ended the connection" : end);
        }
    }

    @Override
    public boolean isReady() {
        return isReady;
    }

    @Override
    public void encode(ByteBuf out, int lane, int count, int payloadBytes, Payloads payloads) {
        throw new UnsupportedOperationException("a reader");
    }

    @Override
    void onFrame(ByteBuf in, int at, int type, LinkEvents events) throws ProtocolException, IOException {
        if (type == FrameType.EVENT.code()) {
            EventFrame.check(in, at);
            lastOffset = EventFrame.offset(in, at);
            int payloadAt = Entry.payloadAt(in, EventFrame.entryAt(in, at));
            if (at + FrameHeader.frameBytes(in, at) - payloadAt >= NUMBER_BYTES) {
                numbers.accept(in.getIntLE(payloadAt));
            }
            eventCount++;
        } else if (type == FrameType.RESUMED.code()) {
            ResumeResult answer = ControlCodec.decode(Resumed.parser(), in, at).getResults(0);
            if (!answer.getTopic().getGranted()) {
                throw new IOException("RESUME was refused: "
                        + ErrorCode.nameOf(answer.getTopic().getCode()) + ", "
                        + answer.getTopic().getMessage());
            }
            result = answer;
        } else if (type == FrameType.UNSUBSCRIBED.code()) {
            isLeft = true;
        } else if (type == FrameType.WELCOME.code()) {
            Welcome welcome = ControlCodec.decode(Welcome.parser(), in, at);
            if (!Feature.RESUME.isIn(welcome.getFeatures())) {
                throw new IOException("the broker has no RESUME");
            }
            resumeToken = welcome.getResumeToken();
            isReady = true;
        } else if (type == FrameType.ERROR.code()) {
            hermod.protocol.control.wire.Error error =
                    ControlCodec.decode(hermod.protocol.control.wire.Error.parser(), in, at);
            throw new IOException(ErrorCode.nameOf(error.getCode()) + ": " + error.getMessage());
        }
    }
}
