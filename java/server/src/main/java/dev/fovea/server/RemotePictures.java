package dev.fovea.server;

import io.vertx.core.Future;
import io.vertx.core.Promise;
import io.vertx.core.Vertx;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpClient;
import io.vertx.core.http.HttpClientOptions;
import io.vertx.core.http.HttpClientResponse;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.RequestOptions;
import io.vertx.core.net.SocketAddress;
import java.net.InetAddress;
import java.net.URI;
import java.net.UnknownHostException;
import java.util.List;
import java.util.Locale;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Predicate;
import org.jspecify.annotations.Nullable;

/**
 * Fetches pictures from listed hosts. The connection goes to the very address that was looked at, so a name that changes its mind between look
 * and connect gains nothing; redirects are looked at like the first URL.
 */
final class RemotePictures {
  private static final int MOST_BYTES = 16 << 20;
  private static final int MOST_REDIRECTS = 3;
  private static final long MOST_MS = 5_000;

  private final List<String> hosts;
  private final Predicate<InetAddress> reachable;
  private final HttpClient client;

  /** What came of one request: a picture, or where to look instead. */
  private record Fetched(Buffer bytes, @Nullable String elsewhere) {}

  /** @param reachable addresses that may be asked, {@link #isPublic} unless a test says otherwise */
  RemotePictures(Vertx vertx, List<String> hosts, Predicate<InetAddress> reachable) {
    this.hosts = hosts.stream().map(h -> h.toLowerCase(Locale.ROOT)).toList();
    this.reachable = reachable;
    this.client = vertx.createHttpClient(new HttpClientOptions()
        .setConnectTimeout((int) MOST_MS)
        .setDecompressionSupported(false)
        .setKeepAlive(false)
        .setMaxHeaderSize(16 << 10));
  }

  byte[] fetch(String url, String field) {
    long end = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(MOST_MS);
    String at = url;
    for (int i = 0; i <= MOST_REDIRECTS; i++) {
      Fetched fetched = once(at, field, end);
      if (fetched.elsewhere() == null) {
        return fetched.bytes().getBytes();
      }
      at = fetched.elsewhere();
    }
    throw ApiException.field(field, "more than " + MOST_REDIRECTS + " redirects");
  }

  private Fetched once(String url, String field, long end) {
    URI uri = parsed(url, field);
    boolean tls = "https".equalsIgnoreCase(uri.getScheme());
    int port = uri.getPort() < 0 ? (tls ? 443 : 80) : uri.getPort();
    InetAddress address = address(uri.getHost(), field);
    String path = uri.getRawPath() == null || uri.getRawPath().isEmpty() ? "/" : uri.getRawPath();
    RequestOptions request = new RequestOptions()
        .setMethod(HttpMethod.GET)
        .setServer(SocketAddress.inetSocketAddress(port, address.getHostAddress()))
        .setHost(uri.getHost())
        .setPort(port)
        .setSsl(tls)
        .setFollowRedirects(false)
        .setURI(uri.getRawQuery() == null ? path : path + "?" + uri.getRawQuery())
        .putHeader("Accept", "image/*");
    CompletableFuture<Fetched> result = client
        .request(request)
        .compose(r -> r.send().compose(response -> received(response, uri)))
        .toCompletionStage()
        .toCompletableFuture();
    try {
      return result.get(Math.max(1, end - System.nanoTime()), TimeUnit.NANOSECONDS);
    } catch (TimeoutException e) {
      throw ApiException.field(field, "could not be fetched within " + MOST_MS / 1000 + " s");
    } catch (ExecutionException e) {
      Throwable why = e.getCause() == null ? e : e.getCause();
      throw ApiException.field(
          field, "could not be fetched: " + Fields.shorten(String.valueOf(why.getMessage())));
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      throw ApiException.unavailable("the server is ending");
    }
  }

