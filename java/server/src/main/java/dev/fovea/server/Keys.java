package dev.fovea.server;

import static java.nio.charset.StandardCharsets.US_ASCII;

import java.security.MessageDigest;
import java.security.NoSuchAlgorithmException;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** The server's API keys. How long a look takes says nothing about them: digests of one length are compared, and always all of them. */
final class Keys {
  private static final String BEARER = "Bearer ";

  private final List<byte[]> digests;

  Keys(List<String> keys) {
    this.digests = keys.stream().map(Keys::digest).toList();
  }

  /** @param authorization the header; null if there is none */
  boolean open(@Nullable String authorization) {
    if (digests.isEmpty()) {
      return true;
    }
    if (authorization == null
        || !authorization.regionMatches(true, 0, BEARER, 0, BEARER.length())) {
      return false;
    }
    byte[] given = digest(authorization.substring(BEARER.length()).strip());
    boolean found = false;
    for (byte[] digest : digests) {
      found |= MessageDigest.isEqual(digest, given);
    }
    return found;
  }

  private static byte[] digest(String key) {
    try {
      return MessageDigest.getInstance("SHA-256").digest(key.getBytes(US_ASCII));
    } catch (NoSuchAlgorithmException e) {
      throw new IllegalStateException("every JDK has SHA-256", e);
    }
  }
}
