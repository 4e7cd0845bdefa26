package dev.fovea.server;

import static dev.fovea.server.Client.events;
import static dev.fovea.server.Client.json;
import static dev.fovea.server.Client.question;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertTrue;

import com.networknt.schema.InputFormat;
import com.networknt.schema.JsonSchemaFactory;
import com.networknt.schema.SpecVersion;
import dev.fovea.Answer;
import dev.fovea.model.image.Picture;
import dev.fovea.model.prompt.Region;
import dev.fovea.model.prompt.Units;
import java.net.http.HttpResponse;
import java.util.List;
import java.util.Locale;
import java.util.Set;
import java.util.TreeSet;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ObjectNode;

/** The document the server shows of itself, held to what it does: every path, and the shape of requests and answers. */
class OpenApiTest {
  private static final String RABBIT = "{\"id\": \"r1\", \"box\": [360, 41, 464, 180]}";

  private static Client client;
  private static JsonNode document;

  @BeforeAll
  static void start() {
    client = Client.of(ServerOptions.DEFAULT);
    document = json(client.get("/openapi.json"));
  }

  @AfterAll
  static void stop() {
    client.close();
  }

  /** Faults of a text by one of the document's schemas. */
  private static Set<?> faults(String schema, String text) {
    ObjectNode root = JsonMapper.shared().createObjectNode();
    root.put("$schema", "https://json-schema.org/draft/2020-12/schema");
    root.put("$ref", "#/components/schemas/" + schema);
    root.set("components", document.get("components"));
    return JsonSchemaFactory.getInstance(SpecVersion.VersionFlag.V202012)
        .getSchema(root.toString())
        .validate(text, InputFormat.JSON);
  }

  private static void assertIs(String schema, String text) {
    assertEquals(Set.of(), faults(schema, text), schema + ": " + text);
  }

  @Test
  void everyPathThatIsServedIsWrittenDownAndNoOther() {
    Set<String> written = new TreeSet<>();
    document
        .get("paths")
        .properties()
        .forEach(path -> path.getValue()
            .properties()
            .forEach(
                op -> written.add(op.getKey().toUpperCase(Locale.ROOT) + " " + path.getKey())));
    Set<String> served = new TreeSet<>(client.server().served());
    served.add("GET /v1/models/{id}");
    for (String path :
        new String[] {"/health", "/health/ready", "/health/live", "/version", "/openapi.json"}) {
      served.add("GET " + path);
    }
    assertEquals(served, written);
  }

  @ParameterizedTest
  @CsvSource({
    "/health, Status",
    "/health/ready, Status",
    "/health/live, Status",
    "/version, Version",
    "/props, Props",
    "/v1/models, Models",
    "/v1/models/demo, Model",
    "/models, Models",
  })
  void whatIsReadHasItsShape(String path, String schema) {
    HttpResponse<String> response = client.get(path);
    assertEquals(200, response.statusCode(), response.body());
    assertIs(schema, response.body());
  }

  @Test
  void answersHaveTheirShape() {
    ObjectNode asked = question("What is this? <r1>", RABBIT)
        .put("n", 2)
        .put("logprobs", true)
        .put("top_logprobs", 2);
    assertIs("ChatRequest", asked.toString());
    assertIs("ChatAnswer", client.chat(asked).body());
    for (String event : events(client.chat(asked.put("stream", true)))) {
      if (!event.equals("[DONE]")) {
        assertIs("ChatChunk", event);
      }
    }
    String prompt = "{\"prompt\": [\"USER: a ASSISTANT:\"], \"max_tokens\": 4, \"logprobs\": 1}";
    assertIs("CompletionRequest", prompt);
    assertIs("CompletionAnswer", client.post("/v1/completions", prompt).body());
  }

  @Test
  void annotationsHaveTheirShape() {
    var annotations = JsonMapper.shared().createArrayNode();
    Region box = new Region.Box(10, 20, 30, 40, Units.PIXEL);
    Annotations.add(
        annotations,
        List.of(new Answer.NamedRegion(box, 0, 9)),
        new ChatRequest.NamedPicture("image 1", new Picture(50, 50, new byte[3 * 50 * 50])),
        List.of(new ChatRequest.Spot("r1", box, 0, "")));
    assertEquals("r1", annotations.at("/0/region").asString());
    assertIs("Annotation", annotations.get(0).toString());
  }

  @Test
  void refusalsHaveTheirShape() {
    for (HttpResponse<String> refused : List.of(
        client.get("/nothing"),
        client.get("/v1/models/other"),
        client.get("/v1/chat/completions"),
        client.chat(question("What? <r2>", RABBIT)))) {
      assertTrue(refused.statusCode() >= 400, refused.body());
      assertIs("Error", refused.body());
    }
  }

  @Test
  void textsComeBackFromTheirTokens() {
    String text = "What is this? \u00e9\ud83d\ude00";
    HttpResponse<String> tokens = client.post(
        "/tokenize", JsonMapper.shared().createObjectNode().put("content", text).toString());
    assertIs("Tokens", tokens.body());
    ObjectNode back = JsonMapper.shared().createObjectNode();
    back.set("tokens", json(tokens).get("tokens"));
    assertIs("DetokenizeRequest", back.toString());
    HttpResponse<String> content = client.post("/detokenize", back.toString());
    assertIs("Content", content.body());
    assertEquals(text, json(content).get("content").asString());
    HttpResponse<String> pieces = client.post(
        "/tokenize", "{\"content\": \"a\", \"with_pieces\": true, \"add_special\": true}");
    assertIs("Tokens", pieces.body());
    assertEquals("<s>", json(pieces).at("/tokens/0/piece").asString());
  }

  @Test
  void theDocumentRefusesWhatTheServerRefuses() {
    for (String region : new String[] {
      "{\"id\": \"r1\"}",
      "{\"id\": \"r1\", \"box\": [1, 2, 3]}",
      "{\"id\": \"1\", \"point\": [1, 2]}",
      "{\"id\": \"r1\", \"point\": [1, 2], \"box\": [1, 2, 3, 4]}"
    }) {
      ObjectNode asked = question("What? <r1>", region);
      assertEquals(400, client.chat(asked).statusCode(), region);
      assertFalse(faults("ChatRequest", asked.toString()).isEmpty(), region);
    }
  }
}
