package hermod.broker.engine.embedded;

import static org.assertj.core.api.Assertions.assertThat;

import java.nio.file.Path;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.rocksdb.RocksDBException;
import org.rocksdb.WriteBatch;

class AuthorOrdinalsTest {
    /** More than have a slot. */
    private static final int MANY = 100_000;

    @TempDir
    Path dir;

    private RocksStore store;
    private final PutBatch batch = new PutBatch();
    private AuthorOrdinals authors;

    @BeforeEach
    void open() throws Exception {
        store = RocksStore.open(dir, StoreConfig.defaults());
        authors = new AuthorOrdinals(store, batch);
    }

    @AfterEach
    void close() {
        store.close();
    }

    @Test
    void whoWritesWithOthersThanFitIsPutWithTheHighestOrdinal() throws Exception {
        for (int round = 1; round <= 2; round++) {
            for (int user = 1; user <= MANY; user++) {
                authors.onEntry(1 + user % 10, user, round);
            }
            authors.onEntry(1 + 77 % 10, 77, 40 - round);
        }
        write();

        assertThat(stored(1 + 77 % 10, 77)).isEqualTo(39);
        for (int user = 1; user <= MANY; user += 997) {
            assertThat(stored(1 + user % 10, user)).isEqualTo(2);
        }
    }

    @Test
    void theSlotsOfABrokerThatStartsDoNotPutLessThanTheOneBeforeHasStored() throws Exception {
        authors.onEntry(1, 5, 900);
        write();
        authors = new AuthorOrdinals(store, batch);

        for (int ordinal = 1; ordinal <= 50; ordinal++) {
            authors.onEntry(1, 5, ordinal);
            write();
        }

        assertThat(stored(1, 5)).isEqualTo(900);
    }

    @Test
    void whoWritesOnIsPutByItselfAfterAFewMerges() throws Exception {
        long merges = 0;
        for (int ordinal = 1; ordinal <= 50; ordinal++) {
            authors.onEntry(1, 5, ordinal);
            merges += write() ? 1 : 0;
            assertThat(stored(1, 5)).isEqualTo(ordinal);
        }

        assertThat(merges).isEqualTo(8);
    }

    @Test
    void whatAWriteThatFailedHadIsPutByTheNext() throws Exception {
        authors.onEntry(1, 5, 3);
        write();
        authors.onEntry(1, 5, 7);
        authors.putNew();
        batch.clear();
        authors.forget();

        authors.onEntry(1, 5, 7);
        write();

        assertThat(stored(1, 5)).isEqualTo(7);
    }

    /** @return whether RocksDB is to merge something. */
    private boolean write() throws RocksDBException {
        authors.putNew();
        try (WriteBatch made = batch.made()) {
            store.write(made);
            return made.hasMerge();
        } finally {
            batch.clear();
            authors.onWritten();
        }
    }

    private long stored(long stream, long user) throws RocksDBException {
        byte[] stored = store.get(store.author, StoreKeys.of(stream, user));
        return stored == null ? 0 : StoreKeys.asLong(stored);
    }
}
