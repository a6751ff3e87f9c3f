package hermod.broker.admin;

import org.jspecify.annotations.Nullable;

/** A command ends with one sentence for its user and an exit code. */
public final class CliException extends RuntimeException {
    private static final long serialVersionUID = 1L;

    private final int exitCode;

    public CliException(int exitCode, String sentence) {
        this(exitCode, sentence, null);
    }

    /** @param cause shown with {@code -v} only. */
    public CliException(int exitCode, String sentence, @Nullable Throwable cause) {
        super(sentence, cause);
        this.exitCode = exitCode;
    }

    /** See {@link ExitCode}. */
    public int exitCode() {
        return exitCode;
    }
}
