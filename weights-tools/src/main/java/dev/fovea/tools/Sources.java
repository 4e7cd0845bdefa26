package dev.fovea.tools;

import dev.fovea.error.InputException;
import dev.fovea.model.DecoderConfig;
import dev.fovea.model.ModelConfig;
import dev.fovea.model.VisionConfig;
import dev.fovea.model.checkpoint.LoadedModel;
import dev.fovea.model.image.Channels;
import dev.fovea.model.image.Preprocessing;
import dev.fovea.model.text.PieceType;
import dev.fovea.model.text.Tokenizer;
import dev.fovea.model.text.TokenizerData;
import dev.fovea.weights.GgufValue;
import dev.fovea.weights.convert.ModelShape;
import dev.fovea.weights.convert.TokenizerDescription;
import java.util.ArrayList;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** What the writers need to know of a checkpoint that was read. */
public final class Sources {
  /** llama.cpp's score for an id that stands for nothing. */
  private static final float NO_SCORE = -1000;

  private Sources() {}

  /** Its sizes. */
  public static ModelShape shape(String name, LoadedModel model) {
    ModelConfig config = model.config();
    DecoderConfig d = config.decoder();
    VisionConfig v = config.vision();
    Preprocessing p = model.description().preprocessing();
    return new ModelShape(
        name,
        new ModelShape.Text(
            d.vocabulary(),
            d.width(),
            d.ffn(),
            d.layers(),
            d.heads(),
            d.keyHeads(),
            d.headWidth(),
            d.eps(),
            d.theta(),
            d.context()),
        new ModelShape.Vision(
            v.width(),
            v.ffn(),
            v.layers(),
            v.heads(),
            v.patch(),
            v.imageSize(),
            v.eps(),
            list(p.mean()),
            list(p.std())),
        config.projector().maps() == 1,
        v.run());
  }

  private static List<Double> list(Channels c) {
    return List.of(c.red(), c.green(), c.blue());
  }

  /**
   * A tokenizer as GGUF holds it; ids up to the number of embedding rows stand for nothing.
   *
   * @throws InputException if the table has fewer rows than the tokenizer ids
   */
  public static TokenizerDescription description(Tokenizer tokenizer, int vocabulary) {
    TokenizerData data = tokenizer.data();
    if (data.pieces().length > vocabulary) {
      throw new InputException("the tokenizer has " + data.pieces().length
          + " ids, the embedding table " + vocabulary + " rows");
    }
    List<String> pieces = new ArrayList<>(List.of(data.pieces()));
    List<Float> scores = new ArrayList<>();
    List<Integer> types = new ArrayList<>();
    for (int i = 0; i < data.pieces().length; i++) {
      scores.add(data.scores()[i]);
      types.add(data.types()[i].code());
    }
    for (int i = pieces.size(); i < vocabulary; i++) {
      pieces.add("[PAD" + i + "]"); // llama.cpp's name for such an id
      scores.add(NO_SCORE);
      types.add(PieceType.UNUSED.code());
    }
    return new TokenizerDescription(
        pieces,
        scores,
        types,
        data.bos(),
        data.eos(),
        data.unk(),
        data.pad(),
        data.addBos(),
        data.addSpacePrefix(),
        null);
  }

  /** What no standard GGUF key holds, for the decoder's file. */
  public static Map<String, GgufValue> decoderNotes(LoadedModel model) {
    return Map.of(
        "fovea.template", GgufValue.of(model.description().template().name()),
        "fovea.regions", GgufValue.of(model.description().regions().name()),
        "fovea.tokenizer.legacy", GgufValue.of(model.tokenizer().data().legacy()));
  }

  /** The same for the vision tower's file. */
  public static Map<String, GgufValue> imageNotes(LoadedModel model) {
    String mode = model.description().preprocessing().mode().name();
    return Map.of("fovea.image_mode", GgufValue.of(mode.toLowerCase(Locale.ROOT)));
  }
}
