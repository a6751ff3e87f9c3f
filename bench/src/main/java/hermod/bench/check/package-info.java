/** What the clients saw, and the proof that nothing was lost, doubled or reordered. Read {@link hermod.bench.check.Checker} first. */
@NullMarked
package hermod.bench.check;

import org.jspecify.annotations.NullMarked;
