package dev.fovea;

import dev.fovea.error.ContextLengthException;
import dev.fovea.error.InputException;
import dev.fovea.error.QueueFullException;
import dev.fovea.model.checkpoint.LoadedModel;
import dev.fovea.model.image.Picture;
import dev.fovea.model.prompt.AnswerRegions;
import dev.fovea.model.prompt.PromptEncoder;
import dev.fovea.model.prompt.PromptIds;
import dev.fovea.model.prompt.Region;
import dev.fovea.model.prompt.RegionPreset;
import dev.fovea.model.prompt.Segment;
import dev.fovea.model.prompt.Template;
import dev.fovea.model.prompt.Turn;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Consumer;
import org.jspecify.annotations.Nullable;

/**
 * A conversation: what was asked and answered so far, and the pictures it is about. What it computed lies in the model's cache and is found
 * again by the next turn, so that only new words are computed. One question at a time.
 */
public final class Session implements AutoCloseable {
  private final Fovea fovea;
  private final PromptEncoder encoder;
  private final Template template;
  private final RegionPreset preset;
  private final List<Integer> ids = new ArrayList<>();
  private final List<Picture> pictures = new ArrayList<>();
  private final @Nullable String system;

  /** @param system a system text in place of the template's */
  Session(Fovea fovea, @Nullable String system) {
    this.system = system;
    LoadedModel.Description d = fovea.model().description();
    this.fovea = fovea;
    this.encoder = new PromptEncoder(d.tokenizer(), d.imageStyle());
    this.template = d.template();
    this.preset = d.regions();
  }

  /** Asks and waits for the whole answer. */
  public Answer ask(Question question, Generation generation) {
    return ask(question, generation, t -> {}, new Cancellation());
  }

  /**
   * Asks; tokens come on the caller's thread while the model goes on. If {@code onToken} throws, the answer is cancelled and the exception
   * comes out here. A question that fails leaves the conversation as it was.
   *
   * @throws InputException if a region lies outside of what the model sees, or there is no picture for it
   * @throws ContextLengthException if the conversation no longer fits the context
   */
  public synchronized Answer ask(
      Question question,
      Generation generation,
      Consumer<Token> onToken,
      Cancellation cancellation) {
    List<Picture> all = new ArrayList<>(
        question.raw() ? List.of() : pictures); // a raw prompt is whole: it starts anew
    all.addAll(question.pictures());
    List<String> warnings = new ArrayList<>();
    PromptIds added = encode(question, all, warnings);
    List<Integer> prompt = new ArrayList<>(question.raw() ? List.of() : ids);
    for (int id : added.ids()) {
      prompt.add(id);
    }
    Draft draft =
        new Draft(fovea, prompt, all, generation, stops(question, generation), cancellation);
    fovea.submit(draft);
    Draft.Result result = draft.await(onToken);
    ids.clear();
    ids.addAll(prompt);
    ids.addAll(result.kept());
    pictures.clear();
    pictures.addAll(all);
    return answer(prompt, result, all, warnings);
  }

  /**
   * Asks the same about each of several regions of the last picture, all at once: what the prompts have in common, the picture above all, is
   * computed once, and the answers are written together. Each is an answer of its own; the conversation stays as it was.
   *
   * @return an answer for each region, in their order
   * @throws InputException if a region lies outside of what the model sees, or there is no picture
   * @throws QueueFullException if too many questions wait already; then none of these is answered
   */
  public synchronized List<Answer> askEach(
      List<? extends Region> regions, Question question, Generation generation) {
    return askEach(regions, question, generation, new Cancellation());
  }

  /** As {@link #askEach(List, Question, Generation)}, to be cancelled from elsewhere. */
  public synchronized List<Answer> askEach(
      List<? extends Region> regions,
      Question question,
      Generation generation,
      Cancellation cancellation) {
    List<Picture> all = new ArrayList<>(pictures);
    all.addAll(question.pictures());
    List<List<Integer>> prompts = new ArrayList<>();
    List<List<String>> warnings = new ArrayList<>();
    List<Draft> drafts = new ArrayList<>();
    for (Region region : regions) {
      List<String> about = new ArrayList<>();
      Question one = question.region(region);
      List<Integer> prompt = new ArrayList<>(ids);
      for (int id : encode(one, all, about).ids()) {
        prompt.add(id);
      }
      prompts.add(prompt);
      warnings.add(about);
      drafts.add(
          new Draft(fovea, prompt, all, generation, stops(question, generation), cancellation));
    }
    List<Answer> answers = new ArrayList<>();
    try {
      drafts.forEach(fovea::submit);
      for (int i = 0; i < drafts.size(); i++) {
        Draft.Result result = drafts.get(i).await(t -> {});
        answers.add(answer(prompts.get(i), result, all, warnings.get(i)));
      }
    } catch (RuntimeException | Error e) {
      drafts.forEach(Draft::cancel);
      throw e;
    }
    return answers;
  }

