package dev.fovea.server;

import static java.nio.charset.StandardCharsets.UTF_8;

import dev.fovea.Answer;
import dev.fovea.Generation;
import dev.fovea.Sampling;
import dev.fovea.Session;
import dev.fovea.Timings;
import dev.fovea.Token;
import dev.fovea.Usage;
import dev.fovea.error.FoveaException;
import dev.fovea.error.InputException;
import java.time.Instant;
import java.util.List;
import java.util.UUID;
import org.jspecify.annotations.Nullable;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** {@code POST /v1/chat/completions}. */
final class ChatCompletions {
  private final JsonMapper mapper;
  private final ReadingThreads threads;
  private final PictureReader pictures;
  private final int mostPictures;

  ChatCompletions(
      JsonMapper mapper, ReadingThreads threads, PictureReader pictures, int mostPictures) {
    this.mapper = mapper;
    this.threads = threads;
    this.pictures = pictures;
    this.mostPictures = mostPictures;
  }

  void serve(Call call, Model model) {
    Fields body = threads.read(() -> Fields.of(mapper, call.body()));
    GenerationReader.limit(body, call.cancellation());
    ChatRequest request = ChatReader.read(body, pictures::read, mostPictures);
    requireModel(request.model(), model);
    for (ChatRequest.Spot spot : request.spots()) {
      requireInside(spot, request, model);
    }
    if (!request.ignored().isEmpty()) {
      call.header("Fovea-Ignored-Fields", Fields.shorten(String.join(", ", request.ignored())));
    }
    Chat chat = new Chat(request, model);
    Answering answering = new Answering(model, call.cancellation());
    if (request.stream()) {
      chat.stream(answering, call);
    } else {
      List<Answer> answers = answering.all(request.choices(), chat::asked, (i, t) -> {});
      call.json(200, chat.whole(answers));
    }
  }

  static void requireModel(@Nullable String asked, Model model) {
    if (asked != null && !asked.equals("default") && !asked.equals(model.name())) {
      throw ApiException.model(Fields.shorten(asked), model.name());
    }
  }

  private static void requireInside(ChatRequest.Spot spot, ChatRequest request, Model model) {
    try {
      model
          .fovea()
          .require(spot.region(), request.pictures().get(spot.picture()).picture());
    } catch (InputException e) {
      // The engine numbers regions; here they have names.
      String why = String.valueOf(e.getMessage());
      throw ApiException.field(spot.field(), why.replaceFirst("^region 1 \\((\\w+)\\)", "the $1"));
    }
  }

  /** One request's answers, written as OpenAI writes them. */
  private static final class Chat {
    private final ChatRequest request;
    private final Model model;
    private final String id = "chatcmpl-" + UUID.randomUUID().toString().replace("-", "");
    private final long created = Instant.now().getEpochSecond();

    Chat(ChatRequest request, Model model) {
      this.request = request;
      this.model = model;
    }

    /** A conversation that stands where the request's stands; each further answer draws with the next seed. */
    Answering.Asked asked(int number) {
      Session session = request.system() == null
          ? model.fovea().session()
          : model.fovea().session(request.system());
      try {
        request.history().forEach(e -> session.recall(e.question(), e.answer()));
      } catch (FoveaException e) {
        throw Answering.told(e);
      }
      Generation generation = request.generation();
      Sampling s = generation.sampling();
      Sampling own = new Sampling(
          s.temperature(), s.topK(), s.topP(), s.minP(), s.repetitionPenalty(), s.seed() + number);
      return new Answering.Asked(
          session,
          request.question(),
          generation.withSampling(own),
          request.pictures().size());
    }

    ObjectNode whole(List<Answer> answers) {
      ObjectNode body = head("chat.completion");
      ArrayNode choices = body.putArray("choices");
      for (int i = 0; i < answers.size(); i++) {
        Answer answer = answers.get(i);
        ObjectNode choice = choices.addObject().put("index", i);
        ObjectNode message =
            choice.putObject("message").put("role", "assistant").put("content", answer.text());
        annotate(message, answer);
        if (request.logprobs()) {
          logprobs(choice, answer.tokens());
        }
        choice.put("finish_reason", answer.finishReason().label());
      }
      usage(body, answers);
      timings(body, answers.getFirst());
      warn(body, answers.getFirst());
      return body;
    }

