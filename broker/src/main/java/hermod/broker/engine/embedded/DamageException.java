package hermod.broker.engine.embedded;

/** What is stored does not read as what is stored there. */
final class DamageException extends Exception {
    private static final long serialVersionUID = 1;

    DamageException(String message) {
        super(message);
    }
}
