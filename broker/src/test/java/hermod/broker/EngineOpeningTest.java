package hermod.broker;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;
import static org.awaitility.Awaitility.await;

import hermod.broker.engine.Asked;
import hermod.broker.engine.Engine;
import hermod.broker.engine.EngineFault;
import hermod.broker.engine.EventLog;
import hermod.broker.engine.memory.MemoryEngine;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Timeout(60)
class EngineOpeningTest {
    @TempDir
    Path dir;

    @Test
    void otherThingsAreDoneWhileItOpens() throws Exception {
        CountDownLatch otherThings = new CountDownLatch(1);
        try (EngineOpening opening = EngineOpening.begin(() -> {
            assertThat(otherThings.await(20, TimeUnit.SECONDS)).isTrue();
            return new MemoryEngine();
        })) {
            otherThings.countDown();
            try (Engine engine = opening.take()) {
                assertThat(engine.fault()).isNull();
            }
        }
    }

    @Test
    void whatKeepsItFromOpeningIsToldToWhoTakesIt() {
        IOException full = new IOException("the disk of the store is full");
        EngineOpening opening = EngineOpening.begin(() -> {
            throw full;
        });
        assertThatThrownBy(opening::take).isSameAs(full);

        EngineOpening defect = EngineOpening.begin(() -> {
            throw new UnsatisfiedLinkError("no library");
        });
        assertThatThrownBy(defect::take).hasRootCauseMessage("no library");
    }

    @Test
    void whatNobodyTakesIsClosedWhenItIsOpen() throws Exception {
        CountDownLatch isGivenUp = new CountDownLatch(1);
        MemoryEngine engine = new MemoryEngine();
        EngineOpening opening = EngineOpening.begin(() -> {
            assertThat(isGivenUp.await(20, TimeUnit.SECONDS)).isTrue();
            return engine;
        });
        opening.close();
        isGivenUp.countDown();

        await().until(() ->
                Asked.<EventLog.Opened>asked(answer -> engine.events().find("acme", "topic", answer))
                                .fault()
                        == EngineFault.CLOSED);
    }

    /** A broker of its own process, whose store is damaged: one sentence, and the end. */
    @Test
    void aStoreThatCantBeOpenedEndsTheStartInOneSentence() throws Exception {
        Path data = dir.resolve("data");
        Path store = Files.createDirectories(data.resolve(Broker.EVENTS_DIR).resolve("store"));
        Files.writeString(store.resolve("CURRENT"), "MANIFEST-000007\n");
        Process broker = new ProcessBuilder(
                        Path.of(System.getProperty("java.home"), "bin", "java").toString(),
                        "--add-opens",
                        "java.base/jdk.internal.misc=ALL-UNNAMED",
                        "-cp",
                        System.getProperty("surefire.test.class.path", System.getProperty("java.class.path"))
                                .replace(" ", File.pathSeparator),
                        BrokerMain.class.getName(),
                        "serve",
                        "--data",
                        data.toString(),
                        "--port",
                        "0",
                        "--ws-port",
                        "0",
                        "--admin-port",
                        "0")
                .redirectErrorStream(true)
                .start();
        try (BufferedReader out =
                new BufferedReader(new InputStreamReader(broker.getInputStream(), StandardCharsets.UTF_8))) {
            List<String> lines = out.lines().toList();
            assertThat(broker.waitFor()).isNotZero();
            assertThat(lines)
                    .filteredOn(line -> line.contains("The broker can't start: the store in "))
                    .hasSize(1);
            assertThat(lines).noneMatch(line -> line.startsWith("ready") || line.contains("\tat "));
        } finally {
            broker.destroyForcibly();
        }
    }
}
