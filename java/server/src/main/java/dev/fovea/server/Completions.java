package dev.fovea.server;

import dev.fovea.Answer;
import dev.fovea.Generation;
import dev.fovea.Question;
import dev.fovea.Sampling;
import dev.fovea.Token;
import java.time.Instant;
import java.util.List;
import java.util.UUID;
import java.util.function.IntFunction;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** {@code POST /v1/completions}: whole prompts, without a template. */
final class Completions {
  private static final int MOST_PROMPTS = 64;
  private static final int MOST_CHOICES = 16;
  private static final int MOST_ANSWERS = 64;
  private static final int MOST_TOP = 20;

  private final JsonMapper mapper;

  Completions(JsonMapper mapper) {
    this.mapper = mapper;
  }

  void serve(Call call, Model model) {
    Fields body = Fields.of(mapper, call.body());
    ChatCompletions.requireModel(body.has("model") ? body.text("model") : null, model);
    for (String field : List.of("suffix", "best_of")) {
      if (body.has(field)) {
        throw ApiException.field(field, "is not supported");
      }
    }
    if (body.flag("echo", false)) {
      throw ApiException.field("echo", "is not supported");
    }
    JsonNode prompt = body.required("prompt", "a string or an array of strings");
    List<String> prompts = prompt.isString()
        ? List.of(prompt.stringValue())
        : Fields.list(prompt, "prompt", MOST_PROMPTS, Fields::text);
    if (prompts.isEmpty() || prompts.stream().anyMatch(String::isEmpty)) {
      throw ApiException.mismatch("prompt", "words", "none");
    }
    int each = (int) body.whole("n", 1, 1, MOST_CHOICES);
    int count = each * prompts.size();
    if (count > MOST_ANSWERS) {
      throw ApiException.mismatch(
          "n", "at most " + MOST_ANSWERS + " answers of all prompts", count);
    }
    int top = (int) body.whole("logprobs", 0, 0, MOST_TOP);
    Generation generation = GenerationReader.read(body, top);
    GenerationReader.limit(body, call.cancellation());
    boolean stream = body.flag("stream", false);
    JsonNode options = body.value("stream_options");
    boolean usage =
        options != null && Fields.object(options, "stream_options").flag("include_usage", false);
    Text text = new Text(model, "cmpl-" + UUID.randomUUID().toString().replace("-", ""), top);
    Answering answering = new Answering(model, call.cancellation());
    IntFunction<Answering.Asked> asked = i -> {
      Sampling s = generation.sampling();
      Sampling own = new Sampling(
          s.temperature(),
          s.topK(),
          s.topP(),
          s.minP(),
          s.repetitionPenalty(),
          s.seed() + i % each);
      return new Answering.Asked(
          model.fovea().session(),
          Question.of(prompts.get(i / each)).asRaw(),
          generation.withSampling(own),
          0);
    };
    if (!stream) {
      call.json(200, text.whole(answering.all(count, asked, (i, t) -> {}), each));
      return;
    }
    Call.EventStream events = call.events();
    try {
      List<Answer> answers = answering.all(count, asked, (i, t) -> {
        if (!t.text().isEmpty()) {
          events.send(text.piece(i, t));
        }
      });
      for (int i = 0; i < answers.size(); i++) {
        events.send(text.last(i, answers.get(i)));
      }
      if (usage) {
        ObjectNode end = text.head();
        end.putArray("choices");
        usage(end, answers, each);
        events.send(end);
      }
      events.end();
    } finally {
      events.close();
    }
  }

  /** As for a chat, but each prompt counts. */
  private static void usage(ObjectNode body, List<Answer> answers, int each) {
    int prompts = 0;
    for (int i = 0; i < answers.size(); i += each) {
      prompts += answers.get(i).usage().promptTokens();
    }
    int completion =
        answers.stream().mapToInt(a -> a.usage().completionTokens()).sum();
    body.putObject("usage")
        .put("prompt_tokens", prompts)
        .put("completion_tokens", completion)
        .put("total_tokens", prompts + completion);
  }

  private record Text(Model model, String id, int top) {
    ObjectNode head() {
      return Call.object()
          .put("id", id)
          .put("object", "text_completion")
          .put("created", Instant.now().getEpochSecond())
          .put("model", model.name())
          .put("system_fingerprint", model.fovea().backend());
    }

    ObjectNode whole(List<Answer> answers, int each) {
      ObjectNode body = head();
      ArrayNode choices = body.putArray("choices");
      for (int i = 0; i < answers.size(); i++) {
        Answer answer = answers.get(i);
        ObjectNode choice = choices.addObject().put("index", i).put("text", answer.text());
        logprobs(choice, answer.tokens());
        choice.put("finish_reason", answer.finishReason().label());
      }
      usage(body, answers, each);
      ChatCompletions.timings(body, answers.getFirst());
      return body;
    }

    ObjectNode piece(int index, Token token) {
      ObjectNode chunk = head();
      ObjectNode choice =
          chunk.putArray("choices").addObject().put("index", index).put("text", token.text());
      logprobs(choice, List.of(token));
      choice.putNull("finish_reason");
      return chunk;
    }

    ObjectNode last(int index, Answer answer) {
      ObjectNode chunk = head();
      ObjectNode choice =
          chunk.putArray("choices").addObject().put("index", index).put("text", "");
      choice.put("finish_reason", answer.finishReason().label());
      ChatCompletions.timings(chunk, answer);
      return chunk;
    }

    private void logprobs(ObjectNode choice, List<Token> tokens) {
      if (top == 0) {
        return;
      }
      ObjectNode all = choice.putObject("logprobs");
      ArrayNode pieces = all.putArray("tokens");
      ArrayNode values = all.putArray("token_logprobs");
      ArrayNode tops = all.putArray("top_logprobs");
      ArrayNode offsets = all.putArray("text_offset");
      int offset = 0;
      for (Token token : tokens) {
        pieces.add(model.fovea().tokenizer().piece(token.id()));
        values.add(Math.max(token.logprob(), -9999));
        ObjectNode some = tops.addObject();
        token.top().forEach(t -> some.put(t.piece(), Math.max(t.logprob(), -9999)));
        offsets.add(offset);
        offset += token.text().length();
      }
    }
  }
}
