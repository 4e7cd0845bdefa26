package dev.fovea.cli;

import dev.fovea.model.checkpoint.LoadedModel;
import dev.fovea.model.text.Tokenizer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.concurrent.Callable;
import picocli.CommandLine.Command;
import picocli.CommandLine.Mixin;
import picocli.CommandLine.Option;
import picocli.CommandLine.Parameters;

/** {@code fovea tokenize}. */
@Command(description = {"Shows the token ids of a text and the pieces they stand for.", ""})
final class Tokenize implements Callable<Integer> {
  @Mixin
  Flags flags = new Flags();

  @Mixin
  ModelFlags model = new ModelFlags();

  @Parameters(paramLabel = "TEXT", arity = "1..*", description = "The text.")
  List<String> words = new ArrayList<>();

  @Option(
      names = "--special",
      description = "Read added tokens such as <image> in the text as such, as a template does.")
  boolean special;

  @Option(names = "--json", description = "Print one line of JSON.")
  boolean json;

  private final Shell shell;

  Tokenize(Shell shell) {
    this.shell = shell;
  }

  @Override
  public Integer call() {
    String text = String.join(" ", words);
    try (LoadedModel loaded = model.load(shell)) {
      Tokenizer tokenizer = loaded.tokenizer();
      int[] ids = special ? tokenizer.encodeTemplate(text) : tokenizer.encodeText(text);
      if (json) {
        Map<String, Object> line = new LinkedHashMap<>();
        line.put("tokens", Arrays.stream(ids).boxed().toList());
        line.put("pieces", Arrays.stream(ids).mapToObj(tokenizer::piece).toList());
        shell.out().println(Json.line(line));
      } else {
        for (int id : ids) {
          shell.out().println(id + "\t" + tokenizer.piece(id));
        }
      }
    }
    return 0;
  }
}
