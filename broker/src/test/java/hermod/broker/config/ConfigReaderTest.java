package hermod.broker.config;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.catchThrowableOfType;

import hermod.broker.BrokerConfig;
import hermod.broker.admission.AdmissionConfig;
import hermod.broker.topic.Batching;
import hermod.broker.topic.ChannelPolicies;
import hermod.broker.topic.ChannelPolicy;
import hermod.broker.topic.Durability;
import hermod.broker.transport.TransportConfig;
import hermod.protocol.Priority;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class ConfigReaderTest {
    @TempDir
    private Path dir;

    @Test
    void nothingGivenIsTheDefaults() throws Exception {
        assertThat(new ConfigReader<>(BrokerConfig.defaults()).build()).isEqualTo(BrokerConfig.defaults());
        assertThat(read("")).isEqualTo(BrokerConfig.defaults());
        assertThat(read("transport:\nchannels:\n")).isEqualTo(BrokerConfig.defaults());
    }

    @Test
    void aFileChangesWhatItNamesAndNothingElse() throws Exception {
        BrokerConfig config = read("""
                home-region: eu-1
                data-dir: ~/somewhere
                transport:
                  port: 1234
                  ws-allowed-origins: ["https://app.example"]
                session:
                  ping-interval-ms: 5s
                topic:
                  dedup-limit-bytes: 128MiB
                admission:
                  issuer: idp
                """);
        assertThat(config.homeRegion()).isEqualTo("eu-1");
        assertThat(config.dataDir()).isEqualTo(Path.of(System.getProperty("user.home"), "somewhere"));
        assertThat(config.transport().port()).isEqualTo(1234);
        assertThat(config.transport().wsAllowedOrigins()).containsExactly("https://app.example");
        assertThat(config.transport().wsPort()).isEqualTo(7401);
        assertThat(config.session().pingIntervalMs()).isEqualTo(5_000);
        assertThat(config.topic().dedupLimitBytes()).isEqualTo(128L << 20);
        assertThat(config.admission().issuer()).contains("idp");
        assertThat(config.outbox()).isEqualTo(BrokerConfig.defaults().outbox());
    }

    @Test
    void anEntryOfChannelsOverridesItsKeysAndANewNameAddsAChannel() throws Exception {
        ChannelPolicies channels = read("""
                        channels:
                          chat:
                            goal-p95-ms: 50
                          game:
                            lane: high
                            durability: disk-early
                            keeps: 3h, 500 events
                        """).channels();
        ChannelPolicy before = ChannelPolicies.defaults().byName().get("chat");
        ChannelPolicy chat = channels.byName().get("chat");
        assertThat(chat.goalP95Ms()).isEqualTo(50);
        assertThat(chat.lane()).isEqualTo(before.lane());
        assertThat(chat.keeps()).isEqualTo(before.keeps());
        ChannelPolicy game = channels.byName().get("game");
        assertThat(game.lane()).isEqualTo(Priority.HIGH);
        assertThat(game.durability()).isEqualTo(Durability.DISK_EARLY);
        assertThat(game.batching()).isEqualTo(Batching.NEVER);
        assertThat(channels.byName())
                .hasSize(ChannelPolicies.defaults().byName().size() + 1);
    }

    @ParameterizedTest
    @CsvSource({
        "262144, 262144",
        "256KiB, 262144",
        "1 MiB, 1048576",
        "1024B, 1024",
        "8388608, 8388608",
        "1kib, 1024",
    })
    void aSizeIsANumberOrOneWithAUnit(String text, int bytes) throws Exception {
        BrokerConfig config = read(
                "shard:\n  ring-capacity-bytes: 128MiB\njournal:\n  segment-bytes: 64MiB\n  ring-bytes: 128MiB\n  urgent-ring-bytes: 128MiB\noutbox:\n  limit-bytes: 64MiB\n"
                        + "transport:\n  payload-limit-bytes: " + text + "\n");
        assertThat(config.transport().payloadLimitBytes()).isEqualTo(bytes);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "1023",
                "8388609",
                "9MiB",
                "1.5MiB",
                "15s",
                "1e6",
                "many",
                "-1",
                "true",
                "[1]",
                "{a: 1}",
                "999999999999999999999",
                "99999999999999999GiB"
            })
    void aWrongSizeIsRefusedWithKeyValueAndRange(String text) {
        assertThat(problems("transport:\n  payload-limit-bytes: " + text + "\n"))
                .singleElement()
                .asString()
                .startsWith(dir.resolve("hermod.yaml") + ": transport.payload-limit-bytes is ")
                .contains("from 1024 to 8388608")
                .contains("256KiB")
                .endsWith(".");
    }

    @ParameterizedTest
    @CsvSource({"500ms, 500", "15s, 15000", "1m, 60000", "60000, 60000"})
    void aDurationIsANumberOrOneWithAUnit(String text, int ms) throws Exception {
        assertThat(read("transport:\n  handshake-timeout-ms: " + text + "\n")
                        .transport()
                        .handshakeTimeoutMs())
                .isEqualTo(ms);
    }

    @ParameterizedTest
    @CsvSource({"50us, 50", "1ms, 1000", "75, 75", "0, 0"})
    void aShortDurationIsInMicroseconds(String text, int us) throws Exception {
        assertThat(read("shard:\n  spin-us: " + text + "\n").shard().spinUs()).isEqualTo(us);
    }

    @ParameterizedTest
    @CsvSource({"auto, AUTO", "io_uring, IO_URING", "io-uring, IO_URING", "EPOLL, EPOLL", "nio, NIO"})
    void theWayToSocketsIsAName(String text, TransportConfig.Io io) throws Exception {
        assertThat(read("transport:\n  io: " + text + "\n").transport().io()).isEqualTo(io);
    }

    @Test
    void aDurationThatDoesNotComeOutWholeIsRefused() {
        assertThat(problems("topic:\n  idle-seconds: 1500ms\n"))
                .singleElement()
                .asString()
                .contains("idle-seconds");
        assertThat(problems("topic:\n  idle-seconds: 8d\n"))
                .singleElement()
                .asString()
                .contains("604800");
    }

    @Test
    void everyProblemIsToldAtOnce() {
        List<String> problems = problems("""
                transport:
                  prot: 7400
                  port: 70000
                  host: 0.0.0.0
                sesion: {}
                shard: 5
                channels:
                  chat:
                    lane: fast
                    colour: red
                """);
        assertThat(problems)
                .anySatisfy(one ->
                        assertThat(one).contains("transport.prot is not a setting; did you mean transport.port?"))
                .anySatisfy(one ->
                        assertThat(one).contains("transport.port is 70000; it must be a whole number from 0 to 65535"))
                .anySatisfy(one -> assertThat(one).contains("sesion is not a setting; did you mean session?"))
                .anySatisfy(one -> assertThat(one).contains("shard must hold settings"))
                .anySatisfy(one -> assertThat(one)
                        .contains("channels.chat.lane is 'fast'; it must be one of low, normal, high, urgent"))
                .anySatisfy(one -> assertThat(one).contains("channels.chat.colour is not a setting"))
                .hasSize(6);
        assertThat(problems).allSatisfy(one -> assertThat(one).doesNotContain("\n"));
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "shard:\n  ring-capacity-bytes: 3MiB\n",
                "shard:\n  spin-us: 1s\n",
                "transport:\n  io: kqueue\n",
                "topic:\n  chunk-bytes: 100000\n",
                "shard:\n  ring-capacity-bytes: 1MiB\n",
                "transport:\n  payload-limit-bytes: 1MiB\n",
                "outbox:\n  limit-bytes: 256KiB\n",
                "outbox:\n  limit-bytes: 512KiB\n",
                "session:\n  silence-timeout-ms: 20s\n",
                "transport:\n  host: 0.0.0.0\n",
                "transport:\n  host: example.org\n",
                "transport:\n  host: '::'\n",
                "admin:\n  host: 0.0.0.0\n",
                "admission:\n  algorithm: ES256\n",
                "admission:\n  jwks-file: keys.json\n",
                "admission:\n  algorithm: RS256\n",
                "channels:\n  chat:\n    ceiling: low\n",
                "channels:\n  chat:\n    keeps: for ever\n",
                "channels:\n  chat:\n    batch-min-ms: 10\n",
                "channels:\n  'a:b':\n    tier: 1\n",
                "channels: [chat]\n",
                "dev: true\n",
                "home-region: ''\n",
                "data-dir: ''\n",
                "transport:\n  ws-allowed-origins: https://app.example\n",
                "transport:\n  ws-allowed-origins: [1]\n",
                "transport:\n  allow-plaintext: yes\n",
                "- a list\n",
                "just a text\n",
            })
    void whatCanNotWorkIsRefusedWithOneSentence(String yaml) {
        assertThat(problems(yaml)).singleElement().asString().startsWith(dir.resolve("hermod.yaml") + ": ");
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "transport: {port: 1\n",
                "transport:\n  port: 1\n  port: 2\n",
                "transport:\n\tport: 1\n",
                "a: &a [*a]\n",
                "[[[[[[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]]]]]]\n",
                "\u0000\u0001",
            })
    void aFileThatIsNoYamlIsRefusedWithOneLine(String yaml) {
        assertThat(problems(yaml))
                .singleElement()
                .asString()
                .doesNotContain("\n")
                .doesNotContain("Exception");
    }

    @Test
    void plaintextBeyondLoopbackTakesADecision() throws Exception {
        assertThat(read("transport:\n  host: 0.0.0.0\n  allow-plaintext: true\n")
                        .transport()
                        .isLoopback())
                .isFalse();
        assertThat(read("transport:\n  host: 127.0.0.2\n").transport().isLoopback())
                .isTrue();
        assertThat(read("transport:\n  host: '::1'\n").transport().isLoopback()).isTrue();
    }

    @Test
    void devBindsToLoopbackOnly() {
        BrokerConfig defaults = BrokerConfig.defaults();
        BrokerConfig dev = new BrokerConfig(
                defaults.dataDir(),
                true,
                defaults.warmUpMs(),
                defaults.homeRegion(),
                defaults.transport(),
                defaults.admission(),
                defaults.session(),
                defaults.filter(),
                defaults.publish(),
                defaults.service(),
                defaults.shard(),
                defaults.outbox(),
                defaults.topic(),
                defaults.channels(),
                defaults.batching(),
                defaults.journal(),
                defaults.store(),
                defaults.history(),
                defaults.schedule(),
                defaults.groups(),
                defaults.redelivery(),
                defaults.safety(),
                defaults.metrics(),
                defaults.admin(),
                defaults.audit());
        ConfigException refused = catchThrowableOfType(
                ConfigException.class,
                () -> new ConfigReader<>(dev)
                        .file(write("transport:\n  host: 0.0.0.0\n  allow-plaintext: true\n"))
                        .build());
        assertThat(refused.problems()).singleElement().asString().contains("--dev");
    }

    @Test
    void aFlagWinsOverTheFileAndIsNamedWhenItIsWrong() throws Exception {
        Path file = write("transport:\n  port: 1\n");
        assertThat(new ConfigReader<>(BrokerConfig.defaults())
                        .file(file)
                        .flag("--port", "transport.port", "2")
                        .build()
                        .transport()
                        .port())
                .isEqualTo(2);
        ConfigException refused = catchThrowableOfType(
                ConfigException.class,
                () -> new ConfigReader<>(BrokerConfig.defaults())
                        .flag("--port", "transport.port", "65536")
                        .build());
        assertThat(refused).hasMessage("--port is 65536; it must be a whole number from 0 to 65535.");
    }

    @Test
    void aFileThatIsMissingTooLargeOrADirectoryIsRefused() throws Exception {
        assertThat(problemsOf(dir.resolve("none.yaml")))
                .singleElement()
                .asString()
                .contains("no such file");
        assertThat(problemsOf(dir)).singleElement().asString().contains("not a regular file");
        assertThat(problems("#".repeat(ConfigReader.FILE_BYTES_MAX))).isEmpty();
        assertThat(problems("#".repeat(ConfigReader.FILE_BYTES_MAX + 1)))
                .singleElement()
                .asString()
                .contains("larger than 262144 bytes");
    }

    @Test
    void es256TakesAJwks() throws Exception {
        AdmissionConfig admission =
                read("admission:\n  algorithm: es256\n  jwks-file: keys.json\n").admission();
        assertThat(admission.algorithm()).isEqualTo(AdmissionConfig.Algorithm.ES256);
        assertThat(admission.jwksFile()).contains(Path.of("keys.json"));
    }

    private BrokerConfig read(String yaml) throws Exception {
        return new ConfigReader<>(BrokerConfig.defaults()).file(write(yaml)).build();
    }

    private List<String> problems(String yaml) {
        return problemsOf(write(yaml));
    }

    private static List<String> problemsOf(Path file) {
        try {
            new ConfigReader<>(BrokerConfig.defaults()).file(file).build();
            return List.of();
        } catch (ConfigException refused) {
            return refused.problems();
        }
    }

    private Path write(String yaml) {
        try {
            return Files.write(dir.resolve("hermod.yaml"), yaml.getBytes(StandardCharsets.UTF_8));
        } catch (java.io.IOException failed) {
            throw new java.io.UncheckedIOException(failed);
        }
    }
}
