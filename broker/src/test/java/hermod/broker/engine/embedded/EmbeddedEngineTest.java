package hermod.broker.engine.embedded;

import hermod.broker.engine.Engine;
import hermod.broker.engine.EngineContract;
import hermod.broker.engine.Retention;
import java.nio.file.Path;
import org.junit.jupiter.api.io.TempDir;

class EmbeddedEngineTest extends EngineContract {
    @TempDir
    Path dir;

    @Override
    protected Engine open() throws Exception {
        return EmbeddedEngine.open(dir, EmbeddedConfig.defaults(), (org, topic) -> Retention.ALL);
    }
}
