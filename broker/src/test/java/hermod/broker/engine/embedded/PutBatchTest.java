package hermod.broker.engine.embedded;

import static org.assertj.core.api.Assertions.assertThat;

import io.netty.buffer.ByteBuf;
import io.netty.buffer.Unpooled;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.Random;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.rocksdb.RocksDBException;
import org.rocksdb.WriteBatch;

/** RocksDB's form of a write is its own: an upgrade that changes it must fail here. */
class PutBatchTest {
    @TempDir
    Path dir;

    private final PutBatch batch = new PutBatch();

    @BeforeEach
    void load() {
        EmbeddedEngine.preload();
    }

    @Test
    void eachKindOfPutIsWrittenAsRocksDbWritesIt() throws Exception {
        try (RocksStore store = RocksStore.open(dir, StoreConfig.defaults());
                WriteBatch theirs = new WriteBatch()) {
            putAll(store, theirs);

            assertThat(batch.unfilled()).isEqualTo(theirs.data());
        }
    }

    /** Lengths whose varints have one byte, two and three, and totals around the sizes of the arrays. */
    @Test
    void lengthsOfAnySizeAreWrittenAsRocksDbWritesThem() throws Exception {
        try (RocksStore store = RocksStore.open(dir, StoreConfig.defaults());
                WriteBatch theirs = new WriteBatch()) {
            for (int length : new int[] {0, 1, 127, 128, 4_070, 16_383, 16_384, 70_000, 2_097_151, 2_097_152}) {
                byte[] value = random(length);
                byte[] key = random(1 + length % 60_000);
                batch.put(store.stateId, key, value);
                theirs.put(store.state, key, value);
                batch.put(store.eventId, 7, length, Unpooled.wrappedBuffer(value), 0, length);
                theirs.put(store.event, StoreKeys.of(7, length), value);
            }

            assertThat(batch.unfilled()).isEqualTo(theirs.data());
        }
    }

    @Test
    void whatWasPutIsInTheStoreAfterOneWrite() throws Exception {
        try (RocksStore store = RocksStore.open(dir, StoreConfig.defaults());
                WriteBatch unused = new WriteBatch()) {
            putAll(store, unused);
            try (WriteBatch made = batch.made()) {
                store.write(made);
            }

            assertThat(store.get(store.event, StoreKeys.of(1, 2))).isEqualTo(text("an entry"));
            assertThat(StoreKeys.asLong(store.get(store.producer, StoreKeys.of(1, 8, 9))))
                    .isEqualTo(2);
            assertThat(StoreKeys.asLong(store.get(store.author, StoreKeys.of(1, 5))))
                    .isEqualTo(77);
            assertThat(store.get(store.meta, StoreKeys.APPLIED)).isEqualTo(StoreKeys.of(4));
            assertThat(store.get(store.state, text("gone"))).isNull();
            assertThat(store.get(store.last, text("key"))).startsWith(StoreKeys.of(2));
        }
    }

    /** The rest of the array is filled: it must never be read as records, however long it is. */
    @Test
    void whateverIsLeftOfTheArrayRocksDbSkipsIt() throws Exception {
        try (RocksStore store = RocksStore.open(dir, StoreConfig.defaults())) {
            for (int length = 3_900; length < 4_200; length++) {
                batch.clear();
                byte[] value = random(length);
                batch.put(store.stateId, text("key"), value);
                try (WriteBatch made = batch.made()) {
                    assertThat(made.count()).isEqualTo(1);
                    store.write(made);
                }
                assertThat(store.get(store.state, text("key"))).isEqualTo(value);
            }
        }
    }

    @Test
    void ofNumbersThatAreMergedTheHighestStays() throws Exception {
        try (RocksStore store = RocksStore.open(dir, StoreConfig.defaults())) {
            for (long ordinal : new long[] {3, 300, 299, 1}) {
                batch.clear();
                batch.merge(store.authorId, 1, 5, ordinal);
                try (WriteBatch made = batch.made()) {
                    store.write(made);
                }
                store.flush();
            }

            assertThat(StoreKeys.asLong(store.get(store.author, StoreKeys.of(1, 5))))
                    .isEqualTo(300);
        }
    }

    /** The same into both. */
    private void putAll(RocksStore store, WriteBatch theirs) throws RocksDBException {
        ByteBuf entry = Unpooled.wrappedBuffer(text("..an entry.."));
        batch.put(store.eventId, 1, 2, entry, 2, 8);
        theirs.put(store.event, StoreKeys.of(1, 2), text("an entry"));
        batch.put(store.producerId, 1, 8, 9, 2);
        theirs.put(store.producer, StoreKeys.of(1, 8, 9), StoreKeys.of(2));
        batch.merge(store.authorId, 1, 5, 77);
        theirs.merge(store.author, StoreKeys.of(1, 5), StoreKeys.of(77));
        batch.put(store.authorId, 1, 6, -1);
        theirs.put(store.author, StoreKeys.of(1, 6), StoreKeys.of(-1));
        batch.put(store.lastId, text("key"), 2, entry, 2, 8);
        theirs.put(store.last, text("key"), join(StoreKeys.of(2), text("an entry")));
        batch.put(store.stateId, text("gone"), text("value"));
        theirs.put(store.state, text("gone"), text("value"));
        batch.delete(store.stateId, text("gone"));
        theirs.delete(store.state, text("gone"));
        batch.put(store.metaId, StoreKeys.APPLIED, StoreKeys.of(4));
        theirs.put(store.meta, StoreKeys.APPLIED, StoreKeys.of(4));
        batch.delete(store.metaId, text("other"));
        theirs.delete(store.meta, text("other"));
    }

    private static byte[] text(String text) {
        return text.getBytes(StandardCharsets.US_ASCII);
    }

    private static byte[] join(byte[] first, byte[] second) {
        return Unpooled.buffer()
                .writeBytes(first)
                .writeBytes(second)
                .capacity(first.length + second.length)
                .array();
    }

    private static byte[] random(int length) {
        byte[] bytes = new byte[length];
        new Random(length).nextBytes(bytes);
        return bytes;
    }
}
