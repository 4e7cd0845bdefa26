package dev.fovea.model.checkpoint;

import dev.fovea.error.InputException;
import dev.fovea.model.DecoderConfig;
import dev.fovea.model.ProjectorConfig;
import dev.fovea.model.VisionConfig;
import dev.fovea.model.image.Channels;
import dev.fovea.model.image.Preprocessing;
import dev.fovea.model.text.TokenizerData;
import dev.fovea.tensor.DType;
import dev.fovea.weights.GgufValue;
import dev.fovea.weights.WeightTensor;
import dev.fovea.weights.convert.ModelShape;
import dev.fovea.weights.convert.Quantizer;
import dev.fovea.weights.convert.TokenizerDescription;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;

/** Writes an opened model as a GGUF pair that holds all of it: weights, tokenizer, and how prompts and pictures are prepared. */
public final class Conversion {
  private Conversion() {}

  /**
   * Writes both files; each gets its name when it is complete.
   *
   * @param decoderType of the decoder's linear maps
   * @param imageType of the vision tower's and the projector's linear maps
   * @return what rounding did, tensor by tensor
   * @throws InputException if the model has a form that GGUF files cannot say
   */
  public static List<Quantizer.TensorError> write(
      LoadedModel model,
      String name,
      Path decoder,
      Path mmproj,
      DType decoderType,
      DType imageType,
      Quantizer.Progress progress) {
    Map<String, GgufValue> decoderNotes = new LinkedHashMap<>();
    decoderNotes.put(
        "fovea.template", GgufValue.of(model.description().template().name()));
    decoderNotes.put("fovea.regions", GgufValue.of(model.description().regions().name()));
    decoderNotes.put(
        "fovea.tokenizer.legacy", GgufValue.of(model.tokenizer().data().legacy()));
    Map<String, GgufValue> imageNotes = new LinkedHashMap<>();
    imageNotes.put(
        "fovea.image_mode",
        GgufValue.of(model.description().preprocessing().mode().name().toLowerCase(Locale.ROOT)));
    return new Quantizer(model.weights(), shape(model, name), progress)
        .noting(decoderNotes, imageNotes)
        .write(decoder, mmproj, decoderType, imageType, tokenizer(model));
  }

  private static ModelShape shape(LoadedModel model, String name) {
    VisionConfig v = model.config().vision();
    DecoderConfig d = model.config().decoder();
    Preprocessing p = model.description().preprocessing();
    if (v.exactGelu() || d.positionScale() != 1) {
      throw new InputException(
          name + ": erf GELU in the tower and stretched positions cannot be converted yet");
    }
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
        isLinear(model),
        v.run());
  }

  private static List<Double> list(Channels c) {
    return List.of(c.red(), c.green(), c.blue());
  }

  /**
   * Whether the projector is one linear map. Hugging Face's LLaVA always has two; one that was trained as one is saved with the identity
   * as second and nothing between, and is written as what it is.
   */
  private static boolean isLinear(LoadedModel model) {
    ProjectorConfig p = model.config().projector();
    if (p.maps() == 1) {
      return true;
    }
    if (p.gelu() && p.maps() == 2 && p.bias()) {
      return false;
    }
    if (!p.gelu() && p.maps() == 2 && isIdentity(model)) {
      return true;
    }
    throw new InputException(
        "GGUF files hold projectors linear and mlp2x_gelu with biases, found " + p);
  }

  private static boolean isIdentity(LoadedModel model) {
    WeightTensor w = model.weights().peek("projector.1.weight");
    int n = model.config().decoder().width();
    for (long i = 0; i < w.elements(); i++) {
      if (dev.fovea.tensor.Blocks.get(w.dtype(), w.data(), i) != (i / n == i % n ? 1 : 0)) {
        return false;
      }
    }
    if (!model.weights().has("projector.1.bias")) {
      return true;
    }
    WeightTensor b = model.weights().peek("projector.1.bias");
    for (long i = 0; i < b.elements(); i++) {
      if (dev.fovea.tensor.Blocks.get(b.dtype(), b.data(), i) != 0) {
        return false;
      }
    }
    return true;
  }

  private static TokenizerDescription tokenizer(LoadedModel model) {
    TokenizerData t = model.tokenizer().data();
    List<Float> scores = new ArrayList<>();
    List<Integer> types = new ArrayList<>();
    for (int i = 0; i < t.pieces().length; i++) {
      scores.add(t.scores()[i]);
      types.add(t.types()[i].code());
    }
    return new TokenizerDescription(
        List.of(t.pieces()),
        scores,
        types,
        t.bos(),
        t.eos(),
        t.unk(),
        t.pad(),
        t.addBos(),
        t.addSpacePrefix(),
        ChatTemplate.of(model));
  }
}
