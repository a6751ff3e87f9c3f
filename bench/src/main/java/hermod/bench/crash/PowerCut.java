package hermod.bench.crash;

import hermod.bench.BrokerProcess;
import hermod.bench.load.BenchFailure;
import hermod.bench.load.BenchFailure.Kind;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.SplittableRandom;
import java.util.concurrent.TimeUnit;
import org.jspecify.annotations.Nullable;

/**
 * A power cut: the data folder is on an ext4 file system of its own, whose image is a file.
 *
 * <pre>
 *  broker works ──► SIGSTOP ──► copy the image ──► SIGKILL ──► unmount, e2fsck the copy, mount it in its place
 * </pre>
 *
 * <p>What was written and not synced is in the page cache of the mounted file system, which writes it to the image by itself only after seconds; so it is not in the copy. What
 * was synced is, and is what the next broker finds. The copy takes a moment, in which nothing runs that would write. A run with a broker that never syncs shows that this works.
 *
 * <p>Needs root and a loop device. One thread; {@link #close} any.
 */
final class PowerCut implements Outage, AutoCloseable {
    private static final int AFTER_MS_MIN = 700;
    private static final int AFTER_MS_MAX = 1_700;
    private static final String IMAGE_BYTES = "4G";

    /** What the clients find in their sockets after the broker has stopped was acknowledged before the cut. */
    private static final int SOCKETS_MS = 150;

    private static final int COMMAND_SECONDS = 60;
    private static final int UNMOUNT_ATTEMPTS = 50;
    private static final int UNMOUNT_PAUSE_MS = 100;

    private final Path folder;
    private final Path mount;
    private final SplittableRandom random;
    private Path image;
    private boolean isMounted;
    private int cuts;

    private PowerCut(Path folder, SplittableRandom random) {
        this.folder = folder;
        this.random = random;
        mount = folder.resolve("mount");
        image = folder.resolve("image-0");
    }

    /**
     * Makes the first file system, and mounts it.
     *
     * @param folder of the run, for images and mount.
     * @throws BenchFailure where this process may not, or the machine can't.
     */
    static PowerCut prepare(Path folder, SplittableRandom random) {
        String missing = missing();
        if (missing != null) {
            throw new BenchFailure(Kind.FAILED, "--power-cut can't run: " + missing);
        }
        PowerCut cut = new PowerCut(folder, random);
        try {
            Files.createDirectories(cut.mount);
            run("truncate", "-s", IMAGE_BYTES, cut.image.toString());
            run("mkfs.ext4", "-q", "-F", cut.image.toString());
            cut.mount();
            return cut;
        } catch (IOException | BenchFailure failed) {
            cut.close();
            throw failed instanceof BenchFailure known
                    ? known
                    : new BenchFailure(Kind.FAILED, "--power-cut can't run: " + failed.getMessage());
        }
    }

    /** @return what keeps this machine from it, in a sentence; null for nothing. */
    static @Nullable String missing() {
        if (!"root".equals(System.getProperty("user.name"))) {
            return "it mounts file systems, which needs root";
        }
        if (!Files.exists(Path.of("/dev/loop-control"))) {
            return "there is no loop device (/dev/loop-control)";
        }
        for (String tool : List.of("mkfs.ext4", "e2fsck", "mount", "umount", "cp", "truncate")) {
            boolean isThere = List.of("/usr/sbin", "/sbin", "/usr/bin", "/bin").stream()
                    .anyMatch(place -> Files.isExecutable(Path.of(place, tool)));
            if (!isThere) {
                return "the program " + tool + " is not installed";
            }
        }
        return null;
    }

    /** Where the broker's data is to be; stays the same over cuts. */
    Path data() {
        return mount.resolve("data");
    }

    @Override
    public void strike(BrokerProcess broker) throws InterruptedException {
        Thread.sleep(random.nextInt(AFTER_MS_MIN, AFTER_MS_MAX + 1));
        run("kill", "-STOP", Long.toString(broker.pid()));
        Path copy = folder.resolve("image-" + ++cuts);
        run("cp", "--sparse=always", image.toString(), copy.toString());
        Thread.sleep(SOCKETS_MS);
        broker.kill();
        unmount();
        remove(image);
        image = copy;
        // 1 says that it repaired something, as it must after a cut.
        int checked = exitCode("e2fsck", "-f", "-y", image.toString());
        if (checked > 1) {
            throw new BenchFailure(Kind.FAILED, "e2fsck could not repair the copy: exit code " + checked);
        }
        mount();
    }

    private synchronized void mount() {
        run("mount", "-o", "loop", image.toString(), mount.toString());
        isMounted = true;
    }

    private synchronized void unmount() throws InterruptedException {
        for (int attempt = 0; isMounted; attempt++) {
            if (exitCode("umount", mount.toString()) == 0) {
                isMounted = false;
            } else if (attempt == UNMOUNT_ATTEMPTS) {
                throw new BenchFailure(Kind.FAILED, "the file system can't be unmounted: " + mount);
            } else {
                Thread.sleep(UNMOUNT_PAUSE_MS);
            }
        }
    }

    @Override
    public void close() {
        try {
            unmount();
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
        }
        for (int i = 0; i <= cuts; i++) {
            remove(folder.resolve("image-" + i));
        }
    }

    private static void remove(Path file) {
        try {
            Files.deleteIfExists(file);
        } catch (IOException left) {
            throw new BenchFailure(Kind.FAILED, "an image can't be removed: " + left.getMessage());
        }
    }

    private static void run(String... command) {
        int code = exitCode(command);
        if (code != 0) {
            throw new BenchFailure(Kind.FAILED, String.join(" ", command) + " failed: exit code " + code);
        }
    }

    private static int exitCode(String... command) {
        try {
            ProcessBuilder builder = new ProcessBuilder(command)
                    .redirectErrorStream(true)
                    .redirectOutput(ProcessBuilder.Redirect.DISCARD);
            builder.environment().merge("PATH", "/usr/sbin:/sbin", (path, more) -> path + ":" + more);
            Process process = builder.start();
            process.getOutputStream().close();
            if (!process.waitFor(COMMAND_SECONDS, TimeUnit.SECONDS)) {
                process.destroyForcibly();
                throw new BenchFailure(Kind.FAILED, command[0] + " did not end in " + COMMAND_SECONDS + " s");
            }
            return process.exitValue();
        } catch (IOException failed) {
            throw new BenchFailure(Kind.FAILED, command[0] + " can't be run: " + failed.getMessage());
        } catch (InterruptedException interrupted) {
            Thread.currentThread().interrupt();
            throw new BenchFailure(Kind.FAILED, "interrupted");
        }
    }
}
