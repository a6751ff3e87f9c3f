package hermod.broker.session;

import hermod.broker.shard.RunsOn;
import hermod.broker.shard.RunsOn.Owner;

/** What a connection has beside its topics, and is told what becomes of the connection. Called on its shard. */
@RunsOn(Owner.SHARD)
public interface Companion {
    /** The session is closed, or its client has said goodbye; may be called once for each. */
    void onEnd();

    /** The token's rights, or what is switched off, may be others than before. */
    void onRights();

    /** The broker stops: nothing more is taken from the client. */
    void onDrain();

    /** Whether the client is still owed an answer. */
    boolean isBusy();
}
