package dev.fovea.cli;

import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;

/** {@code fovea version}. */
@Command(description = "Shows the version of Fovea and of the Java it runs on.")
final class Version implements Callable<Integer> {
  @Mixin
  Flags flags = new Flags();

  private final Shell shell;

  Version(Shell shell) {
    this.shell = shell;
  }

  /** From the jar's manifest; a run from class files has none. */
  static String number() {
    String version = Version.class.getPackage().getImplementationVersion();
    return version == null ? "(unpackaged)" : version;
  }

  @Override
  public Integer call() {
    shell.out().println("fovea " + number());
    shell.out().println("java " + Runtime.version() + ", " + System.getProperty("java.vm.name"));
    return 0;
  }
}
