package hermod.broker.engine.embedded;

import hermod.broker.engine.EngineFault;
import java.io.IOException;
import java.nio.file.FileSystemException;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/** What an I/O error means to those who publish, and how it is told to people. */
final class JournalFault {
    private JournalFault() {}

    /** The system's words are all that Java hands on of ENOSPC and EDQUOT. */
    static EngineFault of(IOException e) {
        String words = wordsOf(e).toLowerCase(Locale.ROOT);
        return e instanceof JournalFullException || words.contains("no space left") || words.contains("quota exceeded")
                ? EngineFault.FULL
                : EngineFault.FAILED;
    }

    static String sentence(String path, IOException e) {
        return path + " can't be written: " + wordsOf(e);
    }

    private static String wordsOf(IOException e) {
        @Nullable String words = e instanceof FileSystemException told ? told.getReason() : e.getMessage();
        return words == null ? e.getClass().getSimpleName() : words;
    }
}
