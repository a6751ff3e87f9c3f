package hermod.broker.admin;

import static org.assertj.core.api.Assertions.assertThat;

import hermod.broker.admission.AdmissionConfig;
import hermod.broker.admission.Authenticator;
import hermod.broker.admission.Identity;
import hermod.broker.admission.JwtAuthenticator;
import hermod.broker.admission.SecretFile;
import hermod.broker.admission.Verdict;
import hermod.broker.audit.AuditLog;
import java.net.ServerSocket;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Clock;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

class AdminCliTest {
    @TempDir
    private Path dir;

    @Test
    void statsIsATableOfTheChannelsWithTraffic() throws Exception {
        try (AdminApi api = AdminApi.start(
                new AdminConfig("127.0.0.1", 0), new MadeUpBroker(), new MadeUpBroker(), AuditLog.NONE)) {
            Command stats = Command.run("stats", "--admin", api.address());
            assertThat(stats.exitCode()).isZero();
            assertThat(stats.out().lines())
                    .anyMatch(line -> line.equals("hermod 1.2.3   up 1 h 2 min   2 shards   3 connections   4 topics"))
                    .anyMatch(line -> line.equals("bytesIn 12,345"))
                    .anyMatch(line -> line.matches(
                            " chat +\\| normal +\\| disk\\* +\\| +1,000 +\\| +2,000 +\\| +2 +\\| +3 +\\| +2 min 5 s of 10 min 0 s +\\| +95 us +\\| +80 us +\\| +95 us "
                                    + "+\\| +1\\.5 ms +\\| +2\\.5 s +\\| +100\\.0 ms +\\| healthy *"))
                    .anyMatch(line -> line.contains("runs in memory for now"));
            Command one = Command.run("stats", "--admin", api.address(), "--channel", "dm", "--topic", "dm:1");
            assertThat(one.out()).contains("latency of dm", "publish to handler", "dm:1");
        }
    }

    @Test
    @Tag("OB-7")
    void theSlowestConsumersAreATableWithWhatToDo() throws Exception {
        MadeUpBroker broker = new MadeUpBroker();
        try (AdminApi api = AdminApi.start(new AdminConfig("127.0.0.1", 0), broker, broker, AuditLog.NONE)) {
            Command one = Command.run("stats", "--slow", "--admin", api.address());
            assertThat(one.exitCode()).as(one.err()).isZero();
            assertThat(one.out()).doesNotContain("\u001b").endsWith("\n1 slow consumer\n");
            assertThat(one.out().lines())
                    .anyMatch(
                            line -> line.matches(
                                    " u\\?\\[31m +\\| phone +\\| c1 +\\| quarantined +\\| +2 s +\\| socket +\\| +1 +\\| +2 +\\| +3 +\\| +4,096 "
                                            + "+\\| +1 +\\| +2 +\\| +3 +\\| +4 +\\| +- +\\| check its network, and that the client reads *"));
            broker.slowCount = 23;
            assertThat(Command.run("stats", "--slow", "--admin", api.address()).out())
                    .endsWith("23 slow consumers, the worst 20 shown\n");
            assertThat(Command.run("stats", "--slow", "--json", "--admin", api.address())
                            .out())
                    .startsWith("{\"total\":23,\"slow\":[{")
                    .endsWith("]}\n");
            broker.slowCount = 0;
            assertThat(Command.run("stats", "--slow", "--admin", api.address()).out())
                    .isEqualTo("No consumer is slow: every connection takes what it is owed.\n");
        }
    }

    @Test
    void killAndRolloutTellTheBrokerAndShowWhatHoldsThen() throws Exception {
        MadeUpBroker broker = new MadeUpBroker();
        try (AdminApi api = AdminApi.start(new AdminConfig("127.0.0.1", 0), broker, broker, AuditLog.NONE)) {
            Command one = Command.run("kill", "chat", "--reason", "ä&b=c \u001b[31m", "--admin", api.address());
            assertThat(one.exitCode()).isZero();
            assertThat(one.out().lines()).containsExactly("service is on", "off: chat (ä&b=c ?[31m)");
            Command all = Command.run("kill", "all", "--reason", "r", "--confirm-safety", "--admin", api.address());
            assertThat(all.out().lines()).containsExactly("service is off, tier 0 too: r");
            assertThat(Command.run("kill", "all", "--lift", "--admin", api.address())
                            .out()
                            .lines())
                    .containsExactly("service is on");
            assertThat(Command.run("rollout", "7", "--admin", api.address())
                            .out()
                            .lines())
                    .containsExactly("service is on", "rollout: 7 % of users");
            assertThat(broker.asked)
                    .containsExactly("kill chat ä&b=c \u001b[31m false", "kill all r true", "lift all", "rollout 7");
            Command wrong = Command.run("kill", "nosuch", "--admin", api.address());
            assertThat(wrong.exitCode()).isEqualTo(ExitCode.FAILED);
            assertThat(wrong.err()).contains("there is no channel");
        }
    }

