package hermod.bench.crash;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;

/**
 * What every event of a run carries: who published it as which of theirs, and bytes that follow from that, so that a damaged payload is found.
 *
 * <pre>
 *  0       4        12
 *  +-------+--------+-----------------------------
 *  | runId | key    | bytes made from both
 *  | i32   | i64    |
 *  +-------+--------+-----------------------------
 * </pre>
 *
 * <p>Stateless, any thread.
 */
final class CrashPayload {
    static final int BYTES_MIN = 12;

    private CrashPayload() {}

    static byte[] of(int runId, long key, int bytes) {
        byte[] payload = new byte[Math.max(BYTES_MIN, bytes)];
        ByteBuffer.wrap(payload).order(ByteOrder.LITTLE_ENDIAN).putInt(runId).putLong(key);
        for (int i = BYTES_MIN; i < payload.length; i++) {
            payload[i] = filler(runId, key, i);
        }
        return payload;
    }

    /** @return the event's key, or {@link ClientLog#FOREIGN} where the payload is not just as it was published. */
    static long keyOf(int runId, ByteBuffer payload) {
        ByteBuffer bytes = payload.duplicate().order(ByteOrder.LITTLE_ENDIAN);
        if (bytes.remaining() < BYTES_MIN || bytes.getInt() != runId) {
            return ClientLog.FOREIGN;
        }
        long key = bytes.getLong();
        for (int i = BYTES_MIN; bytes.hasRemaining(); i++) {
            if (bytes.get() != filler(runId, key, i)) {
                return ClientLog.FOREIGN;
            }
        }
        return key;
    }

    private static byte filler(int runId, long key, int at) {
        return (byte) ((runId + key * 31 + at) * 0x9E3779B97F4A7C15L >>> 56);
    }
}
