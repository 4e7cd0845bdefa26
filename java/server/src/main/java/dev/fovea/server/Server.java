package dev.fovea.server;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.fovea.Fovea;
import dev.fovea.ModelInfo;
import dev.fovea.error.FoveaException;
import dev.fovea.error.InputException;
import dev.fovea.model.text.Tokenizer;
import io.netty.handler.codec.http.TooLongHttpHeaderException;
import io.netty.handler.codec.http.TooLongHttpLineException;
import io.vertx.core.Future;
import io.vertx.core.Vertx;
import io.vertx.core.VertxOptions;
import io.vertx.core.buffer.Buffer;
import io.vertx.core.http.HttpConnection;
import io.vertx.core.http.HttpMethod;
import io.vertx.core.http.HttpServer;
import io.vertx.core.http.HttpServerOptions;
import io.vertx.core.http.HttpServerRequest;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.ConcurrentHashMap;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.TimeoutException;
import java.util.function.Supplier;
import org.jspecify.annotations.Nullable;
import org.slf4j.Logger;
import org.slf4j.LoggerFactory;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/**
 * The HTTP server. It listens at once and answers 503 until the model is open; each request then runs on a virtual thread of its own.
 *
 * <pre>{@code
 * try (var server = Server.start(ServerOptions.DEFAULT, () -> Fovea.open(path))) {
 *   server.ready().join();
 *   …
 * }
 * }</pre>
 */
public final class Server implements AutoCloseable {
  private static final Logger LOG = LoggerFactory.getLogger(Server.class);
  private static final int MOST_HEAD = 16 << 10;
  private static final int MOST_LINE = 4 << 10;
  private static final long LINGER_MS = 1_000;
  private static final int MOST_TEXT = 1 << 20;

  /** A way to answer a request. */
  private interface Handler {
    void serve(Call call, Model model);
  }

  private record Route(String method, Handler handler) {}

  private final ServerOptions options;
  private final Vertx vertx;
  private final Keys keys;
  private final Page page;
  private final String version;
  private final JsonMapper mapper;
  private final Map<String, Route> routes = new LinkedHashMap<>();
  private final ReadingThreads threads = new ReadingThreads();
  private final @Nullable RemotePictures remote;
  private final Map<HttpConnection, Patience> patiences = new ConcurrentHashMap<>();
  private final Set<Call> running = ConcurrentHashMap.newKeySet();
  private final CompletableFuture<Void> ready = new CompletableFuture<>();
  private final CompletableFuture<Void> idle = new CompletableFuture<>();
  private volatile @Nullable Model model;
  private volatile boolean ending;
  private final HttpServer http;

  private Server(ServerOptions options, String version) {
    this.options = options;
    this.version = version;
    this.keys = new Keys(options.keys());
    this.page = new Page(options.samples());
    this.mapper = Fields.mapper(options.payload());
    Path media = options.media();
    if (media != null && !Files.isDirectory(media)) {
      throw InputException.mismatch("media path", "a folder", media);
    }
    this.vertx = Vertx.vertx(new VertxOptions().setEventLoopPoolSize(2));
    this.remote = options.remote().isEmpty()
        ? null
        : new RemotePictures(vertx, options.remote(), RemotePictures::isPublic);
    PictureReader pictures = new PictureReader(threads, media, remote);
    routes.put(
        "/v1/chat/completions",
        new Route("POST", new ChatCompletions(mapper, threads, pictures, options.images())::serve));
    routes.put("/v1/completions", new Route("POST", new Completions(mapper)::serve));
    routes.put("/v1/models", new Route("GET", this::models));
    routes.put("/tokenize", new Route("POST", this::tokenize));
    routes.put("/detokenize", new Route("POST", this::detokenize));
    routes.put("/props", new Route("GET", this::props));
    routes.put(
        "/metrics",
        new Route(
            "GET",
            (call, m) -> call.send(
                200,
                "text/plain; version=0.0.4; charset=utf-8",
                m.metrics().scrape().getBytes(UTF_8))));
    this.http = vertx
        .createHttpServer(new HttpServerOptions()
            .setHost(options.host())
            .setPort(options.port())
            // Waiting for an upgrade, Vert.x shows no connection before its first head, and
            // Patience would not see those on which a head drips in.
            .setHttp2ClearTextEnabled(false)
            .setMaxHeaderSize(MOST_HEAD)
            .setMaxInitialLineLength(MOST_LINE)
            .setHandle100ContinueAutomatically(true))
        .connectionHandler(this::connected)
        .invalidRequestHandler(Server::unreadable)
        .requestHandler(this::received);
  }

