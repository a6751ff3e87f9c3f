package hermod.bench.trace;

import hermod.bench.load.BenchFailure;
import hermod.bench.load.BenchFailure.Kind;
import hermod.protocol.TopicName;
import java.io.BufferedInputStream;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.InputStream;
import java.nio.ByteBuffer;
import java.nio.charset.CharacterCodingException;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.zip.GZIPInputStream;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;
import tools.jackson.databind.json.JsonMapper;

/**
 * Reads a trace: one JSON object a line with {@code t} (whole ms, never falling), {@code room}, {@code user} and {@code text}, plain or gzip.
 *
 * <p>Other keys are passed over. A line that breaks the format ends the reading with one sentence that names the line. Bounded: a line has at most
 * {@link #LINE_BYTES_MAX} bytes and no more events are read than were asked for. One thread.
 */
public final class TraceReader {
    /** Longest line in bytes; four times the largest default payload leaves room for JSON escapes. */
    public static final int LINE_BYTES_MAX = 1024 * 1024;

    private static final int GZIP_MAGIC = 0x1f8b;
    private static final int BUFFER_BYTES = 64 * 1024;
    private static final ObjectMapper JSON = JsonMapper.builder().build();

    private final InputStream in;
    private final String fileName;
    private final ByteArrayOutputStream line = new ByteArrayOutputStream(1024);
    private int lineNumber;
    private long lastAtMs;

    private TraceReader(InputStream in, String fileName) {
        this.in = in;
        this.fileName = fileName;
    }

    /**
     * Reads the first events of a file.
     *
     * @param eventCountMax no more are read.
     * @throws BenchFailure with one sentence if the file cannot be read or a line breaks the format.
     */
    public static List<TraceEvent> read(Path file, int eventCountMax) {
        try (InputStream raw = Files.newInputStream(file)) {
            return read(raw, file.toString(), eventCountMax);
        } catch (NoSuchFileException missing) {
            throw new BenchFailure(Kind.USAGE, "no such trace file: " + file);
        } catch (IOException unreadable) {
            throw new BenchFailure(Kind.FAILED, "trace " + file + " cannot be read: " + unreadable.getMessage());
        }
    }

    /** The same from a stream, which the caller closes. */
    static List<TraceEvent> read(InputStream raw, String fileName, int eventCountMax) throws IOException {
        BufferedInputStream buffered = new BufferedInputStream(raw, BUFFER_BYTES);
        buffered.mark(2);
        int magic = buffered.read() << 8 | buffered.read();
        buffered.reset();
        InputStream plain = magic == GZIP_MAGIC
                ? new BufferedInputStream(new GZIPInputStream(buffered, BUFFER_BYTES), BUFFER_BYTES)
                : buffered;
        return new TraceReader(plain, fileName).readEvents(eventCountMax);
    }

    private List<TraceEvent> readEvents(int eventCountMax) throws IOException {
        List<TraceEvent> events = new ArrayList<>();
        while (events.size() < eventCountMax) {
            byte[] bytes = nextLine();
            if (bytes == null) {
                break;
            }
            events.add(parse(bytes));
        }
        if (events.isEmpty()) {
            throw new BenchFailure(Kind.FAILED, "trace " + fileName + " holds no event");
        }
        return events;
    }

    private byte @Nullable [] nextLine() throws IOException {
        line.reset();
        lineNumber++;
        int next = in.read();
        if (next < 0) {
            return null;
        }
        while (next >= 0 && next != '\n') {
            if (line.size() == LINE_BYTES_MAX) {
                throw bad("is longer than " + LINE_BYTES_MAX + " bytes");
            }
            line.write(next);
            next = in.read();
        }
        return line.toByteArray();
    }

    private TraceEvent parse(byte[] bytes) {
        JsonNode node;
        try {
            String text = StandardCharsets.UTF_8
                    .newDecoder()
                    .decode(ByteBuffer.wrap(bytes))
                    .toString();
            node = JSON.readTree(text);
        } catch (CharacterCodingException notText) {
            throw bad("is not UTF-8");
        } catch (JacksonException notJson) {
            throw bad("is not JSON");
        }
        if (node == null || !node.isObject()) {
            throw bad("is not a JSON object");
        }
        JsonNode t = node.get("t");
        if (t == null || !t.isIntegralNumber() || !t.canConvertToLong() || t.longValue() < 0) {
            throw bad("has no t in whole milliseconds from 0");
        }
        if (t.longValue() < lastAtMs) {
            throw bad("goes back in time: t=" + t.longValue() + ", before=" + lastAtMs);
        }
        lastAtMs = t.longValue();
        String room = text(node, "room");
        String fault = TopicName.faultOf(RoomTopics.topicOf("chat", room));
        if (fault != null) {
            throw bad("has a room that makes no topic: " + fault);
        }
        return new TraceEvent(lastAtMs, room, text(node, "user"), text(node, "text"));
    }

    private String text(JsonNode node, String key) {
        JsonNode value = node.get(key);
        if (value == null || !value.isString()) {
            throw bad("has no " + key);
        }
        return value.stringValue();
    }

    private BenchFailure bad(String what) {
        return new BenchFailure(Kind.FAILED, "trace " + fileName + ", line " + lineNumber + " " + what);
    }
}
