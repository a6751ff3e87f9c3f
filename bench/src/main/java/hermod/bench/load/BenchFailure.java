package hermod.bench.load;

/** A run that ends early for a reason the user can act on: one sentence and an exit code, never a stack trace. */
public final class BenchFailure extends RuntimeException {
    private static final long serialVersionUID = 1L;

    /** Why; the exit codes are those of the command line. */
    public enum Kind {
        FAILED(1),
        USAGE(2),
        NO_BROKER(3);

        private final int exitCode;

        Kind(int exitCode) {
            this.exitCode = exitCode;
        }

        public int exitCode() {
            return exitCode;
        }
    }

    private final Kind kind;

    public BenchFailure(Kind kind, String sentence) {
        super(sentence);
        this.kind = kind;
    }

    public Kind kind() {
        return kind;
    }
}
