package hermod.client;

/** Where a {@link ChannelConsumer} stands. */
public enum ConsumerState {
    /** Not a member now: there is no connection, or the broker has not answered yet, or it does not take members for now. It goes on by itself. */
    JOINING,

    /** A member: events come. */
    ACTIVE,

    /** It ends when what is in hands is settled. */
    LEAVING,

    /** For good. */
    ENDED
}
