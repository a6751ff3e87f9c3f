/**
 * Measures and stresses the broker from outside, through the client SDK and through raw sockets; nothing depends on it. Read {@link
 * hermod.bench.BenchMain} first, then the {@code scenario} package.
 */
@NullMarked
package hermod.bench;

import org.jspecify.annotations.NullMarked;
