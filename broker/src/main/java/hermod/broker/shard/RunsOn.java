package hermod.broker.shard;

import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/** Names the thread that owns an instance of the class; {@code ThreadingTest} refuses waiting calls in those that run on a shard. */
@Documented
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.TYPE)
public @interface RunsOn {
    Owner value();

    /** The kinds of threads the broker has; {@code THREADING.md} says what each may do. */
    enum Owner {
        /** The thread of one shard: an event loop. */
        SHARD,
        /** The thread that checks tokens. */
        ADMISSION,
        /** The threads that answer operators. */
        ADMIN,
        /** The thread that writes and syncs the journal. */
        JOURNAL,
        /** The threads of the store behind the journal: they read and write files and may wait. */
        STORE
    }
}
