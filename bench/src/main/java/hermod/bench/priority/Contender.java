package hermod.bench.priority;

import hermod.bench.wire.Link;
import hermod.bench.wire.Topics;
import java.io.IOException;
import org.jspecify.annotations.Nullable;

/** A broker that runs and is measured; closing stops it where the bench started it. Any thread. */
interface Contender extends AutoCloseable {
    /** Its name in tables and JSON. */
    String name();

    /** What it is, in a few words. */
    String what();

    /** HOST:PORT of its operators' HTTP where it tells what a connection is owed; null where nothing does. */
    @Nullable
    String admin();

    /** A connection that is subscribed to all the topics. */
    Link subscriber(Topics topics, String device, int creditWindowBytes, int receiveBufferBytes) throws IOException;

    /** A connection that can publish to all the topics. */
    Link publisher(Topics topics, String device) throws IOException;

    @Override
    void close();
}
