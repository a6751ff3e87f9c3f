/**
 * Which events of a topic a subscription wants, by their attributes.
 *
 * <p>Read {@link hermod.broker.filter.EventFilter} first: a filter is checked against {@link hermod.broker.filter.FilterConfig} and compiled once, then asked for each event where it lies.
 */
package hermod.broker.filter;
