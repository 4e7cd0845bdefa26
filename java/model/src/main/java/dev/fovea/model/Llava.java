package dev.fovea.model;

import static dev.fovea.tensor.Axis.B;
import static dev.fovea.tensor.Axis.C;
import static dev.fovea.tensor.Axis.D;
import static dev.fovea.tensor.Axis.DH;
import static dev.fovea.tensor.Axis.E;
import static dev.fovea.tensor.Axis.F;
import static dev.fovea.tensor.Axis.I;
import static dev.fovea.tensor.Axis.KH;
import static dev.fovea.tensor.Axis.M;
import static dev.fovea.tensor.Axis.MP;
import static dev.fovea.tensor.Axis.MT;
import static dev.fovea.tensor.Axis.N;
import static dev.fovea.tensor.Axis.O;
import static dev.fovea.tensor.Axis.PG;
import static dev.fovea.tensor.Axis.PS;
import static dev.fovea.tensor.Axis.R;
import static dev.fovea.tensor.Axis.T;
import static dev.fovea.tensor.Axis.V;
import static dev.fovea.tensor.Axis.X;
import static dev.fovea.tensor.Axis.Y;

import dev.fovea.model.layer.Decoder;
import dev.fovea.model.layer.DecoderLayer;
import dev.fovea.model.layer.KvCache;
import dev.fovea.model.layer.LayerNorm;
import dev.fovea.model.layer.Linear;
import dev.fovea.model.layer.Projector;
import dev.fovea.model.layer.RmsNorm;
import dev.fovea.model.layer.SelfAttention;
import dev.fovea.model.layer.SwiGlu;
import dev.fovea.model.layer.VisionBlock;
import dev.fovea.model.layer.VisionTower;
import dev.fovea.op.Advance;
import dev.fovea.op.PutToken;
import dev.fovea.op.Rope;
import dev.fovea.op.Sample;
import dev.fovea.op.TokenAt;
import dev.fovea.program.Program;
import dev.fovea.program.Trace;
import dev.fovea.program.Value;
import dev.fovea.tensor.Axis;
import dev.fovea.tensor.DType;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;
import java.util.function.Function;

/**
 * LLaVA: a CLIP vision tower, a projector and a LLaMA decoder. Liu et al. 2023, arXiv:2304.08485. ChatSpot (Zhao et al. 2023,
 * arXiv:2307.09474) is the same with regions written into the question.
 *
 * @param config dims
 * @param dtypes the element type in which each canonical weight name is stored
 */
public record Llava(ModelConfig config, Function<String, DType> dtypes) {

  /**
   * How big the memory of the decoder programs is, which they share.
   *
   * @param pages pages of the cache
   * @param pageSize positions of a page
   * @param sequences most sequences at a time
   * @param pagesPerSequence most pages of each
   */
  public record Pool(DType kvType, int pages, int pageSize, int sequences, int pagesPerSequence) {}

  /** State {@code pixels} [C=3,Y,X], as {@link dev.fovea.model.image.Resampling#program} leaves it → output {@code features} [P,D]. */
  public Program picture() {
    Trace trace = new Trace("picture");
    Parameters p = new Parameters(trace, dtypes);
    int side = config.vision().imageSize();
    Value pixels = trace.state("pixels", TensorType.f32(Shape.of(C, 3, Y, side, X, side)));
    trace.output("features", projector(p).apply(tower(p).apply(pixels)));
    return trace.program();
  }

