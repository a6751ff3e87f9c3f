package hermod.broker.admission;

/**
 * Who a connection is, taken from a checked token. Immutable.
 *
 * @param user 1–128 bytes, no blanks or control characters.
 * @param org the tenant; every name the connection uses lives inside it.
 * @param expiresAtUs microseconds since 1970 when the token runs out; 0 for never (development mode only).
 */
public record Identity(String user, String org, Rights rights, long expiresAtUs) {}
