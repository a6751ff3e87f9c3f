package hermod.broker.engine.embedded;

/**
 * The journal has damage that lies before something that was acknowledged, so it is not opened, and nothing of it was changed.
 *
 * <p>The message is for the operator: the file, the position, the batch, and what to do.
 */
final class JournalDamagedException extends JournalException {
    private static final long serialVersionUID = 1L;

    private final String file;
    private final long position;
    private final long batch;

    /** @param position 0 for a file that is missing. @param batch the first one that is damaged or missing. */
    JournalDamagedException(String file, long position, long batch, String what) {
        super("the journal is damaged: " + what + " (" + file + ", position " + position + ", batch " + batch
                + "). Nothing was changed. Put the file back from a copy. Where there is none: move the journal's directory away and put an empty file named "
                + Journal.START_OVER + " into a new one; what the journal had from batch " + batch
                + " on and the store has not is lost then");
        this.file = file;
        this.position = position;
        this.batch = batch;
    }

    String file() {
        return file;
    }

    long position() {
        return position;
    }

    long batch() {
        return batch;
    }
}
