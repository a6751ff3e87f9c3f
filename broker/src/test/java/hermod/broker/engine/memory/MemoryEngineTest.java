package hermod.broker.engine.memory;

import hermod.broker.engine.Engine;
import hermod.broker.engine.EngineContract;

class MemoryEngineTest extends EngineContract {
    @Override
    protected Engine open() {
        return new MemoryEngine();
    }
}
