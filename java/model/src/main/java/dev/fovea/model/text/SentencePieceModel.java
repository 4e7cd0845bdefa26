package dev.fovea.model.text;

import dev.fovea.error.FileException;
import java.io.ByteArrayOutputStream;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/**
 * Reads and writes {@code tokenizer.model}, SentencePiece's {@code ModelProto}. Only what LLaMA-family files use is accepted: BPE,
 * the identity normalizer with an empty character map, spaces escaped to U+2581. Anything else is refused with what was found, as
 * it would change ids silently. Field numbers: sentencepiece_model.proto.
 */
public final class SentencePieceModel {
  private static final int BPE = 2;

  private SentencePieceModel() {}

  /**
   * Reads a file.
   *
   * @throws FileException if the file is missing, too large, malformed, or of another kind of tokenizer
   */
  public static TokenizerData read(Path file) {
    return parse(file, TokenizerFiles.bytes(file, Bounds.MODEL_BYTES));
  }

  /**
   * Reads bytes already in memory.
   *
   * @param file names the bytes in errors
   */
  public static TokenizerData parse(Path file, byte[] bytes) {
    List<String> pieces = new ArrayList<>();
    List<Float> scores = new ArrayList<>();
    List<PieceType> types = new ArrayList<>();
    Trainer trainer = new Trainer();
    Normalizer normalizer = new Normalizer();
    ProtoReader model = new ProtoReader(file, bytes);
    for (int field = model.next(); field != 0; field = model.next()) {
      switch (field) {
        case 1 -> piece(model.message("pieces[" + pieces.size() + "]"), pieces, scores, types);
        case 2 -> trainer.read(model.message("trainer_spec"));
        case 3 -> normalizer.read(model.message("normalizer_spec"));
        case 5 -> denormalizer(model.message("denormalizer_spec"));
        default -> model.skip();
      }
      if (pieces.size() > Bounds.PIECES) {
        throw model.mismatch("pieces", "at most " + Bounds.PIECES + " pieces", "more");
      }
    }
    if (pieces.isEmpty()) {
      throw FileException.mismatch(
          file, "field pieces", "at least one piece", "none (" + bytes.length + " bytes)");
    }
    if (trainer.modelType != BPE) {
      throw FileException.mismatch(
          file,
          "field trainer_spec.model_type",
          "2 (BPE)",
          trainer.modelType + modelTypeName(trainer.modelType));
    }
    float[] scoreArray = new float[scores.size()];
    for (int i = 0; i < scoreArray.length; i++) {
      scoreArray[i] = scores.get(i);
    }
    int n = pieces.size();
    List<AddedToken> userDefined = new ArrayList<>();
    for (int id = 0; id < n; id++) {
      if (types.get(id) == PieceType.USER_DEFINED) {
        // SentencePiece matches these inside the normalized text, so no space is put in front of
        // what follows one.
        userDefined.add(new AddedToken(id, pieces.get(id), false, false, false, true, false));
      }
    }
    return new TokenizerData(
        pieces.toArray(String[]::new),
        scoreArray,
        types.toArray(PieceType[]::new),
        idOrNone(file, "bos_id", trainer.bos, n),
        idOrNone(file, "eos_id", trainer.eos, n),
        idOrNone(file, "unk_id", trainer.unk, n),
        idOrNone(file, "pad_id", trainer.pad, n),
        trainer.bos >= 0,
        normalizer.addDummyPrefix,
        true,
        trainer.byteFallback,
        normalizer.removeExtraWhitespaces,
        userDefined);
  }

  private static int idOrNone(Path file, String field, int id, int pieces) {
    if (id >= pieces) {
      throw FileException.mismatch(
          file, "field trainer_spec." + field, "an id below " + pieces + ", or -1", id);
    }
    return Math.max(id, -1);
  }

  private static void piece(
      ProtoReader in, List<String> pieces, List<Float> scores, List<PieceType> types) {
    String text = "";
    float score = 0;
    PieceType type = PieceType.NORMAL;
    for (int field = in.next(); field != 0; field = in.next()) {
      switch (field) {
        case 1 -> text = in.string("piece");
        case 2 -> {
          score = in.float32("score");
          if (!Float.isFinite(score)) {
            throw in.mismatch("score", "a finite number", score);
          }
        }
        case 3 -> {
          int code = in.integer("type");
          if (code < 1 || code > 6) {
            throw in.mismatch("type", "1 to 6", code);
          }
          type = PieceType.of(code);
        }
        default -> in.skip();
      }
    }
    if (text.isEmpty()) {
      throw in.mismatch("piece", "text", "nothing");
    }
    pieces.add(text);
    scores.add(score);
    types.add(type);
  }

  private static void denormalizer(ProtoReader in) {
    for (int field = in.next(); field != 0; field = in.next()) {
      if (field == 2) {
        int length = in.skipBytes("precompiled_charsmap");
        if (length > 0) {
          throw in.mismatch("precompiled_charsmap", "none", length + " bytes");
        }
      } else {
        in.skip();
      }
    }
  }

