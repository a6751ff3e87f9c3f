package hermod.bench.load;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * The first bytes of every payload the bench publishes; they tell a handler which event it has and when it was meant to be sent.
 *
 * <pre>
 *  0       4        8         12             16             24
 *  +-------+--------+---------+--------------+--------------+--------------
 *  | runId | stream | number  | clientNumber | intendedNs   | text or zeros
 *  | i32   | i32    | i32     | i32          | i64 (nanoTime of this JVM)
 *  +-------+--------+---------+--------------+--------------+--------------
 * </pre>
 *
 * <p>Publisher and handlers live in one JVM, so the time needs no clock offset. Stateless, any thread.
 */
public final class Stamp {
    public static final int BYTES = 24;

    private Stamp() {}

    /**
     * A payload of a stamp and what follows it.
     *
     * @param stream index of the topic, or of the stream inside it.
     * @param number the event's number in the stream or run, from 0.
     * @param clientNumber how many events this client published before.
     */
    public static byte[] payload(int runId, int stream, int number, int clientNumber, long intendedNs, byte[] text) {
        byte[] payload = new byte[BYTES + text.length];
        ByteBuffer.wrap(payload)
                .order(ByteOrder.LITTLE_ENDIAN)
                .putInt(runId)
                .putInt(stream)
                .putInt(number)
                .putInt(clientNumber)
                .putLong(intendedNs)
                .put(text);
        return payload;
    }

    /** Whether the payload was stamped by this run. */
    public static boolean isOf(int runId, ByteBuffer payload) {
        return payload.remaining() >= BYTES && intAt(payload, 0) == runId;
    }

    public static int stream(ByteBuffer payload) {
        return intAt(payload, 4);
    }

    public static int number(ByteBuffer payload) {
        return intAt(payload, 8);
    }

    public static int clientNumber(ByteBuffer payload) {
        return intAt(payload, 12);
    }

    public static long intendedNs(ByteBuffer payload) {
        long value = payload.getLong(payload.position() + 16);
        return payload.order() == ByteOrder.LITTLE_ENDIAN ? value : Long.reverseBytes(value);
    }

    private static int intAt(ByteBuffer payload, int offset) {
        int value = payload.getInt(payload.position() + offset);
        return payload.order() == ByteOrder.LITTLE_ENDIAN ? value : Integer.reverseBytes(value);
    }
}
