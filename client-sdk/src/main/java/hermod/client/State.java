package hermod.client;

import java.util.Map;
import java.util.concurrent.CompletableFuture;
import org.jspecify.annotations.Nullable;

/**
 * A state topic as the broker has it: of each key the latest value and its version, followed as it changes, over lost connections too. A key's version never goes back within an epoch. Any thread; only what returns a future asks the broker.
 */
public interface State extends AutoCloseable {
    /** The version of a key that does not exist. */
    long NO_VERSION = 0;

    String topic();

    /** The latest value seen; null for a key that does not exist. What this client has just written comes back from the broker like everybody else's. */
    @Nullable
    StateValue get(String key);

    /** All keys that exist, at one moment. */
    Map<String, StateValue> snapshot();

    /** Whether it follows the topic now; false while there is no connection, or where the broker had to leave changes out. */
    boolean isCurrent();

    /** Sets a value, whatever is there. @return the broker's receipt; its offset is the key's new version. Fails as {@link HermodClient#publish} does. */
    CompletableFuture<PublishReceipt> put(String key, byte[] value);

    /**
     * Sets a value where the key's version is the expected one.
     *
     * @param expectedVersion {@link #NO_VERSION} where the key must not exist.
     * @return fails with a {@link ConflictException} where it is another.
     */
    CompletableFuture<PublishReceipt> put(String key, byte[] value, long expectedVersion);

    /** Deletes a key, whatever is there. */
    CompletableFuture<PublishReceipt> delete(String key);

    /** Deletes a key where its version is the expected one. @return fails with a {@link ConflictException} where it is another. */
    CompletableFuture<PublishReceipt> delete(String key, long expectedVersion);

    /** Has a listener called for each change from now on; it may also be told of values that the state has already, where they came just before. Adding one twice has it called once. */
    void addListener(StateListener listener);

    void removeListener(StateListener listener);

    /** Stops following the topic; what was seen stays readable. */
    @Override
    void close();
}
