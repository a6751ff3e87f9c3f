package hermod.broker.engine;

/** Why an engine could not do what it was asked. */
public enum EngineFault {
    /** The disk, or what the engine may use of it, is full. Passes when there is room again. */
    FULL("the store is full"),
    /** Writing or syncing failed: I/O error, read-only file system. What was asked may or may not be stored; it is never acknowledged. */
    FAILED("the store can't be written"),
    /** As much waits as may. Passes in a moment. */
    BUSY("too much waits for the store"),
    /** What was read does not match its checksum. */
    CORRUPT("what is stored is damaged"),
    /** The engine is closed, or closing. */
    CLOSED("the store is closed");

    private final String sentence;

    EngineFault(String sentence) {
        this.sentence = sentence;
    }

    /** For people, without a full stop. */
    public String sentence() {
        return sentence;
    }
}
