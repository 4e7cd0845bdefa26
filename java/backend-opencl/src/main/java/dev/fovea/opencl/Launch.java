package dev.fovea.opencl;

import dev.fovea.tensor.TensorType;
import java.util.ArrayList;
import java.util.List;
import org.jspecify.annotations.Nullable;

/** One kernel enqueued: its code, its arguments in the order that it declares, and how many work-items run it. */
final class Launch {
  /** In place of an input's number: the output. */
  static final int OUT = -1;

  /** An argument. A tensor, and scratch memory, is a buffer and a byte offset. */
  sealed interface Argument {
    /** The i-th input, or the output. */
    record Tensor(int index) implements Argument {}

    record Absent() implements Argument {}

    /** Memory of the program that holds nothing between steps. */
    record Scratch(long offset) implements Argument {}

    /** Numbers that never change. */
    record Table(List<Float> numbers) implements Argument {}

    /** How many rows of that tensor's leading axis count. */
    record Rows(TensorType of) implements Argument {}

    record Whole(int value) implements Argument {}

    record Real(float value) implements Argument {}

    /** The cell in which a kernel says that data is wrong, and the number of the step. */
    record Complaint() implements Argument {}
  }

  /** Work-items along three dimensions, for so many rows that count. */
  @FunctionalInterface
  interface Items {
    long[] of(int rows);
  }

  final Programs.Text program;
  final String kernel;
  final List<Argument> arguments = new ArrayList<>();
  private @Nullable TensorType lead;
  private Items items = _ -> new long[] {1, 1, 1};
  private int group = 1;

  /**
   * A launch without arguments yet.
   *
   * @param files of kernels/opencl, in order; each program begins with common.clh
   * @param defines as the compiler wants them: {@code DH=64}
   */
  Launch(String kernel, List<String> files, List<String> defines) {
    this.kernel = kernel;
    this.program = new Programs.Text(List.copyOf(files), List.copyOf(defines));
  }

  private Launch add(Argument a) {
    arguments.add(a);
    return this;
  }

  Launch in(int... inputs) {
    for (int i : inputs) {
      add(new Argument.Tensor(i));
    }
    return this;
  }

  Launch out() {
    return add(new Argument.Tensor(OUT));
  }

  Launch absent() {
    return add(new Argument.Absent());
  }

  Launch scratch(long offset) {
    return add(new Argument.Scratch(offset));
  }

  Launch table(List<Float> numbers) {
    return add(new Argument.Table(List.copyOf(numbers)));
  }

  Launch rows(TensorType of) {
    return add(new Argument.Rows(of));
  }

  Launch whole(long... values) {
    for (long v : values) {
      add(new Argument.Whole(Math.toIntExact(v)));
    }
    return this;
  }

  Launch real(double value) {
    return add(new Argument.Real((float) value));
  }

  Launch error() {
    return add(new Argument.Complaint());
  }

  /** Runs as many work-items as {@code items} says of the rows of a tensor that count. */
  Launch over(TensorType lead, Items items) {
    this.lead = lead;
    this.items = items;
    return this;
  }

  /** Runs a fixed number of work-items. */
  Launch over(long x, long y) {
    this.items = _ -> new long[] {x, y, 1};
    return this;
  }

  /** Work-items along the first dimension come in groups of so many, the last group past the end. */
  Launch groups(int size) {
    this.group = size;
    return this;
  }

  /** The tensor whose rows say how many work-items run; null if that is fixed. */
  @Nullable
  TensorType lead() {
    return lead;
  }

  int group() {
    return group;
  }

  /** Whole groups of work-items for so many rows. */
  long[] items(int rows) {
    long[] n = items.of(rows);
    n[0] = (n[0] + group - 1) / group * group;
    return n;
  }
}
