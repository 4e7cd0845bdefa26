package dev.fovea.server;

import org.jspecify.annotations.Nullable;

/** A request that is not served, as OpenAI's error object tells it. */
final class ApiException extends RuntimeException {
  private static final long serialVersionUID = 1;

  private final int status;
  private final String type;
  private final @Nullable String param;
  private final @Nullable String code;
  private final int retryAfter;

  private ApiException(
      int status,
      String type,
      String message,
      @Nullable String param,
      @Nullable String code,
      int retryAfter) {
    super(message, null, false, false); // told to the asker, not to a log
    this.status = status;
    this.type = type;
    this.param = param;
    this.code = code;
    this.retryAfter = retryAfter;
  }

  private static ApiException invalid(int status, String message, @Nullable String code) {
    return new ApiException(status, "invalid_request_error", message, null, code, 0);
  }

  /** What is wrong with one field. */
  static ApiException field(String field, String message) {
    return new ApiException(
        400, "invalid_request_error", field + ": " + message, field, "invalid_value", 0);
  }

  static ApiException mismatch(String field, Object expected, Object found) {
    return field(field, "expected " + expected + ", found " + found);
  }

  static ApiException malformed(String message) {
    return invalid(400, message, "invalid_json");
  }

  static ApiException tooLong(String message) {
    return new ApiException(
        400, "invalid_request_error", message, "messages", "context_length_exceeded", 0);
  }

  /** Bytes that are no picture that can be read. */
  static ApiException picture(String field, String message) {
    return new ApiException(
        422, "invalid_request_error", field + ": " + message, field, "invalid_image", 0);
  }

  static ApiException key() {
    return new ApiException(
        401,
        "authentication_error",
        "this server wants its API key: Authorization: Bearer KEY",
        null,
        "invalid_api_key",
        0);
  }

  static ApiException origin(String origin) {
    return new ApiException(
        403,
        "invalid_request_error",
        "pages of " + origin + " may not ask here (--cors-origins)",
        null,
        "origin_not_allowed",
        0);
  }

  static ApiException absent(String what) {
    return invalid(404, what, "not_found");
  }

  static ApiException model(String asked, String served) {
    return new ApiException(
        404,
        "invalid_request_error",
        "model: expected " + served + ", found " + asked,
        "model",
        "model_not_found",
        0);
  }

  static ApiException method(String method, String allowed) {
    return invalid(405, method + " is not served here; expected " + allowed, "method_not_allowed");
  }

  static ApiException slow(String message) {
    return invalid(408, message, "request_timeout");
  }

  /** The request's own limit is over. */
  static ApiException late() {
    return new ApiException(
        408,
        "invalid_request_error",
        "timeout_ms: the answer was not written by then",
        "timeout_ms",
        "deadline_exceeded",
        0);
  }

  static ApiException tooLarge(long most) {
    return invalid(413, "the body is larger than " + most + " bytes", "payload_too_large");
  }

  static ApiException lineTooLong(int most) {
    return invalid(414, "the request line is longer than " + most + " bytes", "uri_too_long");
  }

  static ApiException headTooLong(int most) {
    return invalid(431, "the headers are larger than " + most + " bytes", "headers_too_large");
  }

  static ApiException notHttp() {
    return invalid(400, "expected a request of HTTP/1.1 or 1.0", "invalid_http");
  }

  static ApiException full(String message) {
    return new ApiException(429, "overloaded_error", message, null, "queue_full", 1);
  }

  static ApiException unavailable(String message) {
    return new ApiException(503, "unavailable_error", message, null, "unavailable", 1);
  }

  static ApiException internal() {
    return new ApiException(
        500, "internal_error", "the server failed; its log says why", null, "internal_error", 0);
  }

  int status() {
    return status;
  }

  String type() {
    return type;
  }

  @Nullable
  String param() {
    return param;
  }

  @Nullable
  String code() {
    return code;
  }

  /** Whether asking the same again must end the same, though the status is one that clients repeat. */
  boolean isFinal() {
    return "deadline_exceeded".equals(code);
  }

  /** Seconds to wait before another try; 0 if another try would not help. */
  int retryAfter() {
    return retryAfter;
  }
}
