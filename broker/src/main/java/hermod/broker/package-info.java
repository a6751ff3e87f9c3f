/**
 * The broker's shell: reads the configuration, builds every object once, starts and stops them in order.
 *
 * <p>An event's way through the packages is the seven stages; {@code grep -r "Stage . of 7"} prints them. Read {@link hermod.broker.Broker} first.
 */
package hermod.broker;
