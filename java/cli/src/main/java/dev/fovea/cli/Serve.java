package dev.fovea.cli;

import dev.fovea.Fovea;
import dev.fovea.FoveaOptions;
import dev.fovea.error.FoveaException;
import dev.fovea.error.InputException;
import dev.fovea.server.Server;
import dev.fovea.server.ServerOptions;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.CompletionException;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;

/** {@code fovea serve}. */
@Command(
    description = {
      "Answers over HTTP, as OpenAI's API does, with regions of pictures added; and shows a page to point",
      "at things. On Ctrl-C or SIGTERM it takes no more questions and ends after those it has begun, with",
      "status 0; with 130 or 143 if they took longer than --drain-timeout, or a second signal came.",
      ""
    },
    customSynopsis = "fovea serve [FLAG]...")
final class Serve implements Callable<Integer> {
  private static final int MIB = 1 << 20;

  @Mixin
  Flags flags = new Flags();

  @Mixin
  ModelFlags model = new ModelFlags();

  @Option(
      names = "--host",
      paramLabel = "ADDRESS",
      description = "Address to listen on; 127.0.0.1.")
  String host = "127.0.0.1";

  @Option(names = "--port", paramLabel = "N", description = "Port; 8080. 0 takes a free one.")
  int port = 8080;

  @Option(
      names = "--api-key-file",
      paramLabel = "FILE",
      description = "Keys, one a line, any of which opens the server.")
  @Nullable
  Path apiKeyFile;

  @Option(
      names = "--cors-origins",
      paramLabel = "ORIGIN",
      split = ",",
      description = "Other pages that may ask, as https://example.org; * for all.")
  List<String> corsOrigins = new ArrayList<>();

  @Option(
      names = {"-a", "--alias"},
      paramLabel = "NAME",
      description = "The model's name in the API; else its file's.")
  @Nullable
  String alias;

  @Option(
      names = {"-np", "--parallel"},
      paramLabel = "N",
      description = "Answers written at the same time, 1 to 64; 8.")
  int parallel = FoveaOptions.DEFAULT.sequences();

  @Option(
      names = "--max-queue",
      paramLabel = "N",
      description = "Questions that wait for their turn; more are refused with 429. 256.")
  int maxQueue = FoveaOptions.DEFAULT.queue();

  @Option(
      names = "--cache-mib",
      paramLabel = "N",
      description = "Memory of the key-value cache in MiB; 0 for two conversations of full length.")
  int cacheMib;

  @Option(
      names = "--allow-remote-images",
      paramLabel = "HOST",
      split = ",",
      description = "Hosts whose pictures may be named by URL; never private addresses.")
  List<String> allowRemoteImages = new ArrayList<>();

  @Option(
      names = "--media-path",
      paramLabel = "DIR",
      description = "Folder whose pictures may be named by file:///PATH below it.")
  @Nullable
  Path mediaPath;

  @Option(
      names = "--payload-limit",
      paramLabel = "MIB",
      description = "Largest body of a request in MiB; 32.")
  int payloadLimit = 32;

  @Option(
      names = "--limit-images",
      paramLabel = "N",
      description = "Most pictures of a request; 16.")
  int limitImages = ServerOptions.DEFAULT.images();

  @Option(
      names = "--drain-timeout",
      paramLabel = "SECONDS",
      description = "How long answers may go on after SIGTERM; 30.")
  int drainTimeout = 30;

  private final Shell shell;

  Serve(Shell shell) {
    this.shell = shell;
  }

  @Override
  public Integer call() {
    Path path = model.path(shell);
    FoveaOptions opened = model.options().toBuilder()
        .sequences(parallel)
        .queue(maxQueue)
        .cacheBytes((long) cacheMib * MIB)
        .build();
    try (Server server =
        Server.start(options(), Version.number(), () -> Fovea.open(path, opened))) {
      CompletableFuture<Integer> asked = Termination.of(shell).asked();
      shell.err().println("fovea: opening " + path + "; " + server.url() + " says 503 until then");
      CompletableFuture.anyOf(server.ready(), asked).join();
      if (!asked.isDone()) {
        shell.out().println("fovea: " + server.url());
        shell.out().flush();
      }
      int cutOff = asked.join();
      return server.end() ? 0 : cutOff;
    } catch (CompletionException e) {
      throw e.getCause() instanceof FoveaException f ? f : e;
    }
  }

  private ServerOptions options() {
    if (payloadLimit < 1 || payloadLimit > 1024) {
      throw InputException.mismatch("--payload-limit", "1 to 1024 MiB", payloadLimit);
    }
    if (drainTimeout < 0) {
      throw InputException.mismatch("--drain-timeout", "0 or more seconds", drainTimeout);
    }
    if (cacheMib < 0) {
      throw InputException.mismatch("--cache-mib", "0 or more", cacheMib);
    }
    Path samples = shell.home().resolve("samples");
    return ServerOptions.DEFAULT
        .withHost(host)
        .withPort(port)
        .withKeys(apiKeyFile == null ? List.of() : keys(apiKeyFile))
        .withOrigins(corsOrigins)
        .withAlias(alias)
        .withSamples(Files.exists(samples.resolve("scenes.json")) ? samples : null)
        .withMedia(mediaPath)
        .withRemote(allowRemoteImages)
        .withPayload((int) Math.min((long) payloadLimit * MIB, 1 << 30))
        .withImages(limitImages)
        .withDrain(Duration.ofSeconds(drainTimeout));
  }

  private static List<String> keys(Path file) {
    Main.require(file, "API keys, one a line");
    try {
      List<String> keys = Files.readAllLines(file).stream()
          .map(String::strip)
          .filter(line -> !line.isEmpty() && !line.startsWith("#"))
          .toList();
      if (keys.isEmpty()) {
        throw new InputException(file + ": expected API keys, one a line, found none");
      }
      return keys;
    } catch (IOException e) {
      throw new InputException(file + ": cannot be read: " + e.getMessage(), e);
    }
  }
}