  /** Answers what is not HTTP, or has too long a head, and ends the connection: where a next request would begin is not known. */
  private static void unreadable(HttpServerRequest request) {
    ApiException e = switch (request.decoderResult().cause()) {
      case TooLongHttpLineException line -> ApiException.lineTooLong(MOST_LINE);
      case TooLongHttpHeaderException head -> ApiException.headTooLong(MOST_HEAD);
      case null, default -> ApiException.notHttp();
    };
    Future<Void> told = request
        .response()
        .setStatusCode(e.status())
        .putHeader("Content-Type", "application/json")
        .putHeader("Connection", "close")
        .end(Call.error(e).toString());
    told.onComplete(done -> request.connection().close());
  }

  /**
   * Listens, then opens the model in the background.
   *
   * @param version of Fovea, to be told to those who ask
   * @throws InputException if the address is not to be had, or an option names what is not there
   */
  public static Server start(ServerOptions options, String version, Supplier<Fovea> opener) {
    Server server = new Server(options, version);
    try {
      server.http.listen().toCompletionStage().toCompletableFuture().get(30, TimeUnit.SECONDS);
    } catch (ExecutionException | TimeoutException e) {
      server.stop();
      Throwable why = e.getCause() == null ? e : e.getCause();
      throw new InputException(
          "cannot listen on " + options.host() + ":" + options.port() + ": " + why.getMessage(), e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      server.stop();
      throw new InputException("interrupted");
    }
    Thread.ofPlatform().daemon().name("fovea-open").start(() -> server.open(opener));
    return server;
  }

  private void open(Supplier<Fovea> opener) {
    try {
      Fovea fovea = opener.get();
      String alias = options.alias();
      model = Model.of(fovea, alias != null ? alias : fovea.info().name());
      ready.complete(null);
    } catch (RuntimeException | Error e) {
      ready.completeExceptionally(e);
    }
  }

  /** Done when the model is open, or fails as opening it did. */
  public CompletableFuture<Void> ready() {
    return ready;
  }

  public int port() {
    return http.actualPort();
  }

  /** Where the page is. */
  public String url() {
    String host = options.host().contains(":") ? "[" + options.host() + "]" : options.host();
    return "http://" + host + ":" + port() + "/";
  }

  /** Method and path of what is served besides health, version, this document and the page. */
  List<String> served() {
    return routes.entrySet().stream()
        .map(e -> e.getValue().method() + " " + e.getKey())
        .toList();
  }

  /** What is served; null while it is opened. */
  @Nullable
  Fovea fovea() {
    Model m = model;
    return m == null ? null : m.fovea();
  }

  // ---------------------------------------------------------------- on the event loop

  /** Ends connections on which nothing arrives: before a request's head, and between requests. */
  private void connected(HttpConnection connection) {
    Patience patience = new Patience(vertx, connection, options.patience());
    patiences.put(connection, patience);
    connection.closeHandler(v -> {
      patience.stop();
      patiences.remove(connection);
    });
    patience.start();
  }

  private void received(HttpServerRequest request) {
    Patience patience = patiences.get(request.connection());
    request.response().putHeader("X-Content-Type-Options", "nosniff");
    request.response().endHandler(v -> {
      if (patience != null) {
        patience.start();
      }
    });
    Body body = new Body();
    ApiException unwanted = unwanted(request);
    if (unwanted != null) {
      body.over = true;
      begin(request, unwanted);
    }
    request.handler(more -> {
      if (!body.over) {
        if (body.bytes.length() + more.length() > options.payload()) {
          body.over = true;
          body.bytes = Buffer.buffer();
          begin(request, ApiException.tooLarge(options.payload()));
        } else {
          body.bytes.appendBuffer(more);
        }
      }
    });
    if (patience != null) {
      patience.orElse(() -> {
        if (!body.over) {
          body.over = true;
          body.bytes = Buffer.buffer();
          long seconds = options.patience().toSeconds();
          begin(request, ApiException.slow("the body did not arrive within " + seconds + " s"));
        }
      });
    }
    request.endHandler(v -> {
      if (patience != null) {
        patience.stop();
      }
      if (!body.over) {
        begin(new Call(vertx, request, body.bytes.getBytes()));
      }
    });
  }

  /** Why a body need not be read at all: nobody without a key may make the server hold 32 MB; null if it is to be read. */
  private @Nullable ApiException unwanted(HttpServerRequest request) {
    String path = request.path();
    boolean keyed = routes.containsKey(path) || routes.containsKey("/v1" + path);
    if (request.method().equals(HttpMethod.POST)
        && keyed
        && !keys.open(request.getHeader("Authorization"))) {
      return ApiException.key();
    }
    String length = request.getHeader("Content-Length"); // digits, as Vert.x has seen to
    return length != null && Long.parseLong(length) > options.payload()
        ? ApiException.tooLarge(options.payload())
        : null;
  }

  private static final class Body {
    private Buffer bytes = Buffer.buffer();
    private boolean over;
  }

  /**
   * Refuses a request whose body is not wanted. What is still under way is read and dropped for a while: a connection closed with bytes
   * unread is reset, and its client may never see the answer.
   */
  private void begin(HttpServerRequest request, ApiException e) {
    Call call = new Call(vertx, request, new byte[0]);
    Thread.startVirtualThread(() -> {
      call.fail(e);
      vertx.setTimer(LINGER_MS, t -> {
        if (!request.isEnded()) {
          request.connection().close();
        }
      });
    });
  }

  private void begin(Call call) {
    Thread.startVirtualThread(() -> {
      running.add(call);
      try {
        serve(call);
      } catch (ApiException e) {
        failed(call, e);
      } catch (Call.GoneException e) {
        LOG.debug("{} {}: the client left", call.method(), call.path());
      } catch (RuntimeException | Error e) {
        LOG.error("{} {} failed", call.method(), call.path(), e);
        failed(call, ApiException.internal());
      } finally {
        running.remove(call);
        if (ending && running.isEmpty()) {
          idle.complete(null);
        }
      }
    });
  }

  // ---------------------------------------------------------------- on a virtual thread

  private void failed(Call call, ApiException e) {
    Model m = model;
    if (m != null) {
      m.metrics().failed(e.status());
    }
    LOG.debug("{} {}: {} {}", call.method(), call.path(), e.status(), e.getMessage());
    call.fail(e);
  }

  private void serve(Call call) {
    if (crossOrigin(call)) {
      return;
    }
    String path = call.path();
    switch (path) {
      case "/health", "/v1/health", "/health/ready" -> health(call);
      case "/health/live" -> call.json(200, Call.object().put("status", "ok"));
      case "/version" -> {
        requireMethod(call, "GET");
        call.json(200, Call.object().put("version", version));
      }
      case "/openapi.json" -> {
        requireMethod(call, "GET");
        call.send(200, Call.JSON, Page.resource("/openapi.json").getBytes(UTF_8));
      }
      default -> route(call, path);
    }
  }

  private void route(Call call, String path) {
    Route route = routes.get(path);
    // The prefix is optional, as with llama.cpp.
    route = route == null ? routes.get("/v1" + path) : route;
    if (route == null && path.startsWith("/v1/models/")) {
      route = new Route("GET", this::oneModel);
    }
    if (route == null) {
      boolean reads = call.method().equals("GET") || call.method().equals("HEAD");
      if (!reads || !page.serve(call)) {
        throw ApiException.absent(Fields.shorten(call.method() + " " + path) + " is not here");
      }
      return;
    }
    if (!keys.open(call.header("Authorization"))) {
      throw ApiException.key();
    }
    requireMethod(call, route.method());
    if (ending) {
      call.header("Connection", "close");
      throw ApiException.unavailable("the server is ending");
    }
    route.handler().serve(call, opened());
  }

  private static void requireMethod(Call call, String method) {
    boolean same =
        call.method().equals(method) || (method.equals("GET") && call.method().equals("HEAD"));
    if (!same) {
      call.header("Allow", method);
      throw ApiException.method(Fields.shorten(call.method()), method);
    }
  }

  private Model opened() {
    Model m = model;
    if (m != null) {
      return m;
    }
    throw ApiException.unavailable(
        ready.isCompletedExceptionally() ? "the model cannot be opened" : "Loading model");
  }

  /**
   * Answers browsers that ask for another page: what is on the list may, others are refused, so that no page elsewhere can make the visitor's
   * server work. WHATWG Fetch, section 3.2.
   *
   * @return whether that was all
   */
  private boolean crossOrigin(Call call) {
    String origin = call.header("Origin");
    String host = call.header("Host");
    if (origin == null
        || origin.equalsIgnoreCase("http://" + host)
        || origin.equalsIgnoreCase("https://" + host)) {
      return false;
    }
    call.header("Vary", "Origin");
    if (!options.origins().contains("*") && !options.origins().contains(origin)) {
      throw ApiException.origin(Fields.shorten(origin));
    }
    call.header("Access-Control-Allow-Origin", origin);
    call.header("Access-Control-Expose-Headers", "Retry-After, Fovea-Ignored-Fields");
    if (!call.method().equals("OPTIONS")) {
      return false;
    }
    call.header("Access-Control-Allow-Methods", "GET, POST");
    call.header("Access-Control-Allow-Headers", "Authorization, Content-Type");
    call.header("Access-Control-Max-Age", "600");
    call.send(204, "text/plain", new byte[0]);
    return true;
  }

  private void health(Call call) {
    requireMethod(call, "GET");
    opened();
    if (ending) {
      throw ApiException.unavailable("the server is ending");
    }
    call.json(200, Call.object().put("status", "ok"));
  }

  private void models(Call call, Model m) {
    ObjectNode body = Call.object().put("object", "list");
    describe(body.putArray("data").addObject(), m);
    call.json(200, body);
  }

  private void oneModel(Call call, Model m) {
    String asked = call.path().substring("/v1/models/".length());
    ChatCompletions.requireModel(asked, m);
    ObjectNode body = Call.object();
    describe(body, m);
    call.json(200, body);
  }

  private static void describe(ObjectNode body, Model m) {
    ModelInfo info = m.fovea().info();
    body.put("id", m.name())
        .put("object", "model")
        .put("created", m.since().getEpochSecond())
        .put("owned_by", "fovea");
    body.putObject("meta")
        .put("type", info.type())
        .put("n_ctx_train", info.config().decoder().context())
        .put("n_ctx", info.context())
        .put("n_embd", info.config().decoder().width())
        .put("n_params", info.parameters())
        .put("size", info.bytes())
        .put("image_size", info.config().vision().imageSize())
        .put("image_tokens", info.config().vision().features());
    body.putArray("capabilities").add("chat").add("vision").add("regions");
  }

  private void props(Call call, Model m) {
    ModelInfo info = m.fovea().info();
    ObjectNode body = Call.object()
        .put("model", m.name())
        .put("type", info.type())
        .put("backend", m.fovea().backend())
        .put("image_mode", info.imageMode())
        .put("context", info.context())
        .put("preset", info.regions())
        .put("template", info.template())
        .put("version", version)
        .put("total_slots", m.fovea().options().sequences());
    body.putObject("modalities").put("vision", true);
    body.putObject("default_generation_settings")
        .put("temperature", 0)
        .put("top_p", 1)
        .put("top_k", 0)
        .put("min_p", 0)
        .put("repetition_penalty", 1)
        .put("max_tokens", 512);
    body.putObject("limits")
        .put("payload_bytes", options.payload())
        .put("images", options.images());
    call.json(200, body);
  }

  private void tokenize(Call call, Model m) {
    Fields body = Fields.of(mapper, call.body());
    String text = body.text("content");
    if (text.length() > MOST_TEXT) {
      throw ApiException.mismatch("content", "at most " + MOST_TEXT + " characters", text.length());
    }
    Tokenizer tokenizer = m.fovea().tokenizer();
    int[] ids = body.flag("parse_special", false)
        ? tokenizer.encodeTemplate(text)
        : tokenizer.encodeText(text);
    boolean pieces = body.flag("with_pieces", false);
    ObjectNode answer = Call.object();
    ArrayNode tokens = answer.putArray("tokens");
    if (body.flag("add_special", false) && tokenizer.addBos()) {
      add(tokens, tokenizer, tokenizer.bos(), pieces);
    }
    for (int id : ids) {
      add(tokens, tokenizer, id, pieces);
    }
    call.json(200, answer);
  }

  private static void add(ArrayNode tokens, Tokenizer tokenizer, int id, boolean pieces) {
    if (pieces) {
      tokens.addObject().put("id", id).put("piece", tokenizer.piece(id));
    } else {
      tokens.add(id);
    }
  }

  private void detokenize(Call call, Model m) {
    Fields body = Fields.of(mapper, call.body());
    Tokenizer tokenizer = m.fovea().tokenizer();
    List<Integer> ids = Fields.list(
        body.required("tokens", "an array of token ids"), "tokens", MOST_TEXT, (id, at) ->
            (int) Fields.whole(id, at, 0, tokenizer.size() - 1));
    String text = tokenizer.decode(ids.stream().mapToInt(Integer::intValue).toArray());
    call.json(200, Call.object().put("content", text));
  }

  // ---------------------------------------------------------------- the end

  /** {@link #end}. */
  @Override
  public void close() {
    end();
  }

  /**
   * Takes no more questions, lets those that are being answered finish for as long as the options say, and gives everything back.
   *
   * @return whether every answer was finished; always, when it is called again
   */
  public boolean end() {
    if (ending) {
      return true;
    }
    ending = true;
    if (running.isEmpty()) {
      idle.complete(null);
    }
    boolean whole = rests(options.drain());
    if (!whole) {
      LOG.warn("{} answers were still being written and are cut off", running.size());
      running.forEach(call -> call.cancellation().cancel());
    }
    stop();
    return whole;
  }

  /** Waits until no request is being served, for so long at most. */
  private boolean rests(Duration most) {
    try {
      idle.get(most.toMillis(), TimeUnit.MILLISECONDS);
      return true;
    } catch (TimeoutException e) {
      return false;
    } catch (ExecutionException e) {
      throw new IllegalStateException(e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
      return false;
    }
  }

  private void stop() {
    threads.close();
    if (remote != null) {
      remote.close();
    }
    try {
      vertx.close().toCompletionStage().toCompletableFuture().get(10, TimeUnit.SECONDS);
    } catch (ExecutionException | TimeoutException e) {
      LOG.warn("the server did not close cleanly", e);
    } catch (InterruptedException e) {
      Thread.currentThread().interrupt();
    }
    Model m = model;
    if (m != null) {
      try {
        m.close();
      } catch (FoveaException e) {
        LOG.warn("the model did not close cleanly", e);
      }
    }
  }
}
