package hermod.broker.engine.embedded;

import hermod.broker.shard.RunsOn;
import io.netty.buffer.ByteBuf;
import java.lang.invoke.MethodHandles;
import java.lang.invoke.VarHandle;
import java.nio.ByteOrder;
import java.util.Arrays;
import org.rocksdb.WriteBatch;

/**
 * One write of the store's, in the form RocksDB itself keeps a {@link WriteBatch} in, so that it is handed over with one call into native code instead of one for each put.
 *
 * <pre>
 * head     sequence u64, zero | count u32                        little-endian
 * record   tag u8 | family varint, unless it is the default one | key, and for all but deletions value, each with its length as varint before it
 * filling  tag u8 of a remark | length varint | anything: not counted, and skipped
 * </pre>
 *
 * <p>The form is RocksDB's and not promised to stay: {@code PutBatchTest} compares it with what the library builds, byte by byte. The bytes are kept from one write to the next; the filling makes them as many as the array has, which is a power of two.
 */
@RunsOn(RunsOn.Owner.STORE)
final class PutBatch {
    static final int HEAD_BYTES = 12;

    private static final int COUNT_AT = 8;
    private static final int BYTES_MIN = 4 * 1024;

    /** Larger arrays are not kept. */
    private static final int KEPT_BYTES_MAX = 8 * 1024 * 1024;

    private static final int VARINT_BYTES_MAX = 5;
    private static final int FILLING_BYTES_MIN = 1 + VARINT_BYTES_MAX;

    /** {@code ValueType} in RocksDB's db/dbformat.h; the tags of families other than the default one are 4 above. */
    private static final int DELETION = 0;

    private static final int VALUE = 1;
    private static final int MERGE = 2;
    private static final int REMARK = 3;
    private static final int OF_FAMILY = 4;

    private static final VarHandle BIG = MethodHandles.byteArrayViewVarHandle(long[].class, ByteOrder.BIG_ENDIAN);

    /** By the logarithm of their length. */
    private final byte[][] kept = new byte[Integer.SIZE][];

    private byte[] bytes;
    private int size;
    private int count;

    PutBatch() {
        bytes = new byte[BYTES_MIN];
        kept[Integer.numberOfTrailingZeros(BYTES_MIN)] = bytes;
        clear();
    }

    /** Forgets what was put. */
    void clear() {
        bytes = array(BYTES_MIN);
        size = HEAD_BYTES;
        count = 0;
    }

    int count() {
        return count;
    }

    /** Without the filling. */
    int size() {
        return size;
    }

    void put(int family, byte[] key, byte[] value) {
        begin(VALUE, family, key.length + value.length);
        append(key);
        append(value);
    }

    void delete(int family, byte[] key) {
        begin(DELETION, family, key.length);
        append(key);
    }

    /** Puts bytes of {@code in} under two numbers. @param in borrowed. */
    void put(int family, long first, long second, ByteBuf in, int at, int valueBytes) {
        begin(VALUE, family, 2 * Long.BYTES + valueBytes);
        bytes[size++] = 2 * Long.BYTES;
        append(first);
        append(second);
        appendVarint(valueBytes);
        in.getBytes(at, bytes, size, valueBytes);
        size += valueBytes;
    }

    /** Puts a number and bytes of {@code in} behind it. @param in borrowed. */
    void put(int family, byte[] key, long number, ByteBuf in, int at, int valueBytes) {
        begin(VALUE, family, key.length + Long.BYTES + valueBytes);
        append(key);
        appendVarint(Long.BYTES + valueBytes);
        append(number);
        in.getBytes(at, bytes, size, valueBytes);
        size += valueBytes;
    }

    /** Puts a number under two numbers. */
    void put(int family, long first, long second, long value) {
        append(VALUE, family, first, second, value);
    }

    /** Hands a number under two numbers to the family's merge operator. */
    void merge(int family, long first, long second, long value) {
        append(MERGE, family, first, second, value);
    }

    private void append(int tag, int family, long first, long second, long value) {
        begin(tag, family, 3 * Long.BYTES);
        bytes[size++] = 2 * Long.BYTES;
        append(first);
        append(second);
        bytes[size++] = Long.BYTES;
        append(value);
    }

    /** Puts a number under three numbers. */
    void put(int family, long first, long second, long third, long value) {
        begin(VALUE, family, 4 * Long.BYTES);
        bytes[size++] = 3 * Long.BYTES;
        append(first);
        append(second);
        append(third);
        bytes[size++] = Long.BYTES;
        append(value);
    }

    /** @param dataBytes of key and value. */
    private void begin(int tag, int family, int dataBytes) {
        int needed = size + 1 + 3 * VARINT_BYTES_MAX + dataBytes + FILLING_BYTES_MIN;
        if (needed > bytes.length) {
            byte[] larger = array(needed);
            System.arraycopy(bytes, 0, larger, 0, size);
            bytes = larger;
        }
        if (family == 0) {
            bytes[size++] = (byte) tag;
        } else {
            bytes[size++] = (byte) (tag + OF_FAMILY);
            appendVarint(family);
        }
        count++;
    }

    /** The smallest that has so many. */
    private byte[] array(int bytesMin) {
        int log = Integer.SIZE - Integer.numberOfLeadingZeros(bytesMin - 1);
        byte[] known = kept[log];
        if (known != null) {
            return known;
        }
        byte[] made = new byte[1 << log];
        if (made.length <= KEPT_BYTES_MAX) {
            kept[log] = made;
        }
        return made;
    }

    private void append(long number) {
        BIG.set(bytes, size, number);
        size += Long.BYTES;
    }

    private void append(byte[] data) {
        appendVarint(data.length);
        System.arraycopy(data, 0, bytes, size, data.length);
        size += data.length;
    }

    private void appendVarint(int number) {
        int left = number;
        while (left >= 0x80) {
            bytes[size++] = (byte) (left | 0x80);
            left >>>= 7;
        }
        bytes[size++] = (byte) left;
    }

    /** What was put, for RocksDB; the caller's to close. What is put from here on does not change it. */
    WriteBatch made() {
        fill();
        return new WriteBatch(bytes);
    }

    private void fill() {
        for (int i = 0; i < Long.BYTES; i++) {
            bytes[i] = 0;
        }
        for (int i = 0; i < Integer.BYTES; i++) {
            bytes[COUNT_AT + i] = (byte) (count >>> (8 * i));
        }
        int at = size;
        int left = bytes.length - at - FILLING_BYTES_MIN;
        bytes[at++] = REMARK;
        // always as long as the longest, so that any rest can be filled
        for (int i = 0; i < VARINT_BYTES_MAX - 1; i++) {
            bytes[at++] = (byte) ((left >>> (7 * i)) | 0x80);
        }
        bytes[at] = (byte) (left >>> (7 * (VARINT_BYTES_MAX - 1)));
    }

    /** For tests: what was put, without the filling. */
    byte[] unfilled() {
        fill();
        return Arrays.copyOf(bytes, size);
    }
}
