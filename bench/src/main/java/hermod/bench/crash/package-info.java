/** A broker that is killed, or loses its power, while clients publish and follow; and the proof from the clients' logs that nothing acknowledged is lost. Read {@link hermod.bench.crash.CrashChecker} first. */
@NullMarked
package hermod.bench.crash;

import org.jspecify.annotations.NullMarked;
