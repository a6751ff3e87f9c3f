package hermod.bench.trace;

import java.nio.charset.StandardCharsets;

/**
 * One message of a trace.
 *
 * @param atMs when it was posted, in ms since the trace's first message.
 * @param text what was written; its UTF-8 bytes are what is published.
 */
public record TraceEvent(long atMs, String room, String user, String text) {
    /** The text's bytes in UTF-8. */
    public byte[] textBytes() {
        return text.getBytes(StandardCharsets.UTF_8);
    }
}
