package hermod.broker.group;

import io.netty.buffer.ByteBuf;

/** Which positions of a channel a group has settled: all below the floor, and some of the {@link Ledger#WINDOW} above it. */
final class Settled {
    private static final int WORDS = Ledger.WINDOW / Long.SIZE;

    /** Bit n for the position that is n above a multiple of the window. */
    private final long[] words = new long[WORDS];

    private long floor;
    private int countAbove;

    /** @param floor the first position that is not settled; above 0. */
    Settled(long floor) {
        this.floor = floor;
    }

    /** The first position that is not settled. */
    long floor() {
        return floor;
    }

    /** Settled positions above the floor. */
    int countAbove() {
        return countAbove;
    }

    boolean contains(long position) {
        return position < floor || (position < floor + Ledger.WINDOW && (words[word(position)] & bit(position)) != 0);
    }

    /** @param position in the window, and not settled. */
    void add(long position) {
        if (position < floor || position >= floor + Ledger.WINDOW || contains(position)) {
            throw new IllegalArgumentException(
                    "settled before, or beyond the window: position=" + position + ", floor=" + floor);
        }
        words[word(position)] |= bit(position);
        countAbove++;
        while ((words[word(floor)] & bit(floor)) != 0) {
            words[word(floor)] &= ~bit(floor);
            countAbove--;
            floor++;
        }
    }

    /** Settles all below a position, where nothing above the floor is settled. */
    void jump(long newFloor) {
        if (countAbove != 0 || newFloor < floor) {
            throw new IllegalArgumentException("no jump: floor=" + floor + ", to=" + newFloor);
        }
        floor = newFloor;
    }

    private static int word(long position) {
        return (int) (position & (Ledger.WINDOW - 1)) / Long.SIZE;
    }

    private static long bit(long position) {
        return 1L << (position & (Long.SIZE - 1));
    }

    // ---- as it is stored: the floor, and the runs above it: how many are not settled, then how many are

    void write(ByteBuf out) {
        out.writeLongLE(floor);
        long at = floor;
        for (int left = countAbove; left > 0; ) {
            long from = at;
            while (!contains(at)) {
                at++;
            }
            writeNumber(out, (int) (at - from));
            from = at;
            while (contains(at) && left > 0) {
                at++;
                left--;
            }
            writeNumber(out, (int) (at - from));
        }
    }

    /** Reads to the end. @throws IllegalArgumentException where it makes no sense. */
    static Settled read(ByteBuf in) {
        Settled settled = new Settled(in.readLongLE());
        if (settled.floor < 1) {
            throw new IllegalArgumentException("floor=" + settled.floor);
        }
        long at = settled.floor;
        while (in.isReadable()) {
            int gap = readNumber(in);
            int run = readNumber(in);
            if (gap < 1 || run < 1 || at + gap + run > settled.floor + Ledger.WINDOW) {
                throw new IllegalArgumentException("gap=" + gap + ", run=" + run);
            }
            at += gap;
            for (int i = 0; i < run; i++) {
                settled.words[word(at)] |= bit(at);
                settled.countAbove++;
                at++;
            }
        }
        return settled;
    }

    private static void writeNumber(ByteBuf out, int number) {
        int left = number;
        while (left >= 0x80) {
            out.writeByte(left | 0x80);
            left >>>= 7;
        }
        out.writeByte(left);
    }

    private static int readNumber(ByteBuf in) {
        int number = 0;
        for (int shift = 0; shift < 21; shift += 7) {
            int next = in.readByte();
            number |= (next & 0x7f) << shift;
            if (next >= 0) {
                return number;
            }
        }
        throw new IllegalArgumentException("a number of more than three bytes");
    }
}
