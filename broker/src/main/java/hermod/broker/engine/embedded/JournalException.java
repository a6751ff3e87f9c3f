package hermod.broker.engine.embedded;

import java.io.IOException;

/** Why the journal can't be opened, as one sentence for the operator. */
class JournalException extends IOException {
    private static final long serialVersionUID = 1L;

    JournalException(String sentence) {
        super(sentence);
    }
}
