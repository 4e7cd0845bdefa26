package dev.fovea.server;

import com.code_intelligence.jazzer.junit.FuzzTest;
import dev.fovea.model.image.Picture;
import java.nio.charset.StandardCharsets;
import java.util.stream.Stream;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;
import tools.jackson.databind.json.JsonMapper;

/** Any bytes at all are either a chat request or refused with a status of the client's; nothing else may come out. */
class RequestFuzzTest {
  private static final JsonMapper MAPPER = Fields.mapper(1 << 20);
  private static final Picture PIXEL = new Picture(1, 1, new byte[3]);

  static Stream<Arguments> seeds() {
    String user = "{\"role\":\"user\",\"content\":";
    return Stream.of(
            "{\"messages\":[" + user + "\"Hi\"}]}",
            "{\"messages\":[{\"role\":\"system\",\"content\":\"Be brief\"}," + user
                + "\"Hi\"},{\"role\":\"assistant\",\"content\":[{\"type\":\"text\",\"text\":\"Yes\"}]},"
                + user + "\"Why?\"}],\"n\":2,\"stop\":[\"a\"],\"seed\":-3,\"logprobs\":true,"
                + "\"top_logprobs\":2,\"stream\":true,\"stream_options\":{\"include_usage\":true}}",
            "{\"messages\":[" + user + "[{\"type\":\"image_url\",\"uuid\":\"a\",\"image_url\":"
                + "{\"url\":\"data:image/png;base64,AA==\"},\"region_units\":\"permille\",\"regions\":"
                + "[{\"id\":\"r1\",\"box\":[1,2,3,4]},{\"id\":\"r2\",\"point\":[5,6]},"
                + "{\"id\":\"r3\",\"polygon\":[[1,1],[5,1],[1,5]]}]},{\"type\":\"text\",\"text\":"
                + "\"<r1> <r2> <r3>?\"}]}],\"temperature\":0.5,\"top_p\":0.9,\"max_tokens\":9,"
                + "\"response_format\":{\"type\":\"text\"}}")
        .map(body -> Arguments.of((Object) body.getBytes(StandardCharsets.UTF_8)));
  }

  @MethodSource("seeds")
  @FuzzTest(maxDuration = "20s")
  void readsOrRefuses(byte[] body) {
    try {
      ChatReader.read(Fields.of(MAPPER, body), (url, field) -> PIXEL, 4);
    } catch (ApiException refused) {
      String message = String.valueOf(refused.getMessage());
      boolean named = refused.param() == null || message.startsWith(refused.param() + ": ");
      if (refused.status() != 400 || !named || message.lines().count() != 1) {
        throw refused;
      }
    }
  }
}
