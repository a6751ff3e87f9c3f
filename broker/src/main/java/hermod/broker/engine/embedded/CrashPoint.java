package hermod.broker.engine.embedded;

import java.util.concurrent.atomic.AtomicInteger;
import org.jspecify.annotations.Nullable;

/**
 * A place where a test lets the process die, as kill -9 would: the system property {@value #PROPERTY} names it and says at which passage, as in {@code journal-after-write:3}.
 *
 * <p>Without the property it costs nothing: the name is a constant then.
 */
final class CrashPoint {
    static final String PROPERTY = "hermod.crash-point";

    /** What a process ends with that was ended by SIGKILL. */
    private static final int EXIT_CODE = 137;

    private static final @Nullable String NAME = nameOf(System.getProperty(PROPERTY));
    private static final int PASSAGE = passageOf(System.getProperty(PROPERTY));
    private static final AtomicInteger PASSED = new AtomicInteger();

    private CrashPoint() {}

    private static @Nullable String nameOf(@Nullable String set) {
        return set == null ? null : set.substring(0, colonIn(set));
    }

    private static int passageOf(@Nullable String set) {
        return set == null || colonIn(set) == set.length() ? 1 : Integer.parseInt(set.substring(colonIn(set) + 1));
    }

    private static int colonIn(String set) {
        int colon = set.indexOf(':');
        return colon < 0 ? set.length() : colon;
    }

    /** Ends the process here if that was asked for. */
    static void reach(String name) {
        if (NAME != null && NAME.equals(name) && PASSED.incrementAndGet() == PASSAGE) {
            Runtime.getRuntime().halt(EXIT_CODE);
        }
    }
}
