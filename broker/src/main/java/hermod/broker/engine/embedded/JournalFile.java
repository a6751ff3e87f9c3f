package hermod.broker.engine.embedded;

import java.io.Closeable;
import java.io.IOException;
import java.nio.ByteBuffer;

/** One file, as the journal sees it; tests put failing ones in its place. Read and written by one thread at a time. */
interface JournalFile extends Closeable {
    /** Reads until the buffer is full or the file ends. @return bytes read. */
    int read(ByteBuffer into, long position) throws IOException;

    /** Writes all of the buffer. */
    void write(ByteBuffer from, long position) throws IOException;

    /** Returns when what was written is on the disk; metadata only as far as is needed to read it. */
    void sync() throws IOException;

    /** Size of the file. */
    long bytes() throws IOException;
}
