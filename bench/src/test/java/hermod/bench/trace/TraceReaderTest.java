package hermod.bench.trace;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import hermod.bench.load.BenchFailure;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.List;
import java.util.zip.GZIPOutputStream;
import org.junit.jupiter.api.Test;

class TraceReaderTest {
    private static final String GOOD =
            "{\"t\":1,\"room\":\"R\",\"user\":\"u1\",\"text\":\"h\\u00e9\\nllo\",\"mentions\":[\"u2\"]}";

    private static List<TraceEvent> read(byte[] bytes, int eventCountMax) throws IOException {
        return TraceReader.read(new ByteArrayInputStream(bytes), "t.jsonl", eventCountMax);
    }

    private static List<TraceEvent> read(String text) throws IOException {
        return read(text.getBytes(StandardCharsets.UTF_8), 1_000);
    }

    private static void assertRefused(String text, String sentence) {
        assertThatThrownBy(() -> read(text)).isInstanceOf(BenchFailure.class).hasMessage(sentence);
    }

    @Test
    void aPlainTraceIsReadAndOtherKeysArePassedOver() throws IOException {
        assertThat(read(GOOD + "\n" + GOOD + "\n"))
                .containsExactly(new TraceEvent(1, "R", "u1", "hé\nllo"), new TraceEvent(1, "R", "u1", "hé\nllo"));
    }

    @Test
    void theLastLineNeedsNoLineBreak() throws IOException {
        assertThat(read(GOOD)).hasSize(1);
    }

    @Test
    void aGzipTraceIsReadAsWell() throws IOException {
        ByteArrayOutputStream packed = new ByteArrayOutputStream();
        try (GZIPOutputStream gzip = new GZIPOutputStream(packed)) {
            gzip.write((GOOD + "\n").getBytes(StandardCharsets.UTF_8));
        }

        assertThat(read(packed.toByteArray(), 10)).hasSize(1);
    }

    @Test
    void noMoreEventsAreReadThanAskedFor() throws IOException {
        assertThat(read((GOOD + "\n" + GOOD + "\nnot json\n").getBytes(StandardCharsets.UTF_8), 2))
                .hasSize(2);
    }

    @Test
    void aLineThatIsNotJsonIsRefusedWithItsNumber() {
        assertRefused(GOOD + "\n{\"t\":", "trace t.jsonl, line 2 is not JSON");
    }

    @Test
    void aLineThatIsNoObjectIsRefused() {
        assertRefused("17", "trace t.jsonl, line 1 is not a JSON object");
        assertRefused("\n", "trace t.jsonl, line 1 is not a JSON object");
    }

    @Test
    void aLineWithoutAKeyOrWithAnotherTypeIsRefused() {
        assertRefused(GOOD.replace("room", "raum"), "trace t.jsonl, line 1 has no room");
        assertRefused(GOOD.replace("\"u1\"", "1"), "trace t.jsonl, line 1 has no user");
        assertRefused(GOOD.replace(":1,", ":1.5,"), "trace t.jsonl, line 1 has no t in whole milliseconds from 0");
        assertRefused(GOOD.replace(":1,", ":-1,"), "trace t.jsonl, line 1 has no t in whole milliseconds from 0");
    }

    @Test
    void aTraceThatGoesBackInTimeIsRefused() {
        assertRefused(
                GOOD + "\n" + GOOD.replace(":1,", ":0,"), "trace t.jsonl, line 2 goes back in time: t=0, before=1");
    }

    @Test
    void aLineThatIsNotUtf8IsRefused() {
        assertThatThrownBy(() -> read(new byte[] {'{', (byte) 0xff, '}'}, 1))
                .hasMessage("trace t.jsonl, line 1 is not UTF-8");
    }

    @Test
    void aLineOfTheLongestLengthIsReadAndOneByteMoreIsRefused() throws IOException {
        String longest = GOOD.replace("llo", "l".repeat(TraceReader.LINE_BYTES_MAX - GOOD.length() + 3));

        assertThat(read(longest)).hasSize(1);
        assertRefused(longest.replace("ll", "lll"), "trace t.jsonl, line 1 is longer than 1048576 bytes");
    }

    @Test
    void anEmptyTraceIsRefused() {
        assertRefused("", "trace t.jsonl holds no event");
    }

    @Test
    void aMissingFileIsAUsersMistake() {
        assertThatThrownBy(() -> TraceReader.read(Path.of("/no/such/trace"), 1))
                .isInstanceOfSatisfying(
                        BenchFailure.class,
                        failure -> assertThat(failure.kind()).isEqualTo(BenchFailure.Kind.USAGE))
                .hasMessageContaining("no such trace file");
    }

    @Test
    void aRoomWhoseNameIsTooLongForATopicIsRefused() {
        assertThatThrownBy(() -> read(GOOD.replace("\"R\"", "\"" + "r".repeat(256) + "\"")))
                .hasMessageStartingWith("trace t.jsonl, line 1 has a room that makes no topic: topic name too long");
    }
}