  private static Future<Fetched> received(HttpClientResponse response, URI asked) {
    response.exceptionHandler(e -> {}); // what is reset below is no error of the server's
    int status = response.statusCode();
    String location = response.getHeader("Location");
    if (status >= 300 && status < 400 && location != null) {
      response.request().reset();
      try {
        return Future.succeededFuture(
            new Fetched(Buffer.buffer(), asked.resolve(location).toString()));
      } catch (IllegalArgumentException e) {
        return Future.failedFuture("a redirect to no URL");
      }
    }
    if (status != 200) {
      response.request().reset();
      return Future.failedFuture("status " + status);
    }
    Promise<Fetched> done = Promise.promise();
    Buffer bytes = Buffer.buffer();
    response.handler(more -> {
      if (bytes.length() + more.length() > MOST_BYTES) {
        done.tryFail("more than " + MOST_BYTES + " bytes");
        response.request().reset();
      } else {
        bytes.appendBuffer(more);
      }
    });
    response.exceptionHandler(done::tryFail);
    response.endHandler(v -> done.tryComplete(new Fetched(bytes, null)));
    return done.future();
  }

  private URI parsed(String url, String field) {
    URI uri;
    try {
      uri = URI.create(url);
    } catch (IllegalArgumentException e) {
      throw ApiException.mismatch(field, "a URL", Fields.shorten(url));
    }
    String scheme = String.valueOf(uri.getScheme()).toLowerCase(Locale.ROOT);
    String host = uri.getHost();
    if (!(scheme.equals("http") || scheme.equals("https"))
        || host == null
        || uri.getRawUserInfo() != null) {
      throw ApiException.mismatch(field, "http(s)://HOST/…", Fields.shorten(url));
    }
    if (!hosts.contains(host.toLowerCase(Locale.ROOT))) {
      throw ApiException.field(
          field,
          "pictures of " + Fields.shorten(host)
              + " are not fetched: it is not on the server's list");
    }
    return uri;
  }

  private InetAddress address(String host, String field) {
    try {
      InetAddress[] all = InetAddress.getAllByName(host.replaceAll("^\\[|\\]$", ""));
      for (InetAddress one : all) {
        if (!reachable.test(one)) {
          throw ApiException.field(field, Fields.shorten(host) + " is not a public address");
        }
      }
      return all[0];
    } catch (UnknownHostException e) {
      throw ApiException.field(field, Fields.shorten(host) + " has no address");
    }
  }

  /** Whether an address is one of the internet's own. IANA's special-purpose registries, RFC 6890. */
  static boolean isPublic(InetAddress address) {
    if (address.isAnyLocalAddress()
        || address.isLoopbackAddress()
        || address.isLinkLocalAddress()
        || address.isSiteLocalAddress()
        || address.isMulticastAddress()) {
      return false;
    }
    byte[] b = address.getAddress();
    int b0 = b[0] & 0xFF;
    int b1 = b[1] & 0xFF;
    if (b.length == 4) {
      return b0 != 0
          && b0 < 240
          && !(b0 == 100 && b1 >= 64 && b1 < 128) // shared by carriers
          && !(b0 == 192 && b1 == 0) // protocols, documentation
          && !(b0 == 192 && b1 == 88) // 6to4
          && !(b0 == 198 && (b1 == 18 || b1 == 19 || b1 == 51)) // benchmarks, documentation
          && !(b0 == 203 && b1 == 0); // documentation
    }
    // Of IPv6 only what is given out, 2000::/3, and of that nothing that holds an IPv4 address or
    // documents.
    boolean given = (b0 & 0xE0) == 0x20;
    boolean holdsIpv4 = b0 == 0x20 && (b1 == 0x02 || (b1 == 0x01 && b[2] == 0));
    boolean documents = b0 == 0x20 && b1 == 0x01 && (b[2] & 0xFF) == 0x0D && (b[3] & 0xFF) == 0xB8;
    return given && !holdsIpv4 && !documents;
  }

  void close() {
    client.close();
  }
}
