package hermod.broker.transport;

import hermod.broker.config.Setting;
import hermod.protocol.ProtocolLimits;
import java.net.InetAddress;
import java.net.UnknownHostException;
import java.util.List;
import java.util.regex.Pattern;

/** Where the broker listens and what a stranger may cost it. Immutable. */
public record TransportConfig(
        @Setting(
                text =
                        "How sockets are read and written: auto takes epoll where there is one and NIO otherwise. One that this machine can't do stops the "
                                + "start. io_uring is worth a trial where system calls are dear; measure first.")
        Io io,

        @Setting(
                min = 1,
                max = 255,
                text = "IP address to listen on, or localhost. Anything but loopback needs allow-plaintext as well.")
        String host,

        @Setting(
                text =
                        "Whether plain TCP and WebSocket without TLS may listen on an address that is not loopback. Tokens and payloads then travel "
                                + "readable: only behind something that adds TLS.")
        boolean allowPlaintext,

        @Setting(min = 0, max = 65_535, text = "TCP port; 0 picks a free one.")
        int port,

        @Setting(min = 0, max = 65_535, text = "WebSocket port; 0 picks a free one.")
        int wsPort,

        @Setting(
                max = 100,
                text =
                        "Origins (scheme://host:port, compared exactly) whose pages may open a WebSocket. With none, only pages of the broker's own "
                                + "origin; a client that sends no Origin is no browser and is let in to show its token.")
        List<String> wsAllowedOrigins,

        @Setting(
                unit = "bytes",
                min = 1_024,
                max = ProtocolLimits.PAYLOAD_BYTES_CEILING,
                text =
                        "Largest payload of an event. A larger one refuses events with PAYLOAD_TOO_LARGE; much larger ones delay URGENT behind "
                                + "them. The frame limit is this and 16 KiB.")
        int payloadLimitBytes,

        @Setting(
                unit = "ms",
                min = 100,
                max = 60_000,
                text =
                        "Time from accept to a complete HELLO with a checked token. Too short cuts off slow networks, too long lets silent sockets "
                                + "collect.")
        int handshakeTimeoutMs,

        @Setting(
                min = 1,
                max = 1_000_000,
                text =
                        "Connections in all; more are closed with OVERLOADED. Must fit the process's limit of open files.")
        int connectionsLimitCount,

        @Setting(
                min = 1,
                max = 1_000_000,
                text =
                        "Connections from one address. Too low shuts out offices behind one address. Loopback is exempt with --dev.")
        int connectionsPerAddressLimitCount,

        @Setting(min = 1, max = 100_000, text = "Connections of one user, across its devices.")
        int connectionsPerUserLimitCount,

        @Setting(
                min = 1,
                max = 1_000_000,
                text = "Connections that have not shown a valid token yet; what a flood of strangers can hold.")
        int unauthenticatedLimitCount,

        @Setting(
                unit = "bytes",
                min = 4_096,
                max = 1_048_576,
                text =
                        "Bytes handed to a socket at a time. What is handed over can't be overtaken by URGENT any more; too little costs a system "
                                + "call for every few events. With io_uring at least 1MiB, whatever is said here.")
        int socketBurstBytes,

        @Setting(
                unit = "bytes",
                min = 0,
                max = 16_777_216,
                text =
                        "Bytes the kernel takes for a connection beyond what it has sent (TCP_NOTSENT_LOWAT; epoll only). They can't be overtaken by URGENT either. 0: as many as fit in its send buffer, some MiB.")
        int unsentLimitBytes) {

    /** The interface of the operating system, or of the JDK, to sockets. */
    public enum Io {
        AUTO,
        EPOLL,
        IO_URING,
        NIO
    }

    private static final Pattern IP = Pattern.compile("[0-9.]+|[0-9a-fA-F:.]*:[0-9a-fA-F:.]*");

    public TransportConfig {
        wsAllowedOrigins = List.copyOf(wsAllowedOrigins);
        if (!host.equals("localhost") && !IP.matcher(host).matches()) {
            throw new IllegalArgumentException("host is '" + host + "'; it must be an IP address or localhost");
        }
        if (!allowPlaintext && !isLoopback(host)) {
            throw new IllegalArgumentException(
                    "host is " + host
                            + ", which is not loopback, and there is no TLS yet: set allow-plaintext: true if something in front adds it, or host: 127.0.0.1");
        }
    }

    public static TransportConfig defaults() {
        return new TransportConfig(
                Io.AUTO,
                "127.0.0.1",
                false,
                7400,
                7401,
                List.of(),
                ProtocolLimits.PAYLOAD_BYTES_DEFAULT,
                5_000,
                15_000,
                100,
                16,
                2_000,
                65_536,
                131_072);
    }

    /** Largest whole frame. */
    public int frameLimitBytes() {
        return payloadLimitBytes + ProtocolLimits.FRAME_OVERHEAD_BYTES;
    }

    /** Whether the listener is reachable from this machine only. */
    public boolean isLoopback() {
        return isLoopback(host);
    }

    private static boolean isLoopback(String host) {
        if (host.equals("localhost")) {
            return true;
        }
        try {
            // An address in digits is never looked up.
            return InetAddress.getByName(host).isLoopbackAddress();
        } catch (UnknownHostException noAddress) {
            return false;
        }
    }
}