  /**
   * Reads prompts, of one sequence or several. Inputs {@code ids, pos, seq} [T], {@code image} [M=T,D], {@code rows} [R]; {@code after.seq,
   * after.pos} [R], {@code control} [R,5] and {@code seed} [R,2] say how the token after each of {@code rows} is chosen (see
   * {@link Sample}; a negative {@code after.pos} for none). State {@code k.i, v.i, pages, tokens} → outputs {@code logits} [R,V] and
   * {@code next} [R].
   *
   * @param rows most rows of one run
   * @param logits most rows whose logits are wanted at once
   * @param vocabulary ids below this may be chosen
   */
  public Program prompt(int rows, int logits, Pool pool, int vocabulary) {
    DecoderConfig d = config.decoder();
    Trace trace = new Trace("prompt");
    Parameters p = new Parameters(trace, dtypes);
    Value ids = trace.input("ids", TensorType.i32(Shape.of(T, rows)));
    Value pos = trace.input("pos", TensorType.i32(Shape.of(T, rows)));
    Value seq = trace.input("seq", TensorType.i32(Shape.of(T, rows)));
    Value take = trace.input("rows", TensorType.i32(Shape.of(R, logits)));
    Value image = trace.input("image", TensorType.f32(Shape.of(M, rows, D, d.width())));
    Value y = decoder(p).apply(ids, image, take, caches(trace, pool, pos, seq)); // [R,V]
    trace.output("logits", y);

    Value afterSeq = trace.input("after.seq", TensorType.i32(Shape.of(R, logits)));
    Value afterPos = trace.input("after.pos", TensorType.i32(Shape.of(R, logits)));
    choose(y, tokens(trace, pool), afterSeq, afterPos, vocabulary);
    return trace.program();
  }

  /**
   * Decodes: the next token of each of some sequences, from what is at its position to what is chosen after it, all on the device, so that
   * running it again gives the token after that. Inputs {@code seq} [T], {@code control} [T,5], {@code seed} [T,2]; state {@code k.i, v.i,
   * pages, tokens} shared with other programs and {@code pos} [T] of its own → outputs {@code logits} [T,V] and {@code next} [T].
   *
   * @param rows most sequences of one run
   * @param vocabulary ids below this may be chosen
   */
  public Program step(int rows, Pool pool, int vocabulary) {
    Trace trace = new Trace("step");
    Parameters p = new Parameters(trace, dtypes);
    Value pos = trace.state("pos", TensorType.i32(Shape.of(T, rows)));
    Value seq = trace.input("seq", TensorType.i32(Shape.of(T, rows)));
    Value tokens = tokens(trace, pool);
    Value ids = trace.apply(new TokenAt(), tokens, seq, pos); // [T]
    Value y = decoder(p).apply(ids, null, null, caches(trace, pool, pos, seq)); // [T,V]
    trace.output("logits", y);
    choose(y, tokens, seq, pos, vocabulary);
    trace.apply(new Advance(), pos);
    return trace.program();
  }

  /** What stands at each position of each sequence, and room for the token after the last. */
  private static Value tokens(Trace trace, Pool pool) {
    int places = pool.pagesPerSequence() * pool.pageSize() + 1;
    return trace.state("tokens", TensorType.i32(Shape.of(B, pool.sequences(), MT, places)));
  }

  /** logits [n,V] → the output {@code next} [n], noted among the tokens. */
  private static void choose(Value logits, Value tokens, Value seq, Value pos, int vocabulary) {
    Trace trace = logits.trace();
    Axis rows = logits.shape().axis(0);
    int n = logits.shape().size(0);
    Value control = trace.input("control", TensorType.f32(Shape.of(rows, n, I, Sample.CONTROLS)));
    Value seed = trace.input("seed", TensorType.i32(Shape.of(rows, n, I, 2)));
    Value next = trace.apply(new Sample(vocabulary), logits, tokens, seq, pos, control, seed);
    trace.apply(new PutToken(), tokens, next, seq, pos);
    trace.output("next", next);
  }

  private List<KvCache> caches(Trace trace, Pool pool, Value pos, Value seq) {
    DecoderConfig d = config.decoder();
    Value pages = trace.state(
        "pages", TensorType.i32(Shape.of(B, pool.sequences(), MP, pool.pagesPerSequence())));
    TensorType cache = new TensorType(
        pool.kvType(),
        Shape.of(PG, pool.pages(), KH, d.keyHeads(), PS, pool.pageSize(), DH, d.headWidth()));
    List<KvCache> caches = new ArrayList<>();
    for (int i = 0; i < d.layers(); i++) {
      caches.add(
          new KvCache(trace.state("k." + i, cache), trace.state("v." + i, cache), pos, seq, pages));
    }
    return caches;
  }

