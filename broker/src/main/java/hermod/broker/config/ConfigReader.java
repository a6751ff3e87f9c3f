package hermod.broker.config;

import java.io.IOException;
import java.io.InputStream;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;
import java.util.OptionalLong;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.core.StreamReadConstraints;
import tools.jackson.core.StreamReadFeature;
import tools.jackson.databind.JsonNode;
import tools.jackson.dataformat.yaml.YAMLFactory;
import tools.jackson.dataformat.yaml.YAMLMapper;

/**
 * Binds a YAML file and command line flags onto a record and the records in it, over their defaults. One thread.
 *
 * <p>All problems are collected, then the configuration is refused as a whole: an unknown key, a wrong type, a value out of its range, and what a
 * record's own constructor refuses (an {@code IllegalArgumentException} with a sentence). A flag wins over the file, the file over the default.
 *
 * @param <R> the root record; its components are the sections.
 */
public final class ConfigReader<R extends Record> {
    /** Far more than any configuration needs. */
    static final int FILE_BYTES_MAX = 256 * 1024;

    private static final int NESTING_MAX = 16;

    /** Map entries an operator may add, and names shown in a sentence. */
    private static final int ENTRIES_MAX = 1_000;

    private record Flag(String name, String text) {}

    private final R defaults;
    private final Map<String, Flag> flags = new LinkedHashMap<>();
    private final List<String> problems = new ArrayList<>();
    private String source = "configuration";
    private @Nullable JsonNode tree;

    public ConfigReader(R defaults) {
        this.defaults = defaults;
    }

    /** Reads a file; a problem with it is kept until {@link #build}. */
    public ConfigReader<R> file(Path file) {
        source = String.valueOf(file);
        try {
            byte[] bytes = readBounded(file);
            tree = present(mapper().readTree(bytes));
        } catch (NoSuchFileException missing) {
            problems.add(source + ": there is no such file.");
        } catch (IOException unreadable) {
            problems.add(source + ": can't be read: " + oneLine(String.valueOf(unreadable.getMessage())) + ".");
        } catch (JacksonException broken) {
            problems.add(source + ": is no YAML"
                    + (broken.getLocation() == null
                            ? ""
                            : " at line " + broken.getLocation().getLineNr())
                    + ": " + oneLine(String.valueOf(broken.getOriginalMessage())) + ".");
        }
        return this;
    }

    /**
     * Sets one value from the command line.
     *
     * @param flag as the user typed it, for sentences.
     * @param path the setting, for example {@code transport.port}.
     */
    public ConfigReader<R> flag(String flag, String path, String text) {
        flags.put(path, new Flag(flag, text));
        return this;
    }

    /** @throws ConfigException with every problem found. */
    public R build() throws ConfigException {
        @SuppressWarnings("unchecked")
        R built = (R) bindRecord(defaults, tree, "");
        if (!problems.isEmpty()) {
            throw new ConfigException(problems);
        }
        return built;
    }

    private static byte[] readBounded(Path file) throws IOException {
        if (!Files.isRegularFile(file) && Files.exists(file)) {
            throw new IOException("it is not a regular file");
        }
        try (InputStream in = Files.newInputStream(file)) {
            byte[] bytes = in.readNBytes(FILE_BYTES_MAX + 1);
            if (bytes.length > FILE_BYTES_MAX) {
                throw new IOException("it is larger than " + FILE_BYTES_MAX + " bytes");
            }
            return bytes;
        }
    }

    private static YAMLMapper mapper() {
        YAMLFactory factory = YAMLFactory.builder()
                .streamReadConstraints(StreamReadConstraints.builder()
                        .maxNestingDepth(NESTING_MAX)
                        .build())
                .enable(StreamReadFeature.STRICT_DUPLICATE_DETECTION)
                .build();
        return YAMLMapper.builder(factory).build();
    }

    private Record bindRecord(Record over, @Nullable JsonNode node, String path) {
        if (node != null && !node.isObject()) {
            problems.add(source + ": " + nameOf(path) + " must hold settings (key: value), not " + shown(node) + ".");
            return over;
        }
        int problemsBefore = problems.size();
        Object[] values = Shape.isMap(over.getClass())
                ? new Object[] {bindMap(over, node, path)}
                : bindComponents(over, node, path);
        try {
            return Shape.build(over.getClass(), values);
        } catch (IllegalArgumentException refused) {
            if (problems.size() == problemsBefore) {
                problems.add(source + ": " + (path.isEmpty() ? "" : path + ": ") + refused.getMessage() + ".");
            }
            return over;
        }
    }

    private Object[] bindComponents(Record over, @Nullable JsonNode node, String path) {
        RecordComponent[] components = over.getClass().getRecordComponents();
        Object[] values = new Object[components.length];
        List<String> keys = new ArrayList<>();
        for (int i = 0; i < components.length; i++) {
            String key = Names.kebab(components[i].getName());
            values[i] = bindComponent(components[i], over, child(node, key), join(path, key));
        }
        for (RecordComponent visible : Shape.visible(over.getClass())) {
            keys.add(Names.kebab(visible.getName()));
        }
        refuseUnknown(node, keys, path);
        return values;
    }

    private Object bindComponent(RecordComponent component, Record over, @Nullable JsonNode node, String path) {
        Object before = Shape.value(component, over);
        if (before instanceof Record section) {
            return bindRecord(section, node, path);
        }
        Setting setting = component.getAnnotation(Setting.class);
        Object fromFile = setting == null || node == null ? before : fromFile(component, setting, before, node, path);
        Flag flag = flags.get(path);
        if (flag == null) {
            return fromFile;
        }
        Object parsed = scalar(component.getGenericType(), setting, flag.text());
        return parsed != null ? parsed : refuse(flag.name(), flag.text(), component, setting, before);
    }

