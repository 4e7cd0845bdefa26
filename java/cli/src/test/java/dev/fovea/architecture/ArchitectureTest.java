package dev.fovea.architecture;

import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.classes;
import static com.tngtech.archunit.lang.syntax.ArchRuleDefinition.noClasses;
import static com.tngtech.archunit.library.dependencies.SlicesRuleDefinition.slices;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.tngtech.archunit.base.DescribedPredicate;
import com.tngtech.archunit.core.domain.JavaClass;
import com.tngtech.archunit.core.domain.JavaClasses;
import com.tngtech.archunit.core.importer.ClassFileImporter;
import com.tngtech.archunit.core.importer.ImportOption;
import com.tngtech.archunit.lang.ArchRule;
import com.tngtech.archunit.library.dependencies.SliceAssignment;
import com.tngtech.archunit.library.dependencies.SliceIdentifier;
import java.lang.foreign.Linker;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.TreeMap;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.DynamicTest;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestFactory;

/** Who may import whom. A new module is one line in {@link #MODULES}. */
class ArchitectureTest {

  /** Packages of each module, and what it may use beside itself and the JDK's java.base. */
  private record Module(List<String> packages, List<String> mayUse) {
    static Module of(String packages, String... mayUse) {
      return new Module(List.of(packages.split(" ")), List.of(mayUse));
    }
  }

  private static final String ANNOTATIONS = "org.jspecify.annotations..";
  private static final String[] CORE = {
    "dev.fovea.tensor..",
    "dev.fovea.error..",
    "dev.fovea.op..",
    "dev.fovea.program..",
    "dev.fovea.backend..",
    "dev.fovea.reference.."
  };

  private static final Map<String, Module> MODULES = new TreeMap<>(Map.ofEntries(
      Map.entry("core", Module.of(String.join(" ", CORE))),
      Map.entry("weights", Module.of("dev.fovea.weights..", "core", "tools.jackson..")),
      Map.entry(
          "model",
          Module.of(
              "dev.fovea.model..",
              "core",
              "weights",
              "tools.jackson..",
              "javax.imageio..",
              "com.twelvemonkeys..",
              "java.awt..")),
      Map.entry("engine", Module.of("dev.fovea dev.fovea.engine..", "core", "weights", "model")),
      Map.entry("binding", Module.of("dev.fovea.binding..", "core")),
      Map.entry("backend-cpu", Module.of("dev.fovea.cpu..", "core", "binding")),
      Map.entry("backend-cuda", Module.of("dev.fovea.cuda..", "core", "binding", "jcuda..")),
      Map.entry(
          "backend-opencl", Module.of("dev.fovea.opencl..", "core", "binding", "org.lwjgl..")),
      Map.entry(
          "server",
          Module.of(
              "dev.fovea.server..",
              "core",
              "model",
              "engine",
              "io.vertx..",
              "io.netty.handler.codec..", // what Vert.x hands on of a request that cannot be read
              "io.micrometer..",
              "io.prometheus..",
              "org.slf4j..",
              "java.net..",
              "java.security..",
              "tools.jackson..")),
      Map.entry("testkit", Module.of("dev.fovea.testkit..", "core")),
      Map.entry(
          "weights-tools",
          Module.of("dev.fovea.tools..", "core", "weights", "model", "tools.jackson..")),
      Map.entry(
          "cli",
          Module.of(
              "dev.fovea.cli..",
              "core",
              "weights",
              "model",
              "engine",
              "server",
              "testkit",
              "weights-tools",
              "picocli..",
              "org.jline..",
              "tools.jackson..",
              "com.fasterxml.jackson..",
              "java.lang.management..",
              "java.net.http..",
              "javax.imageio..",
              "com.twelvemonkeys..",
              "java.awt.."))));

  private static final JavaClasses SEEN = new ClassFileImporter()
      .withImportOption(ImportOption.Predefined.DO_NOT_INCLUDE_TESTS)
      .importPackages("dev.fovea");

  private static Module module(String name) {
    return Objects.requireNonNull(MODULES.get(name), name);
  }

  private static String[] packagesThat(String module) {
    Module m = module(module);
    TreeSet<String> allowed = new TreeSet<>(m.packages());
    allowed.add(ANNOTATIONS);
    allowed.add("java.lang..");
    allowed.add("java.io..");
    allowed.add("java.math..");
    allowed.add("java.net");
    allowed.add("java.nio..");
    allowed.add("java.security..");
    allowed.add("java.text..");
    allowed.add("java.time..");
    allowed.add("java.util..");
    for (String use : m.mayUse()) {
      Module other = MODULES.get(use);
      if (other == null) {
        allowed.add(use);
      } else {
        allowed.addAll(other.packages());
      }
    }
    allowed.add(""); // arrays of primitives
    return allowed.toArray(String[]::new);
  }

