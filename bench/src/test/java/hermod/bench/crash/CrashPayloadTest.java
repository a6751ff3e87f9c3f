package hermod.bench.crash;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import org.junit.jupiter.api.Test;

class CrashPayloadTest {
    private static final int RUN = -77;
    private static final long KEY = ClientLog.key(5, 123_456);

    @Test
    void thePayloadNamesItsEvent() {
        for (int bytes : new int[] {0, 12, 13, 512}) {
            assertThat(CrashPayload.keyOf(RUN, ByteBuffer.wrap(CrashPayload.of(RUN, KEY, bytes))))
                    .isEqualTo(KEY);
        }
    }

    @Test
    void aFlippedBitAnywhereMakesItForeignOrAnotherEvent() {
        byte[] payload = CrashPayload.of(RUN, KEY, 100);
        for (int bit = 0; bit < payload.length * 8; bit++) {
            payload[bit / 8] ^= (byte) (1 << bit % 8);
            assertThat(CrashPayload.keyOf(RUN, ByteBuffer.wrap(payload))).isNotEqualTo(KEY);
            payload[bit / 8] ^= (byte) (1 << bit % 8);
        }
    }

    @Test
    void anotherRunsPayloadIsForeign() {
        ByteBuffer other = ByteBuffer.wrap(CrashPayload.of(RUN + 1, KEY, 100));
        assertThat(CrashPayload.keyOf(RUN, other)).isEqualTo(ClientLog.FOREIGN);
    }
}
