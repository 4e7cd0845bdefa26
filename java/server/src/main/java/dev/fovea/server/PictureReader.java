package dev.fovea.server;

import dev.fovea.error.FoveaException;
import dev.fovea.model.image.ImageDecoder;
import dev.fovea.model.image.Picture;
import java.io.IOException;
import java.io.InputStream;
import java.net.URI;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.Base64;
import java.util.Locale;
import org.jspecify.annotations.Nullable;

/**
 * Pictures of requests: {@code data:} URLs and plain base64 always, {@code file://} below one folder and {@code http(s)://} from listed hosts
 * where the server was told so. A picture's size is read from its header before a pixel is decoded.
 */
final class PictureReader {
  private static final String BASE64 = ";base64";

  /** So many pixels are 100 MB while they are decoded. */
  private static final ImageDecoder DECODER = new ImageDecoder(32_000_000, 16_384, 64 << 20, false);

  private final ReadingThreads threads;
  private final @Nullable Path media;
  private final @Nullable RemotePictures remote;

  /** @param media a folder that exists */
  PictureReader(ReadingThreads threads, @Nullable Path media, @Nullable RemotePictures remote) {
    this.threads = threads;
    this.media = media;
    this.remote = remote;
  }

  /**
   * The picture that a URL names or holds.
   *
   * @param field where the request has it
   * @throws ApiException if it is not allowed, cannot be had, or is no picture
   */
  Picture read(String url, String field) {
    byte[] bytes = bytes(url, field);
    try {
      return threads.read(() -> DECODER.decode(bytes, "the picture"));
    } catch (FoveaException e) {
      throw ApiException.picture(field, String.valueOf(e.getMessage()));
    }
  }

  private byte[] bytes(String url, String field) {
    int colon = url.indexOf(':');
    String scheme = colon < 0 || colon > 16 ? "" : url.substring(0, colon).toLowerCase(Locale.ROOT);
    return switch (scheme) {
      case "data" -> data(url, field);
      case "http", "https" -> fetched(url, field);
      case "file" -> file(url, field);
      case "" -> decoded(url, field);
      default ->
        throw ApiException.mismatch(
            field, "a data:, https: or file: URL, or base64", Fields.shorten(scheme + ":"));
    };
  }

  private static byte[] data(String url, String field) {
    int comma = url.indexOf(',');
    String kind = comma < 0 ? "" : url.substring("data:".length(), comma).toLowerCase(Locale.ROOT);
    if (!kind.startsWith("image/") || !kind.endsWith(BASE64)) {
      throw ApiException.mismatch(
          field, "data:image/TYPE;base64,…", Fields.shorten(url.substring(0, Math.max(comma, 0))));
    }
    return decoded(url.substring(comma + 1), field);
  }

  private static byte[] decoded(String base64, String field) {
    if (base64.isEmpty()) {
      throw ApiException.mismatch(field, "a picture", "nothing");
    }
    try {
      return Base64.getDecoder().decode(base64.strip());
    } catch (IllegalArgumentException e) {
      throw ApiException.field(
          field, "is not base64: " + Fields.shorten(String.valueOf(e.getMessage())));
    }
  }

  private byte[] fetched(String url, String field) {
    if (remote == null) {
      throw ApiException.field(
          field,
          "this server fetches no pictures (--allow-remote-images HOST); send it as data:image/…;base64,…");
    }
    return remote.fetch(url, field);
  }

  private byte[] file(String url, String field) {
    if (media == null) {
      throw ApiException.field(
          field, "this server opens no files (--media-path DIR); send it as data:image/…;base64,…");
    }
    String outside = "is not below the server's media path";
    try {
      URI uri = URI.create(url);
      String path = uri.getPath();
      if (path == null || (uri.getHost() != null && !uri.getHost().isEmpty())) {
        throw ApiException.mismatch(field, "file:///PATH", Fields.shorten(url));
      }
      Path root = media.toRealPath();
      Path file = root.resolve(path.replaceFirst("^/+", "")).normalize();
      if (!file.startsWith(
          root)) { // told before anything is looked at: an answer must not say what exists
        throw ApiException.field(field, outside);
      }
      Path real = file.toRealPath();
      if (!real.startsWith(root)) {
        throw ApiException.field(field, outside);
      }
      if (!Files.isRegularFile(real)) {
        throw ApiException.field(field, "is not a file of the server's media path");
      }
      try (InputStream in = Files.newInputStream(real)) {
        return in.readNBytes((int) DECODER.maxBytes() + 1);
      }
    } catch (IllegalArgumentException e) {
      throw ApiException.mismatch(field, "file:///PATH below the media path", Fields.shorten(url));
    } catch (IOException e) {
      throw ApiException.field(field, "is not a file of the server's media path");
    }
  }
}
