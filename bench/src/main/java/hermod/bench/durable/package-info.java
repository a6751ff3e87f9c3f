/**
 * The scenarios {@code durable}, {@code recovery} and {@code faults}: what durability costs beside the disk and other brokers, how long a start on a
 * million events takes, and what a failing disk does to those who need none.
 */
@NullMarked
package hermod.bench.durable;

import org.jspecify.annotations.NullMarked;
