package hermod.broker.engine.embedded;

import hermod.broker.engine.Answer;
import hermod.broker.engine.ChannelLog;
import java.nio.ByteBuffer;
import java.util.ArrayList;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import org.rocksdb.ReadOptions;
import org.rocksdb.RocksDBException;
import org.rocksdb.RocksIterator;
import org.rocksdb.Slice;
import org.rocksdb.Snapshot;

/** Channels' logs: begun and ended through {@link ChannelChanges}, written by {@link ChannelIndex}, read from the store. */
final class RocksChannelLog implements ChannelLog {
    /** Entries that are got at once; fewer where they are large. */
    private static final int GET_COUNT_MAX = 256;

    private static final int FIRST_GET_COUNT = 16;

    /** Topics whose names are remembered. */
    private static final int STREAMS_MAX = 8_192;

    private static final Begun NONE = new Begun(0, 1, 1);

    private final Readers readers;
    private final ChannelChanges changes;
    private final Applier applier;
    private final PlaceRetainer places;

    /** The readers'; guarded by itself. */
    private final Map<Long, StreamInfo> streams = new LinkedHashMap<>(16, 0.75f, true) {
        private static final long serialVersionUID = 1;

        @Override
        protected boolean removeEldestEntry(Map.Entry<Long, StreamInfo> eldest) {
            return size() > STREAMS_MAX;
        }
    };

    RocksChannelLog(Readers readers, ChannelChanges changes, Applier applier, PlaceRetainer places) {
        this.readers = readers;
        this.changes = changes;
        this.applier = applier;
        this.places = places;
    }

    @Override
    public void begin(String org, String channel, Answer<Begun> answer) {
        changes.begin(
                org, channel, answer, number -> readers.ask(answer, store -> known(store, number, store.plain())));
    }

    @Override
    public void find(String org, String channel, Answer<@Nullable Begun> answer) {
        readers.<@Nullable Begun>ask(answer, store -> {
            byte[] number = store.get(store.channel, StoreKeys.channelName(org, channel));
            if (number == null) {
                return null;
            }
            byte[] info = store.get(store.channel, StoreKeys.channel(StoreKeys.CHANNEL_INFO, StoreKeys.asLong(number)));
            return info == null || !ChannelInfo.of(info).isBegun()
                    ? null
                    : known(store, StoreKeys.asLong(number), store.plain());
        });
    }

    /** @return {@link #NONE} for one that was never begun. */
    private static Begun known(RocksStore store, long number, ReadOptions options) throws RocksDBException {
        byte[] info = store.db().get(store.channel, options, StoreKeys.channel(StoreKeys.CHANNEL_INFO, number));
        if (info == null) {
            return NONE;
        }
        // the first one first: the other rises meanwhile
        long first = Math.max(
                ChannelInfo.of(info).start(),
                position(store, StoreKeys.channel(StoreKeys.CHANNEL_FIRST, number), options));
        long next = position(store, StoreKeys.channel(StoreKeys.CHANNEL_NEXT, number), options);
        return new Begun(number, first, next);
    }

    private static long position(RocksStore store, byte[] key, ReadOptions options) throws RocksDBException {
        byte[] stored = store.db().get(store.channel, options, key);
        return stored == null ? 1 : StoreKeys.asLong(stored);
    }

    @Override
    public void read(long channel, long from, int countMax, int bytesMax, Answer<Page> answer) {
        readers.ask(answer, store -> {
            Snapshot snapshot = store.db().getSnapshot();
            try (ReadOptions options = new ReadOptions().setSnapshot(snapshot)) {
                return read(store, known(store, channel, options), from, countMax, bytesMax, options);
            } finally {
                store.db().releaseSnapshot(snapshot);
            }
        });
    }

