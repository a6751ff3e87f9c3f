package hermod.broker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.awaitility.Awaitility.await;

import hermod.broker.session.PublishConfig;
import hermod.broker.session.SessionConfig;
import hermod.protocol.CloseCode;
import hermod.protocol.Feature;
import hermod.protocol.control.wire.Cursor;
import hermod.protocol.control.wire.Replace;
import hermod.protocol.control.wire.Resume;
import hermod.protocol.control.wire.Subscribe;
import hermod.protocol.control.wire.Subscribed;
import hermod.protocol.frame.FrameHeader;
import hermod.protocol.frame.FrameType;
import hermod.protocol.frame.PublishedFrame;
import io.netty.buffer.ByteBuf;
import java.io.IOException;
import java.time.Duration;
import java.util.Collections;
import java.util.concurrent.CompletableFuture;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ExtendWith;

/** A client that asks, or publishes, and does not read what it is answered. */
@Tag("FL-11")
@ExtendWith(LeakCheck.class)
class UnreadAnswersEndToEndTest {
    private static final SessionConfig IMPATIENT =
            new SessionConfig(1_000, 2_000, 1_000, 10_000_000, 1 << 30, 10_000_000);

    /** For a client that has sent all and reads for as long as it takes. */
    private static final SessionConfig PATIENT =
            new SessionConfig(15_000, 60_000, 1_000, 10_000_000, 1 << 30, 10_000_000);

    /** 5 KB in, some 330 KB out. */
    private static final Subscribe THOUSAND_BAD_NAMES = Subscribe.newBuilder()
            .addAllTopics(Collections.nCopies(1_000, "no"))
            .build();

    private static final int REQUESTS = 200;

    private static BrokerUnderTest start(SessionConfig session, int unreadAnswersTimeoutMs) throws Exception {
        return new BrokerUnderTest.Setup()
                .session(session)
                .publish(new PublishConfig(0, 0, 0, 1, 0, unreadAnswersTimeoutMs, 1_000))
                .start();
    }

    private static CompletableFuture<Void> inTheBackground(Write write) {
        return CompletableFuture.runAsync(() -> {
            try {
                write.run();
            } catch (IOException gone) {
                throw new java.io.UncheckedIOException(gone);
            }
        });
    }

    private interface Write {
        void run() throws IOException;
    }