    private Object fromFile(RecordComponent component, Setting setting, Object before, JsonNode node, String path) {
        Object parsed = component.getType() == List.class
                ? list(setting, node)
                : node.isValueNode() ? scalar(component.getGenericType(), setting, node.asString()) : null;
        return parsed != null ? parsed : refuse(source + ": " + path, shown(node), component, setting, before);
    }

    private Map<String, Record> bindMap(Record over, @Nullable JsonNode node, String path) {
        Map<?, ?> before = (Map<?, ?>) Shape.value(over.getClass().getRecordComponents()[0], over);
        Map<String, Record> after = new LinkedHashMap<>();
        before.forEach((name, value) -> after.put((String) name, (Record) value));
        if (node == null) {
            return after;
        }
        Class<? extends Record> type = Shape.mapValueType(over.getClass());
        for (String name : node.propertyNames()) {
            if (after.size() >= ENTRIES_MAX) {
                problems.add(source + ": " + path + " has too many entries; at most " + ENTRIES_MAX + " are allowed.");
                break;
            }
            Record known = after.get(name);
            after.put(
                    name,
                    bindRecord(known == null ? Shape.defaults(type) : known, child(node, name), join(path, name)));
        }
        return after;
    }

    private void refuseUnknown(@Nullable JsonNode node, List<String> keys, String path) {
        if (node == null) {
            return;
        }
        for (String name : node.propertyNames()) {
            if (!keys.contains(name)) {
                String nearest = Names.nearest(name, keys);
                problems.add(source + ": " + oneLine(join(path, name)) + " is not a setting; "
                        + (nearest != null
                                ? "did you mean " + join(path, nearest) + "?"
                                : "the settings of " + nameOf(path) + " are " + String.join(", ", keys) + "."));
            }
        }
    }

    private Object refuse(
            String what, String got, RecordComponent component, @Nullable Setting setting, Object before) {
        problems.add(what + " is " + got + "; it must be " + Expectation.of(component, setting) + ".");
        return before;
    }

    /** @return null if the text is no value of the type or out of range. */
    private static @Nullable Object scalar(Type type, @Nullable Setting setting, String text) {
        Class<?> raw = Shape.classOf(type);
        if (raw == Optional.class) {
            Object inner = scalar(Shape.argument(type, 0), setting, text);
            return inner == null ? null : Optional.of(inner);
        }
        if (raw == int.class || raw == long.class) {
            return number(raw, setting, text);
        }
        if (raw == boolean.class) {
            return text.equals("true") ? Boolean.TRUE : text.equals("false") ? Boolean.FALSE : null;
        }
        if (raw == Path.class) {
            return text.isBlank() ? null : path(text);
        }
        if (raw.isEnum()) {
            return enumValue(raw, text);
        }
        if (raw == String.class) {
            return setting == null || isIn(text.length(), setting) ? text : null;
        }
        throw new IllegalStateException("configuration type is not supported: " + type);
    }

    private static @Nullable Object number(Class<?> raw, @Nullable Setting setting, String text) {
        OptionalLong number = Quantity.parse(text, setting == null ? "" : setting.unit());
        if (number.isEmpty() || (setting != null && !isIn(number.getAsLong(), setting))) {
            return null;
        }
        long value = number.getAsLong();
        if (raw == long.class) {
            return value;
        }
        return value == (int) value ? (Object) (int) value : null;
    }

    private static @Nullable Object enumValue(Class<?> raw, String text) {
        for (Object constant : raw.getEnumConstants()) {
            Enum<?> value = (Enum<?>) constant;
            if (value.name().equalsIgnoreCase(text) || Names.kebab(value).equalsIgnoreCase(text)) {
                return value;
            }
        }
        return null;
    }

    private static @Nullable Object path(String text) {
        try {
            return text.startsWith("~/")
                    ? Path.of(System.getProperty("user.home", "."), text.substring(2))
                    : Path.of(text);
        } catch (java.nio.file.InvalidPathException bad) {
            return null;
        }
    }

    private static @Nullable Object list(Setting setting, JsonNode node) {
        if (!node.isArray() || !isIn(node.size(), setting)) {
            return null;
        }
        List<String> entries = new ArrayList<>();
        for (JsonNode entry : node) {
            if (!entry.isString()) {
                return null;
            }
            entries.add(entry.asString());
        }
        return List.copyOf(entries);
    }

    private static boolean isIn(long value, Setting setting) {
        return value >= setting.min() && value <= setting.max();
    }

    private static @Nullable JsonNode child(@Nullable JsonNode node, String key) {
        return node == null ? null : present(node.get(key));
    }

    /** A key without a value says nothing, as if it were not there. */
    private static @Nullable JsonNode present(@Nullable JsonNode node) {
        return node == null || node.isNull() || node.isMissingNode() ? null : node;
    }

    private static String join(String path, String key) {
        return path.isEmpty() ? key : path + "." + key;
    }

    private static String nameOf(String path) {
        return path.isEmpty() ? "the file" : oneLine(path);
    }

    private static String shown(JsonNode node) {
        return oneLine(node.isString() ? "'" + node.asString() + "'" : node.toString());
    }

    private static String oneLine(String text) {
        String flat = text.replaceAll("[\\p{Cntrl}\\u0085\\u2028\\u2029]+", " ").trim();
        return flat.length() > 120 ? flat.substring(0, 120) + "…" : flat;
    }
}
