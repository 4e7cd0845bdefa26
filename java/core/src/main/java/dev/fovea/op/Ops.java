package dev.fovea.op;

import java.util.List;

/** All ops there are, each with ordinary attributes: what the harness checks and {@code docs/ops.md} lists. */
public final class Ops {

  /** Ops with a definition of their own, in the order a model meets them. */
  public static final List<Op> PLAIN = List.of(
      new Resize(),
      new Patchify(14),
      new ConcatRows(),
      new Embed(),
      new LayerNorm(1e-5),
      new RmsNorm(1e-5),
      new Linear(),
      new Rope(1e4, 1, false),
      new KvAppend(),
      new Attention(0.125),
      new PagedAttention(0.125),
      new QuickGelu(),
      new Gelu(),
      new SiluMul(),
      new Add(),
      new TakeRows(),
      new TokenAt(),
      new Sample(1000),
      new PutToken(),
      new Advance());

  /** Ops that stand for a composition of plain ones, most specific first. */
  public static final List<FusedOp> FUSED = List.of(
      new NormQkv(1e-5, 1e4, 1, false),
      new NormSwiGlu(1e-5),
      new SwiGlu(),
      new LinearAdd(),
      new LinearQuickGelu(),
      new LinearGelu());

  private Ops() {}

  /** Plain, then fused. */
  public static List<Op> all() {
    return java.util.stream.Stream.concat(PLAIN.stream(), FUSED.stream()).toList();
  }
}
