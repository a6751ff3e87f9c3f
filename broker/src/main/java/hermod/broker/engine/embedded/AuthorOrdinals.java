package hermod.broker.engine.embedded;

import hermod.broker.shard.RunsOn;
import java.nio.ByteBuffer;
import java.util.Arrays;
import org.rocksdb.RocksDBException;

/**
 * The last ordinals of (stream, author), so that one is put once for a write, and none that is lower than what is stored.
 *
 * <p>A fixed number of slots by hash, four for each hash; one that is taken over by another author is put first. What is stored of an author is not looked up for a few writes: the family's merge operator keeps the highest. Then it is, once, so that an author
 * who writes much leaves no long list of ordinals to merge.
 */
@RunsOn(RunsOn.Owner.STORE)
final class AuthorOrdinals {
    private static final int SLOTS = 1 << 16;
    private static final int WAYS = 4;
    private static final int MERGES_MAX = 8;
    private static final byte KNOWN = -1;

    private final RocksStore store;
    private final PutBatch batch;
    private final ByteBuffer key = ByteBuffer.allocateDirect(2 * Long.BYTES);
    private final ByteBuffer number = ByteBuffer.allocateDirect(Long.BYTES);

    /** 0 for a slot that has none. */
    private final long[] streams = new long[SLOTS];

    private final long[] users = new long[SLOTS];
    private final long[] ordinals = new long[SLOTS];

    /** {@link #KNOWN} where nothing higher is stored; otherwise how often the ordinal was merged. */
    private final byte[] merges = new byte[SLOTS];

    private final boolean[] isNew = new boolean[SLOTS];
    private final int[] newSlots = new int[SLOTS];
    private int newCount;
    private int victim;

    AuthorOrdinals(RocksStore store, PutBatch batch) {
        this.store = store;
        this.batch = batch;
    }

    void onEntry(long stream, long user, long ordinal) {
        int slot = slot(stream, user);
        if (ordinal <= ordinals[slot]) {
            return;
        }
        ordinals[slot] = ordinal;
        if (!isNew[slot]) {
            isNew[slot] = true;
            newSlots[newCount++] = slot;
        }
    }

    private int slot(long stream, long user) {
        long hash = (stream * 0x9E3779B97F4A7C15L ^ user) * 0xD6E8FEB86659FD93L;
        int first = (int) (hash >>> 40) & (SLOTS - WAYS);
        for (int slot = first; slot < first + WAYS; slot++) {
            if (streams[slot] == stream && users[slot] == user) {
                return slot;
            }
        }
        int taken = first + (victim++ & (WAYS - 1));
        if (isNew[taken]) {
            put(taken);
        }
        streams[taken] = stream;
        users[taken] = user;
        ordinals[taken] = 0;
        merges[taken] = 0;
        return taken;
    }

    private void put(int slot) {
        if (merges[slot] == KNOWN) {
            batch.put(store.authorId, streams[slot], users[slot], ordinals[slot]);
        } else {
            batch.merge(store.authorId, streams[slot], users[slot], ordinals[slot]);
        }
    }

    /** Puts what became higher since the last write. */
    void putNew() throws RocksDBException {
        for (int i = 0; i < newCount; i++) {
            int slot = newSlots[i];
            if (merges[slot] == MERGES_MAX) {
                long stored = stored(slot);
                merges[slot] = KNOWN;
                ordinals[slot] = Math.max(stored, ordinals[slot]);
            }
            put(slot);
        }
    }

    private long stored(int slot) throws RocksDBException {
        key.clear().putLong(streams[slot]).putLong(users[slot]).flip();
        number.clear();
        return store.number(store.author, key, number);
    }

    void onWritten() {
        for (int i = 0; i < newCount; i++) {
            int slot = newSlots[i];
            isNew[slot] = false;
            if (merges[slot] != KNOWN) {
                merges[slot]++;
            }
        }
        newCount = 0;
    }

    /** After a write that failed: what is here may be nowhere else. */
    void forget() {
        Arrays.fill(streams, 0);
        Arrays.fill(ordinals, 0);
        Arrays.fill(isNew, false);
        newCount = 0;
    }
}
