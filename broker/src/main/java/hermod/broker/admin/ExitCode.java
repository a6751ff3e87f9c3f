package hermod.broker.admin;

/** What the commands end with; scripts rely on them. */
public final class ExitCode {
    public static final int OK = 0;
    public static final int FAILED = 1;
    public static final int USAGE = 2;

    /** Nothing answers at the address. */
    public static final int NO_BROKER = 3;

    private ExitCode() {}
}
