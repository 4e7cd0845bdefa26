package dev.fovea.server;

import static dev.fovea.server.Client.events;
import static dev.fovea.server.Client.json;
import static dev.fovea.server.Client.question;
import static dev.fovea.server.Client.text;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.Fovea;
import dev.fovea.Generation;
import dev.fovea.Question;
import dev.fovea.Session;
import dev.fovea.model.image.ImageDecoder;
import dev.fovea.model.image.Picture;
import dev.fovea.model.prompt.Region;
import dev.fovea.model.prompt.Units;
import java.net.http.HttpResponse;
import java.util.List;
import java.util.Objects;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** What chat completions say, held to what the engine says when it is asked directly. */
class ChatTest {
  private static final String RABBIT = "{\"id\": \"r1\", \"box\": [360, 41, 464, 180]}";
  private static final Region.Box BOX = new Region.Box(360, 41, 464, 180, Units.PIXEL);

  private static Client client;

  @BeforeAll
  static void start() {
    client = Client.of(ServerOptions.DEFAULT);
  }

  @AfterAll
  static void stop() {
    client.close();
  }

  private static Fovea fovea() {
    return Objects.requireNonNull(client.server().fovea());
  }

  private static Picture scene() {
    return ImageDecoder.STANDARD.decode(Client.SAMPLES.resolve("scene-01.png"));
  }

  @Test
  void aBoxGetsTheEnginesAnswer() {
    HttpResponse<String> response = client.chat(question("What is this? <r1>", RABBIT));
    assertEquals(200, response.statusCode(), response.body());
    try (Session session = fovea().session()) {
      Question direct = Question.of("What is this?").picture(scene()).region(BOX);
      assertEquals(session.ask(direct, Generation.DEFAULT).text(), text(response));
    }
    assertTrue(text(response).contains("rabbit"), text(response));
    JsonNode body = json(response);
    assertEquals("chat.completion", body.get("object").asString());
    assertEquals("stop", body.at("/choices/0/finish_reason").asString());
    assertEquals("assistant", body.at("/choices/0/message/role").asString());
    int prompt = body.at("/usage/prompt_tokens").asInt();
    int completion = body.at("/usage/completion_tokens").asInt();
    assertEquals(prompt + completion, body.at("/usage/total_tokens").asInt());
    assertEquals(64, body.at("/usage/prompt_tokens_details/image_tokens").asInt());
    assertTrue(completion >= 3, response.body());
    assertTrue(body.at("/timings/predicted_per_second").asDouble() > 0, response.body());
  }

  @Test
  void streamedPiecesAreTheWholeAnswer() {
    ObjectNode asked = question("What is this? <r1>", RABBIT).put("stream", true);
    asked.putObject("stream_options").put("include_usage", true);
    HttpResponse<String> response = client.chat(asked);
    assertEquals(
        "text/event-stream; charset=utf-8",
        response.headers().firstValue("Content-Type").orElseThrow());
    List<String> events = events(response);
    assertEquals("[DONE]", events.removeLast());
    StringBuilder text = new StringBuilder();
    List<JsonNode> chunks =
        events.stream().map(e -> JsonMapper.shared().readTree(e)).toList();
    chunks.forEach(c -> text.append(c.at("/choices/0/delta/content").asString("")));
    assertEquals(text(client.chat(question("What is this? <r1>", RABBIT))), text.toString());
    assertEquals("assistant", chunks.getFirst().at("/choices/0/delta/role").asString());
    assertTrue(chunks.size() > 4, "the answer came in one piece: " + events);
    JsonNode usage = chunks.getLast();
    assertTrue(usage.get("choices").isEmpty(), usage.toString());
    assertTrue(usage.at("/usage/completion_tokens").asInt() >= 3, usage.toString());
    assertEquals(
        "stop", chunks.get(chunks.size() - 2).at("/choices/0/finish_reason").asString());
    assertEquals(1, chunks.stream().map(c -> c.get("id").asString()).distinct().count());
  }

