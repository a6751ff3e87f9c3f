package hermod.broker.admin;

import com.google.protobuf.MessageLite;
import com.google.protobuf.Parser;
import hermod.protocol.CloseCode;
import hermod.protocol.ErrorCode;
import hermod.protocol.Feature;
import hermod.protocol.ProtocolException;
import hermod.protocol.ProtocolLimits;
import hermod.protocol.ProtocolVersion;
import hermod.protocol.TopicName;
import hermod.protocol.control.ControlCodec;
import hermod.protocol.control.wire.Close;
import hermod.protocol.control.wire.Error;
import hermod.protocol.control.wire.Hello;
import hermod.protocol.control.wire.Platform;
import hermod.protocol.control.wire.TopicResult;
import hermod.protocol.control.wire.Welcome;
import hermod.protocol.frame.ClockFrames;
import hermod.protocol.frame.FrameCheck;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import io.netty.buffer.UnpooledByteBufAllocator;
import java.io.DataInputStream;
import java.io.EOFException;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.time.Clock;
import java.time.Instant;
import java.util.ArrayDeque;
import java.util.UUID;

/**
 * One connection that speaks the protocol over a blocking socket: enough for a command that is typed by hand.
 *
 * <p>One thread reads; any may send. A daemon thread keeps the connection alive with PING. Frames are whole buffers on the heap, so nothing has to be
 * released.
 */
final class BrokerConnection implements AutoCloseable {
    private static final int CONNECT_TIMEOUT_MS = 5_000;
    private static final int ANSWER_TIMEOUT_MS = 10_000;
    private static final int TRIES_MAX = 20;
    private static final long RETRY_MS_MIN = 20;
    private static final long RETRY_MS_MAX = 2_000;

    private final HostPort address;
    private final Socket socket;
    private final DataInputStream in;
    private final OutputStream out;
    private int frameLimitBytes = ProtocolLimits.PAYLOAD_BYTES_CEILING + ProtocolLimits.FRAME_OVERHEAD_BYTES;
    private Welcome welcome = Welcome.getDefaultInstance();

    /** Events that came before the answer that was awaited. */
    private final ArrayDeque<ByteBuf> early = new ArrayDeque<>();

    private BrokerConnection(HostPort address, Socket socket) throws IOException {
        this.address = address;
        this.socket = socket;
        in = new DataInputStream(new java.io.BufferedInputStream(socket.getInputStream(), 64 * 1024));
        out = socket.getOutputStream();
    }

    /** @throws CliException NO_BROKER if nothing answers, FAILED if the broker refuses. */
    static BrokerConnection open(HostPort address, String token, Feature... features) {
        Socket socket = new Socket();
        try {
            socket.connect(new InetSocketAddress(address.connectHost(), address.port()), CONNECT_TIMEOUT_MS);
            socket.setTcpNoDelay(true);
            socket.setSoTimeout(ANSWER_TIMEOUT_MS);
            BrokerConnection connection = new BrokerConnection(address, socket);
            connection.shakeHands(token, features);
            return connection;
        } catch (IOException | IllegalArgumentException unreachable) {
            closeQuietly(socket);
            throw new CliException(
                    ExitCode.NO_BROKER,
                    "No broker answers at " + address
                            + ". Start one with 'hermod serve', or name its TCP port with --server HOST:PORT.",
                    unreachable);
        } catch (CliException refused) {
            closeQuietly(socket);
            throw refused;
        }
    }

    private void shakeHands(String token, Feature... features) throws IOException {
        long offered = 0;
        for (Feature feature : features) {
            offered |= feature.bit();
        }
        send(
                FrameType.HELLO,
                0,
                Hello.newBuilder()
                        .setMinVersion(ProtocolVersion.LOWEST)
                        .setMaxVersion(ProtocolVersion.HIGHEST)
                        .setFeatures(offered)
                        .setToken(token)
                        .setDeviceId("cli-" + UUID.randomUUID())
                        .setPlatform(Platform.PLATFORM_CLI)
                        .setAppVersion("hermod")
                        .setClientVersion(BuildVersion.text())
                        .build());
        welcome = decode(Welcome.parser(), expect(FrameType.WELCOME));
        if (welcome.getLimits().getFrameBytes() > 0) {
            frameLimitBytes =
                    Math.max(welcome.getLimits().getFrameBytes(), ProtocolLimits.CONTROL_FRAME_TO_CLIENT_BYTES);
        }
        keepAlive();
    }

