package hermod.client.internal;

import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * The publications that were sent and wait for their outcome, found by request id in one step.
 *
 * <pre>
 *   ids rise by one:   … head          tail …        slot = id mod capacity
 *                        │ ■ ■ · ■ ■ ·  │             answers to different topics may overtake each other, so there are holes
 * </pre>
 *
 * <p>Ids are 31 bits wide and wrap; those with the top bit belong to {@link Requests}. Loop thread only.
 */
final class PublicationRing {
    private static final int ID_MASK = 0x7fff_ffff;

    private static final int CAPACITY_FIRST = 16;

    private final int capacityMax;
    private @Nullable Publication[] slots;
    private int slotMask;
    private int head;
    private int tail;
    private int count;
    private long bytes;

    /** @param firstId of the first publication; the ring continues from there. */
    PublicationRing(int publicationsMax, int firstId) {
        // Twice the window: one slow topic may then hold back the head for a while without stopping the others.
        capacityMax = Integer.highestOneBit(Math.max(1, publicationsMax) * 2 - 1) * 2;
        // A process may hold thousands of clients that never publish.
        slots = new Publication[Math.min(CAPACITY_FIRST, capacityMax)];
        slotMask = slots.length - 1;
        head = firstId & ID_MASK;
        tail = head;
    }

    int count() {
        return count;
    }

    /** Sum of the bytes they were sent with. */
    long bytes() {
        return bytes;
    }

    /** How many can be added before the ids in flight span the whole ring, or wrap around. */
    int room() {
        return (int) Math.min(capacityMax - span(), (long) ID_MASK + 1 - tail);
    }

    int nextId() {
        return tail;
    }

    /** The ring must have room. */
    void add(Publication publication) {
        if (room() <= 0) {
            throw new IllegalStateException("publication ring is full: capacity=" + capacityMax);
        }
        if (span() == slots.length) {
            grow();
        }
        slots[tail & slotMask] = publication;
        tail = (tail + 1) & ID_MASK;
        count++;
        bytes += publication.sentBytes;
    }

    /** The publication with this id, left where it is; null if none waits under it. */
    @Nullable
    Publication find(int id) {
        return isInFlight(id) ? slots[id & slotMask] : null;
    }

    /** Takes out the publication with this id; null if none waits under it. */
    @Nullable
    Publication take(int id) {
        Publication found = find(id);
        if (found != null) {
            slots[id & slotMask] = null;
            count--;
            bytes -= found.sentBytes;
            skipHoles();
        }
        return found;
    }

    /** The one that has waited longest; null if there is none. */
    @Nullable
    Publication oldest() {
        return slots[head & slotMask];
    }

    int oldestId() {
        return head;
    }

    /** Takes out all, in the order they were added. */
    List<Publication> takeAll() {
        List<Publication> all = new ArrayList<>(count);
        for (Publication next = oldest(); next != null; next = oldest()) {
            all.add(next);
            take(head);
        }
        return all;
    }

    private void grow() {
        @Nullable Publication[] larger = new Publication[slots.length * 2];
        for (int i = 0; i < slots.length; i++) {
            int id = (head + i) & ID_MASK;
            larger[id & (larger.length - 1)] = slots[id & slotMask];
        }
        slots = larger;
        slotMask = larger.length - 1;
    }

    private int span() {
        return (tail - head) & ID_MASK;
    }

    private boolean isInFlight(int id) {
        return id >= 0 && ((id - head) & ID_MASK) < span();
    }

    private void skipHoles() {
        while (head != tail && slots[head & slotMask] == null) {
            head = (head + 1) & ID_MASK;
        }
    }
}
