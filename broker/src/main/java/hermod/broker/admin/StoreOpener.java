package hermod.broker.admin;

import hermod.broker.engine.Engine;
import java.io.IOException;
import java.nio.file.Path;

/** Opens what a broker that is not running has in its data directory, for reading; the caller closes it. */
public interface StoreOpener {
    /** @throws IOException with a sentence for the operator: there is nothing, it can't be read, or a broker uses it. */
    Engine open(Path dataDir) throws IOException;
}
