package hermod.broker.config;

import java.lang.reflect.Constructor;
import java.lang.reflect.InvocationTargetException;
import java.lang.reflect.ParameterizedType;
import java.lang.reflect.RecordComponent;
import java.lang.reflect.Type;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Map;

/**
 * What a configuration record looks like from outside: its components with their keys, read and built by reflection.
 *
 * <p>A record whose only component is a {@code Map<String, some record>} stands for that map: its keys are the operator's own.
 */
final class Shape {
    private Shape() {}

    /** The components an operator sees: settings and nested records, in order. */
    static List<RecordComponent> visible(Class<?> record) {
        List<RecordComponent> seen = new ArrayList<>();
        for (RecordComponent component : record.getRecordComponents()) {
            if (component.isAnnotationPresent(Setting.class)
                    || component.getType().isRecord()) {
                seen.add(component);
            }
        }
        return seen;
    }

    static boolean isMap(Class<?> record) {
        RecordComponent[] components = record.getRecordComponents();
        return components.length == 1 && components[0].getType() == Map.class;
    }

    /** The record type that a map record's values have. */
    static Class<? extends Record> mapValueType(Class<?> record) {
        return classOf(argument(record.getRecordComponents()[0].getGenericType(), 1))
                .asSubclass(Record.class);
    }

    static Type argument(Type generic, int index) {
        return ((ParameterizedType) generic).getActualTypeArguments()[index];
    }

    static Class<?> classOf(Type type) {
        return type instanceof ParameterizedType generic ? (Class<?>) generic.getRawType() : (Class<?>) type;
    }

    static Object value(RecordComponent component, Record of) {
        try {
            return component.getAccessor().invoke(of);
        } catch (ReflectiveOperationException impossible) {
            throw new IllegalStateException("configuration record is not public: " + of.getClass(), impossible);
        }
    }

    static Record defaults(Class<? extends Record> record) {
        try {
            return (Record) record.getMethod("defaults").invoke(null);
        } catch (ReflectiveOperationException impossible) {
            throw new IllegalStateException("configuration record has no defaults(): " + record, impossible);
        }
    }

    /** @throws IllegalArgumentException the record's own refusal. */
    static Record build(Class<? extends Record> record, Object[] values) {
        Class<?>[] types = Arrays.stream(record.getRecordComponents())
                .map(RecordComponent::getType)
                .toArray(Class<?>[]::new);
        try {
            Constructor<? extends Record> canonical = record.getDeclaredConstructor(types);
            return canonical.newInstance(values);
        } catch (InvocationTargetException refused) {
            if (refused.getCause() instanceof IllegalArgumentException sentence) {
                throw sentence;
            }
            throw new IllegalStateException("configuration record failed: " + record, refused.getCause());
        } catch (ReflectiveOperationException impossible) {
            throw new IllegalStateException("configuration record is not public: " + record, impossible);
        }
    }
}
