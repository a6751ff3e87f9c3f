package hermod.broker.schedule;

/** Why a rule of recurrence can't be used; the user's mistake, so without a stack trace. */
final class BadRuleException extends Exception {
    private static final long serialVersionUID = 1L;

    /** @param sentence for the user. */
    BadRuleException(String sentence) {
        super(sentence, null, false, false);
    }

    String sentence() {
        String sentence = getMessage();
        return sentence == null ? "" : sentence;
    }
}