    @Test
    void drainShowsHowFarItIsUntilItIsDone() throws Exception {
        MadeUpBroker broker = new MadeUpBroker();
        try (AdminApi api = AdminApi.start(new AdminConfig("127.0.0.1", 0), broker, broker, AuditLog.NONE)) {
            Command drain = Command.run(
                    "drain", "--delay-ms", "70", "--endpoint", "a:1", "--endpoint", "b:2", "--admin", api.address());
            assertThat(drain.exitCode()).isZero();
            assertThat(drain.out().lines())
                    .containsExactly(
                            "settling   3 connections   3 still owed something",
                            "flushing   2 connections   1 still owed something",
                            "drained   0 connections   0 still owed something");
            assertThat(broker.asked).containsExactly("drain 70 [a:1, b:2]");
        }
    }

    @Test
    void jsonIsWhatTheBrokerSaid() throws Exception {
        try (AdminApi api = AdminApi.start(
                new AdminConfig("127.0.0.1", 0), new MadeUpBroker(), new MadeUpBroker(), AuditLog.NONE)) {
            Command stats = Command.run("stats", "--json", "--admin", api.address());
            assertThat(stats.exitCode()).isZero();
            assertThat(JsonTree.parse(stats.out().getBytes(java.nio.charset.StandardCharsets.UTF_8))
                            .children("channels"))
                    .hasSize(2);
            Command connections = Command.run("connections", "--json", "--admin", api.address());
            assertThat(connections.out()).startsWith("{\"total\":3,").endsWith("}\n");
        }
    }

    @Test
    void subscriptionsOfAUserAreReplacedAndEachConnectionIsTold() throws Exception {
        MadeUpBroker broker = new MadeUpBroker();
        try (AdminApi api = AdminApi.start(new AdminConfig("127.0.0.1", 0), broker, broker, AuditLog.NONE)) {
            Command done = Command.run(
                    "subscriptions",
                    "--admin",
                    api.address(),
                    "--org",
                    "acme",
                    "--user",
                    "ann",
                    "chat:a",
                    "feed:b where x = 1 and y < 2");
            assertThat(done.exitCode()).as(done.err()).isZero();
            assertThat(done.out().lines())
                    .containsExactly(
                            "c1  phone  subscribed 1, removed 4",
                            "    feed:secret: no right",
                            "c2  old?[31m  not replaced: the client does not know how, is going, or does not take its answers");
            assertThat(broker.lastOrder.topics().get(1).getFilter().getAllCount())
                    .isEqualTo(2);
            assertThat(broker.lastOrder.keepsOthers()).isFalse();
            Command wrong = Command.run(
                    "subscriptions", "--admin", api.address(), "--org", "o", "--user", "u", "chat:a where (");
            assertThat(wrong.exitCode()).isEqualTo(ExitCode.FAILED);
            assertThat(wrong.err()).contains("expected a key").contains("propertyId = 17");
            assertThat(Command.run("subscriptions", "--org", "o", "--user", "u").exitCode())
                    .isEqualTo(ExitCode.USAGE);
        }
    }

    @Test
    void aNameFromAStrangerCanNotTalkToTheTerminal() throws Exception {
        try (AdminApi api = AdminApi.start(
                new AdminConfig("127.0.0.1", 0), new MadeUpBroker(), new MadeUpBroker(), AuditLog.NONE)) {
            Command connections = Command.run("connections", "--admin", api.address());
            assertThat(connections.exitCode()).isZero();
            assertThat(connections.out())
                    .contains("u?[31m", "chat:1 chat:2 chat:3 and 1 more", "3 connections, the first 1 shown")
                    .doesNotContain("\u001b");
        }
    }

