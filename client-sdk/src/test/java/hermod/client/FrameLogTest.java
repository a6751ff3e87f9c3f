package hermod.client;

import static org.assertj.core.api.Assertions.assertThat;

import ch.qos.logback.classic.Level;
import ch.qos.logback.classic.Logger;
import ch.qos.logback.classic.spi.ILoggingEvent;
import ch.qos.logback.core.AppenderBase;
import java.nio.charset.StandardCharsets;
import java.util.Base64;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CopyOnWriteArrayList;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.slf4j.LoggerFactory;

class FrameLogTest extends ClientFixture {
    private static final class Lines extends AppenderBase<ILoggingEvent> {
        final List<String> lines = new CopyOnWriteArrayList<>();

        @Override
        protected void append(ILoggingEvent event) {
            lines.add(event.getFormattedMessage());
        }
    }

    @Test
    @Tag("SD-7")
    void eachFrameIsLoggedAndNeitherPayloadNorToken() throws Exception {
        Logger logger = (Logger) LoggerFactory.getLogger("hermod.client.frames");
        Lines log = new Lines();
        log.start();
        logger.addAppender(log);
        logger.setLevel(Level.DEBUG);
        logger.setAdditive(false);
        try {
            HermodClient client = client(builder().token("a-secret-token"));
            CompletableFuture<ConnectionInfo> connected = client.connect();
            FakeBroker.Peer peer = broker.accept();
            peer.welcome();
            done(connected);
            CompletableFuture<PublishReceipt> receipt = client.publish(ROOM, "a-secret-payload");
            peer.grantOpen(ROOM);
            peer.ack(peer.expectPublishes(1), 1);
            done(receipt);
        } finally {
            logger.setLevel(null);
            logger.detachAppender(log);
            logger.setAdditive(true);
        }

        for (String type :
                List.of("→ HELLO", "← WELCOME", "→ PING", "→ OPEN", "← OPENED", "→ PUBLISH", "← PUBLISHED")) {
            assertThat(log.lines).anyMatch(line -> line.startsWith(type));
        }
        String base64 = Base64.getEncoder().encodeToString("a-secret-payload".getBytes(StandardCharsets.UTF_8));
        assertThat(log.lines).noneMatch(line -> line.contains("secret") || line.contains(base64));
    }
}
