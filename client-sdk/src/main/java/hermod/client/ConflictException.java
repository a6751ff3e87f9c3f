package hermod.client;

import hermod.protocol.ErrorCode;

/** A write to a state topic was refused, because the key's version is not the one expected. */
public final class ConflictException extends HermodException {
    private static final long serialVersionUID = 1L;

    private final long currentVersion;

    /** @param currentVersion 0 where the key does not exist. */
    public ConflictException(String message, long currentVersion) {
        super(ErrorCode.CONFLICT, message + ": version " + currentVersion);
        this.currentVersion = currentVersion;
    }

    /** The version the key has; {@link State#NO_VERSION} where it does not exist. Its value is on its way to whoever follows the topic. */
    public long currentVersion() {
        return currentVersion;
    }
}
