package hermod.protocol.vectors;

import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.SplittableRandom;
import java.util.random.RandomGenerator;
import java.util.stream.Stream;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;

/** {@code -Dhermod.seed=…} repeats a run. */
class MutatedVectorsTest {
    private static final int MUTATION_COUNT = 200_000;

    /** Long vectors are few and slow; their rules are tested at the bounds. */
    private static final int VECTOR_BYTES_MAX = 1_000;

    private static final byte[] EDGES = {0, 1, 2, 7, 8, 11, 12, 15, 16, 17, 31, 63, 64, 65, 127, (byte) 128, (byte) 255
    };

    @Tag("SE-6")
    @Test
    void aMutatedFrameIsTakenOrRefusedAndNothingElse() {
        long seed = Long.getLong("hermod.seed", System.nanoTime());
        RandomGenerator random = new SplittableRandom(seed);
        List<byte[]> vectors = Stream.concat(
                        Vectors.valid().stream().map(Vectors.Valid::bytes),
                        Vectors.broken().stream().map(Vectors.Broken::bytes))
                .filter(bytes -> bytes.length > 0 && bytes.length <= VECTOR_BYTES_MAX)
                .toList();
        for (int i = 0; i < MUTATION_COUNT; i++) {
            byte[] bytes = mutated(random, vectors);
            boolean isClient = random.nextBoolean();
            boolean isOpen = isClient || random.nextInt(8) != 0;
            try {
                Probe.stream(bytes, isClient, isOpen, 1 + random.nextInt(40));
            } catch (Throwable escaped) {
                throw new AssertionError(
                        "seed=" + seed + ", mutation=" + i + ", isClient=" + isClient + ", isOpen=" + isOpen + ", hex="
                                + HexFormat.of().formatHex(bytes),
                        escaped);
            }
        }
    }

    private static byte[] mutated(RandomGenerator random, List<byte[]> vectors) {
        byte[] bytes = vectors.get(random.nextInt(vectors.size())).clone();
        for (int n = 1 + random.nextInt(4); n > 0; n--) {
            int at = random.nextInt(bytes.length);
            switch (random.nextInt(7)) {
                case 0 -> bytes[at] ^= (byte) (1 << random.nextInt(8));
                case 1 -> bytes[at] = EDGES[random.nextInt(EDGES.length)];
                case 2 -> bytes[at] = (byte) random.nextInt();
                case 3 -> bytes = Arrays.copyOf(bytes, Math.max(1, at));
                case 4 -> {
                    byte[] other = vectors.get(random.nextInt(vectors.size()));
                    int length = bytes.length;
                    bytes = Arrays.copyOf(bytes, length + other.length);
                    System.arraycopy(other, 0, bytes, length, other.length);
                }
                case 5 -> bytes = inserted(bytes, at, 1 + random.nextInt(5), random);
                default -> bytes[Math.min(bytes.length - 1, 4 + random.nextInt(4))] = (byte) random.nextInt();
            }
            if (bytes.length >= 4 && random.nextInt(4) != 0) {
                int length = bytes.length - 4;
                bytes[0] = (byte) length;
                bytes[1] = (byte) (length >> 8);
                bytes[2] = 0;
                bytes[3] = 0;
            }
        }
        return bytes;
    }

    private static byte[] inserted(byte[] bytes, int at, int count, RandomGenerator random) {
        byte[] longer = new byte[bytes.length + count];
        random.nextBytes(longer);
        System.arraycopy(bytes, 0, longer, 0, at);
        System.arraycopy(bytes, at, longer, at + count, bytes.length - at);
        return longer;
    }
}
