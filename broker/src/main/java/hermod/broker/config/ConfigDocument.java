package hermod.broker.config;

import java.lang.reflect.RecordComponent;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/** Writes CONFIG.md from the records themselves, so that the page can't say anything else than the code does. Stateless, any thread. */
public final class ConfigDocument {
    private static final String HEAD = """
            # Configuration

            Generated from the configuration records; a test fails when this page is stale, and
            `mvn -pl broker -am test -Dtest=ConfigDocumentTest -Dsurefire.failIfNoSpecifiedTests=false -Dhermod.docs.write=true` writes it again.

            `hermod serve --config FILE` reads a YAML file of at most 256 KiB. A key that is not here, a value of the wrong type or out of its range stops the
            start, with one sentence for each. What the file does not name keeps its default; a flag of the command line wins over the file. A setting in
            bytes takes `256KiB`, `4MiB`, `1GiB` as well as a plain number, a duration `50us`, `500ms`, `15s`, `5m`, `24h`, `7d`. `~/` at the start of a path is the
            home directory.
            """;

    private ConfigDocument() {}

    /** The whole page. */
    public static String markdown(Record defaults) {
        StringBuilder page = new StringBuilder(HEAD);
        page.append("\n## Top level\n\n");
        table(page, defaults);
        for (RecordComponent component : defaults.getClass().getRecordComponents()) {
            if (Shape.value(component, defaults) instanceof Record section) {
                page.append("\n## ").append(Names.kebab(component.getName())).append("\n\n");
                Setting about = component.getAnnotation(Setting.class);
                if (about != null) {
                    page.append(about.text()).append("\n\n");
                }
                if (Shape.isMap(section.getClass())) {
                    map(page, section);
                } else {
                    table(page, section);
                }
            }
        }
        return page.toString();
    }

    private static void table(StringBuilder page, Record of) {
        row(page, List.of("key", "unit", "default", "range", "meaning"));
        row(page, List.of("---", "---", "---", "---", "---"));
        for (RecordComponent component : Shape.visible(of.getClass())) {
            Setting setting = component.getAnnotation(Setting.class);
            if (setting != null && !component.getType().isRecord()) {
                row(
                        page,
                        List.of(
                                "`" + Names.kebab(component.getName()) + "`",
                                setting.unit(),
                                shown(Shape.value(component, of), setting.unit()),
                                Expectation.range(component, setting),
                                setting.text()));
            }
        }
    }

    /** The keys of one entry with the defaults of a new one, then the entries there are. */
    private static void map(StringBuilder page, Record of) {
        Class<? extends Record> type = Shape.mapValueType(of.getClass());
        table(page, Shape.defaults(type));
        page.append("\nBuilt in:\n\n");
        List<RecordComponent> components = Shape.visible(type);
        List<String> head = new ArrayList<>();
        head.add("name");
        components.forEach(component -> head.add(Names.kebab(component.getName())));
        row(page, head);
        row(page, head.stream().map(column -> "---").toList());
        Map<?, ?> entries = (Map<?, ?>) Shape.value(of.getClass().getRecordComponents()[0], of);
        entries.forEach((name, value) -> {
            List<String> cells = new ArrayList<>();
            cells.add("`" + name + "`");
            for (RecordComponent component : components) {
                Setting setting = component.getAnnotation(Setting.class);
                cells.add(shown(Shape.value(component, (Record) value), setting == null ? "" : setting.unit()));
            }
            row(page, cells);
        });
    }

    private static void row(StringBuilder page, List<String> cells) {
        page.append("| ");
        page.append(String.join(
                " | ", cells.stream().map(cell -> cell.replace("|", "\\|")).toList()));
        page.append(" |\n");
    }

    private static String shown(Object value, String unit) {
        if (value instanceof Optional<?> optional) {
            return optional.isPresent() ? shown(optional.get(), unit) : "none";
        }
        if (value instanceof Number number) {
            return Quantity.text(number.longValue(), unit);
        }
        if (value instanceof Enum<?> constant) {
            return Names.kebab(constant);
        }
        if (value instanceof Path path) {
            String home = System.getProperty("user.home", "");
            String text = path.toString();
            return "`" + (!home.isEmpty() && text.startsWith(home) ? "~" + text.substring(home.length()) : text) + "`";
        }
        if (value instanceof List<?> list) {
            return list.isEmpty() ? "none" : list.toString();
        }
        String text = value.toString();
        return text.isEmpty() ? "none" : value instanceof String ? "`" + text + "`" : text;
    }
}
