/**
 * jcstress tests of what two threads of the broker or of the client SDK share without a lock. Each names the outcomes that must never be seen; {@link hermod.bench.stress.StressRun} runs them.
 */
@NullMarked
package hermod.bench.stress;

import org.jspecify.annotations.NullMarked;
