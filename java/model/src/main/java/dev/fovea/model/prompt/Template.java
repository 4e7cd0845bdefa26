package dev.fovea.model.prompt;

import dev.fovea.error.InputException;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A conversation format, as data: the texts around what people and the model say. Source of the presets: LLaVA's conversation.py, of
 * May 2024 and, where the name ends in 2307, of July 2023 (Apache License 2.0).
 *
 * <p>A conversation reads: {@code beforeSystem system afterSystem}, the examples, then per turn {@code userStart words userEnd
 * assistantOpen answerStart answer answerEnd}. Without a system text its place holds {@code noSystem}.
 *
 * @param name           what users call it
 * @param system         the system text, unless a conversation brings its own
 * @param beforeSystem   text in front of it
 * @param afterSystem    text behind it
 * @param noSystem       what stands there when the system text is empty
 * @param userStart      in front of the first words, after a system text that is not empty or {@code noSystem}
 * @param nextUserStart  in front of later words
 * @param userEnd        behind the words
 * @param assistantOpen  where the model goes on
 * @param answerStart    between that and an answer given earlier
 * @param answerEnd      behind an answer
 * @param images         where pictures go
 * @param stops          texts that end an answer, besides the end token
 * @param examples       turns every conversation begins with
 */
public record Template(
    String name,
    String system,
    String beforeSystem,
    String afterSystem,
    String noSystem,
    String userStart,
    String nextUserStart,
    String userEnd,
    String assistantOpen,
    String answerStart,
    String answerEnd,
    ImagePlacement images,
    List<String> stops,
    List<Exchange> examples) {

  private static final String HUMAN =
      "A chat between a curious human and an artificial intelligence assistant. "
          + "The assistant gives helpful, detailed, and polite answers to the human's questions.";
  private static final String USER =
      "A chat between a curious user and an artificial intelligence assistant. "
          + "The assistant gives helpful, detailed, and polite answers to the user's questions.";
  // No space after "language." in the original; kept, since models were trained with it.
  private static final String TAGGED =
      "A chat between a curious user and an artificial intelligence assistant. The assistant is able to understand the visual"
          + " content that the user provides, and assist the user with a variety of tasks using natural language.The visual"
          + " content will be provided with the following format: <Image>visual content</Image>.";
  private static final String LLAVA_2307 =
      "You are LLaVA, a large language and vision assistant trained by UW Madison WAIV Lab.You are able to understand the"
          + " visual content that the user provides, and assist the user with a variety of tasks using natural language."
          + "Follow the instructions carefully and explain your answers in detail.";
  private static final String LLAMA_2 =
      "You are a helpful language and vision assistant. You are able to understand the visual content that the user provides,"
          + " and assist the user with a variety of tasks using natural language.";
  private static final Exchange RENEWABLE = new Exchange(
      Turn.of("What are the key differences between renewable and non-renewable energy sources?"),
      """
          Renewable energy sources are those that can be replenished naturally in a relatively short amount of time, such as \
          solar, wind, hydro, geothermal, and biomass. Non-renewable energy sources, on the other hand, are finite and will \
          eventually be depleted, such as coal, oil, and natural gas. Here are some key differences between renewable and \
          non-renewable energy sources:
          1. Availability: Renewable energy sources are virtually inexhaustible, while non-renewable energy sources are \
          finite and will eventually run out.
          2. Environmental impact: Renewable energy sources have a much lower environmental impact than non-renewable \
          sources, which can lead to air and water pollution, greenhouse gas emissions, and other negative effects.
          3. Cost: Renewable energy sources can be more expensive to initially set up, but they typically have lower \
          operational costs than non-renewable sources.
          4. Reliability: Renewable energy sources are often more reliable and can be used in more remote locations than \
          non-renewable sources.
          5. Flexibility: Renewable energy sources are often more flexible and can be adapted to different situations and \
          needs, while non-renewable sources are more rigid and inflexible.
          6. Sustainability: Renewable energy sources are more sustainable over the long term, while non-renewable sources \
          are not, and their depletion can lead to economic and social instability.
          """);

  /** Vicuna 1.1 and later, LLaVA 1.5; ChatSpot's default here. */
  public static final Template VICUNA_V1 = two("vicuna_v1", USER, ImagePlacement.FIRST_LINE);

  public static final Template LLAVA_V1 = two("llava_v1", HUMAN, ImagePlacement.FIRST_LINE);
  public static final Template LLAVA_V0 =
      single("llava_v0", HUMAN, ImagePlacement.FIRST_LINE, List.of());
  public static final Template V0 =
      single("v0", HUMAN, ImagePlacement.FIRST_LINE, List.of(RENEWABLE));
  public static final Template V1_MMTAG = two("v1_mmtag", TAGGED, ImagePlacement.OWN_TURN);
  public static final Template V0_MMTAG =
      single("v0_mmtag", TAGGED, ImagePlacement.OWN_TURN, List.of());

  /** Stage 1 of LLaVA's training: a picture and its caption, one line. */
  public static final Template PLAIN = new Template(
      "plain",
      "",
      "",
      "",
      "",
      "",
      "",
      "",
      "",
      "",
      "\n",
      ImagePlacement.BARE,
      List.of("\n"),
      List.of());

  public static final Template LLAVA_LLAMA_2 = new Template(
      "llava_llama_2",
      LLAMA_2,
      "[INST] <<SYS>>\n",
      "\n<</SYS>>\n\n",
      "[INST] ",
      "",
      "<s>[INST] ",
      " [/INST]",
      "",
      " ",
      " </s>",
      ImagePlacement.FIRST_LINE,
      List.of(),
      List.of());

  /** What the model cards of llava-1.5-hf say: no system text. */
  public static final Template HF_LLAVA = new Template(
      "hf_llava",
      "",
      "",
      " ",
      "",
      "USER: ",
      "USER: ",
      " ",
      "ASSISTANT:",
      " ",
      "</s>",
      ImagePlacement.FIRST_LINE,
      List.of(),
      List.of());

  public static final Template LLAVA_V1_2307 =
      two("llava_v1_2307", LLAVA_2307, ImagePlacement.LAST_LINE);
  public static final Template MULTIMODAL_2307 = single(
      "multimodal_2307",
      LLAVA_2307,
      ImagePlacement.LAST_LINE,
      List.of(new Exchange(Turn.of("Hi!"), "Hi there!  How can I help you today?\n")));

  /** All presets by name; {@code v1} is another name of {@code vicuna_v1}. */
  public static final Map<String, Template> PRESETS = presets();

  public Template {
    stops = List.copyOf(stops);
    examples = List.copyOf(examples);
  }

  private static Map<String, Template> presets() {
    Map<String, Template> presets = new LinkedHashMap<>();
    for (Template template : List.of(
        VICUNA_V1,
        LLAVA_V1,
        LLAVA_V0,
        V0,
        V1_MMTAG,
        V0_MMTAG,
        PLAIN,
        LLAVA_LLAMA_2,
        HF_LLAVA,
        LLAVA_V1_2307,
        MULTIMODAL_2307)) {
      presets.put(template.name, template);
    }
    presets.put("v1", VICUNA_V1);
    return java.util.Collections.unmodifiableMap(presets);
  }

  private static Template two(String name, String system, ImagePlacement images) {
    return new Template(
        name,
        system,
        "",
        " ",
        " ",
        "USER: ",
        "USER: ",
        " ",
        "ASSISTANT:",
        " ",
        "</s>",
        images,
        List.of(),
        List.of());
  }

  private static Template single(
      String name, String system, ImagePlacement images, List<Exchange> examples) {
    return new Template(
        name,
        system,
        "",
        "###",
        "###",
        "Human: ",
        "Human: ",
        "###",
        "Assistant:",
        " ",
        "###",
        images,
        List.of("###"),
        examples);
  }

  /**
   * The preset with this name.
   *
   * @throws InputException if there is none
   */
  public static Template named(String name) {
    Template template = PRESETS.get(name);
    if (template == null) {
      throw InputException.mismatch("template", String.join(", ", PRESETS.keySet()), name);
    }
    return template;
  }

  /** What LLaVA's own command line picks for a model of this name; evaluation scripts take {@link #VICUNA_V1} instead. */
  public static Template forModel(String modelName) {
    String name = modelName.toLowerCase(Locale.ROOT);
    if (name.contains("llama-2")) {
      return LLAVA_LLAMA_2;
    }
    return name.contains("v1") ? LLAVA_V1 : LLAVA_V0;
  }

  public Template withImages(ImagePlacement placement) {
    return new Template(
        name,
        system,
        beforeSystem,
        afterSystem,
        noSystem,
        userStart,
        nextUserStart,
        userEnd,
        assistantOpen,
        answerStart,
        answerEnd,
        placement,
        stops,
        examples);
  }

  /**
   * A conversation's beginning, up to where the model answers.
   *
   * @param ownSystem a system text in place of the template's, or null; it is taken as typed
   */
  public List<Segment> open(@Nullable String ownSystem, Turn first) {
    List<Segment> out = new ArrayList<>();
    if (ownSystem != null ? ownSystem.isEmpty() : system.isEmpty()) {
      fixed(out, noSystem);
    } else {
      fixed(out, beforeSystem);
      if (ownSystem != null) {
        out.add(new Segment.User(ownSystem));
      } else {
        fixed(out, system);
      }
      fixed(out, afterSystem);
    }
    String start = userStart;
    for (Exchange example : examples) {
      turn(out, start, example.turn());
      answer(out, example.answer());
      start = nextUserStart;
    }
    turn(out, start, first);
    return out;
  }

  /** What goes between an answer and the next one: the end of the former, the turn, and where the model answers. */
  public List<Segment> next(Turn turn) {
    List<Segment> out = new ArrayList<>();
    fixed(out, answerEnd);
    turn(out, nextUserStart, turn);
    return out;
  }

  /** What follows the open end of a turn if the answer is known. */
  public List<Segment> answered(String answer) {
    List<Segment> out = new ArrayList<>();
    fixed(out, answerStart);
    if (!answer.isEmpty()) {
      out.add(new Segment.User(answer));
    }
    return out;
  }

  /** A whole conversation: earlier exchanges, then a turn that waits for its answer. */
  public List<Segment> render(@Nullable String ownSystem, List<Exchange> history, Turn last) {
    if (history.isEmpty()) {
      return open(ownSystem, last);
    }
    List<Segment> out = new ArrayList<>(open(ownSystem, history.getFirst().turn()));
    for (int i = 0; i < history.size(); i++) {
      out.addAll(answered(history.get(i).answer()));
      out.addAll(next(i + 1 < history.size() ? history.get(i + 1).turn() : last));
    }
    return out;
  }

  private void turn(List<Segment> out, String start, Turn turn) {
    fixed(out, start);
    if (images == ImagePlacement.OWN_TURN && !turn.images().isEmpty()) {
      out.addAll(images.place(turn));
      fixed(out, userEnd);
      fixed(out, assistantOpen);
      answer(out, "Received.");
      fixed(out, nextUserStart);
      out.addAll(turn.question());
    } else {
      out.addAll(turn.images().isEmpty() ? turn.question() : images.place(turn));
    }
    fixed(out, userEnd);
    fixed(out, assistantOpen);
  }

  private void answer(List<Segment> out, String answer) {
    out.addAll(answered(answer));
    fixed(out, answerEnd);
  }

  private static void fixed(List<Segment> out, String text) {
    if (!text.isEmpty()) {
      out.add(new Segment.Fixed(text));
    }
  }
}
