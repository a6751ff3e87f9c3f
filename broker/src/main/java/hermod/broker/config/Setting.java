package hermod.broker.config;

import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/**
 * One setting: a component of a configuration record that an operator may set by its kebab-case name.
 *
 * <p>A component without it that is no record itself can't be set in a file. The default is what the record's static {@code defaults()} says.
 */
@Documented
@Retention(RetentionPolicy.RUNTIME)
@Target(ElementType.RECORD_COMPONENT)
public @interface Setting {
    /** {@code bytes}, {@code ms} and {@code s} take sizes and durations with a unit too ({@code 256KiB}, {@code 15s}). */
    String unit() default "";

    /** Smallest value; of a text the fewest characters, of a list the fewest entries. */
    long min() default Long.MIN_VALUE;

    /** Largest value; of a text the most characters, of a list the most entries. */
    long max() default Long.MAX_VALUE;

    /** What it steers, and what goes wrong at either end. One or two sentences. */
    String text();
}
