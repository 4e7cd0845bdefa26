package dev.fovea.server;

import dev.fovea.error.InputException;
import java.net.URI;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.List;
import org.jspecify.annotations.Nullable;

/**
 * How to serve.
 *
 * @param host address to listen on
 * @param port 0 for any that is free
 * @param keys API keys, any of which opens the server; none for an open one
 * @param origins origins of other pages that may ask, as {@code https://example.org}; {@code *} for all
 * @param alias the model's name in the API; null for its file's
 * @param samples a folder with scenes.json that the page offers; null for none
 * @param media folder whose pictures may be named by {@code file://}; null for none
 * @param remote hosts whose pictures are fetched; none to fetch nothing
 * @param payload most bytes of a request's body
 * @param images most pictures of a request
 * @param patience how long a request may take to arrive, head and body, and an unused connection may stay open
 * @param drain how long answers that are being written may go on after the server was told to end
 */
public record ServerOptions(
    String host,
    int port,
    List<String> keys,
    List<String> origins,
    @Nullable String alias,
    @Nullable Path samples,
    @Nullable Path media,
    List<String> remote,
    int payload,
    int images,
    Duration patience,
    Duration drain) {

  /** On this machine alone, port 8080, nothing from elsewhere. */
  public static final ServerOptions DEFAULT = new ServerOptions(
      "127.0.0.1",
      8080,
      List.of(),
      List.of(),
      null,
      null,
      null,
      List.of(),
      32 << 20,
      16,
      Duration.ofSeconds(30),
      Duration.ofSeconds(30));

  public ServerOptions {
    keys = List.copyOf(keys);
    origins = List.copyOf(origins);
    remote = List.copyOf(remote);
    if (port < 0 || port > 65_535) {
      throw InputException.mismatch("port", "0 to 65535", port);
    }
    if (payload < 1024 || payload > 1 << 30) {
      throw InputException.mismatch("payload limit", "1024 to " + (1 << 30) + " bytes", payload);
    }
    if (images < 1 || images > 256) {
      throw InputException.mismatch("images of a request", "1 to 256", images);
    }
    for (String key : keys) {
      if (key.isBlank() || !StandardCharsets.US_ASCII.newEncoder().canEncode(key)) {
        throw new InputException("an API key: expected printable ASCII characters");
      }
    }
    for (String origin : origins) {
      requireOrigin(origin);
    }
  }

  private static void requireOrigin(String origin) {
    String expected = "* or scheme://host[:port]";
    if (origin.equals("*")) {
      return;
    }
    try {
      URI uri = URI.create(origin);
      if (uri.getHost() == null || !(uri.getScheme() + "://" + uri.getAuthority()).equals(origin)) {
        throw InputException.mismatch("origin", expected, origin);
      }
    } catch (IllegalArgumentException e) {
      throw InputException.mismatch("origin", expected, origin);
    }
  }

  public ServerOptions withHost(String address) {
    return new ServerOptions(
        address, port, keys, origins, alias, samples, media, remote, payload, images, patience,
        drain);
  }

  public ServerOptions withPort(int number) {
    return new ServerOptions(
        host, number, keys, origins, alias, samples, media, remote, payload, images, patience,
        drain);
  }

  public ServerOptions withKeys(List<String> some) {
    return new ServerOptions(
        host, port, some, origins, alias, samples, media, remote, payload, images, patience, drain);
  }

  public ServerOptions withOrigins(List<String> some) {
    return new ServerOptions(
        host, port, keys, some, alias, samples, media, remote, payload, images, patience, drain);
  }

  public ServerOptions withAlias(@Nullable String name) {
    return new ServerOptions(
        host, port, keys, origins, name, samples, media, remote, payload, images, patience, drain);
  }

  public ServerOptions withSamples(@Nullable Path folder) {
    return new ServerOptions(
        host, port, keys, origins, alias, folder, media, remote, payload, images, patience, drain);
  }

  public ServerOptions withMedia(@Nullable Path folder) {
    return new ServerOptions(
        host, port, keys, origins, alias, samples, folder, remote, payload, images, patience,
        drain);
  }

  public ServerOptions withRemote(List<String> hosts) {
    return new ServerOptions(
        host, port, keys, origins, alias, samples, media, hosts, payload, images, patience, drain);
  }

  public ServerOptions withPayload(int bytes) {
    return new ServerOptions(
        host, port, keys, origins, alias, samples, media, remote, bytes, images, patience, drain);
  }

  public ServerOptions withImages(int most) {
    return new ServerOptions(
        host, port, keys, origins, alias, samples, media, remote, payload, most, patience, drain);
  }

  public ServerOptions withPatience(Duration time) {
    return new ServerOptions(
        host, port, keys, origins, alias, samples, media, remote, payload, images, time, drain);
  }

  public ServerOptions withDrain(Duration time) {
    return new ServerOptions(
        host, port, keys, origins, alias, samples, media, remote, payload, images, patience, time);
  }
}
