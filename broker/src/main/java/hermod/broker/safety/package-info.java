/**
 * What becomes of events that are to be acknowledged and are not: they escalate, to a topic, to a webhook and to the operators. Read {@link hermod.broker.safety.Escalations} first.
 */
@NullMarked
package hermod.broker.safety;

import org.jspecify.annotations.NullMarked;
