package hermod.client.internal;

/** A broker's host and port, not resolved. Immutable. */
public record ServerAddress(String host, int port) {
    /** The port of the protocol over TCP. */
    public static final int PORT_DEFAULT = 7400;

    private static final int PORT_MAX = 65_535;

    /**
     * @param hostPort {@code host}, {@code host:port}, or {@code [IPv6]:port}.
     * @throws IllegalArgumentException for anything else.
     */
    public static ServerAddress parse(String hostPort) {
        int closing = hostPort.startsWith("[") ? hostPort.indexOf(']') : -1;
        int colon = hostPort.indexOf(':', closing + 1);
        String host =
                closing > 0 ? hostPort.substring(1, closing) : colon < 0 ? hostPort : hostPort.substring(0, colon);
        boolean isRestOdd = closing > 0 && colon != closing + 1 && closing != hostPort.length() - 1;
        if (host.isBlank() || isRestOdd || (closing < 0 && hostPort.startsWith("["))) {
            throw unreadable(hostPort);
        }
        return new ServerAddress(host, colon < 0 ? PORT_DEFAULT : port(hostPort, colon + 1));
    }

    private static int port(String hostPort, int from) {
        try {
            int port = Integer.parseInt(hostPort, from, hostPort.length(), 10);
            if (port > 0 && port <= PORT_MAX) {
                return port;
            }
        } catch (NumberFormatException notANumber) {
            // Said below, as for a number out of range.
        }
        throw unreadable(hostPort);
    }

    private static IllegalArgumentException unreadable(String hostPort) {
        return new IllegalArgumentException(
                "server must be HOST, HOST:PORT or [IPv6]:PORT with a port of 1 to 65535, got '" + hostPort + "'");
    }

    @Override
    public String toString() {
        return host.indexOf(':') < 0 ? host + ":" + port : "[" + host + "]:" + port;
    }
}