  @ParameterizedTest
  @CsvSource(
      delimiter = '|',
      value = {
        "pixel    | [360, 41, 464, 180]",
        "relative | [0.75, 0.11388888888888889, 0.9666666666666667, 0.5]",
        "permille | [750, 113.88888888888889, 966.6666666666667, 500]",
      })
  void unitsMeanTheSameSpot(String units, String box) {
    ObjectNode asked = question("What is this? <r1>", "{\"id\": \"r1\", \"box\": " + box + "}");
    ((ObjectNode) asked.at("/messages/0/content/0")).put("region_units", units);
    HttpResponse<String> response = client.chat(asked);
    assertEquals(text(client.chat(question("What is this? <r1>", RABBIT))), text(response));
  }

  @Test
  void pointsAndPolygonsAreRegionsToo() {
    assertTrue(
        text(client.chat(question("What is this? <p>", "{\"id\": \"p\", \"point\": [280, 280]}")))
            .contains("penguin"));
    HttpResponse<String> polygon = client.chat(question(
        "What is this? <r1>",
        "{\"id\": \"r1\", \"polygon\": [[360, 41], [464, 41], [464, 180], [360, 180]]}"));
    assertEquals(200, polygon.statusCode(), polygon.body());
  }

  @Test
  void aConversationIsGivenAsAWhole() {
    ObjectNode asked = question("What is this? <r1>", RABBIT);
    ArrayNode messages = (ArrayNode) asked.get("messages");
    String first = text(client.chat(asked));
    messages.addObject().put("role", "assistant").put("content", first);
    messages.addObject().put("role", "user").put("content", "Is there a rabbit in the image?");
    HttpResponse<String> second = client.chat(asked);
    try (Session session = fovea().session()) {
      Question direct = Question.of("What is this?").picture(scene()).region(BOX);
      session.ask(direct, Generation.DEFAULT);
      Question next = Question.of("Is there a rabbit in the image?");
      assertEquals(session.ask(next, Generation.DEFAULT).text(), text(second));
    }
    assertTrue(json(second).at("/usage/prompt_tokens_details/cached_tokens").asInt() >= 64);
  }

  @Test
  void regionsBelongToTheirPictures() {
    ObjectNode asked =
        question(1, "What is this? <a>", "{\"id\": \"a\", \"box\": [360, 41, 464, 180]}");
    ArrayNode messages = (ArrayNode) asked.get("messages");
    messages.addObject().put("role", "assistant").put("content", "A rabbit.");
    messages.addAll(
        (ArrayNode) question(3, "And this? <b>", "{\"id\": \"b\", \"box\": [275, 137, 458, 311]}")
            .get("messages"));
    HttpResponse<String> response = client.chat(asked);
    assertEquals(200, response.statusCode(), response.body());
    assertEquals(
        128, json(response).at("/usage/prompt_tokens_details/image_tokens").asInt());
    // A spot of the first picture may be asked about when a second one has come; out of it is out
    // of it.
    messages.removeAll();
    messages.addAll((ArrayNode)
        question(3, "And this? <b>", "{\"id\": \"b\", \"box\": [2000, 2000, 2010, 2010]}")
            .get("messages"));
    HttpResponse<String> outside = client.chat(asked);
    assertEquals(400, outside.statusCode());
    assertEquals(
        "messages[0].content[0].regions[0].box",
        json(outside).at("/error/param").asString());
  }

  @Test
  void severalAnswersAreDrawnWithSeedsOfTheirOwn() {
    ObjectNode asked = question("Describe the image.")
        .put("n", 3)
        .put("temperature", 1.5)
        .put("seed", 11)
        .put("max_tokens", 24);
    JsonNode all = json(client.chat(asked));
    assertEquals(3, all.get("choices").size());
    for (int i = 0; i < 3; i++) {
      assertEquals(i, all.at("/choices/" + i + "/index").asInt());
      ObjectNode alone = asked.deepCopy().put("n", 1).put("seed", 11 + i);
      assertEquals(
          text(client.chat(alone)), all.at("/choices/" + i + "/message/content").asString());
    }
    assertNotEquals(all.at("/choices/0/message/content"), all.at("/choices/1/message/content"));
    ObjectNode streamed = asked.deepCopy().put("stream", true);
    StringBuilder[] texts = {new StringBuilder(), new StringBuilder(), new StringBuilder()};
    for (String event : events(client.chat(streamed))) {
      if (!event.equals("[DONE]")) {
        JsonNode choice = JsonMapper.shared().readTree(event).at("/choices/0");
        texts[choice.get("index").asInt()].append(choice.at("/delta/content").asString(""));
      }
    }
    for (int i = 0; i < 3; i++) {
      assertEquals(all.at("/choices/" + i + "/message/content").asString(), texts[i].toString());
    }
  }

