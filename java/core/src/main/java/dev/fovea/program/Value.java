package dev.fovea.program;

import dev.fovea.op.Add;
import dev.fovea.op.Gelu;
import dev.fovea.op.Linear;
import dev.fovea.op.QuickGelu;
import dev.fovea.op.SiluMul;
import dev.fovea.op.View;
import dev.fovea.tensor.Axis;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.util.Arrays;
import org.jspecify.annotations.Nullable;

/** A symbolic tensor: what it is, where it comes from, and no numbers. Identity is what tells two apart. */
public final class Value {

  /** Where a value's numbers come from. */
  public enum Kind {
    /** Written by the caller before a run. */
    INPUT,
    /** Bound once when the program is compiled. */
    WEIGHT,
    /** Bound once, and changed by runs. */
    STATE,
    /** Made by a node. */
    RESULT
  }

  private final Trace trace;
  private final Kind kind;
  private final String name;
  private final TensorType type;
  private final @Nullable Node producer;

  Value(Trace trace, Kind kind, String name, TensorType type, @Nullable Node producer) {
    this.trace = trace;
    this.kind = kind;
    this.name = name;
    this.type = type;
    this.producer = producer;
  }

  Value(Trace trace, String name, TensorType type, Node producer) {
    this(trace, Kind.RESULT, name, type, producer);
  }

  public Trace trace() {
    return trace;
  }

  public Kind kind() {
    return kind;
  }

  /** Unique in its trace: the caller's name, or {@code %7 linear}. */
  public String name() {
    return name;
  }

  public TensorType type() {
    return type;
  }

  public Shape shape() {
    return type.shape();
  }

  public int dim(Axis axis) {
    return type.shape().dim(axis);
  }

  /** The node that makes this value; null unless the kind is RESULT. */
  public @Nullable Node producer() {
    return producer;
  }

  /** The value whose memory this one is, whole or in part: what its node views or writes; null if it has memory of its own. */
  public @Nullable Value alias() {
    if (producer == null) {
      return null;
    }
    int written = producer.written().indexOf(this);
    int input = written < 0 ? producer.op().aliasOf() : producer.op().writes().get(written);
    return input < 0 ? null : producer.in(input);
  }

  public Value plus(Value other) {
    return trace.apply(new Add(), this, other);
  }

  /** this·wᵀ + b. */
  public Value linear(Value w, @Nullable Value b) {
    return trace.apply(new Linear(), Arrays.asList(this, w, b));
  }

  public Value quickGelu() {
    return trace.apply(new QuickGelu(), this);
  }

  public Value gelu() {
    return trace.apply(new Gelu(), this);
  }

  /** silu(this) · up. */
  public Value siluMul(Value up) {
    return trace.apply(new SiluMul(), this, up);
  }

  /** The same elements under another shape. */
  public Value as(Shape shape) {
    return trace.apply(new View(shape, 0), this);
  }

  /** [T,D] → [T,heads,Dh]. */
  public Value splitHeads(Axis heads, int n) {
    Shape s = shape();
    return as(Shape.of(s.axis(0), s.size(0), heads, n, Axis.DH, s.size(1) / n));
  }

  /** [T,heads,Dh] → [T,D]. */
  public Value joinHeads(Axis width) {
    Shape s = shape();
    return as(Shape.of(s.axis(0), s.size(0), width, s.size(1) * s.size(2)));
  }

  /** Rows {@code from} … {@code from+count−1} of [N,E], in place. */
  public Value rows(int from, int count) {
    Shape s = shape();
    return trace.apply(
        new View(Shape.of(s.axis(0), count, s.axis(1), s.size(1)), (long) from * s.size(1)), this);
  }

  @Override
  public String toString() {
    return name + " " + type;
  }
}
