package hermod.broker.schedule;

import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.util.Arrays;
import java.util.HexFormat;

/**
 * Which scheduled event is due when, as the key of the store's index by time. Immutable.
 *
 * <pre>
 *   8 bytes            16 bytes
 *   due µs, big-endian | id | org | 0 | user
 * </pre>
 *
 * <p>An event itself is stored by org, 0, user, 0, id: so ids are each user's own, and a user's events stand together, by rising id. Neither org nor user has control characters.
 */
final class DueKey implements Comparable<DueKey> {
    static final int ID_BYTES = 16;
    private static final int OWNER_AT = Long.BYTES + ID_BYTES;

    private final byte[] bytes;

    /** @param bytes of a stored key. */
    DueKey(byte[] bytes) {
        if (bytes.length <= OWNER_AT) {
            throw new IllegalArgumentException("no key of a scheduled event: bytes=" + bytes.length);
        }
        this.bytes = bytes;
    }

    static DueKey of(long dueUs, byte[] eventKey) {
        int ownerBytes = eventKey.length - ID_BYTES - 1;
        ByteBuffer out = ByteBuffer.allocate(OWNER_AT + ownerBytes);
        out.putLong(dueUs).put(eventKey, ownerBytes + 1, ID_BYTES).put(eventKey, 0, ownerBytes);
        return new DueKey(out.array());
    }

    /** What all keys of a user's events begin with. */
    static byte[] prefix(String org, String user) {
        return (org + "\0" + user + "\0").getBytes(StandardCharsets.UTF_8);
    }

    /** The key under which an event itself is stored. */
    static byte[] eventKey(String org, String user, byte[] id) {
        byte[] prefix = prefix(org, user);
        byte[] key = Arrays.copyOf(prefix, prefix.length + ID_BYTES);
        System.arraycopy(id, 0, key, prefix.length, ID_BYTES);
        return key;
    }

    static byte[] idOf(byte[] eventKey) {
        return Arrays.copyOfRange(eventKey, eventKey.length - ID_BYTES, eventKey.length);
    }

    byte[] bytes() {
        return bytes;
    }

    long dueUs() {
        return ByteBuffer.wrap(bytes).getLong();
    }

    byte[] id() {
        return Arrays.copyOfRange(bytes, Long.BYTES, OWNER_AT);
    }

    /** Org, 0, user. */
    String owner() {
        return new String(bytes, OWNER_AT, bytes.length - OWNER_AT, StandardCharsets.UTF_8);
    }

    String org() {
        String owner = owner();
        return owner.substring(0, owner.indexOf('\0'));
    }

    String user() {
        String owner = owner();
        return owner.substring(owner.indexOf('\0') + 1);
    }

    byte[] eventKey() {
        ByteBuffer out = ByteBuffer.allocate(bytes.length - Long.BYTES + 1);
        out.put(bytes, OWNER_AT, bytes.length - OWNER_AT).put((byte) 0).put(bytes, Long.BYTES, ID_BYTES);
        return out.array();
    }

    @Override
    public int compareTo(DueKey other) {
        return Arrays.compareUnsigned(bytes, other.bytes);
    }

    @Override
    public boolean equals(Object other) {
        return other instanceof DueKey key && Arrays.equals(bytes, key.bytes);
    }

    @Override
    public int hashCode() {
        return Arrays.hashCode(bytes);
    }

    @Override
    public String toString() {
        return HexFormat.of().formatHex(id());
    }
}