  @Test
  void stopsLengthsAndProbabilitiesAreAsAsked() {
    JsonNode cut = json(client.chat(question("Describe the image.").put("max_tokens", 2)));
    assertEquals("length", cut.at("/choices/0/finish_reason").asString());
    assertEquals(2, cut.at("/usage/completion_tokens").asInt());
    String whole = text(client.chat(question("What is this? <r1>", RABBIT)));
    String word = whole.split(" ", -1)[1].substring(0, 3);
    ObjectNode stopped = question("What is this? <r1>", RABBIT).put("stop", word);
    assertEquals(whole.substring(0, whole.indexOf(word)), text(client.chat(stopped)));
    ObjectNode likely =
        question("What is this? <r1>", RABBIT).put("logprobs", true).put("top_logprobs", 3);
    JsonNode content = json(client.chat(likely)).at("/choices/0/logprobs/content");
    assertTrue(content.size() >= 3, content.toString());
    for (JsonNode token : content) {
      assertTrue(token.get("logprob").asDouble() <= 0, token.toString());
      assertEquals(3, token.get("top_logprobs").size());
      assertEquals(token.get("token"), token.at("/top_logprobs/0/token"), "greedy takes the first");
      assertFalse(token.get("bytes").isEmpty());
    }
  }

  @Test
  void aSystemTextTakesTheTemplatesPlace() {
    ObjectNode plain = question("What is this? <r1>", RABBIT);
    ObjectNode own = plain.deepCopy();
    ArrayNode messages = (ArrayNode) own.get("messages");
    messages.insertObject(0).put("role", "system").put("content", "Answer in one word.");
    HttpResponse<String> response = client.chat(own);
    assertEquals(200, response.statusCode(), response.body());
    assertNotEquals(
        json(client.chat(plain)).at("/usage/prompt_tokens"),
        json(response).at("/usage/prompt_tokens"));
  }

  @Test
  void unknownFieldsAreNamedAndUnsupportedOnesRefused() {
    HttpResponse<String> odd =
        client.chat(question("What is this? <r1>", RABBIT).put("zzz", 1));
    assertEquals(200, odd.statusCode());
    assertEquals("zzz", odd.headers().firstValue("Fovea-Ignored-Fields").orElse(""));
    for (String field : List.of("presence_penalty", "frequency_penalty")) {
      HttpResponse<String> refused =
          client.chat(question("What is this? <r1>", RABBIT).put(field, 0.5));
      assertEquals(400, refused.statusCode());
      assertEquals(field, json(refused).at("/error/param").asString());
    }
  }

  @Test
  void aConversationBeyondTheContextIsRefused() {
    for (boolean stream : new boolean[] {false, true}) {
      ObjectNode asked = question("why ".repeat(4000)).put("stream", stream);
      HttpResponse<String> response = client.chat(asked);
      assertEquals(400, response.statusCode(), response.body());
      assertEquals("context_length_exceeded", json(response).at("/error/code").asString());
      assertTrue(json(response).at("/error/message").asString().contains("1024"));
    }
  }

  @Test
  void wholePromptsAreCompleted() {
    ObjectNode body = JsonMapper.shared().createObjectNode().put("max_tokens", 8);
    body.putArray("prompt").add("USER: Hello ASSISTANT:").add("USER: What ASSISTANT:");
    HttpResponse<String> response = client.post("/v1/completions", body.toString());
    assertEquals(200, response.statusCode(), response.body());
    JsonNode answer = json(response);
    assertEquals("text_completion", answer.get("object").asString());
    assertEquals(2, answer.get("choices").size());
    try (Session session = fovea().session()) {
      assertEquals(
          session
              .ask(
                  Question.of("USER: What ASSISTANT:").asRaw(), Generation.DEFAULT.withMaxTokens(8))
              .text(),
          answer.at("/choices/1/text").asString());
    }
    HttpResponse<String> streamed =
        client.post("/v1/completions", body.put("stream", true).toString());
    assertEquals("[DONE]", events(streamed).getLast());
  }
}
