package hermod.bench.load;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.nio.charset.StandardCharsets;
import org.junit.jupiter.api.Test;

class StampTest {
    private static final byte[] TEXT = "hello".getBytes(StandardCharsets.UTF_8);

    @Test
    void aStampIsReadBackWhateverTheBuffersByteOrderAndPosition() {
        byte[] payload = Stamp.payload(7, 1, 2, 3, Long.MIN_VALUE + 4, TEXT);
        byte[] shifted = new byte[payload.length + 3];
        System.arraycopy(payload, 0, shifted, 3, payload.length);
        for (ByteOrder order : new ByteOrder[] {ByteOrder.LITTLE_ENDIAN, ByteOrder.BIG_ENDIAN}) {
            ByteBuffer buffer = ByteBuffer.wrap(shifted).position(3).order(order);

            assertThat(Stamp.isOf(7, buffer)).isTrue();
            assertThat(Stamp.isOf(8, buffer)).isFalse();
            assertThat(Stamp.stream(buffer)).isEqualTo(1);
            assertThat(Stamp.number(buffer)).isEqualTo(2);
            assertThat(Stamp.clientNumber(buffer)).isEqualTo(3);
            assertThat(Stamp.intendedNs(buffer)).isEqualTo(Long.MIN_VALUE + 4);
        }
    }

    @Test
    void theTextFollowsTheStamp() {
        assertThat(Stamp.payload(7, 1, 2, 3, 4, TEXT)).endsWith(TEXT).hasSize(Stamp.BYTES + TEXT.length);
    }

    @Test
    void aPayloadShorterThanAStampIsOfNoRun() {
        assertThat(Stamp.isOf(0, ByteBuffer.wrap(new byte[Stamp.BYTES - 1]))).isFalse();
        assertThat(Stamp.isOf(0, ByteBuffer.wrap(new byte[Stamp.BYTES]))).isTrue();
    }
}
