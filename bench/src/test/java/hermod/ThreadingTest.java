package hermod;

import static com.tngtech.archunit.base.DescribedPredicate.describe;
import static com.tngtech.archunit.core.domain.JavaModifier.SYNCHRONIZED;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noMethods;

import com.tngtech.archunit.core.domain.JavaAccess;
import com.tngtech.archunit.core.domain.JavaAnnotation;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.domain.JavaEnumConstant;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchRule;
import java.util.Optional;
import java.util.Set;
import java.util.concurrent.BlockingQueue;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Future;
import java.util.concurrent.Semaphore;
import org.junit.jupiter.api.Test;

/**
 * A shard's thread serves thousands of sockets, so nothing that runs on it may wait.
 *
 * <p>A class says that it does with {@code @RunsOn(SHARD)}; a class nested in it does too, unless it says otherwise.
 */
class ThreadingTest {
    private static final String RUNS_ON = "hermod.broker.shard.RunsOn";
    private static final JavaClasses CLASSES = new ClassFileImporter()
            .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
            .importPackages("hermod.broker");

    @Test
    void nothingThatRunsOnAShardWaits() {
        check(noClasses()
                .that(describe("run on a shard", ThreadingTest::runsOnAShard))
                .should()
                .accessTargetWhere(describe("waits", ThreadingTest::waits)));
    }

    @Test
    void nothingThatRunsOnAShardLocks() {
        check(noClasses()
                .that(describe("run on a shard", ThreadingTest::runsOnAShard))
                .should()
                .dependOnClassesThat()
                .resideInAPackage("java.util.concurrent.locks.."));
        check(noMethods()
                .that()
                .areDeclaredInClassesThat(describe("run on a shard", ThreadingTest::runsOnAShard))
                .should()
                .haveModifier(SYNCHRONIZED));
    }

    @Test
    void nothingThatRunsOnAShardTouchesAFile() {
        check(noClasses()
                .that(describe("run on a shard", ThreadingTest::runsOnAShard))
                .should()
                .dependOnClassesThat()
                .resideInAPackage("java.nio.file..")
                .orShould()
                .dependOnClassesThat()
                .haveNameMatching("java\\.io\\.(File.*|RandomAccessFile)|java\\.nio\\.channels\\.FileChannel"));
    }

    private static boolean waits(JavaAccess<?> access) {
        JavaClass owner = access.getTargetOwner();
        String name = access.getTarget().getName();
        return (name.equals("wait"))
                || (owner.isAssignableTo(Thread.class)
                        && Set.of("sleep", "join").contains(name))
                || (owner.isAssignableTo(Future.class) && Set.of("get", "join").contains(name))
                || (owner.isAssignableTo(BlockingQueue.class)
                        && Set.of("put", "take").contains(name))
                || (owner.isAssignableTo(CountDownLatch.class) && name.equals("await"))
                || (owner.isAssignableTo(Semaphore.class) && name.startsWith("acquire"));
    }

    private static boolean runsOnAShard(JavaClass candidate) {
        Optional<JavaAnnotation<JavaClass>> said = candidate.tryGetAnnotationOfType(RUNS_ON);
        if (said.isPresent()) {
            return said.get()
                    .get("value")
                    .filter(owner -> owner instanceof JavaEnumConstant constant
                            && constant.name().equals("SHARD"))
                    .isPresent();
        }
        return candidate.getEnclosingClass().map(ThreadingTest::runsOnAShard).orElse(false);
    }

    private static void check(ArchRule rule) {
        rule.allowEmptyShould(true).check(CLASSES);
    }
}
