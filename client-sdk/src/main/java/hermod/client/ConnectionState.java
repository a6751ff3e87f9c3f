package hermod.client;

/**
 * Where a client stands with its broker.
 *
 * <pre>
 *                    connect()              WELCOME
 *   DISCONNECTED ───────────────▶ CONNECTING ──────▶ CONNECTED
 *                                     │               │     ▲
 *                                     │   connection  │     │ WELCOME
 *                                     │         lost  ▼     │
 *                                     │            RECONNECTING
 *                       after as many │               │     ▲
 *                  fast attempts as   ▼               ▼     │ networkBack(), foreground()
 *                  the policy says  SUSPENDED ◀───────┘     │
 *                                     │  └──────────────────┘
 *                                     │ WELCOME: CONNECTED
 *
 *   every state ──▶ CLOSED   close(), a verdict of the broker that forbids to come back, or the policy's hard limit
 * </pre>
 */
public enum ConnectionState {
    /** Made, and connect() was not called yet. */
    DISCONNECTED,
    /** Before the first WELCOME. */
    CONNECTING,
    CONNECTED,
    /** Was connected, and tries again with exponential backoff. */
    RECONNECTING,
    /** The fast attempts failed; one attempt every so often goes on for as long as it takes. */
    SUSPENDED,
    /** For good; make a new client to come back. */
    CLOSED
}
