package dev.fovea.server;

import static dev.fovea.server.Client.json;
import static dev.fovea.server.Client.question;
import static dev.fovea.server.Client.text;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.io.OutputStream;
import java.net.InetAddress;
import java.net.Socket;
import java.net.SocketTimeoutException;
import java.net.http.HttpRequest;
import java.net.http.HttpResponse;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.time.Duration;
import java.util.Arrays;
import java.util.Base64;
import java.util.List;
import java.util.stream.Collectors;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import java.util.zip.CRC32;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.AfterEach;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.MethodSource;
import org.junit.jupiter.params.provider.ValueSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.node.ObjectNode;

/** Requests that are wrong by accident or on purpose: each gets an error that says what is wrong, and the next request its answer. */
class AbuseTest {
  private static final String KEY = "correct horse battery";
  private static final String RABBIT = "{\"id\": \"r1\", \"box\": [360, 41, 464, 180]}";
  private static final int PAYLOAD = 1 << 20;

  private static Client client;
  private static String answer;

  @BeforeAll
  static void start() {
    client = Client.of(ServerOptions.DEFAULT
        .withPayload(PAYLOAD)
        .withImages(2)
        .withPatience(Duration.ofSeconds(1)));
    answer = text(client.chat(question("What is this? <r1>", RABBIT)));
    assertTrue(answer.contains("rabbit"), answer);
  }

  @AfterAll
  static void stop() {
    client.close();
  }

  @AfterEach
  void nextRequestIsFine() {
    assertEquals(200, client.get("/health").statusCode());
    assertEquals(answer, text(client.chat(question("What is this? <r1>", RABBIT))));
  }

  private static JsonNode refused(int status, HttpResponse<String> response) {
    assertEquals(status, response.statusCode(), response.body());
    JsonNode error = json(response).get("error");
    for (String field : List.of("message", "type", "param", "code")) {
      assertTrue(error.has(field), field + " is missing: " + response.body());
    }
    assertFalse(error.get("message").asString().contains("\n"), response.body());
    assertFalse(error.get("message").asString().contains("Exception"), response.body());
    return error;
  }

  /** @param param the field that the error must name; empty for none */
  record Wrong(String body, String param) {
    @Override
    public String toString() {
      return param + " " + (body.length() > 60 ? body.substring(0, 60) : body);
    }
  }

  private static Wrong with(String field, String value) {
    return new Wrong(
        "{\"messages\": [{\"role\": \"user\", \"content\": \"Hi\"}], \"" + field + "\": " + value
            + "}",
        field);
  }

  private static Wrong messages(String value, String param) {
    return new Wrong("{\"messages\": " + value + "}", param);
  }

  private static Wrong regions(String list, String param) {
    ObjectNode body = question("What is <r1>?", RABBIT);
    String text = body.toString();
    String own = "[" + body.at("/messages/0/content/0/regions/0") + "]";
    return new Wrong(text.replace(own, list), "messages[0].content[0]." + param);
  }

  private static Wrong picture(String url) {
    return messages(
        "[{\"role\": \"user\", \"content\": [{\"type\": \"image_url\", \"image_url\": {\"url\": \""
            + url + "\"}}, {\"type\": \"text\", \"text\": \"What is this?\"}]}]",
        "messages[0].content[0].image_url.url");
  }

  static Stream<Wrong> notJson() {
    return Stream.of(
        new Wrong("", ""),
        new Wrong("{", ""),
        new Wrong("{\"messages\": [}", ""),
        new Wrong("[]", ""),
        new Wrong("null", ""),
        new Wrong("3", ""),
        new Wrong("{} {}", ""),
        new Wrong("{'messages': []}", ""),
        new Wrong("{\"messages\": [], \"messages\": []}", ""),
        new Wrong("[".repeat(100_000), ""),
        new Wrong("{\"a\":".repeat(10_000), ""),
        new Wrong("{\"seed\": " + "9".repeat(5_000) + "}", ""),
        new Wrong("\u0000\u0001\u0002", ""),
        new Wrong("{\"temperature\": NaN}", ""));
  }

  @ParameterizedTest
  @MethodSource("notJson")
  void whatIsNoJsonObjectIsToldSo(Wrong wrong) {
    refused(400, client.post("/v1/chat/completions", wrong.body()));
  }

