package dev.fovea.bench;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.file.Path;
import java.util.Collection;
import java.util.List;
import java.util.Set;
import java.util.TreeSet;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.openjdk.jmh.results.RunResult;
import org.openjdk.jmh.runner.Runner;
import org.openjdk.jmh.runner.RunnerException;
import org.openjdk.jmh.runner.options.ChainedOptionsBuilder;
import org.openjdk.jmh.runner.options.CommandLineOptions;
import org.openjdk.jmh.runner.options.TimeValue;

/** Every benchmark once, shortly, in this virtual machine: that it runs, that what it computes is right, and that it reports. */
class BenchmarksTest {
  @TempDir
  Path folder = Path.of("");

  private ChainedOptionsBuilder shortly(String pattern, String backend) throws Exception {
    return Benchmarks.options(new CommandLineOptions(), backend)
        .include("\\." + pattern)
        .forks(0)
        .warmupIterations(0)
        .measurementIterations(1)
        .measurementTime(TimeValue.milliseconds(10))
        .shouldFailOnError(true)
        .output(folder.resolve("jmh.txt").toString());
  }

  private static Set<String> reported(Collection<RunResult> results) {
    Set<String> names = new TreeSet<>();
    for (RunResult r : results) {
      assertTrue(r.getPrimaryResult().getScore() > 0, r.getParams().id());
      names.addAll(r.getSecondaryResults().keySet());
    }
    return names;
  }

  private static final Set<String> PERCENTILES = Set.of("·p50", "·p90", "·p99", "·max");

  @Test
  void everyRealCaseOfEveryOp() throws Exception {
    List<String> cases = Benchmarks.cases("cpu");
    assertTrue(cases.size() >= 15, cases.toString());
    Collection<RunResult> results = new Runner(shortly("OpBench", "cpu")
            .param("test", cases.toArray(String[]::new))
            .build())
        .run();
    assertEquals(cases.size(), results.size());
    Set<String> names = reported(results);
    assertTrue(names.containsAll(PERCENTILES), names.toString());
    assertTrue(
        names.containsAll(Set.of("·read", "·of.read", "·done", "·of.int8", "·of.bf16")),
        names.toString());
  }

  /** JMH's command line takes commas for ends of values, and a name that two cases share would time one of them twice. */
  @Test
  void everyCaseCanBeNamedOnTheCommandLine() throws Exception {
    List<String> cases = OpBench.real().stream().map(OpBench::name).toList();
    assertEquals(cases.size(), Set.copyOf(cases).size());
    assertTrue(cases.stream().anyMatch(name -> name.contains(";")), "no case has a comma");
    for (String name : cases) {
      assertEquals(
          List.of(name),
          List.copyOf(
              new CommandLineOptions("-p", "test=" + name).getParameter("test").get()));
    }
  }

  @Test
  void aWrongKernelIsNotTimed() throws Exception {
    ChainedOptionsBuilder options = shortly("OpBench", "cpu").param("test", "linear/nothing");
    assertThrows(RunnerException.class, () -> new Runner(options.build()).run());
  }

  @Test
  void layers() throws Exception {
    Collection<RunResult> results = new Runner(shortly("LayerBench", "cpu")
            .param("heads", "4")
            .param("rows", "1", "33")
            .build())
        .run();
    assertEquals(2, results.size());
    assertTrue(reported(results).contains("·of.int8"));
  }

  @Test
  void tokens() throws Exception {
    Collection<RunResult> results = new Runner(shortly("TokenBench", "cpu")
            .param("context", "70")
            .param("batch", "1", "3")
            .build())
        .run();
    assertEquals(2, results.size());
    assertTrue(reported(results).containsAll(Set.of("·read", "·of.read", "·p99")));
  }

  @Test
  void prompts() throws Exception {
    assertEquals(
        1,
        new Runner(shortly("PrefillBench", "cpu").param("length", "40").build())
            .run()
            .size());
  }

  @Test
  void pictures() throws Exception {
    Collection<RunResult> results = new Runner(shortly("ImageBench", "cpu")
            .param("blocks", "1")
            .param("weights", "f16")
            .build())
        .run();
    assertEquals(2, results.size());
    assertFalse(reported(results).isEmpty());
  }

  @Test
  void firstTokensLoadingAndDowncalls() throws Exception {
    Collection<RunResult> results =
        new Runner(shortly("(FirstToken|Load|Binding)Bench", "cpu").build()).run();
    assertEquals(5, results.size());
    assertTrue(reported(results).containsAll(PERCENTILES));
  }

  /** The definition as a backend, and CUDA's: on a plain op, one whose output is a state of blocks, and one that writes states beside it. */
  @Test
  void otherBackends() throws Exception {
    List<String> plain = List.of("rms_norm/1x4096", "kv_append/q8_0");
    run("reference", plain); // has no kernels for fused ops
    run(
        "cuda-emulated",
        Stream.concat(plain.stream(), Stream.of("norm_qkv/q4_0")).toList());
  }

  private void run(String backend, List<String> beginnings) throws Exception {
    String[] cases = Benchmarks.cases(backend).stream()
        .filter(name -> beginnings.stream().anyMatch(name::startsWith))
        .toArray(String[]::new);
    assertEquals(beginnings.size(), cases.length, backend + " " + List.of(cases));
    assertEquals(
        cases.length,
        new Runner(shortly("OpBench", backend).param("test", cases).build())
            .run()
            .size(),
        backend);
  }
}
