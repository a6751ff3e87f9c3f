package hermod.broker.topic;

/** When an event of a channel counts as accepted. */
public enum Durability {
    /** As soon as its offset is given; a restart forgets it. */
    MEMORY,
    /** After it is on disk; fanned out after that too. */
    DISK,
    /** After it is on disk, but fanned out before. */
    DISK_EARLY,
    /** Never kept, not even for replay. */
    NEVER;

    /** Whether the channel asks for a disk. */
    public boolean isOnDisk() {
        return this == DISK || this == DISK_EARLY;
    }
}
