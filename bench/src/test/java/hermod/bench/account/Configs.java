package hermod.bench.account;

import java.lang.reflect.Constructor;
import java.lang.reflect.RecordComponent;
import java.util.Arrays;
import java.util.HashMap;
import java.util.Map;

/** Configurations that differ from another in a few settings, by name: the rest may grow without this test being told. Stateless. */
final class Configs {
    private Configs() {}

    /** @param changes settings that the record has. */
    @SuppressWarnings("unchecked")
    static <R extends Record> R with(R record, Map<String, Object> changes) {
        Map<String, Object> left = new HashMap<>(changes);
        RecordComponent[] components = record.getClass().getRecordComponents();
        Object[] values = new Object[components.length];
        try {
            for (int i = 0; i < components.length; i++) {
                Object changed = left.remove(components[i].getName());
                values[i] =
                        changed != null ? changed : components[i].getAccessor().invoke(record);
            }
            if (!left.isEmpty()) {
                throw new IllegalArgumentException(record.getClass() + " has no setting " + left.keySet());
            }
            Class<?>[] types =
                    Arrays.stream(components).map(RecordComponent::getType).toArray(Class<?>[]::new);
            Constructor<?> constructor = record.getClass().getDeclaredConstructor(types);
            return (R) constructor.newInstance(values);
        } catch (ReflectiveOperationException impossible) {
            throw new IllegalStateException("a record that can't be made again", impossible);
        }
    }
}