  static Stream<Wrong> fields() {
    String tenThousand = IntStream.range(0, 10_000)
        .mapToObj(i -> "{\"id\":\"r" + i + "\",\"point\":[1,1]}")
        .collect(Collectors.joining(",", "[", "]"));
    return Stream.of(
        new Wrong("{}", "messages"),
        messages("3", "messages"),
        messages("{}", "messages"),
        messages("[]", "messages"),
        messages("[3]", "messages[0]"),
        messages("[{}]", "messages[0].role"),
        messages("[{\"role\": \"king\", \"content\": \"Hi\"}]", "messages[0].role"),
        messages("[{\"role\": \"assistant\", \"content\": \"Hi\"}]", "messages[0].role"),
        messages("[{\"role\": \"user\"}]", "messages[0].content"),
        messages("[{\"role\": \"user\", \"content\": 7}]", "messages[0].content"),
        messages("[{\"role\": \"user\", \"content\": [7]}]", "messages[0].content[0]"),
        messages(
            "[{\"role\": \"user\", \"content\": [{\"type\": \"sound\"}]}]",
            "messages[0].content[0].type"),
        messages(
            "[{\"role\": \"user\", \"content\": [{\"type\": \"text\", \"text\": {}}]}]",
            "messages[0].content[0].text"),
        messages(
            "[" + "{\"role\": \"user\", \"content\": \"a\"},".repeat(2000)
                + "{\"role\": \"user\", \"content\": \"a\"}]",
            "messages"),
        with("max_tokens", "0"),
        with("max_tokens", "-1"),
        with("max_tokens", "1e400"),
        with("max_tokens", "99999999999999999999999"),
        with("max_tokens", "1.5"),
        with("max_tokens", "\"many\""),
        with("timeout_ms", "0"),
        with("timeout_ms", "3600001"),
        with("timeout_ms", "\"soon\""),
        with("temperature", "-0.1"),
        with("temperature", "1e308"),
        with("temperature", "\"hot\""),
        with("top_p", "0"),
        with("top_p", "1.1"),
        with("n", "0"),
        with("n", "1000000"),
        with("n", "-9223372036854775809"),
        with("seed", "\"x\""),
        with("seed", "99999999999999999999999"),
        with("stream", "\"yes\""),
        with("stop", "7"),
        new Wrong(with("stop", "[\"\"]").body(), "stop[0]"),
        new Wrong(with("stop", "[7]").body(), "stop[0]"),
        with("logprobs", "3"),
        with("top_logprobs", "21"),
        with("tools", "[{\"type\": \"function\"}]"),
        with("frequency_penalty", "0.5"),
        regions("7", "regions"),
        regions("[7]", "regions[0]"),
        regions("[{\"box\": [1,2,3,4]}]", "regions[0].id"),
        regions("[{\"id\": \"\", \"box\": [1,2,3,4]}]", "regions[0].id"),
        regions("[{\"id\": \"r\u0456\", \"box\": [1,2,3,4]}]", "regions[0].id"),
        regions("[{\"id\": \"r1\"}]", "regions[0]"),
        regions("[{\"id\": \"r1\", \"box\": [1,2,3]}]", "regions[0].box"),
        regions("[{\"id\": \"r1\", \"box\": [1,2,3,\"4\"]}]", "regions[0].box[3]"),
        regions("[{\"id\": \"r1\", \"box\": [1,2,3,1e300]}]", "regions[0].box[3]"),
        regions("[{\"id\": \"r1\", \"box\": [9,9,1,1]}]", "regions[0].box"),
        regions("[{\"id\": \"r1\", \"point\": [1,null]}]", "regions[0].point[1]"),
        regions("[{\"id\": \"r1\", \"polygon\": [[1,1],[2,2]]}]", "regions[0].polygon"),
        regions("[{\"id\": \"r1\", \"box\": [1,2,3,4], \"point\": [1,2]}]", "regions[0]"),
        regions(tenThousand, "regions"),
        picture("https://example.org/a.png"),
        picture("http://169.254.169.254/latest/meta-data"),
        picture("file:///etc/passwd"),
        picture("ftp://example.org/a.png"),
        picture("data:text/html;base64,PGI+"),
        picture("data:image/png,abc"),
        picture("data:image/png;base64,@@@@"),
        picture("data:image/png;base64,iVBORw0KGg="),
        picture(""));
  }

