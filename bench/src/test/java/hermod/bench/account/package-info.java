/**
 * What became of every event: a whole broker in one thread, driven by a seeded script, and a model that must be able to say for each event and each subscription why it came or did not.
 */
@NullMarked
package hermod.bench.account;

import org.jspecify.annotations.NullMarked;