    /** What the broker said at the start. */
    Welcome welcome() {
        return welcome;
    }

    /** From now on {@link #read} waits as long as it takes. */
    void waitForEver() throws IOException {
        socket.setSoTimeout(0);
    }

    /** Waits for the answer of one type; other frames that a broker may send unasked are passed over. */
    ByteBuf expect(FrameType type) throws IOException {
        while (true) {
            ByteBuf frame = read();
            if (FrameHeader.type(frame, 0) == type.code()) {
                return frame;
            }
        }
    }

    /**
     * Asks, and again where the broker asks to come back later. Events that come meanwhile are kept for {@link #nextEvent}.
     *
     * @throws CliException as {@link #read}.
     */
    ByteBuf ask(FrameType type, int requestId, MessageLite message, FrameType answer) throws IOException {
        for (int tries = 1; ; tries++) {
            send(type, requestId, message);
            ByteBuf frame = next(true);
            while (FrameHeader.type(frame, 0) != answer.code()
                    && FrameHeader.type(frame, 0) != FrameType.ERROR.code()) {
                if (FrameHeader.type(frame, 0) == FrameType.EVENT.code()) {
                    early.addLast(frame);
                }
                frame = next(true);
            }
            if (FrameHeader.type(frame, 0) == answer.code()) {
                return frame;
            }
            Error error = decode(Error.parser(), frame);
            boolean isPassing = error.getCode() == ErrorCode.RATE_LIMITED.code()
                    || error.getCode() == ErrorCode.BACK_PRESSURED.code();
            if (!isPassing || tries == TRIES_MAX) {
                throw refused("The broker refused a request", error.getCode(), error.getMessage());
            }
            pause(Math.max(RETRY_MS_MIN, Math.min(RETRY_MS_MAX, Integer.toUnsignedLong(error.getRetryAfterMs()))));
        }
    }

    private static void pause(long ms) {
        try {
            Thread.sleep(ms);
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw new CliException(ExitCode.FAILED, "Interrupted.", interrupted);
        }
    }

    /** The next EVENT, first those that came while something else was awaited. */
    ByteBuf nextEvent() throws IOException {
        ByteBuf kept = early.pollFirst();
        return kept == null ? expect(FrameType.EVENT) : kept;
    }

    /**
     * The next frame that is no PING or PONG.
     *
     * @throws CliException FAILED if the broker closes, answers with an error, or breaks the protocol.
     */
    ByteBuf read() throws IOException {
        return next(false);
    }

    private ByteBuf next(boolean takesErrors) throws IOException {
        while (true) {
            ByteBuf frame = readAny();
            FrameType type = FrameType.ofCode(FrameHeader.type(frame, 0));
            if (type == FrameType.PING) {
                pong(frame);
            } else if (type == FrameType.CLOSE) {
                Close close = decode(Close.parser(), frame);
                throw new CliException(
                        ExitCode.FAILED,
                        "The broker at " + address + " closed the connection: " + CloseCode.nameOf(close.getCode())
                                + ", " + TopicName.shown(close.getMessage()));
            } else if (type == FrameType.ERROR && !takesErrors) {
                Error error = decode(Error.parser(), frame);
                throw refused("The broker refused a request", error.getCode(), error.getMessage());
            } else if (type != FrameType.PONG) {
                return frame;
            }
        }
    }

