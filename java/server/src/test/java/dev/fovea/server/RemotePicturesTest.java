package dev.fovea.server;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.sun.net.httpserver.HttpExchange;
import com.sun.net.httpserver.HttpServer;
import io.vertx.core.Vertx;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.Executors;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeEach;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/** Pictures that a request only names: from another host, or from the server's own files. */
class RemotePicturesTest {
  private static final byte[] BYTES = {1, 2, 3};

  @TempDir
  Path folder = Path.of("");

  private final Vertx vertx = Vertx.vertx();
  private final AtomicInteger asked = new AtomicInteger();
  private final CountDownLatch done = new CountDownLatch(1);
  private HttpServer host;

  RemotePicturesTest() throws IOException {
    host = HttpServer.create(new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), 0);
  }

  @BeforeEach
  void start() {
    host.setExecutor(Executors.newVirtualThreadPerTaskExecutor());
    host.createContext("/", exchange -> {
      asked.incrementAndGet();
      try (exchange) {
        answer(exchange);
      }
    });
    host.start();
  }

  @AfterEach
  void stop() throws Exception {
    done.countDown();
    host.stop(0);
    vertx.close().toCompletionStage().toCompletableFuture().get(10, TimeUnit.SECONDS);
  }

  private void answer(HttpExchange exchange) throws IOException {
    switch (exchange.getRequestURI().getPath()) {
      case "/picture" -> body(exchange, BYTES);
      case "/large" -> body(exchange, new byte[17 << 20]);
      case "/endless" -> endless(exchange);
      case "/slow" -> slow(exchange);
      case "/away" -> redirect(exchange, "/picture");
      case "/circle" -> redirect(exchange, "/circle");
      case "/inside" -> redirect(exchange, "http://127.0.0.1:" + port() + "/picture");
      case "/unlisted" -> redirect(exchange, "http://example.org/picture");
      case "/file" -> redirect(exchange, "file:///etc/passwd");
      case "/nonsense" -> redirect(exchange, "http://[/");
      default -> exchange.sendResponseHeaders(404, -1);
    }
  }

  private static void body(HttpExchange exchange, byte[] bytes) throws IOException {
    exchange.sendResponseHeaders(200, bytes.length);
    exchange.getResponseBody().write(bytes);
  }

  private static void endless(HttpExchange exchange) throws IOException {
    exchange.sendResponseHeaders(200, 0); // in chunks, so that no length gives it away
    byte[] piece = new byte[1 << 20];
    for (int i = 0; i < 1000; i++) {
      exchange.getResponseBody().write(piece);
    }
  }

  private void slow(HttpExchange exchange) throws IOException {
    exchange.sendResponseHeaders(200, 0);
    try {
      for (int i = 0; i < 200 && !done.await(100, TimeUnit.MILLISECONDS); i++) {
        exchange.getResponseBody().write(1);
        exchange.getResponseBody().flush();
      }
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
  }

  private static void redirect(HttpExchange exchange, String to) throws IOException {
    exchange.getResponseHeaders().add("Location", to);
    exchange.sendResponseHeaders(302, -1);
  }

  private int port() {
    return host.getAddress().getPort();
  }

  /** One that takes this machine for a public host, by its name only. */
  private RemotePictures trusting() {
    return new RemotePictures(vertx, List.of("localhost"), InetAddress::isLoopbackAddress);
  }

  private String url(String path) {
    return "http://localhost:" + port() + path;
  }

  private static String refusal(RemotePictures remote, String url) {
    ApiException e = assertThrows(ApiException.class, () -> remote.fetch(url, "url"));
    assertEquals(400, e.status());
    assertEquals("url", e.param());
    return String.valueOf(e.getMessage());
  }

  @Test
  void aListedHostIsAsked() {
    assertArrayEquals(BYTES, trusting().fetch(url("/picture"), "url"));
    assertArrayEquals(BYTES, trusting().fetch(url("/away"), "url"));
  }

  @Test
  void whatIsPrivateIsNeverConnectedTo() {
    RemotePictures remote =
        new RemotePictures(vertx, List.of("localhost", "127.0.0.1"), RemotePictures::isPublic);
    assertTrue(refusal(remote, url("/picture")).contains("not a public address"));
    assertTrue(refusal(remote, "http://127.0.0.1:" + port() + "/picture").contains("not a public"));
    assertEquals(0, asked.get());
  }

  @Test
  void aHostThatIsNotListedIsNotAsked() {
    assertTrue(refusal(trusting(), "http://127.0.0.1:" + port() + "/").contains("not on the"));
    assertTrue(refusal(trusting(), "http://localhost.example:1/").contains("not on the"));
    assertEquals(0, asked.get());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "http://localhost@127.0.0.1/",
        "http://user:pass@localhost/",
        "http:///picture",
        "http://",
        "http:localhost/",
        "gopher://localhost/",
        "http://local host/",
        "http://localhost\r\nX: y/"
      })
  void whatIsNoPlainUrlIsRefused(String url) {
    refusal(trusting(), url);
    assertEquals(0, asked.get());
  }

  @ParameterizedTest
  @ValueSource(strings = {"/inside", "/unlisted", "/file", "/nonsense", "/circle"})
  void redirectsAreLookedAtLikeTheFirst(String path) {
    refusal(trusting(), url(path));
    assertTrue(asked.get() <= 4, asked + " requests");
  }

  @ParameterizedTest
  @ValueSource(strings = {"/large", "/endless", "/absent"})
  void whatIsNoPictureOfReasonableSizeIsRefused(String path) {
    refusal(trusting(), url(path));
  }

  @Test
  void aHostThatDripsIsGivenUp() {
    long start = System.nanoTime();
    assertTrue(refusal(trusting(), url("/slow")).contains("within"));
    assertTrue(System.nanoTime() - start < 8_000_000_000L, "took longer than its limit");
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "127.0.0.1",
        "127.255.0.3",
        "0.0.0.0",
        "0.1.2.3",
        "10.1.2.3",
        "172.16.0.1",
        "172.31.255.255",
        "192.168.1.1",
        "169.254.169.254",
        "100.64.0.1",
        "100.127.0.1",
        "192.0.0.8",
        "192.0.2.1",
        "192.88.99.1",
        "198.18.0.1",
        "198.19.1.1",
        "198.51.100.7",
        "203.0.113.9",
        "224.0.0.1",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::ffff:127.0.0.1",
        "::ffff:10.0.0.1",
        "::127.0.0.1",
        "64:ff9b::7f00:1",
        "64:ff9b:1::1",
        "100::1",
        "fe80::1",
        "fec0::1",
        "fc00::1",
        "fd12:3456::1",
        "ff02::1",
        "2001::1",
        "2001:db8::1",
        "2002:7f00:1::1"
      })
  void addressesThatAreNotTheInternetsAreNotPublic(String address) throws Exception {
    assertFalse(RemotePictures.isPublic(InetAddress.getByName(address)));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "1.1.1.1",
        "8.8.8.8",
        "100.63.255.255",
        "100.128.0.1",
        "172.15.0.1",
        "172.32.0.1",
        "192.167.1.1",
        "198.17.0.1",
        "223.255.255.255",
        "2606:4700::1111",
        "2a00:1450::1"
      })
  void theInternetsOwnArePublic(String address) throws Exception {
    assertTrue(RemotePictures.isPublic(InetAddress.getByName(address)));
  }

  @Test
  void filesAreReadBelowTheMediaPathAlone() throws IOException {
    Path media = Files.createDirectory(folder.resolve("media"));
    Files.copy(Client.SAMPLES.resolve("scene-01.png"), media.resolve("a.png"));
    Files.copy(Client.SAMPLES.resolve("scene-01.png"), folder.resolve("secret.png"));
    Files.createSymbolicLink(media.resolve("link.png"), folder.resolve("secret.png"));
    Files.createDirectory(folder.resolve("media-other"));
    PictureReader pictures = new PictureReader(new ReadingThreads(), media, null);
    assertEquals(480, pictures.read("file:///a.png", "url").width());
    for (String url : List.of(
        "file:///../secret.png",
        "file:///%2e%2e/secret.png",
        "file:///link.png",
        "file:///../media-other",
        "file:///" + folder.resolve("secret.png"),
        "file:///",
        "file:///absent.png",
        "file:///a.png%00",
        "file://otherhost/a.png",
        "file:a.png",
        "file:///../../../../../../etc/passwd")) {
      ApiException e = assertThrows(ApiException.class, () -> pictures.read(url, "url"), url);
      assertEquals(400, e.status(), url);
    }
  }
}
