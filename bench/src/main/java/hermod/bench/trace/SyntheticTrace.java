package hermod.bench.trace;

import java.util.ArrayList;
import java.util.List;
import java.util.SplittableRandom;

/**
 * Makes a chat trace whose statistics are fitted to a public one of 180,425 messages; {@code bench/README.md} has the numbers and how they were got.
 *
 * <p>The same seed makes the same events. A message stays in the room of the one before with a fixed probability, otherwise its room is drawn by a
 * Zipf–Mandelbrot law; its author is the room's last one with a fixed probability, otherwise one of the room's members, by the same kind of law. The
 * gap before it is drawn from one of two lognormal mixtures, by whether the room changed. One thread.
 */
public final class SyntheticTrace {
    /** Messages of the public trace that the fit comes from. */
    public static final int FITTED_MESSAGES = 180_425;

    static final int ROOMS = 520;
    static final double ROOM_EXPONENT = 2.4;
    static final double ROOM_SHIFT = 12;
    static final double STAY_IN_ROOM = 0.70;
    static final double SAME_AUTHOR = 0.30;
    static final double AUTHOR_EXPONENT = 1.6;
    static final double AUTHOR_SHIFT = 2;
    static final double MEMBERS_FACTOR = 1.40;
    static final double MEMBERS_EXPONENT = 0.541;

    /** Share of a room's members who were in no room before: 6,589 users in 9,822 pairs of user and room. */
    static final double NEW_USER = 0.67;

    static final long GAP_MS_MAX = 31_168_821;

    /** Rows of weight, μ and σ of ln(gap in ms). */
    static final double[][] GAP_SAME_ROOM = {{0.377, 9.473, 2.503}, {0.623, 9.936, 1.083}};

    static final double[][] GAP_OTHER_ROOM = {{0.707, 10.639, 2.126}, {0.293, 13.41, 1.067}};

    /** Rows of probability and text size in bytes: the quantile function, log-linear between its rows. */
    static final double[][] TEXT_BYTES = {
        {0, 1},
        {0.01, 2},
        {0.05, 4},
        {0.10, 9},
        {0.15, 13},
        {0.25, 22},
        {0.35, 31},
        {0.50, 47},
        {0.65, 71},
        {0.75, 92},
        {0.85, 127},
        {0.90, 162},
        {0.95, 245},
        {0.97, 316},
        {0.99, 619},
        {0.995, 891},
        {0.999, 2183},
        {1, 5258}
    };

    private static final String LETTERS = "eeeeeettttaaaaooooiiinnnssshhhrrrdlluucmwfgypbvk";

    private final SplittableRandom random;
    private final double[] roomShares = shares(ROOMS, ROOM_EXPONENT, ROOM_SHIFT);
    private final List<int[]> membersOfRoom = new ArrayList<>();
    private final List<double[]> authorShares = new ArrayList<>();
    private final int[] lastAuthor = new int[ROOMS];

    private SyntheticTrace(long seed) {
        random = new SplittableRandom(seed);
        int userCount = 0;
        for (int room = 0; room < ROOMS; room++) {
            double share = roomShares[room] - (room == 0 ? 0 : roomShares[room - 1]);
            int memberCount =
                    (int) Math.max(1, Math.round(MEMBERS_FACTOR * Math.pow(share * FITTED_MESSAGES, MEMBERS_EXPONENT)));
            int[] members = new int[memberCount];
            for (int i = 0; i < memberCount; i++) {
                boolean isNew = userCount == 0 || random.nextDouble() < NEW_USER;
                members[i] = isNew ? userCount++ : random.nextInt(userCount);
            }
            membersOfRoom.add(members);
            authorShares.add(shares(memberCount, AUTHOR_EXPONENT, AUTHOR_SHIFT));
            lastAuthor[room] = -1;
        }
    }

    /** @return the events in time order, the first one at 0 ms. */
    public static List<TraceEvent> generate(int eventCount, long seed) {
        SyntheticTrace trace = new SyntheticTrace(seed);
        List<TraceEvent> events = new ArrayList<>(eventCount);
        long atMs = 0;
        int room = -1;
        for (int i = 0; i < eventCount; i++) {
            int before = room;
            room = trace.nextRoom(before);
            if (i > 0) {
                atMs += trace.gapMs(room == before);
            }
            String user = "u" + (trace.nextAuthor(room) + 1);
            events.add(new TraceEvent(atMs, "room_" + (room + 1), user, trace.text()));
        }
        return events;
    }

    private int nextRoom(int before) {
        if (before >= 0 && random.nextDouble() < STAY_IN_ROOM) {
            return before;
        }
        return draw(roomShares);
    }

    private int nextAuthor(int room) {
        if (lastAuthor[room] < 0 || random.nextDouble() >= SAME_AUTHOR) {
            lastAuthor[room] = membersOfRoom.get(room)[draw(authorShares.get(room))];
        }
        return lastAuthor[room];
    }

    private long gapMs(boolean isSameRoom) {
        double[][] mixture = isSameRoom ? GAP_SAME_ROOM : GAP_OTHER_ROOM;
        double[] part = random.nextDouble() < mixture[0][0] ? mixture[0] : mixture[1];
        return Math.min(GAP_MS_MAX, (long) Math.exp(part[1] + part[2] * gaussian()));
    }

    /** Box and Muller: a normal deviate from two uniform ones; SplittableRandom's own differs between JDK releases. */
    private double gaussian() {
        double radius = Math.sqrt(-2 * Math.log(1 - random.nextDouble()));
        return radius * Math.cos(2 * Math.PI * random.nextDouble());
    }

    private String text() {
        int length = textBytes(random.nextDouble());
        StringBuilder text = new StringBuilder(length);
        int wordLeft = 1 + random.nextInt(8);
        while (text.length() < length) {
            if (wordLeft == 0) {
                text.append(' ');
                wordLeft = 1 + random.nextInt(8);
            } else {
                text.append(LETTERS.charAt(random.nextInt(LETTERS.length())));
                wordLeft--;
            }
        }
        return text.toString();
    }

    private static int textBytes(double probability) {
        int row = 1;
        while (probability > TEXT_BYTES[row][0]) {
            row++;
        }
        double[] low = TEXT_BYTES[row - 1];
        double[] high = TEXT_BYTES[row];
        double part = (probability - low[0]) / (high[0] - low[0]);
        return (int) Math.round(Math.exp(Math.log(low[1]) + part * (Math.log(high[1]) - Math.log(low[1]))));
    }

    /** Cumulated shares of ranks 1 … count under (rank + shift)^-exponent; the last is 1. */
    private static double[] shares(int count, double exponent, double shift) {
        double[] shares = new double[count];
        double sum = 0;
        for (int i = 0; i < count; i++) {
            sum += Math.pow(i + 1 + shift, -exponent);
            shares[i] = sum;
        }
        for (int i = 0; i < count; i++) {
            shares[i] /= sum;
        }
        return shares;
    }

    private int draw(double[] shares) {
        double wanted = random.nextDouble();
        int low = 0;
        int high = shares.length - 1;
        while (low < high) {
            int middle = (low + high) >>> 1;
            if (shares[middle] < wanted) {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        return low;
    }
}
