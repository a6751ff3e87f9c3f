package hermod.broker.engine.embedded;

import java.io.IOException;

/** There is no room for a file. */
final class JournalFullException extends IOException {
    private static final long serialVersionUID = 1L;

    JournalFullException(String message) {
        super(message);
    }
}
