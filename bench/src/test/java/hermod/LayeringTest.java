package hermod;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.assertj.core.api.Assertions.assertThat;

import com.tngtech.archunit.core.domain.JavaAccess;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchRule;
import com.tngtech.archunit.lang.syntax.elements.GivenClassesConjunction;
import java.io.ObjectInputStream;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/**
 * Who may use whom, as one table and a few rules. Think hard, and write an ADR, before adding an arrow.
 *
 * <p>A package of the broker may use the packages in its row, itself, {@code protocol}, {@code config}, {@code shard} and
 * {@code metrics}. The table reads from the ground up, so an arrow to a later line is an arrow upwards.
 *
 * <p>A package that is not written yet passes: its row waits for it.
 */
class LayeringTest {
    private static final String BROKER = "hermod.broker";
    private static final JavaClasses CLASSES = new ClassFileImporter()
            .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
            .importPackages("hermod");

    private static final Map<String, Set<String>> MAY_USE = new LinkedHashMap<>();

    static {
        // ground: config uses nothing of ours, shard only config; every other package may use config, shard and metrics
        allow("config");
        allow("shard");
        allow("metrics");
        allow("engine");
        allow("engine.embedded", "engine");
        allow("engine.memory", "engine");
        allow("engine.jetstream", "engine");
        allow("audit", "engine");
        // core
        allow("filter");
        allow("outbox", "filter");
        allow("topic", "outbox");
        allow("admission", "topic", "audit");
        allow("dispatch", "filter", "topic", "outbox", "engine", "audit");
        // edge
        allow("session", "filter", "admission", "topic", "dispatch", "outbox", "audit");
        allow("transport", "session", "outbox");
        // features
        allow("history", "session", "topic", "outbox", "engine");
        allow("delivery", "session", "dispatch", "topic", "engine");
        allow("presence", "session", "dispatch", "topic", "engine");
        allow("schedule", "session", "dispatch", "topic", "engine", "outbox");
        allow("safety", "session", "dispatch", "topic", "engine", "outbox", "audit");
        // shell (the root package may use everything, and nothing uses it)
        allow(
                "admin",
                "filter",
                "session",
                "admission",
                "topic",
                "dispatch",
                "history",
                "delivery",
                "presence",
                "engine",
                "audit");
    }

    private static void allow(String user, String... used) {
        Set<String> row = new TreeSet<>(List.of(used));
        row.add(user);
        if (!user.equals("config")) {
            row.add("config");
            if (!user.equals("shard")) {
                row.add("shard");
                row.add("metrics");
            }
        }
        MAY_USE.put(user, row);
    }

    @TestFactory
    Stream<DynamicTest> aBrokerPackageUsesOnlyThePackagesItsRowAllows() {
        return MAY_USE.entrySet().stream()
                .map(row -> DynamicTest.dynamicTest(
                        row.getKey() + " -> " + row.getValue(),
                        () -> check(noClasses()
                                .that()
                                .resideInAPackage(BROKER + "." + row.getKey())
                                .should()
                                .dependOnClassesThat(describe(
                                        "are in a package its row does not allow",
                                        (JavaClass used) -> isForbidden(row.getValue(), used))))));
    }

    private static boolean isForbidden(Set<String> allowed, JavaClass used) {
        return isOfBroker(used) && !allowed.contains(rowOf(used));
    }

    private static boolean isOfBroker(JavaClass candidate) {
        String name = candidate.getPackageName();
        return name.equals(BROKER) || name.startsWith(BROKER + ".");
    }

    /** The row of a broker class: its package without the prefix, empty for the root package. */
    private static String rowOf(JavaClass brokerClass) {
        String name = brokerClass.getPackageName();
        return name.equals(BROKER) ? "" : name.substring(BROKER.length() + 1);
    }

    @Test
    void everyBrokerPackageHasARow() {
        Set<String> unlisted = new TreeSet<>();
        for (JavaClass candidate : CLASSES) {
            if (isOfBroker(candidate) && !rowOf(candidate).isEmpty() && !MAY_USE.containsKey(rowOf(candidate))) {
                unlisted.add(candidate.getPackageName());
            }
        }
        assertThat(unlisted).isEmpty();
    }

    @Test
    void theBrokersPackagesFormNoCycle() {
        check(slices().matching(BROKER + ".(**)").should().beFreeOfCycles());
    }

    /**
     * Buffers ({@code io.netty.buffer}) may travel. The event loop under each shard is no exception: {@code transport}
     * makes it, and {@code shard} sees it as a plain {@link java.util.concurrent.Executor}.
     */
    @Test
    void onlyTransportKnowsNettyChannelsHandlersAndEventLoops() {
        check(noBrokerClassesOutside("transport")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage("io.netty.channel..", "io.netty.handler.."));
    }

    @Test
    void onlyShardKnowsTheRings() {
        check(noBrokerClassesOutside("shard")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("org.agrona.concurrent.ringbuffer.."));
    }

    /** Everyone else asks the shard's clock, which a test can move. A method reference counts as a reading. */
    @Test
    void onlyShardReadsTheSystemsClock() {
        check(noBrokerClassesOutside("shard")
                .should()
                .accessTargetWhere(describe(
                        "is System.nanoTime or System.currentTimeMillis", LayeringTest::readsTheSystemsClock)));
    }

    private static boolean readsTheSystemsClock(JavaAccess<?> access) {
        return access.getTargetOwner().isEquivalentTo(System.class)
                && Set.of("nanoTime", "currentTimeMillis")
                        .contains(access.getTarget().getName());
    }

    @Test
    void inTheBrokerOnlyMetricsKnowsHistograms() {
        check(noBrokerClassesOutside("metrics").should().dependOnClassesThat().resideInAPackage("org.HdrHistogram.."));
    }

    @Test
    void theProtocolKnowsNoBrokerNoClientAndNoChannel() {
        check(noClasses()
                .that()
                .resideInAPackage("hermod.protocol..")
                .should()
                .dependOnClassesThat()
                .resideInAnyPackage(BROKER + "..", "hermod.client..", "io.netty.channel..", "io.netty.handler.."));
    }

    @Test
    void theClientKnowsNoBroker() {
        check(noClasses()
                .that()
                .resideInAPackage("hermod.client..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage(BROKER + ".."));
    }

    @Test
    void theBrokerKnowsNoClient() {
        check(noClasses()
                .that()
                .resideInAPackage(BROKER + "..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("hermod.client.."));
    }

    /** Agrona needs a JVM flag, and an application that embeds the SDK cannot be asked for one. */
    @Test
    void whatAnApplicationEmbedsNeverSeesAgrona() {
        check(noClasses()
                .that()
                .resideInAnyPackage("hermod.client..", "hermod.protocol..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("org.agrona.."));
    }

    @Test
    void nothingDependsOnTheBench() {
        check(noClasses()
                .that()
                .resideOutsideOfPackage("hermod.bench..")
                .should()
                .dependOnClassesThat()
                .resideInAPackage("hermod.bench.."));
    }

    /** Reading a Java object from bytes runs code the sender chose. */
    @Test
    void nobodyReadsJavaObjectsFromBytes() {
        check(noClasses()
                .should()
                .dependOnClassesThat(
                        describe("are ObjectInputStream", used -> used.isAssignableTo(ObjectInputStream.class))));
    }

    private static GivenClassesConjunction noBrokerClassesOutside(String row) {
        return noClasses().that().resideInAPackage(BROKER + "..").and().resideOutsideOfPackage(BROKER + "." + row);
    }

    private static void check(ArchRule rule) {
        rule.allowEmptyShould(true).check(CLASSES);
    }
}