  /**
   * Takes a question and its answer from elsewhere into the conversation, as if they had been asked and given here. Nothing is computed.
   *
   * @throws InputException as {@link #ask} does
   */
  public synchronized void recall(Question question, String answer) {
    if (question.raw()) {
      throw new InputException("a raw prompt has no place in a conversation");
    }
    List<Picture> all = new ArrayList<>(pictures);
    all.addAll(question.pictures());
    for (int id : encode(question, all, new ArrayList<>()).ids()) {
      ids.add(id);
    }
    for (int id : encoder.extend(ids.getLast(), template.answered(answer)).ids()) {
      ids.add(id);
    }
    pictures.clear();
    pictures.addAll(all);
  }

  private Answer answer(
      List<Integer> prompt, Draft.Result result, List<Picture> all, List<String> warnings) {
    return new Answer(
        result.text(),
        result.tokens(),
        prompt,
        result.reason(),
        result.usage(),
        result.timings(),
        named(result.text(), all),
        warnings,
        fovea.backend());
  }

  private PromptIds encode(Question question, List<Picture> all, List<String> warnings) {
    if (question.raw()) {
      return encoder.encode(Segment.raw(question.text()));
    }
    List<Segment> words = List.of(new Segment.User(question.text()));
    if (!question.regions().isEmpty()) {
      if (all.isEmpty()) {
        throw new InputException("a region needs a picture: the conversation has none");
      }
      RegionPreset.Referred referred = question.marks().isEmpty()
          ? preset.refer(question.text(), question.regions(), fovea.frame(all.getLast()))
          : preset.refer(question.text(), spots(question, all));
      words = referred.segments();
      warnings.addAll(referred.warnings());
    }
    List<Integer> fresh = new ArrayList<>();
    for (int i = pictures.size(); i < all.size(); i++) {
      fresh.add(i);
    }
    Turn turn = new Turn(words, fresh);
    return ids.isEmpty()
        ? encoder.encode(template.open(system, turn))
        : encoder.extend(ids.getLast(), template.next(turn));
  }

  private List<RegionPreset.Spot> spots(Question question, List<Picture> all) {
    List<RegionPreset.Spot> spots = new ArrayList<>();
    for (int i = 0; i < question.regions().size(); i++) {
      Question.Mark mark = question.marks().get(i);
      if (mark.picture() < 0 || mark.picture() >= all.size()) {
        throw InputException.mismatch(
            "picture of " + mark.text(), "0 to " + (all.size() - 1), mark.picture());
      }
      spots.add(new RegionPreset.Spot(
          mark.text(), question.regions().get(i), fovea.frame(all.get(mark.picture()))));
    }
    return spots;
  }

  private List<String> stops(Question question, Generation generation) {
    List<String> stops = new ArrayList<>(generation.stop());
    if (!question.raw()) {
      stops.addAll(template.stops());
    }
    return stops;
  }

  private List<Answer.NamedRegion> named(String text, List<Picture> all) {
    if (all.isEmpty()) {
      return List.of();
    }
    List<Answer.NamedRegion> regions = new ArrayList<>();
    for (AnswerRegions.Found f : AnswerRegions.parse(text, preset, fovea.frame(all.getLast()))) {
      regions.add(new Answer.NamedRegion(f.region(), f.start(), f.end()));
    }
    return regions;
  }

  /** Forgets the conversation and its pictures. */
  public synchronized void clear() {
    ids.clear();
    pictures.clear();
  }

  /** Positions that the conversation takes so far. */
  public synchronized int length() {
    int rows = fovea.model().config().vision().features();
    return ids.stream().mapToInt(id -> id == PromptEncoder.IMAGE ? rows : 1).sum();
  }

  /** Pictures of the conversation, oldest first. */
  public synchronized List<Picture> pictures() {
    return List.copyOf(pictures);
  }

  @Override
  public void close() {
    clear();
  }
}
