package hermod.broker.engine.embedded;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/** Whose a stream is, as the store knows it: never changes. */
record StreamInfo(int epoch, String org, String topic) {
    static StreamInfo of(byte[] stored) {
        ByteBuffer in = ByteBuffer.wrap(stored);
        int epoch = in.getInt();
        int orgBytes = in.getShort() & 0xFFFF;
        int textAt = in.position();
        return new StreamInfo(
                epoch,
                new String(stored, textAt, orgBytes, StandardCharsets.UTF_8),
                new String(stored, textAt + orgBytes, stored.length - textAt - orgBytes, StandardCharsets.UTF_8));
    }
}