  private static String modelTypeName(int type) {
    return switch (type) {
      case 1 -> " (unigram)";
      case 3 -> " (word)";
      case 4 -> " (char)";
      default -> "";
    };
  }

  /** The fields of TrainerSpec that change encoding; the defaults are the proto's. */
  private static final class Trainer {
    int modelType = 1;
    boolean byteFallback;
    int unk;
    int bos = 1;
    int eos = 2;
    int pad = -1;

    void read(ProtoReader in) {
      for (int field = in.next(); field != 0; field = in.next()) {
        switch (field) {
          case 3 -> modelType = in.integer("model_type");
          case 24 -> {
            if (in.bool("treat_whitespace_as_suffix")) {
              throw in.mismatch("treat_whitespace_as_suffix", false, true);
            }
          }
          case 35 -> byteFallback = in.bool("byte_fallback");
          case 40 -> unk = in.integer("unk_id");
          case 41 -> bos = in.integer("bos_id");
          case 42 -> eos = in.integer("eos_id");
          case 43 -> pad = in.integer("pad_id");
          default -> in.skip();
        }
      }
    }
  }

  private static final class Normalizer {
    boolean addDummyPrefix = true;
    boolean removeExtraWhitespaces = true;

    void read(ProtoReader in) {
      for (int field = in.next(); field != 0; field = in.next()) {
        switch (field) {
          case 1 -> {
            String name = in.string("name");
            if (!name.isEmpty() && !name.equals("identity")) {
              throw in.mismatch("name", "identity", name);
            }
          }
          case 2 -> {
            int length = in.skipBytes("precompiled_charsmap");
            if (length > 0) {
              throw in.mismatch("precompiled_charsmap", "none (identity)", length + " bytes");
            }
          }
          case 3 -> addDummyPrefix = in.bool("add_dummy_prefix");
          case 4 -> removeExtraWhitespaces = in.bool("remove_extra_whitespaces");
          case 5 -> {
            if (!in.bool("escape_whitespaces")) {
              throw in.mismatch("escape_whitespaces", true, false);
            }
          }
          case 6 -> {
            int length = in.skipBytes("normalization_rule_tsv");
            if (length > 0) {
              throw in.mismatch("normalization_rule_tsv", "none", length + " bytes");
            }
          }
          default -> in.skip();
        }
      }
    }
  }

  /** The bytes of a {@code tokenizer.model} that SentencePiece loads and that {@link #parse} reads back. */
  public static byte[] write(TokenizerData data) {
    ProtoWriter model = new ProtoWriter();
    for (int i = 0; i < data.pieces().length; i++) {
      ProtoWriter piece = new ProtoWriter();
      piece.string(1, data.pieces()[i]);
      piece.float32(2, data.scores()[i]);
      if (data.types()[i] != PieceType.NORMAL) {
        piece.integer(3, data.types()[i].code());
      }
      model.message(1, piece);
    }
    ProtoWriter trainer = new ProtoWriter();
    trainer.integer(3, BPE);
    trainer.integer(4, data.pieces().length);
    trainer.integer(35, data.byteFallback() ? 1 : 0);
    trainer.integer(40, data.unk());
    trainer.integer(41, data.bos());
    trainer.integer(42, data.eos());
    trainer.integer(43, data.pad());
    model.message(2, trainer);
    ProtoWriter normalizer = new ProtoWriter();
    normalizer.string(1, "identity");
    normalizer.integer(3, data.addSpacePrefix() ? 1 : 0);
    normalizer.integer(4, data.removeExtraWhitespaces() ? 1 : 0);
    normalizer.integer(5, 1);
    model.message(3, normalizer);
    return model.out.toByteArray();
  }

  private static final class ProtoWriter {
    final ByteArrayOutputStream out = new ByteArrayOutputStream();

    void integer(int field, int value) {
      varint((long) field << 3);
      varint(value);
    }

    void float32(int field, float value) {
      varint((long) field << 3 | 5);
      int bits = Float.floatToIntBits(value);
      for (int shift = 0; shift < 32; shift += 8) {
        out.write(bits >>> shift);
      }
    }

    void string(int field, String value) {
      bytes(field, value.getBytes(StandardCharsets.UTF_8));
    }

    void message(int field, ProtoWriter value) {
      bytes(field, value.out.toByteArray());
    }

    private void bytes(int field, byte[] value) {
      varint((long) field << 3 | 2);
      varint(value.length);
      out.writeBytes(value);
    }

    private void varint(long value) {
      long rest = value;
      while ((rest & ~0x7fL) != 0) {
        out.write((int) ((rest & 0x7f) | 0x80));
        rest >>>= 7;
      }
      out.write((int) rest);
    }
  }
}
