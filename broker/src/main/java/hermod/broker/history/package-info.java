/** Pages of what is stored of a topic: asked for by name, read on the engine's threads, answered on the session's shard. */
@NullMarked
package hermod.broker.history;

import org.jspecify.annotations.NullMarked;
