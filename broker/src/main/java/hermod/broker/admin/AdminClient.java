package hermod.broker.admin;

import java.io.IOException;
import java.io.InputStream;
import java.net.InetSocketAddress;
import java.net.Socket;
import java.nio.charset.StandardCharsets;

/** Asks the admin port of a broker. Over a plain socket, because the JDK's HTTP client alone takes longer to load than the whole command. */
final class AdminClient {
    private static final int CONNECT_TIMEOUT_MS = 2_000;
    private static final int READ_TIMEOUT_MS = 10_000;
    private static final int ANSWER_BYTES_MAX = 64 * 1024 * 1024;

    private final HostPort address;

    AdminClient(HostPort address) {
        this.address = address;
    }

    /**
     * @param path with its query, escaped.
     * @return the body.
     * @throws CliException NO_BROKER if nothing answers, FAILED if something else does than a broker.
     */
    byte[] get(String path) {
        return ask("GET", path, "", new byte[0]);
    }

    /** Asks for a change that its path tells in full; otherwise as {@link #get}. */
    byte[] post(String path) {
        return post(path, "", new byte[0]);
    }

    /** Asks for a change that its body tells; otherwise as {@link #get}. */
    byte[] post(String path, byte[] json) {
        return post(path, "Content-Type: application/json\r\n", json);
    }

    private byte[] post(String path, String headers, byte[] sent) {
        String lines = AdminApi.OPERATOR_HEADER + ": " + operator() + "\r\n" + headers + "Content-Length: "
                + sent.length + "\r\n";
        return ask("POST", path, lines, sent);
    }

    /** Who runs this process, as the audit log will have it; what is no printable ASCII is replaced, as it goes into a header. */
    private static String operator() {
        String user = System.getProperty("user.name", "").replaceAll("[^!-~]", "?");
        return user.isEmpty() ? "cli" : user;
    }

    private byte[] ask(String method, String path, String headers, byte[] sent) {
        try (Socket socket = new Socket()) {
            socket.connect(new InetSocketAddress(address.connectHost(), address.port()), CONNECT_TIMEOUT_MS);
            socket.setSoTimeout(READ_TIMEOUT_MS);
            String request = method + " " + path + " HTTP/1.1\r\nHost: " + address + "\r\n" + headers
                    + "Connection: close\r\n\r\n";
            socket.getOutputStream().write(request.getBytes(StandardCharsets.US_ASCII));
            socket.getOutputStream().write(sent);
            return body(socket.getInputStream());
        } catch (IOException | IllegalArgumentException unreachable) {
            throw new CliException(
                    ExitCode.NO_BROKER,
                    "No broker answers at " + address
                            + ". Start one with 'hermod serve', or name its admin port with --admin HOST:PORT.",
                    unreachable);
        }
    }

    private byte[] body(InputStream in) throws IOException {
        byte[] answer = in.readNBytes(ANSWER_BYTES_MAX);
        int bodyAt = bodyAt(answer);
        String head = new String(answer, 0, Math.max(0, bodyAt), StandardCharsets.ISO_8859_1);
        if (bodyAt < 0 || !head.startsWith("HTTP/1.1 ")) {
            throw new CliException(ExitCode.FAILED, "What answers at " + address + " is no broker's admin port.");
        }
        byte[] body = java.util.Arrays.copyOfRange(answer, bodyAt, answer.length);
        if (!head.startsWith("HTTP/1.1 200 ")) {
            throw new CliException(
                    ExitCode.FAILED,
                    "The broker at " + address + " answered " + head.substring(9, Math.min(head.length(), 12)) + ": "
                            + new String(body, 0, Math.min(body.length, 200), StandardCharsets.UTF_8));
        }
        return body;
    }

    /** Index behind the empty line, or −1. */
    private static int bodyAt(byte[] answer) {
        for (int i = 0; i + 3 < answer.length; i++) {
            if (answer[i] == '\r' && answer[i + 1] == '\n' && answer[i + 2] == '\r' && answer[i + 3] == '\n') {
                return i + 4;
            }
        }
        return -1;
    }
}
