package hermod.broker.config;

import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Optional;
import org.jspecify.annotations.Nullable;

/** Says in words what a setting may be. Stateless, any thread. */
final class Expectation {
    private Expectation() {}

    /** For a sentence: "a whole number of bytes from 1024 (1KiB) to …". */
    static String of(RecordComponent component, @Nullable Setting setting) {
        Type type = component.getGenericType();
        Class<?> raw = Shape.classOf(type);
        if (raw == Optional.class) {
            raw = Shape.classOf(Shape.argument(type, 0));
        }
        if (raw == int.class || raw == long.class) {
            return number(raw, setting);
        }
        if (raw == boolean.class) {
            return "true or false";
        }
        if (raw.isEnum()) {
            return "one of " + String.join(", ", constants(raw));
        }
        if (raw == List.class) {
            return "a list of texts" + (setting == null ? "" : ", at most " + setting.max());
        }
        if (raw == Path.class) {
            return "a path";
        }
        return setting == null || setting.max() == Long.MAX_VALUE
                ? "a text"
                : "a text of " + Math.max(0, setting.min()) + " to " + setting.max() + " characters";
    }

    /** For a table: the range alone. */
    static String range(RecordComponent component, Setting setting) {
        Class<?> raw = component.getType();
        if (raw == int.class || raw == long.class) {
            return Quantity.text(min(raw, setting), setting.unit()) + " to "
                    + Quantity.text(max(raw, setting), setting.unit());
        }
        return of(component, setting);
    }

    static List<String> constants(Class<?> raw) {
        List<String> names = new ArrayList<>();
        for (Object constant : raw.getEnumConstants()) {
            names.add(Names.kebab((Enum<?>) constant));
        }
        return names;
    }

    private static String number(Class<?> raw, @Nullable Setting setting) {
        if (setting == null) {
            return "a whole number";
        }
        String unit = setting.unit();
        String example = Quantity.example(unit);
        return "a whole number" + (unit.isEmpty() ? "" : " of " + unit) + " from " + min(raw, setting) + " to "
                + max(raw, setting) + (example.isEmpty() ? "" : ", or one with a unit such as " + example);
    }

    private static long min(Class<?> raw, Setting setting) {
        return raw == int.class ? Math.max(Integer.MIN_VALUE, setting.min()) : setting.min();
    }

    private static long max(Class<?> raw, Setting setting) {
        return raw == int.class ? Math.min(Integer.MAX_VALUE, setting.max()) : setting.max();
    }
}