    private Page read(RocksStore store, Begun log, long from, int countMax, int bytesMax, ReadOptions options)
            throws RocksDBException, DamageException {
        List<Item> items = new ArrayList<>();
        long position = Math.max(from, log.firstPosition());
        long bytes = 0;
        try (Slice lower = new Slice(StoreKeys.of(log.channel(), 0));
                Slice upper = new Slice(StoreKeys.of(log.channel() + 1, 0));
                ReadOptions bounded =
                        new ReadOptions(options).setIterateLowerBound(lower).setIterateUpperBound(upper);
                RocksIterator chunks = store.db().newIterator(store.place, bounded)) {
            Places next = new Places(log, chunks, position);
            int getCount = FIRST_GET_COUNT;
            while (position < log.nextPosition() && items.size() < countMax) {
                List<byte[]> keys = next.keys(Math.min(getCount, countMax - items.size()));
                List<byte[]> entries = entries(store, keys, options);
                for (int i = 0; i < entries.size(); i++) {
                    byte[] entry = entries.get(i);
                    bytes += entry == null ? 0 : entry.length;
                    if (!items.isEmpty() && bytes > bytesMax) {
                        return new Page(items, log.firstPosition(), log.nextPosition(), false);
                    }
                    long stream = StoreKeys.asLong(keys.get(i));
                    StreamInfo info = info(store, stream);
                    items.add(new Item(position, stream, info.topic(), info.epoch(), entry));
                    position++;
                }
                long averageBytes = Math.max(1, bytes / items.size());
                getCount = (int) Math.min(GET_COUNT_MAX, Math.max(1, (bytesMax - bytes) / averageBytes + 1));
            }
        }
        return new Page(items, log.firstPosition(), log.nextPosition(), position >= log.nextPosition());
    }

    /** The places from a position on. */
    private static final class Places {
        private final Begun log;
        private final RocksIterator chunks;
        private long position;
        private ByteBuffer chunk = ByteBuffer.allocate(0);

        Places(Begun log, RocksIterator chunks, long position) throws RocksDBException, DamageException {
            this.log = log;
            this.chunks = chunks;
            this.position = position;
            if (position < log.nextPosition()) {
                chunks.seekForPrev(StoreKeys.of(log.channel(), position));
                open();
            }
        }

        private void open() throws RocksDBException, DamageException {
            chunks.status();
            long at = chunks.isValid() ? ByteBuffer.wrap(chunks.key()).getLong(Long.BYTES) : Long.MAX_VALUE;
            byte[] places = chunks.isValid() ? chunks.value() : new byte[0];
            if (places.length % ChannelIndex.PLACE_BYTES != 0
                    || at > position
                    || position - at >= places.length / ChannelIndex.PLACE_BYTES) {
                throw new DamageException("position " + position + " of channel " + log.channel() + " has no place");
            }
            chunk = ByteBuffer.wrap(places).position((int) (position - at) * ChannelIndex.PLACE_BYTES);
        }

        /** Keys of entries. */
        List<byte[]> keys(int countMax) throws RocksDBException, DamageException {
            List<byte[]> keys = new ArrayList<>();
            while (keys.size() < countMax && position < log.nextPosition()) {
                if (!chunk.hasRemaining()) {
                    chunks.next();
                    open();
                }
                byte[] key = new byte[ChannelIndex.PLACE_BYTES];
                chunk.get(key);
                keys.add(key);
                position++;
            }
            return keys;
        }
    }

    private static List<byte @Nullable []> entries(RocksStore store, List<byte[]> keys, ReadOptions options)
            throws RocksDBException {
        List<byte @Nullable []> entries =
                store.db().multiGetAsList(options, Collections.nCopies(keys.size(), store.event), keys);
        for (int i = 0; i < keys.size(); i++) {
            if (entries.get(i) == null) {
                // alone, what could not be read throws
                entries.set(i, store.db().get(store.event, options, keys.get(i)));
            }
        }
        return entries;
    }

    private StreamInfo info(RocksStore store, long stream) throws RocksDBException, DamageException {
        synchronized (streams) {
            StreamInfo known = streams.get(stream);
            if (known != null) {
                return known;
            }
        }
        byte[] stored = store.get(store.stream, StoreKeys.stream(stream, StoreKeys.INFO));
        if (stored == null) {
            throw new DamageException("stream " + stream + " has events and nothing else");
        }
        StreamInfo info = StreamInfo.of(stored);
        synchronized (streams) {
            streams.put(stream, info);
        }
        return info;
    }

    @Override
    public void release(long channel, long below) {
        places.release(channel, below);
    }

    @Override
    public void end(long channel, Answer<Boolean> answer) {
        changes.end(channel, answer);
    }

    @Override
    public void listener(Listener listener) {
        applier.listener(listener);
    }
}
