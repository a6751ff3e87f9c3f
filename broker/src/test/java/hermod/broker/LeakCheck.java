package hermod.broker;

import io.netty.util.LeakPresenceDetector;
import org.junit.jupiter.api.extension.AfterEachCallback;
import org.junit.jupiter.api.extension.ExtensionContext;

/** After each test, which has closed its broker by then: every tracked buffer must have been released. Needs the detector to be installed by the build. */
public final class LeakCheck implements AfterEachCallback {
    @Override
    public void afterEach(ExtensionContext context) throws Exception {
        if (!LeakPresenceDetector.class.getName().equals(System.getProperty("io.netty.customResourceLeakDetector"))) {
            throw new AssertionError(
                    "run with -Dio.netty.customResourceLeakDetector=" + LeakPresenceDetector.class.getName());
        }
        LeakPresenceDetector.check();
    }
}