  private VisionTower tower(Parameters p) {
    VisionConfig v = config.vision();
    Shape wide = Shape.of(E, v.width());
    List<VisionBlock> blocks = new ArrayList<>();
    for (int i = 0; i < v.run(); i++) {
      String at = "vision.blocks." + i + ".";
      blocks.add(new VisionBlock(
          norm(p, at + "norm1", wide, v.eps()),
          linear(p, at + "q", E, v.width(), v.width(), true),
          linear(p, at + "k", E, v.width(), v.width(), true),
          linear(p, at + "v", E, v.width(), v.width(), true),
          linear(p, at + "o", E, v.width(), v.width(), true),
          v.heads(),
          norm(p, at + "norm2", wide, v.eps()),
          linear(p, at + "fc1", F, v.ffn(), v.width(), true),
          linear(p, at + "fc2", E, v.width(), v.ffn(), true),
          v.exactGelu()));
    }
    int pixels = 3 * v.patch() * v.patch();
    return new VisionTower(
        v.patch(),
        new Linear(p.get("vision.patch", Shape.of(E, v.width(), I, pixels)), null),
        p.get("vision.class", Shape.of(N, 1, E, v.width())),
        p.get("vision.position", Shape.of(N, v.patches() + 1, E, v.width())),
        norm(p, "vision.pre_norm", wide, v.eps()),
        blocks,
        v.keep());
  }

  private Projector projector(Parameters p) {
    List<Linear> maps = new ArrayList<>();
    for (int i = 0; i < config.projector().maps(); i++) {
      int from = i == 0 ? config.vision().width() : config.decoder().width();
      maps.add(linear(
          p,
          "projector." + i,
          D,
          config.decoder().width(),
          from,
          config.projector().bias()));
    }
    return new Projector(maps, config.projector().gelu());
  }

  private Decoder decoder(Parameters p) {
    DecoderConfig d = config.decoder();
    Shape wide = Shape.of(D, d.width());
    Rope rope = new Rope(d.theta(), d.positionScale(), d.rotaryNeighbours());
    List<DecoderLayer> layers = new ArrayList<>();
    for (int i = 0; i < d.layers(); i++) {
      String at = "layers." + i + ".";
      SelfAttention attention = new SelfAttention(
          map(p, at + "q", O, d.heads() * d.headWidth(), d.width()),
          map(p, at + "k", O, d.keyHeads() * d.headWidth(), d.width()),
          map(p, at + "v", O, d.keyHeads() * d.headWidth(), d.width()),
          map(p, at + "o", D, d.width(), d.heads() * d.headWidth()),
          d.heads(),
          d.keyHeads(),
          rope);
      SwiGlu mlp = new SwiGlu(
          map(p, at + "gate", F, d.ffn(), d.width()),
          map(p, at + "up", F, d.ffn(), d.width()),
          map(p, at + "down", D, d.width(), d.ffn()));
      layers.add(new DecoderLayer(
          new RmsNorm(p.get(at + "attn_norm", wide), d.eps()),
          attention,
          new RmsNorm(p.get(at + "ffn_norm", wide), d.eps()),
          mlp));
    }
    Value embedding = p.get("embed", Shape.of(V, d.vocabulary(), D, d.width()));
    return new Decoder(
        embedding,
        layers,
        new RmsNorm(p.get("norm", wide), d.eps()),
        map(p, "lm_head", V, d.vocabulary(), d.width()));
  }

  private static LayerNorm norm(Parameters p, String name, Shape wide, double eps) {
    return new LayerNorm(p.get(name + ".weight", wide), p.get(name + ".bias", wide), eps);
  }

  private static Linear linear(
      Parameters p, String name, Axis out, int outs, int ins, boolean bias) {
    return new Linear(
        p.get(name + ".weight", Shape.of(out, outs, I, ins)),
        bias ? p.get(name + ".bias", Shape.of(out, outs)) : null);
  }

  private static Linear map(Parameters p, String name, Axis out, int outs, int ins) {
    return new Linear(p.get(name, Shape.of(out, outs, I, ins)), null);
  }
}
