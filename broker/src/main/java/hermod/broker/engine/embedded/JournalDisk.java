package hermod.broker.engine.embedded;

import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.util.List;

/** The journal's directory, as the journal sees it; tests put failing ones in its place. Names are plain file names. Any thread. */
interface JournalDisk {
    /** Names of all files in it, sorted. */
    List<String> names() throws IOException;

    /** Makes a file that only its owner may read; an old one of the name is emptied. */
    JournalFile create(String name) throws IOException;

    JournalFile open(String name) throws IOException;

    /** Takes the place of an old file of that name. */
    void rename(String from, String to) throws IOException;

    void removeIfThere(String name) throws IOException;

    /** Returns when names that were made, changed and removed are so on the disk. */
    void sync() throws IOException;

    /** What the file system still has for us. */
    long usableBytes() throws IOException;

    /** For people. */
    String path(String name);

    /** Zeros, little-endian, outside the heap, as files take them without a copy. */
    static ByteBuffer buffer(int bytes) {
        return ByteBuffer.allocateDirect(bytes).order(ByteOrder.LITTLE_ENDIAN);
    }
}