    private ByteBuf readAny() throws IOException {
        try {
            ByteBuf length = Unpooled.buffer(FrameHeader.LENGTH_FIELD_BYTES);
            length.writeBytes(in.readNBytes(FrameHeader.LENGTH_FIELD_BYTES));
            if (length.readableBytes() < FrameHeader.LENGTH_FIELD_BYTES) {
                throw new EOFException();
            }
            int frameBytes = FrameCheck.frameBytes(length, 0, frameLimitBytes);
            byte[] frame = new byte[frameBytes];
            length.readBytes(frame, 0, FrameHeader.LENGTH_FIELD_BYTES);
            in.readFully(frame, FrameHeader.LENGTH_FIELD_BYTES, frameBytes - FrameHeader.LENGTH_FIELD_BYTES);
            ByteBuf buffer = Unpooled.wrappedBuffer(frame);
            FrameCheck.hasCriticalExtension(buffer, 0, false);
            return buffer;
        } catch (ProtocolException broken) {
            throw new CliException(
                    ExitCode.FAILED,
                    "What answers at " + address + " breaks the protocol: " + broken.getMessage() + ".",
                    broken);
        } catch (EOFException closed) {
            throw new CliException(ExitCode.FAILED, "The broker at " + address + " closed the connection.", closed);
        }
    }

    /** The body of a control frame. */
    <M extends MessageLite> M decode(Parser<M> parser, ByteBuf frame) {
        try {
            return ControlCodec.decode(parser, frame, 0);
        } catch (ProtocolException broken) {
            throw new CliException(
                    ExitCode.FAILED,
                    "What answers at " + address + " breaks the protocol: " + broken.getMessage() + ".",
                    broken);
        }
    }

    /** @throws CliException FAILED unless the topic was granted. */
    static TopicResult granted(TopicResult result) {
        if (!result.getGranted()) {
            throw refused(
                    "The broker refused the topic '" + TopicName.shown(result.getTopic()) + "'",
                    result.getCode(),
                    result.getMessage());
        }
        return result;
    }

    static CliException refused(String what, int code, String message) {
        return new CliException(
                ExitCode.FAILED, what + ": " + ErrorCode.nameOf(code) + ", " + TopicName.shown(message));
    }

    void send(FrameType type, int requestId, MessageLite message) throws IOException {
        send(ControlCodec.encode(UnpooledByteBufAllocator.DEFAULT, type, requestId, message));
    }

    /** @param frames given. */
    synchronized void send(ByteBuf frames) throws IOException {
        try {
            frames.readBytes(out, frames.readableBytes());
        } finally {
            frames.release();
        }
    }

    private void pong(ByteBuf ping) throws IOException {
        long nowUs = nowUs();
        ByteBuf pong = Unpooled.buffer();
        ClockFrames.writePong(pong, FrameHeader.requestId(ping, 0), ClockFrames.pingSentUs(ping, 0), nowUs, nowUs);
        send(pong);
    }

    private void keepAlive() {
        int intervalMs = Math.max(1_000, welcome.getPingIntervalMs());
        Thread pinger = new Thread(
                () -> {
                    try {
                        while (!socket.isClosed()) {
                            Thread.sleep(intervalMs);
                            ByteBuf ping = Unpooled.buffer();
                            ClockFrames.writePing(ping, 0, nowUs());
                            send(ping);
                        }
                    } catch (IOException | InterruptedException over) {
                        // The reader finds out by itself.
                    }
                },
                "hermod-ping");
        pinger.setDaemon(true);
        pinger.start();
    }

    private static long nowUs() {
        Instant now = Clock.systemUTC().instant();
        return now.getEpochSecond() * 1_000_000L + now.getNano() / 1_000;
    }

    /** Says goodbye. */
    @Override
    public void close() {
        try {
            send(
                    FrameType.CLOSE,
                    0,
                    Close.newBuilder().setCode(CloseCode.NORMAL.code()).build());
        } catch (IOException alreadyGone) {
            // Nobody is left to say goodbye to.
        }
        closeQuietly(socket);
    }

    private static void closeQuietly(Socket socket) {
        try {
            socket.close();
        } catch (IOException ignored) {
            // It is gone either way.
        }
    }
}
