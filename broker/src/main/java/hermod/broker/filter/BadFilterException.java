package hermod.broker.filter;

/** A filter that can't be taken. The message says what is wrong and what would be right, for the one who wrote the filter. */
public final class BadFilterException extends Exception {
    private static final long serialVersionUID = 1L;

    public BadFilterException(String sentence) {
        super(sentence, null, false, false);
    }

    /** The message. */
    public String sentence() {
        String message = getMessage();
        return message == null ? "" : message;
    }
}
