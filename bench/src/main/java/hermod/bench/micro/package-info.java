/**
 * JMH benchmarks of the parts an event passes on its way, and of the way through a whole shard. They use the real parts through their public methods, on one thread. {@link hermod.bench.micro.BareBroker} wires them as the broker does.
 */
@NullMarked
package hermod.bench.micro;

import org.jspecify.annotations.NullMarked;