  private static ArchRule uses(String module) {
    return classes()
        .that()
        .resideInAnyPackage(module(module).packages().toArray(String[]::new))
        .should()
        .onlyDependOnClassesThat()
        .resideInAnyPackage(packagesThat(module))
        .allowEmptyShould(false);
  }

  private static final ArchRule BACKENDS_UNSEEN = noClasses()
      .that()
      .resideInAnyPackage("dev.fovea.model..", "dev.fovea.weights..", "dev.fovea.op..")
      .should()
      .dependOnClassesThat()
      .resideInAnyPackage(
          "dev.fovea.backend..",
          "dev.fovea.reference..",
          "dev.fovea.cpu..",
          "dev.fovea.cuda..",
          "dev.fovea.opencl..")
      .allowEmptyShould(true);

  private static final ArchRule LINKER = noClasses()
      .that()
      .haveNameNotMatching("dev\\.fovea\\.(cpu|cuda)\\.Library(\\$.*)?")
      .should()
      .dependOnClassesThat()
      .areAssignableTo(Linker.class);

  private static final ArchRule SILENCE = noClasses()
      .that()
      .resideOutsideOfPackage("dev.fovea.cli..")
      .should()
      .accessField(System.class, "out")
      .orShould()
      .accessField(System.class, "err");

  private static final ArchRule CUDA_AT_HOME = noClasses()
      .that()
      .resideOutsideOfPackage("dev.fovea.cuda..")
      .should()
      .dependOnClassesThat()
      .resideInAnyPackage("jcuda..", "org.jcuda..");

  private static final ArchRule OPENCL_AT_HOME = noClasses()
      .that()
      .resideOutsideOfPackage("dev.fovea.opencl..")
      .should()
      .dependOnClassesThat()
      .resideInAPackage("org.lwjgl..");

  /** Modules as slices; a package that no module claims is a slice of its own. */
  private static final ArchRule NO_CYCLES = slices()
      .assignedFrom(new SliceAssignment() {
        @Override
        public SliceIdentifier getIdentifierOf(JavaClass c) {
          return SliceIdentifier.of(moduleOf(c));
        }

        @Override
        public String getDescription() {
          return "modules";
        }
      })
      .should()
      .beFreeOfCycles();

  private static String moduleOf(JavaClass c) {
    for (Map.Entry<String, Module> m : MODULES.entrySet()) {
      for (String p : m.getValue().packages()) {
        String name = p.replace("..", "");
        boolean below = p.endsWith("..") && c.getPackageName().startsWith(name + ".");
        if (c.getPackageName().equals(name) || below) {
          return m.getKey();
        }
      }
    }
    return c.getPackageName();
  }

  @TestFactory
  Stream<DynamicTest> rulesHold() {
    Stream<DynamicTest> modules = MODULES.keySet().stream()
        .map(m -> DynamicTest.dynamicTest(m + " uses what it may", () -> uses(m).check(SEEN)));
    Stream<DynamicTest> others = Map.of(
            "no model or op sees a backend", BACKENDS_UNSEEN,
            "one class of a backend binds native code", LINKER,
            "libraries do not print", SILENCE,
            "CUDA stays in its backend", CUDA_AT_HOME,
            "OpenCL stays in its backend", OPENCL_AT_HOME,
            "modules make no cycle", NO_CYCLES)
        .entrySet()
        .stream()
        .map(e -> DynamicTest.dynamicTest(e.getKey(), () -> e.getValue().check(SEEN)));
    return Stream.concat(modules, others);
  }

  /** Rules about classes that were never read would hold whatever the code says. */
  @Test
  void classesWereSeen() {
    for (String module : MODULES.keySet()) {
      long n = SEEN.stream().filter(c -> moduleOf(c).equals(module)).count();
      boolean small = module.equals("weights-tools") || module.equals("binding");
      assertTrue(n >= (small ? 1 : 8), module + ": " + n + " classes");
    }
    assertTrue(SEEN.size() >= 300, SEEN.size() + " classes");
  }

  /** This class breaks the rules below on purpose. */
  static final class Planted {
    static void print() {
      System.out.println(Linker.nativeLinker());
    }

    static Class<?> pointer() {
      return jcuda.Pointer.class;
    }
  }

  @Test
  void plantedViolationsAreSeen() {
    JavaClasses planted = new ClassFileImporter().importClasses(Planted.class);
    assertTrue(SILENCE.evaluate(planted).hasViolation());
    assertTrue(LINKER.evaluate(planted).hasViolation());
    assertTrue(CUDA_AT_HOME.evaluate(planted).hasViolation());
    ArchRule core = classes()
        .that(new DescribedPredicate<JavaClass>("stand in for core") {
          @Override
          public boolean test(JavaClass c) {
            return c.isEquivalentTo(ArchitectureTest.class);
          }
        })
        .should()
        .onlyDependOnClassesThat()
        .resideInAnyPackage(packagesThat("core"));
    assertTrue(core.evaluate(new ClassFileImporter().importClasses(ArchitectureTest.class))
        .hasViolation());
  }
}
