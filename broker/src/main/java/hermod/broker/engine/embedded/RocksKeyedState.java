package hermod.broker.engine.embedded;

import hermod.broker.engine.Answer;
import hermod.broker.engine.KeyedState;
import hermod.broker.shard.ShardClock;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import org.jspecify.annotations.Nullable;
import org.rocksdb.ReadOptions;
import org.rocksdb.RocksIterator;
import org.rocksdb.Slice;

/** Values in the journal and behind it: changed through {@link Changes}, read from the store. */
final class RocksKeyedState implements KeyedState {
    private static final int SPACE_CHARACTERS_MAX = 64;
    static final int VALUE_HEAD_BYTES = 2 * Long.BYTES;

    private final Readers readers;
    private final Changes changes;

    RocksKeyedState(Readers readers, Changes changes) {
        this.readers = readers;
        this.changes = changes;
    }

    @Override
    public void get(String space, byte[] key, Answer<@Nullable Value> answer) {
        byte[] asked = key.clone();
        readers.<@Nullable Value>ask(answer, store -> {
            byte[] found = store.get(store.state, StoreKeys.state(space, asked));
            return found == null ? null : alive(asked, found);
        });
    }

    private static @Nullable Value alive(byte[] key, byte[] stored) {
        ByteBuffer in = ByteBuffer.wrap(stored);
        long version = in.getLong();
        long expiresAtUs = in.getLong();
        if (expiresAtUs <= ShardClock.wallUs()) {
            return null;
        }
        return new Value(key, Arrays.copyOfRange(stored, VALUE_HEAD_BYTES, stored.length), version, expiresAtUs);
    }

    @Override
    public void put(
            String space,
            byte[] key,
            long expectedVersion,
            byte @Nullable [] value,
            long expiresAtUs,
            Answer<Outcome> answer) {
        if (space.length() > SPACE_CHARACTERS_MAX) {
            throw new IllegalArgumentException("a space's name has " + space.length() + " characters; at most "
                    + SPACE_CHARACTERS_MAX + " may be");
        }
        if (key.length > KEY_BYTES_MAX) {
            throw new IllegalArgumentException(
                    "a key has " + key.length + " bytes; at most " + KEY_BYTES_MAX + " may be");
        }
        if (value != null && value.length > VALUE_BYTES_MAX) {
            throw new IllegalArgumentException(
                    "a value has " + value.length + " bytes; at most " + VALUE_BYTES_MAX + " may be");
        }
        changes.put(space, key.clone(), expectedVersion, value == null ? null : value.clone(), expiresAtUs, answer);
    }

    @Override
    public void scan(String space, byte[] from, byte @Nullable [] end, int countMax, Answer<List<Value>> answer) {
        byte[] first = StoreKeys.state(space, from);
        byte[] last = end == null ? StoreKeys.stateEnd(space) : StoreKeys.state(space, end);
        int headBytes = first.length - from.length;
        readers.ask(answer, store -> {
            List<Value> found = new ArrayList<>();
            if (Arrays.compareUnsigned(first, last) >= 0) {
                return found;
            }
            try (Slice upper = new Slice(last);
                    ReadOptions options = new ReadOptions().setIterateUpperBound(upper);
                    RocksIterator values = store.db().newIterator(store.state, options)) {
                values.seek(first);
                for (; found.size() < countMax && values.isValid(); values.next()) {
                    byte[] key = values.key();
                    Value value = alive(Arrays.copyOfRange(key, headBytes, key.length), values.value());
                    if (value != null) {
                        found.add(value);
                    }
                }
                values.status();
            }
            return found;
        });
    }
}
