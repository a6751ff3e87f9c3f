/**
 * Events for later: kept in the engine's keyed state, published by the broker itself when they are due. Read {@link hermod.broker.schedule.Scheduler} first.
 */
@NullMarked
package hermod.broker.schedule;

import org.jspecify.annotations.NullMarked;