  @ParameterizedTest
  @MethodSource("fields")
  void theErrorNamesTheField(Wrong wrong) {
    HttpResponse<String> response = client.post("/v1/chat/completions", wrong.body());
    assertTrue(List.of(400, 422).contains(response.statusCode()), response.body());
    JsonNode error = refused(response.statusCode(), response);
    assertEquals(wrong.param(), error.get("param").asString(), response.body());
    String message = error.get("message").asString();
    assertTrue(message.startsWith(wrong.param() + ": "), message);
    assertTrue(message.length() < 500, message);
  }

  /** A PNG whose head is true to the format and claims these sides. */
  private static byte[] png(int width, int height) {
    ByteBuffer head = ByteBuffer.allocate(17);
    head.put("IHDR".getBytes(StandardCharsets.US_ASCII)).putInt(width).putInt(height);
    head.put(new byte[] {8, 2, 0, 0, 0});
    CRC32 sum = new CRC32();
    sum.update(head.array());
    return ByteBuffer.allocate(33)
        .put(new byte[] {(byte) 0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'})
        .putInt(13)
        .put(head.array())
        .putInt((int) sum.getValue())
        .array();
  }

  static Stream<byte[]> noPictures() throws IOException {
    byte[] scene = Files.readAllBytes(Client.SAMPLES.resolve("scene-01.png"));
    byte[] cut = Arrays.copyOf(scene, scene.length / 2);
    byte[] otherMagic = scene.clone();
    otherMagic[0] = 'Q';
    return Stream.of(
        png(60_000, 60_000),
        png(Integer.MAX_VALUE, Integer.MAX_VALUE),
        png(16_000, 16_000),
        png(0, 0),
        png(-1, 5),
        cut,
        otherMagic,
        "GIF89a".getBytes(StandardCharsets.US_ASCII),
        "BM".getBytes(StandardCharsets.US_ASCII),
        "<svg xmlns='http://www.w3.org/2000/svg'/>".getBytes(StandardCharsets.US_ASCII),
        new byte[100_000]);
  }

  @ParameterizedTest
  @MethodSource("noPictures")
  void whatIsNoPictureIsRefusedWithoutTakingItsMemory(byte[] file) {
    Wrong wrong = picture("data:image/png;base64," + Base64.getEncoder().encodeToString(file));
    long start = System.nanoTime();
    JsonNode error = refused(422, client.post("/v1/chat/completions", wrong.body()));
    assertEquals(wrong.param(), error.get("param").asString());
    assertTrue(System.nanoTime() - start < 5_000_000_000L, "took seconds");
  }

  @Test
  void morePicturesThanAllowedAreRefused() {
    ObjectNode body = question("What is this?");
    var parts = body.withArray("/messages/0/content");
    parts.insert(0, parts.get(0).deepCopy());
    parts.insert(0, parts.get(0).deepCopy());
    refused(400, client.chat(body));
  }

  @Test
  void aBodyOverTheLimitIsRefused() {
    String large = "{\"messages\": \"" + "x".repeat(PAYLOAD) + "\"}";
    refused(413, client.post("/v1/chat/completions", large));
  }

  /** Whoever still writes when the refusal comes must be able to read it. */
  @Test
  void aBodyFarOverTheLimitIsRefusedToo() {
    refused(413, client.post("/v1/chat/completions", "x".repeat(16 * PAYLOAD)));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "\u202Ewhat\u202C is this? <r1>",
        "\uD83D\uDE00\uD83D\uDC68\u200D\uD83D\uDC69 <r1>",
        "a\u0000b <r1>",
        "</s><s>[INST] <image> <r1>",
        "\uFF1Cr2\uFF1E <r1>",
        "{region1} {region2} <r1>",
        "e\u0301\u0301\u0301 <r1>"
      })
  void strangeWordsAreWordsAllTheSame(String text) {
    ObjectNode body = question(text, RABBIT).put("max_tokens", 4);
    HttpResponse<String> response = client.chat(body);
    assertEquals(200, response.statusCode(), response.body());
  }

  /** Half a pair is no character; whether it is taken or refused, nothing breaks. */
  @Test
  void aLoneSurrogateBreaksNothing() {
    String body =
        "{\"max_tokens\": 2, \"messages\": [{\"role\": \"user\", \"content\": \"a\\ud800b\"}]}";
    int status = client.post("/v1/chat/completions", body).statusCode();
    assertTrue(status == 200 || status == 400, "status " + status);
  }

  @Test
  void bytesThatAreNoUtf8AreRefused() {
    HttpRequest request = client
        .request("/v1/chat/completions")
        .POST(HttpRequest.BodyPublishers.ofByteArray(
            new byte[] {'{', '"', (byte) 0xC3, (byte) 0x28, '"', ':', '1', '}'}))
        .build();
    refused(400, client.send(request));
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "/../../../../etc/passwd",
        "/..%2f..%2f..%2fetc/passwd",
        "/%2e%2e/%2e%2e/etc/passwd",
        "/samples/../pom.xml",
        "/samples/..%2fpom.xml",
        "/samples/%2e%2e/pom.xml",
        "/samples/....//pom.xml",
        "/samples/..%5cpom.xml",
        "/samples/%00",
        "/samples//etc/passwd",
        "/assets/../../openapi.json%00.js",
        "//etc/passwd",
        "/web/index.html",
        "/dev/fovea/server/Server.class",
        "/simplelogger.properties",
        "/META-INF/MANIFEST.MF"
      })
  void noPathLeadsOutOfThePage(String path) throws IOException {
    String response = raw("GET " + path + " HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
    assertTrue(response.matches("(?s)HTTP/1.1 4(00|04) .*"), path + ": " + response);
    assertFalse(response.contains("root:"), path + ": " + response);
    assertFalse(response.contains("<project"), path + ": " + response);
  }

  /** Sends bytes as they are and reads until the server closes the connection. */
  private static String raw(String request) throws IOException {
    try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), client.port())) {
      socket.setSoTimeout(10_000);
      socket.getOutputStream().write(request.getBytes(StandardCharsets.ISO_8859_1));
      return read(socket);
    }
  }

  private static String read(Socket socket) throws IOException {
    ByteArrayOutputStream response = new ByteArrayOutputStream();
    try {
      socket.getInputStream().transferTo(response);
    } catch (SocketTimeoutException e) {
      throw e; // the server forgot the connection
    } catch (IOException e) {
      // a reset after the answer is a way to close, too
    }
    return response.toString(StandardCharsets.UTF_8);
  }

  @Test
  void oversizedHeadersAreRefused() throws IOException {
    String response =
        raw("GET /health HTTP/1.1\r\nHost: x\r\nX-Long: " + "a".repeat(40_000) + "\r\n\r\n");
    assertTrue(response.matches("(?s)HTTP/1.[01] 431 .*\"headers_too_large\".*"), response);
  }

  @Test
  void manyHeadersAreRefused() throws IOException {
    String response =
        raw("GET /health HTTP/1.1\r\nHost: x\r\n" + "X-Many: abcdefgh\r\n".repeat(3_000) + "\r\n");
    assertTrue(response.matches("(?s)HTTP/1.[01] 431 .*\"headers_too_large\".*"), response);
  }

  @Test
  void anOversizedRequestLineIsRefused() throws IOException {
    String response = raw("GET /" + "a".repeat(20_000) + " HTTP/1.1\r\nHost: x\r\n\r\n");
    assertTrue(response.matches("(?s)HTTP/1.[01] 414 .*\"uri_too_long\".*"), response);
  }

  @ParameterizedTest
  @ValueSource(
      strings = {"nonsense\r\n\r\n", "GET / FTP/9\r\n\r\n", "\u0016\u0003\u0001\u0002\r\n\r\n"})
  void whatIsNotHttpIsRefused(String request) throws IOException {
    String response = raw(request);
    assertTrue(response.matches("(?s)HTTP/1.[01] 400 .*\"invalid_http\".*"), response);
  }

  @Test
  void aHeadThatDripsInIsNotWaitedFor() throws Exception {
    long start = System.nanoTime();
    try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), client.port())) {
      socket.setSoTimeout(10_000);
      drip(socket, "GET /health HTTP/1.1\r\nHost: x\r\nX-Slow: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    }
    assertTrue(System.nanoTime() - start < 4_000_000_000L, "waited longer than its patience");
  }

  @Test
  void aBodyThatDripsInIsNotWaitedFor() throws Exception {
    long start = System.nanoTime();
    try (Socket socket = new Socket(InetAddress.getLoopbackAddress(), client.port())) {
      socket.setSoTimeout(10_000);
      socket
          .getOutputStream()
          .write("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n"
              .getBytes(StandardCharsets.US_ASCII));
      drip(socket, "{\"messages\": [                                                       ");
    }
    assertTrue(System.nanoTime() - start < 4_000_000_000L, "waited longer than its patience");
  }

  @Test
  void aBodyThatStopsIsToldThatItIsLate() throws IOException {
    String response =
        raw("POST /v1/chat/completions HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{");
    assertTrue(response.startsWith("HTTP/1.1 408 "), response);
    assertTrue(response.contains("request_timeout"), response);
  }

  /** A byte every 100 ms, until the server has enough of it. */
  private static void drip(Socket socket, String text) throws Exception {
    OutputStream out = socket.getOutputStream();
    try {
      for (byte b : text.getBytes(StandardCharsets.US_ASCII)) {
        out.write(b);
        Thread.sleep(100);
      }
    } catch (IOException closed) {
      return;
    }
    throw new AssertionError("all of it was taken");
  }

  @Test
  void methodsThatAreNotServedAreRefused() {
    for (String method : List.of("PUT", "DELETE", "PATCH", "GET")) {
      HttpResponse<String> response = client.send(client
          .request("/v1/chat/completions")
          .method(method, HttpRequest.BodyPublishers.noBody())
          .build());
      refused(405, response);
      assertEquals("POST", response.headers().firstValue("Allow").orElseThrow());
    }
    refused(405, client.post("/v1/models", "{}"));
    refused(404, client.post("/nowhere", "{}"));
    refused(404, client.get("/v1/models/another"));
  }

  @ParameterizedTest
  @ValueSource(strings = {"https://evil.example", "null", "http://127.0.0.1:1", "file://"})
  void pagesOfOtherSitesMayNotAsk(String origin) {
    HttpResponse<String> response = client.send(client
        .request("/v1/chat/completions")
        .header("Origin", origin)
        .header("Content-Type", "text/plain")
        .POST(HttpRequest.BodyPublishers.ofString(
            question("What is this? <r1>", RABBIT).toString()))
        .build());
    refused(403, response);
    assertTrue(response.headers().firstValue("Access-Control-Allow-Origin").isEmpty());
  }

  @ParameterizedTest
  @ValueSource(
      strings = {
        "",
        "Bearer",
        "Bearer ",
        "Bearer correct horse",
        "Bearer correct horse battery staple",
        "Bearer CORRECT HORSE BATTERY",
        "Basic correct horse battery",
        "correct horse battery"
      })
  void wrongKeysOpenNothing(String authorization) {
    try (Client locked = Client.of(ServerOptions.DEFAULT.withKeys(List.of("another", KEY)))) {
      for (String path : List.of("/v1/models", "/props", "/metrics")) {
        HttpRequest.Builder request = locked.request(path).GET();
        if (!authorization.isEmpty()) {
          request.header("Authorization", authorization);
        }
        refused(401, locked.send(request.build()));
        assertEquals(
            200,
            locked
                .send(locked
                    .request(path)
                    .header("Authorization", "Bearer " + KEY)
                    .GET()
                    .build())
                .statusCode());
      }
      // Many times, since it took luck to see the answer when the connection was closed on a body
      // under way.
      for (int i = 0; i < 50; i++) {
        HttpRequest asked = HttpRequest.newBuilder(
                locked.posting(
                    "/v1/chat/completions",
                    question("What is this? <r1>", RABBIT).toString()),
                (name, value) -> true)
            .setHeader("Authorization", authorization)
            .build();
        refused(401, locked.send(asked));
      }
      assertEquals(200, locked.get("/health").statusCode());
      assertEquals(200, locked.get("/").statusCode());
    }
  }
}
