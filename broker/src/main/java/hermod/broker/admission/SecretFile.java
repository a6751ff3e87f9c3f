package hermod.broker.admission;

import hermod.broker.config.ConfigException;
import java.io.IOException;
import java.io.InputStream;
import java.nio.channels.FileChannel;
import java.nio.file.FileAlreadyExistsException;
import java.nio.file.FileSystems;
import java.nio.file.Files;
import java.nio.file.LinkOption;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import java.nio.file.attribute.FileAttribute;
import java.nio.file.attribute.PosixFilePermission;
import java.nio.file.attribute.PosixFilePermissions;
import java.security.SecureRandom;
import java.util.Set;

/** The file that holds an HS256 secret: all of its bytes, readable by its owner only. Stateless. */
public final class SecretFile {
    /** A shorter HMAC key than the hash is long can be guessed (RFC 8725, section 3.5). */
    public static final int SECRET_BYTES_MIN = 32;

    private static final int SECRET_BYTES_MAX = 4_096;
    private static final boolean POSIX =
            FileSystems.getDefault().supportedFileAttributeViews().contains("posix");
    private static final Set<PosixFilePermission> OWNER_FILE = PosixFilePermissions.fromString("rw-------");
    private static final Set<PosixFilePermission> OWNER_DIRECTORY = PosixFilePermissions.fromString("rwx------");

    private SecretFile() {}

    /** Where a broker that is told no secret keeps its own. */
    public static Path in(Path dataDir) {
        return dataDir.resolve("auth").resolve("hs256.key");
    }

    /**
     * Reads the secret an operator named.
     *
     * @throws ConfigException with one sentence if it is missing, unreadable, too short, too long, or open to others.
     */
    public static byte[] read(Path file) throws ConfigException {
        try {
            refuseIfOpenToOthers(file);
            byte[] secret = readBounded(file);
            if (secret.length < SECRET_BYTES_MIN) {
                throw new ConfigException(file + ": the secret has " + secret.length + " bytes; it must have at least "
                        + SECRET_BYTES_MIN + " random ones.");
            }
            return secret;
        } catch (NoSuchFileException missing) {
            throw new ConfigException(file + ": there is no such file; it must hold the secret of HS256.");
        } catch (IOException unreadable) {
            throw new ConfigException(file + ": the secret can't be read: " + unreadable.getMessage() + ".");
        }
    }

    /**
     * Reads the data directory's own secret, and makes it first where there is none. Two processes doing this at once end with the same secret.
     *
     * @throws ConfigException as {@link #read}, or if it can't be made.
     */
    public static byte[] readOrCreate(Path dataDir) throws ConfigException {
        return readOrCreateFile(in(dataDir));
    }

    /**
     * The same for the secret from which the broker makes its numbers of users and devices: they are stored with their events, so they must be the same after a restart.
     *
     * @throws ConfigException likewise.
     */
    public static byte[] readOrCreateIdentity(Path dataDir) throws ConfigException {
        return readOrCreateFile(dataDir.resolve("auth").resolve("identity.key"));
    }

    private static byte[] readOrCreateFile(Path file) throws ConfigException {
        if (Files.isSymbolicLink(file)) {
            throw new ConfigException(file
                    + ": is a symbolic link, which is not followed; name another file with admission.secret-file.");
        }
        if (!Files.exists(file, LinkOption.NOFOLLOW_LINKS)) {
            try {
                create(file);
            } catch (IOException failed) {
                throw new ConfigException(file + ": the secret can't be made: " + failed + ".");
            }
        }
        return read(file);
    }

    private static void create(Path file) throws IOException {
        Path directory = file.getParent();
        if (directory == null) {
            throw new IOException("it has no directory");
        }
        Files.createDirectories(directory, attribute(OWNER_DIRECTORY));
        byte[] secret = new byte[SECRET_BYTES_MIN];
        SecureRandom random = new SecureRandom();
        random.nextBytes(secret);
        Path made = directory.resolve(".hs256." + Long.toHexString(random.nextLong()));
        try {
            try (FileChannel out = FileChannel.open(
                    made, Set.of(StandardOpenOption.CREATE_NEW, StandardOpenOption.WRITE), attribute(OWNER_FILE))) {
                out.write(java.nio.ByteBuffer.wrap(secret));
                out.force(true);
            }
            publish(made, file);
        } finally {
            Files.deleteIfExists(made);
        }
    }

    /** Gives the finished file its name, unless another process was first. */
    private static void publish(Path made, Path file) throws IOException {
        try {
            Files.createLink(file, made);
        } catch (FileAlreadyExistsException anotherWasFirst) {
            // Its secret is the one to use.
        } catch (UnsupportedOperationException noLinks) {
            Files.move(made, file);
        }
    }

    private static void refuseIfOpenToOthers(Path file) throws IOException, ConfigException {
        if (!POSIX) {
            return;
        }
        Set<PosixFilePermission> mode = Files.getPosixFilePermissions(file);
        for (PosixFilePermission permission : mode) {
            if (!permission.name().startsWith("OWNER_")) {
                throw new ConfigException(file + ": the secret is open to others than its owner (mode "
                        + PosixFilePermissions.toString(mode)
                        + "); run chmod 600 on it and replace the secret if others may have read it.");
            }
        }
    }

    private static byte[] readBounded(Path file) throws IOException {
        try (InputStream in = Files.newInputStream(file)) {
            byte[] bytes = in.readNBytes(SECRET_BYTES_MAX + 1);
            if (bytes.length > SECRET_BYTES_MAX) {
                throw new IOException("it is larger than " + SECRET_BYTES_MAX + " bytes");
            }
            return bytes;
        }
    }

    private static FileAttribute<?>[] attribute(Set<PosixFilePermission> mode) {
        return POSIX ? new FileAttribute<?>[] {PosixFilePermissions.asFileAttribute(mode)} : new FileAttribute<?>[0];
    }
}
