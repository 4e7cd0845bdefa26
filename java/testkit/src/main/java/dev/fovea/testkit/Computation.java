package dev.fovea.testkit;

/** What a kernel of {@link HostDevice} does. */
@FunctionalInterface
public interface Computation {

  /** The op's own definition, rounded to the output's type. */
  Computation DEFINITION = launch -> launch.compute(launch.op(), launch.numbers());

  void run(Launch launch);
}
