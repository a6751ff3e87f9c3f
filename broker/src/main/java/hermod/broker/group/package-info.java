/** Consumer groups: back ends that read whole channels, durably. Section 17 of the protocol. */
@NullMarked
package hermod.broker.group;

import org.jspecify.annotations.NullMarked;
