package hermod.broker.engine;

import io.netty.buffer.ByteBuf;

/**
 * Events and signals to the other nodes that are interested in a topic. At most once, in the order of each sending node; a node never hears itself.
 *
 * <p>A broker that is alone has nobody to tell.
 */
public interface EventBus {
    /** Takes what another node sent; on a thread of the engine's, must not wait. */
    interface Listener {
        /** @param signal borrowed. */
        void onSignal(String org, String topic, ByteBuf signal);
    }

    /** Tells the nodes that are interested in a topic; any thread, never waits. What can't be sent is lost. @param signal borrowed. */
    void tell(String org, String topic, ByteBuf signal);

    /** Notes interest of this node in a topic, or its end. */
    void interest(String org, String topic, boolean isInterested);

    /** Who is told what comes; to be set once, at the start. */
    void listener(Listener listener);

    /** For an engine without other nodes. */
    EventBus ALONE = new EventBus() {
        @Override
        public void tell(String org, String topic, ByteBuf signal) {}

        @Override
        public void interest(String org, String topic, boolean isInterested) {}

        @Override
        public void listener(Listener listener) {}
    };
}
