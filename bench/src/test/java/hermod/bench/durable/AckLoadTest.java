package hermod.bench.durable;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.bench.wire.JetStreamLink;
import hermod.bench.wire.Link;
import hermod.bench.wire.RedisStreamLink;
import hermod.bench.wire.RelayLink;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.ServerSocket;
import java.net.Socket;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/** The load against servers that answer as the test says. */
@Timeout(120)
class AckLoadTest {
    private static final int PAYLOAD_BYTES = 64;

    private ServerSocket server;

    /** Serves one connection until it ends. */
    private interface Serving {
        void serve(DataInputStream in, OutputStream out) throws IOException;
    }

    @BeforeEach
    void listen() throws IOException {
        server = new ServerSocket(0, 10, InetAddress.getLoopbackAddress());
    }

    @AfterEach
    void stop() throws IOException {
        server.close();
    }

    private InetSocketAddress address() {
        return (InetSocketAddress) server.getLocalSocketAddress();
    }

    private void serve(Serving serving) {
        Thread accepting = new Thread(() -> {
            while (true) {
                try {
                    Socket peer = server.accept();
                    Thread each = new Thread(() -> {
                        try (peer) {
                            peer.setTcpNoDelay(true);
                            serving.serve(
                                    new DataInputStream(new BufferedInputStream(peer.getInputStream())),
                                    peer.getOutputStream());
                        } catch (IOException ended) {
                            // The client is done.
                        }
                    });
                    each.setDaemon(true);
                    each.start();
                } catch (IOException closed) {
                    return;
                }
            }
        });
        accepting.setDaemon(true);
        accepting.start();
    }

    private static String line(InputStream in) throws IOException {
        ByteArrayOutputStream line = new ByteArrayOutputStream();
        for (int one = in.read(); one != '\n'; one = in.read()) {
            if (one < 0) {
                throw new IOException("ended");
            }
            line.write(one);
        }
        return line.toString(StandardCharsets.US_ASCII).stripTrailing();
    }

    private static void say(OutputStream out, String words) throws IOException {
        out.write(words.getBytes(StandardCharsets.US_ASCII));
    }

    /** XADD: every tenth is refused. */
    private static void redis(DataInputStream in, OutputStream out) throws IOException {
        line(in);
        line(in);
        say(out, ":0\r\n+PONG\r\n");
        for (int count = 1; ; count++) {
            for (int i = 0; i < 10; i++) {
                line(in);
            }
            in.skipNBytes(PAYLOAD_BYTES + 2);
            say(out, count % 10 == 0 ? "-OOM no memory\r\n" : "$3\r\n1-1\r\n");
        }
    }

    @Test
    void everyEventIsAcknowledgedOrRefusedOnOneConnection() throws IOException {
        serve(AckLoadTest::redis);
        AckLoad.Outcome outcome;
        try (Link link = Link.opened(new RedisStreamLink(address(), "s"))) {
            outcome = AckLoad.run(List.of(link), 0, 1, 7, PAYLOAD_BYTES, 0.05, 0.1);
        }

        assertThat(outcome.end()).isNull();
        assertThat(outcome.unaccounted()).isZero();
        assertThat(outcome.refused()).isEqualTo(outcome.published() / 10).isPositive();
        assertThat(outcome.refusals()).containsEntry("ERROR", outcome.refused());
        assertThat(outcome.ns().getTotalCount()).isPositive().isLessThanOrEqualTo(outcome.acknowledged());
        assertThat(outcome.figures().perSecond()).isEqualTo(outcome.ns().getTotalCount() / 0.1);
    }

    /** JetStream: a stream is made, then each publish is answered on the inbox it names. */
    private static void jetStream(DataInputStream in, OutputStream out) throws IOException {
        say(out, "INFO {}\r\n");
        line(in);
        line(in);
        boolean isCreated = false;
        while (true) {
            String[] words = line(in).split(" ");
            in.skipNBytes(Integer.parseInt(words[3]) + 2);
            String answer = isCreated ? "{\"stream\":\"s\",\"seq\":1}" : "{\"type\":\"created\"}";
            isCreated = true;
            say(out, "MSG " + words[2] + " 0 " + answer.length() + "\r\n" + answer + "\r\n");
        }
    }

    @Test
    void manyConnectionsEachHaveTheirOwnEventsInFlight() throws IOException {
        serve(AckLoadTest::jetStream);
        List<Link> links = new ArrayList<>();
        for (int id = 0; id < 5; id++) {
            links.add(Link.opened(new JetStreamLink(address(), "s", id)));
        }
        AckLoad.Outcome outcome = AckLoad.run(links, 0, 1, 2, PAYLOAD_BYTES, 0.05, 0.1);
        links.forEach(Link::close);

        assertThat(outcome.end()).isNull();
        assertThat(outcome.unaccounted()).isZero();
        assertThat(outcome.acknowledged()).isGreaterThan(10);
    }

    @Test
    void aStreamThatCannotBeMadeEndsTheConnectionWithTheServersWords() {
        serve((in, out) -> {
            line(in);
            line(in);
            String[] words = line(in).split(" ");
            String answer = "{\"error\":{\"description\":\"JetStream not enabled\"}}";
            say(out, "MSG " + words[2] + " 0 " + answer.length() + "\r\n" + answer + "\r\n");
        });

        org.assertj.core.api.Assertions.assertThatThrownBy(() -> Link.opened(new JetStreamLink(address(), "s", 1)))
                .isInstanceOf(IOException.class)
                .hasMessageContaining("JetStream not enabled");
    }

    @Test
    void aServerThatGoesAwayLeavesEventsUnaccountedAndIsTold() throws IOException {
        serve((in, out) -> {
            in.skipNBytes(8);
            out.write(new byte[] {4, 0, 0, 0, 3, 0, 1, 0});
            in.skipNBytes(8);
        });
        AckLoad.Outcome outcome;
        try (Link link = Link.opened(new RelayLink(address(), 1))) {
            outcome = AckLoad.run(List.of(link), 0, 1, 3, PAYLOAD_BYTES, 0.05, 0.1);
        }

        assertThat(outcome.unaccounted()).isEqualTo(3);
        assertThat(outcome.end()).contains("ended the connection");
    }
}