    void stream(Answering answering, Call call) {
      Call.EventStream events = call.events();
      try {
        boolean[] begun = new boolean[request.choices()];
        List<Answer> answers = answering.all(request.choices(), this::asked, (i, token) -> {
          if (!begun[i]) {
            begun[i] = true;
            ObjectNode first = head("chat.completion.chunk");
            ObjectNode choice = first.putArray("choices").addObject().put("index", i);
            choice.putObject("delta").put("role", "assistant").put("content", "");
            choice.putNull("finish_reason");
            events.send(first);
          }
          if (!token.text().isEmpty() || request.logprobs()) {
            events.send(piece(i, token));
          }
        });
        for (int i = 0; i < answers.size(); i++) {
          events.send(last(i, answers.get(i)));
        }
        if (request.usage()) {
          ObjectNode end = head("chat.completion.chunk");
          end.putArray("choices");
          usage(end, answers);
          events.send(end);
        }
        events.end();
      } finally {
        events.close();
      }
    }

    private ObjectNode piece(int index, Token token) {
      ObjectNode chunk = head("chat.completion.chunk");
      ObjectNode choice = chunk.putArray("choices").addObject().put("index", index);
      choice.putObject("delta").put("content", token.text());
      if (request.logprobs()) {
        logprobs(choice, List.of(token));
      }
      choice.putNull("finish_reason");
      return chunk;
    }

    private ObjectNode last(int index, Answer answer) {
      ObjectNode chunk = head("chat.completion.chunk");
      ObjectNode choice = chunk.putArray("choices").addObject().put("index", index);
      annotate(choice.putObject("delta"), answer);
      choice.put("finish_reason", answer.finishReason().label());
      timings(chunk, answer);
      warn(chunk, answer);
      return chunk;
    }

    private ObjectNode head(String object) {
      return Call.object()
          .put("id", id)
          .put("object", object)
          .put("created", created)
          .put("model", model.name())
          .put("system_fingerprint", model.fovea().backend());
    }

    /** Spots that the answer names on the last picture. */
    private void annotate(ObjectNode message, Answer answer) {
      if (!answer.regions().isEmpty()) {
        int last = request.pictures().size() - 1;
        List<ChatRequest.Spot> spots =
            request.spots().stream().filter(s -> s.picture() == last).toList();
        Annotations.add(
            message.putArray("annotations"),
            answer.regions(),
            request.pictures().get(last),
            spots);
      }
    }

    private void logprobs(ObjectNode choice, List<Token> tokens) {
      ArrayNode content = choice.putObject("logprobs").putArray("content");
      for (Token token : tokens) {
        ObjectNode one = content.addObject();
        likely(one, model.fovea().tokenizer().piece(token.id()), token.logprob());
        ArrayNode top = one.putArray("top_logprobs");
        token.top().stream()
            .limit(request.top())
            .forEach(t -> likely(top.addObject(), t.piece(), t.logprob()));
      }
    }

    private static void likely(ObjectNode node, String piece, double logprob) {
      node.put("token", piece).put("logprob", Math.max(logprob, -9999)); // OpenAI's lowest
      ArrayNode bytes = node.putArray("bytes");
      for (byte b : piece.getBytes(UTF_8)) {
        bytes.add(b & 0xFF);
      }
    }
  }

  static void usage(ObjectNode body, List<Answer> answers) {
    Usage first = answers.getFirst().usage();
    int completion =
        answers.stream().mapToInt(a -> a.usage().completionTokens()).sum();
    ObjectNode usage = body.putObject("usage")
        .put("prompt_tokens", first.promptTokens())
        .put("completion_tokens", completion)
        .put("total_tokens", first.promptTokens() + completion);
    usage
        .putObject("prompt_tokens_details")
        .put("cached_tokens", first.cachedTokens())
        .put("image_tokens", first.imageTokens());
  }

  /** llama.cpp's names, in milliseconds. */
  static void timings(ObjectNode body, Answer answer) {
    Timings t = answer.timings();
    Usage u = answer.usage();
    int computed = u.promptTokens() - u.cachedTokens();
    int after = Math.max(0, u.completionTokens() - 1); // the prompt's run gives the first
    body.putObject("timings")
        .put("queue_ms", t.queuedMs())
        .put("image_encode_ms", t.imageMs())
        .put("cache_n", u.cachedTokens())
        .put("prompt_n", computed)
        .put("prompt_ms", t.promptMs())
        .put("prompt_per_second", perSecond(computed, t.promptMs()))
        .put("predicted_n", u.completionTokens())
        .put("predicted_ms", t.predictedMs())
        .put("predicted_per_second", perSecond(after, t.predictedMs()))
        .put("first_token_ms", t.firstTokenMs());
  }

  private static double perSecond(int count, double milliseconds) {
    return milliseconds > 0 ? count * 1000 / milliseconds : 0;
  }

  private static void warn(ObjectNode body, Answer answer) {
    if (!answer.warnings().isEmpty()) {
      ArrayNode warnings = body.putArray("warnings");
      answer.warnings().forEach(warnings::add);
    }
  }
}