    @Test
    @Tag("FL-1")
    void mayAskForSoManyTopicsASecondAndIsToldWhenToGoOn() throws Exception {
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient asker = broker.client("asker");
            asker.inOneWrite(() -> {
                for (int i = 1; i <= 4; i++) {
                    asker.send(FrameType.SUBSCRIBE, i, THOUSAND_BAD_NAMES);
                }
            });
            asker.read(FrameType.SUBSCRIBED);
            asker.read(FrameType.SUBSCRIBED);
            hermod.protocol.control.wire.Error refused =
                    hermod.protocol.control.wire.Error.parseFrom(RawClient.body(asker.read(FrameType.ERROR)));
            assertThat(refused.getCode()).isEqualTo(hermod.protocol.ErrorCode.RATE_LIMITED.code());
            assertThat(refused.getRetryAfterMs()).isBetween(1, 500);
            RawClient backEnd = broker.client("back-end", java.util.List.of("sub:*", "limits:service"));
            for (int i = 1; i <= 4; i++) {
                backEnd.send(FrameType.SUBSCRIBE, i, THOUSAND_BAD_NAMES);
                backEnd.read(FrameType.SUBSCRIBED);
            }
        }
    }

    @Test
    @Tag("FL-1")
    void resumesAndReplacesCountLikewise() throws Exception {
        Resume.Builder cursors = Resume.newBuilder();
        for (String name : THOUSAND_BAD_NAMES.getTopicsList()) {
            cursors.addCursors(Cursor.newBuilder().setTopic(name));
        }
        Replace.Builder wishes = Replace.newBuilder();
        for (int i = 0; i < 1_000; i++) {
            wishes.addTopics("no channel " + i);
        }
        try (BrokerUnderTest broker = BrokerUnderTest.start()) {
            RawClient asker = broker.socket();
            asker.connect(RawClient.hello(broker.token("asker", BrokerUnderTest.ORDINARY))
                    .setFeatures(Feature.RESUME.bit() | Feature.FILTER.bit()));
            asker.inOneWrite(() -> {
                asker.send(FrameType.RESUME, 1, cursors.build());
                asker.send(FrameType.REPLACE, 2, wishes.build());
                asker.send(FrameType.RESUME, 3, cursors.build());
                asker.send(FrameType.REPLACE, 4, wishes.build());
            });
            asker.read(FrameType.RESUMED);
            asker.read(FrameType.REPLACED);
            assertThat(asker.readError()).isEqualTo(hermod.protocol.ErrorCode.RATE_LIMITED.code());
            assertThat(asker.readError()).isEqualTo(hermod.protocol.ErrorCode.RATE_LIMITED.code());
        }
    }

    @Test
    void isNotReadFromUntilItHasTakenItsAnswersAndThenGetsAllOfThem() throws Exception {
        try (BrokerUnderTest broker = start(IMPATIENT, 60_000)) {
            RawClient greedy = broker.client("greedy");
            CompletableFuture<Void> asking = inTheBackground(() -> {
                for (int i = 1; i <= REQUESTS; i++) {
                    greedy.send(FrameType.SUBSCRIBE, i, THOUSAND_BAD_NAMES);
                }
            });
            await().until(() -> broker.counter("reads_stopped") > 0);
            assertThat(broker.broker().connections())
                    .singleElement()
                    .satisfies(one -> assertThat(one.outboxBytes()).isBetween(512L * 1024, 1024L * 1024));
            // Longer than the silence timeout: nothing is received because nothing is read.
            await().during(Duration.ofMillis(2_600))
                    .atMost(Duration.ofSeconds(10))
                    .until(() -> broker.broker().stats().connections() == 1);
            for (int i = 1; i <= REQUESTS; i++) {
                ByteBuf answer = greedy.read(FrameType.SUBSCRIBED);
                assertThat(FrameHeader.requestId(answer, 0)).isEqualTo(i);
                assertThat(Subscribed.parseFrom(RawClient.body(answer)).getResultsCount())
                        .isEqualTo(1_000);
            }
            asking.join();
            assertThat(greedy.echo(greedy.subscribe("chat:1").getHandle(), "still here"))
                    .isEqualTo("still here");
            assertThat(broker.counter("connections_slow")).isZero();
        }
    }

    @Test
    void aPublisherGetsEveryOutcomeInTheEnd() throws Exception {
        try (BrokerUnderTest broker = start(PATIENT, 60_000)) {
            RawClient publisher = broker.client("publisher");
            int events = 800_000;
            CompletableFuture<Void> publishing = inTheBackground(() -> {
                ByteBuf many = io.netty.buffer.Unpooled.buffer();
                for (int i = 0; i < events; i += 1_000) {
                    many.clear();
                    FrameHeader.write(many, FrameType.PUBLISH, FrameHeader.FLAG_MANY, 99, i, 8 + 1_000 * 20);
                    many.writeLongLE(0);
                    for (int k = 0; k < 1_000; k++) {
                        many.writeIntLE(16).writeZero(16);
                    }
                    publisher.send(many.retain());
                }
            });
            await().until(() -> broker.counter("reads_stopped") > 0);
            int refused = 0;
            while (refused < events) {
                PublishedFrame published = publisher.readPublished();
                for (int i = 0; i < published.exceptionCount(); i++) {
                    assertThat(published.exceptionRequestId(i)).isEqualTo(refused++);
                }
            }
            publishing.join();
            assertThat(broker.counter("connections_slow")).isZero();
        }
    }

    @Test
    void isClosedWhenItsSocketTakesNothingForTooLong() throws Exception {
        try (BrokerUnderTest broker = start(IMPATIENT, 1_000)) {
            RawClient greedy = broker.client("greedy");
            CompletableFuture<Void> asking = inTheBackground(() -> {
                for (int i = 1; i <= REQUESTS; i++) {
                    greedy.send(FrameType.SUBSCRIBE, i, THOUSAND_BAD_NAMES);
                }
            });
            await().untilAsserted(() ->
                    assertThat(broker.broker().stats().connections()).isZero());
            assertThat(broker.counter("reads_stopped")).isEqualTo(1);
            assertThat(broker.counter("connections_slow")).isEqualTo(1);
            assertThat(greedy.readClose()).isIn(0, CloseCode.SLOW_CONSUMER.code());
            asking.exceptionally(closed -> null).join();
        }
    }
}
