package hermod.client;

/** What kind of device a client runs on; operators see it. */
public enum Platform {
    WEB,
    IOS,
    ANDROID,
    SERVER,
    CLI
}