    @Test
    void withoutABrokerEveryCommandThatNeedsOneEndsWithThree() throws Exception {
        int free;
        try (ServerSocket probe = new ServerSocket(0)) {
            free = probe.getLocalPort();
        }
        String address = "127.0.0.1:" + free;
        for (String[] arguments : new String[][] {
            {"stats", "--admin", address},
            {"stats", "--watch", "--admin", address},
            {"connections", "--admin", address},
            {"pub", "chat:1", "--server", address},
            {"sub", "chat:1", "--server", address}
        }) {
            Command command = Command.run(arguments);
            assertThat(command.exitCode()).isEqualTo(ExitCode.NO_BROKER);
            assertThat(command.out()).isEmpty();
            assertThat(command.err())
                    .startsWith("hermod: No broker answers at " + address)
                    .hasLineCount(1);
        }
    }

    @Test
    void somethingElseAtTheAddressIsSaid() throws Exception {
        try (ServerSocket other = new ServerSocket(0)) {
            Thread answering = new Thread(() -> {
                try (var socket = other.accept()) {
                    socket.getInputStream().read(new byte[1_000]);
                    socket.getOutputStream()
                            .write("220 mail ready\r\n\r\n".getBytes(java.nio.charset.StandardCharsets.US_ASCII));
                } catch (java.io.IOException over) {
                    // The command is gone.
                }
            });
            answering.start();
            Command command = Command.run("stats", "--admin", "127.0.0.1:" + other.getLocalPort());
            assertThat(command.exitCode()).isEqualTo(ExitCode.FAILED);
            assertThat(command.err()).contains("is no broker's admin port").hasLineCount(1);
        }
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "stats --window 1h",
                "stats --window 3d",
                "stats --window 2h",
                "stats --slow --channel chat",
                "stats --admin localhost",
                "stats --admin :1",
                "stats --admin 127.0.0.1:0",
                "stats --admin 127.0.0.1:65536",
                "stats --admin http://127.0.0.1:1",
                "pub nochannel",
                "pub chat:1 --count 0",
                "pub chat:1 --priority fast",
                "sub chat:a*",
                "sub chat:1 chat:2 --from 7",
                "sub chat:1 --from -7",
                "history nochannel",
                "history chat:1 --limit 0",
                "history chat:1 --since soon",
                "history chat:1 --from -1",
                "token --user u --org o --ttl never",
                "token --user u --org o --ttl 0s",
                "disconnect",
                "disconnect --user u",
                "resync all",
                "redeliver",
                "alerts --json",
                "dlq list",
                "kill",
                "kill chat feed",
                "rollout",
                "rollout most",
                "drain --delay-ms soon",
                "audit verify --expect operators:12",
                "audit verify --expect operators:x:0000000000000000000000000000000000000000000000000000000000000000",
                "audit verify --admin 127.0.0.1:1 --data .",
                "audit verify --data no/such/directory",
                "audit list --limit 0",
            })
    void aMistakeIsOneSentenceAndExitCodeTwo(String arguments) {
        Command command = Command.run(arguments.split(" "));
        assertThat(command.exitCode()).isEqualTo(ExitCode.USAGE);
        assertThat(command.out()).isEmpty();
        assertThat(command.err().lines().toList().get(0)).startsWith("hermod: ").endsWith(".");
        assertThat(command.err().lines()).hasSizeLessThanOrEqualTo(2).noneMatch(line -> line.contains("\tat "));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "bogus",
                "stats --bogus",
                "stats extra",
                "token --user u",
                "pub",
                "sub",
                "pub chat:1 --count x"
            })
    void whatIsNotUnderstoodIsUsage(String arguments) {
        Command command = arguments.isEmpty() ? Command.run() : Command.run(arguments.split(" "));
        assertThat(command.exitCode()).isEqualTo(ExitCode.USAGE);
        assertThat(command.out()).isEmpty();
        assertThat(command.err())
                .startsWith("hermod: ")
                .containsAnyOf("Try 'hermod", "Usage: hermod")
                .doesNotContain("\tat ");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "--help",
                "stats --help",
                "connections --help",
                "token --help",
                "pub --help",
                "sub --help",
                "history --help",
                "doctor --help",
                "drain --help",
                "--version"
            })
    void helpIsEverywhereAndASuccess(String arguments) {
        Command command = Command.run(arguments.split(" "));
        assertThat(command.exitCode()).isZero();
        assertThat(command.out()).contains("hermod");
        assertThat(command.err()).isEmpty();
    }

    @Test
    void verboseShowsWhereAFailureCameFrom() {
        assertThat(Command.run("stats", "-v", "--admin", "127.0.0.1:1").err()).contains("\tat ");
        assertThat(Command.run("-v", "stats", "--admin", "127.0.0.1:1").err()).contains("\tat ");
    }

    @Test
    void aTokenIsAloneOnStdoutAndTheBrokerOfThatDirectoryTakesIt() throws Exception {
        Path data = dir.resolve("data");
        List<String> arguments =
                new ArrayList<>(List.of("token", "--user", "u1", "--org", "acme", "--data", data.toString()));
        Command first = Command.run(arguments.toArray(String[]::new));
        assertThat(first.exitCode()).isZero();
        assertThat(first.out()).matches("[A-Za-z0-9_.-]+\n");
        assertThat(first.err()).contains("made a new secret").hasLineCount(1);
        arguments.addAll(List.of("--right", "pub:chat:*", "--right", "urgent", "--ttl", "1d"));
        Command second = Command.run(arguments.toArray(String[]::new));
        assertThat(second.err()).isEmpty();
        try (Authenticator authenticator =
                JwtAuthenticator.start(AdmissionConfig.defaults(), data, Clock.systemUTC())) {
            Identity all = identity(authenticator, first.out());
            assertThat(all.rights().mayPublish("any:topic") && all.rights().maySubscribe("any:topic"))
                    .isTrue();
            assertThat(all.rights().isUrgent() || all.rights().isService()).isFalse();
            Identity some = identity(authenticator, second.out());
            assertThat(some.rights().mayPublish("chat:1") && some.rights().isUrgent())
                    .isTrue();
            assertThat(some.rights().mayPublish("dm:1") || some.rights().maySubscribe("chat:1"))
                    .isFalse();
        }
    }

    @Test
    void aTokenNeedsASecretThatIsOne() throws Exception {
        Path open = Files.write(dir.resolve("open"), new byte[32]);
        Files.setPosixFilePermissions(open, java.nio.file.attribute.PosixFilePermissions.fromString("rw-r--r--"));
        for (String file : List.of(open.toString(), dir.resolve("none").toString())) {
            Command command = Command.run("token", "--user", "u", "--org", "o", "--secret-file", file);
            assertThat(command.exitCode()).isEqualTo(ExitCode.FAILED);
            assertThat(command.err()).startsWith("hermod: " + file).hasLineCount(1);
        }
        Command both = Command.run("token", "--user", "u", "--org", "o", "--secret-file", "x", "--data", "y");
        assertThat(both.exitCode()).isEqualTo(ExitCode.USAGE);
        Command unknown =
                Command.run("token", "--user", "u", "--org", "o", "--data", dir.toString(), "--right", "everything");
        assertThat(unknown.exitCode()).isEqualTo(ExitCode.USAGE);
        assertThat(SecretFile.in(dir)).exists();
    }

    @Test
    void doctorFindsWhatIsWrong() throws Exception {
        try (ServerSocket taken = new ServerSocket(0, 1, java.net.InetAddress.getLoopbackAddress())) {
            String port = Integer.toString(taken.getLocalPort());
            Command well = Command.run(
                    "doctor",
                    "--port",
                    "0",
                    "--ws-port",
                    "0",
                    "--admin-port",
                    "1",
                    "--data",
                    dir.resolve("new").toString());
            assertThat(well.out())
                    .contains("ok    TCP port 0 is free", "can be made")
                    .doesNotContain("FAIL  TCP");
            Command ill = Command.run(
                    "doctor", "--port", port, "--ws-port", "0", "--admin-port", "1", "--data", "/proc/nothing");
            assertThat(ill.exitCode()).isEqualTo(ExitCode.FAILED);
            assertThat(ill.out()).contains("FAIL  TCP port " + port + " can't be had");
        }
        assertThat(dir.resolve("new")).doesNotExist();
    }

    private static Identity identity(Authenticator authenticator, String token) throws Exception {
        CompletableFuture<Verdict> verdict = new CompletableFuture<>();
        authenticator.authenticate(token.trim(), verdict::complete);
        return ((Verdict.Accepted) verdict.get(60, TimeUnit.SECONDS)).identity();
    }

    @Test
    void aBrokerThatKeepsNoAuditLogSaysSo() throws Exception {
        try (AdminApi api = AdminApi.start(
                new AdminConfig("127.0.0.1", 0), new MadeUpBroker(), new MadeUpBroker(), AuditLog.NONE)) {
            Command verified = Command.run("audit", "verify", "--admin", api.address());
            assertThat(verified.exitCode()).isEqualTo(1);
            assertThat(verified.err()).contains("keeps no audit log");
        }
    }
}
