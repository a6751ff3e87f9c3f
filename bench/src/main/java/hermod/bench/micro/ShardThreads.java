package hermod.bench.micro;

import io.netty.util.concurrent.DefaultThreadFactory;
import java.util.concurrent.LinkedBlockingQueue;
import java.util.concurrent.ThreadPoolExecutor;
import java.util.concurrent.TimeUnit;

/** JMH's threads, of the kind a shard's is: on others Netty uses no buffer again, and every slice of a chunk is a new object. JMH makes it by name in each fork. */
public final class ShardThreads extends ThreadPoolExecutor {
    public ShardThreads(int count, String name) {
        super(count, count, 0, TimeUnit.SECONDS, new LinkedBlockingQueue<>(), new DefaultThreadFactory(name, true));
    }
}
