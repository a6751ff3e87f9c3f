package hermod.bench.priority;

/**
 * What is published, and how it is read.
 *
 * @param seconds measured time of a phase.
 * @param urgentPerSecond URGENT events a second.
 * @param bulkPerSecond events a second of LOW and NORMAL together, half each.
 * @param payloadBytes of each event.
 * @param readerBytesPerSecond what the subscriber reads.
 * @param creditWindowBytes of LOW to HIGH that may be on the way to it: the burst an URGENT event may have to wait for.
 * @param receiveBufferBytes of the subscriber's kernel; 0 leaves it alone.
 */
record Load(
        int seconds,
        int urgentPerSecond,
        int bulkPerSecond,
        int payloadBytes,
        double readerBytesPerSecond,
        int creditWindowBytes,
        int receiveBufferBytes) {
    /** How long one burst is on the wire, at the reader's rate. */
    double burstUs() {
        return creditWindowBytes / readerBytesPerSecond * 1e6;
    }
}
