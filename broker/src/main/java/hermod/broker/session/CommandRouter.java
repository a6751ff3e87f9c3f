package hermod.broker.session;

import hermod.protocol.frame.FrameType;
import java.util.EnumMap;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** From a frame's type to what handles it. Filled once before the broker listens, then immutable. */
public final class CommandRouter {
    private final Map<FrameType, CommandHandler> handlers = new EnumMap<>(FrameType.class);

    public CommandRouter register(FrameType type, CommandHandler handler) {
        if (handlers.put(type, handler) != null) {
            throw new IllegalStateException("two handlers for one type: " + type);
        }
        return this;
    }

    /** @return null for a type that nothing handles. */
    @Nullable
    CommandHandler of(FrameType type) {
        return handlers.get(type);
    }
}
