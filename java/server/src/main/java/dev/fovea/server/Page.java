package dev.fovea.server;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.fovea.error.FileException;
import io.vertx.core.buffer.Buffer;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.HashMap;
import java.util.HexFormat;
import java.util.Locale;
import java.util.Map;
import java.util.regex.Pattern;
import org.jspecify.annotations.Nullable;
import tools.jackson.core.JacksonException;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;

/**
 * The page to point at things with, and the scenes it offers. What can be had is known before the first request: files of the jar with names of
 * one safe form, and the pictures that scenes.json lists. No path of a request ever reaches the file system.
 */
final class Page {
  private static final String POLICY =
      "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self';"
          + " base-uri 'none'; form-action 'none'; frame-ancestors 'none'";
  private static final Pattern ASSET =
      Pattern.compile("/(assets/)?[A-Za-z0-9_-]+(\\.[A-Za-z0-9_-]+)+");
  private static final long MOST_BYTES = 16 << 20;

  private static final Map<String, String> TYPES = Map.of(
      "html", "text/html; charset=utf-8",
      "js", "text/javascript; charset=utf-8",
      "css", "text/css; charset=utf-8",
      "svg", "image/svg+xml",
      "png", "image/png",
      "jpg", "image/jpeg",
      "webp", "image/webp",
      "json", Call.JSON,
      "txt", "text/plain; charset=utf-8");

  private record Asset(String type, Buffer bytes, String tag, boolean immutable) {}

  private final Map<String, Asset> scenes = new HashMap<>();

  /** @param samples folder with scenes.json; null for none */
  Page(@Nullable Path samples) {
    if (samples != null) {
      readScenes(samples);
    }
  }

  private void readScenes(Path samples) {
    Path list = samples.resolve("scenes.json");
    try {
      byte[] json = Files.readAllBytes(list);
      scenes.put("/samples/scenes.json", asset("scenes.json", json, false));
      for (JsonNode scene : JsonMapper.shared().readTree(json)) {
        String name = scene.path("image").asString("");
        if (!ASSET.matcher("/" + name).matches()) {
          throw FileException.mismatch(list, "image", "the name of a picture beside it", name);
        }
        if (Files.size(samples.resolve(name)) > MOST_BYTES) {
          throw new FileException(samples.resolve(name), "is larger than " + MOST_BYTES + " bytes");
        }
        scenes.put(
            "/samples/" + name, asset(name, Files.readAllBytes(samples.resolve(name)), false));
      }
    } catch (IOException | JacksonException e) {
      throw new FileException(list, "cannot be read (" + e.getMessage() + ")", e);
    }
  }

  /** Whether it has what a path names; then that is sent. */
  boolean serve(Call call) {
    String path = call.path().equals("/") ? "/index.html" : call.path();
    Asset asset = path.startsWith("/samples/") ? scenes.get(path) : ofJar(path);
    if (asset == null) {
      return false;
    }
    call.header("Content-Security-Policy", POLICY);
    call.header("Referrer-Policy", "no-referrer");
    call.header("ETag", asset.tag());
    call.header(
        "Cache-Control", asset.immutable() ? "public, max-age=31536000, immutable" : "no-cache");
    if (asset.tag().equals(call.header("If-None-Match"))) {
      call.send(304, asset.type(), new byte[0]);
    } else {
      call.send(200, asset.type(), asset.bytes().getBytes());
    }
    return true;
  }

  private static @Nullable Asset ofJar(String path) {
    if (!ASSET.matcher(path).matches()) {
      return null;
    }
    try (InputStream in = Page.class.getResourceAsStream("/web" + path)) {
      // Vite puts a hash of the content into the names of assets.
      return in == null ? null : asset(path, in.readAllBytes(), path.startsWith("/assets/"));
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }

  private static Asset asset(String name, byte[] bytes, boolean immutable) {
    String ending = name.substring(name.lastIndexOf('.') + 1).toLowerCase(Locale.ROOT);
    String type = TYPES.getOrDefault(ending, "application/octet-stream");
    return new Asset(type, Buffer.buffer(bytes), "\"" + hash(bytes) + "\"", immutable);
  }

  private static String hash(byte[] bytes) {
    try {
      byte[] digest = MessageDigest.getInstance("SHA-256").digest(bytes);
      return HexFormat.of().formatHex(digest, 0, 12);
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }

  /** A file of the jar's web folder as text; it is there. */
  static String resource(String name) {
    try (InputStream in = Page.class.getResourceAsStream(name)) {
      if (in == null) {
        throw new IllegalStateException(name + " is missing from the jar");
      }
      return new String(in.readAllBytes(), UTF_8);
    } catch (IOException e) {
      throw new UncheckedIOException(e);
    }
  }
}
