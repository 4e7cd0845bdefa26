package dev.fovea.program;

import dev.fovea.backend.Kernel;
import dev.fovea.error.BackendException;
import dev.fovea.op.Op;
import dev.fovea.op.View;
import dev.fovea.tensor.TensorType;
import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/**
 * A program with a kernel for every node and a place for every value: one arena for inputs and results, shared by results that are not
 * alive at the same time.
 *
 * @param program what is computed
 * @param steps nodes that do something, in order; views have vanished
 * @param places where each value lies
 * @param arenaBytes size of the arena
 */
public record Plan(Program program, List<Step> steps, Map<Value, Slice> places, long arenaBytes) {
  private static final long ALIGNMENT = 256; // what a CUDA allocation has, and four cache lines

  /** One kernel run. */
  public record Step(Node node, Kernel kernel) {}

  /**
   * A place in memory.
   *
   * @param source the weight or state whose buffer this is; null for the arena
   * @param offset bytes from the start of the buffer or arena
   * @param bytes size
   */
  public record Slice(@Nullable Value source, long offset, long bytes) {}

  /** Finds the kernel for an op on these types; null if there is none. */
  @FunctionalInterface
  public interface Selector {
    @Nullable
    Kernel select(Op op, List<@Nullable TensorType> in, TensorType out);
  }

  /** Chooses kernels and places values; throws {@link BackendException} if a node has no kernel. */
  public static Plan of(Program program, Selector selector) {
    List<Step> steps = new ArrayList<>();
    for (Node node : program.nodes()) {
      if (node.op() instanceof View) {
        continue;
      }
      Kernel kernel = selector.select(node.op(), node.inputTypes(), node.out().type());
      if (kernel == null) {
        throw new BackendException("no kernel for " + node.op().name() + " " + node.signature()
            + " with " + node.inputTypes() + " in " + program.name());
      }
      steps.add(new Step(node, kernel));
    }
    Placement placement = new Placement(program);
    return new Plan(program, List.copyOf(steps), placement.places(), placement.bytes);
  }

  public Slice place(Value v) {
    Slice s = places.get(v);
    if (s == null) {
      throw new IllegalArgumentException(v + " is not part of " + program.name());
    }
    return s;
  }

  /** The plan as text: each step with its kernel and where its output lies. */
  @Override
  public String toString() {
    StringBuilder s = new StringBuilder(
        program.name() + ": " + steps.size() + " steps, arena " + arenaBytes + " bytes\n");
    for (Step step : steps) {
      Node n = step.node();
      Slice out = place(n.out());
      s.append("  ")
          .append(n.op().name())
          .append(' ')
          .append(n.signature())
          .append(" [")
          .append(step.kernel().variant())
          .append("] ");
      s.append(n.out().shape()).append(" at ");
      s.append(out.source() == null ? "arena" : out.source().name())
          .append('+')
          .append(out.offset())
          .append(step.kernel().note() == null ? "" : " (" + step.kernel().note() + ")")
          .append('\n');
    }
    return s.toString();
  }

  /** Memory that one or several values live in, and when. */
  private static final class Storage {
    final long bytes;
    final int born;
    int lastUse;
    long offset;

    Storage(long bytes, int born) {
      this.bytes = bytes;
      this.born = born;
      this.lastUse = born;
    }
  }

  private record Spot(@Nullable Storage storage, @Nullable Value source, long offset) {}

  private static final class Placement {
    private final Map<Value, Spot> spots = new HashMap<>();
    private final List<Storage> storages = new ArrayList<>();
    private final Program program;
    long bytes;

    Placement(Program program) {
      this.program = program;
      for (Value v : program.sources()) {
        if (v.kind() == Value.Kind.INPUT) {
          Storage storage = new Storage(v.type().bytes(), -1);
          storage.lastUse =
              program.nodes().size(); // written once, read by every run until written again
          storages.add(storage);
          spots.put(v, new Spot(storage, null, 0));
        } else {
          spots.put(v, new Spot(null, v, 0));
        }
      }
      Map<Value, Integer> lastUse = lastUses();
      List<Node> nodes = program.nodes();
      for (int i = 0; i < nodes.size(); i++) {
        for (Value v : nodes.get(i).made()) {
          Spot spot = spotFor(v, nodes.get(i), i);
          spots.put(v, spot);
          if (spot.storage() != null) {
            spot.storage().lastUse = Math.max(spot.storage().lastUse, lastUse.getOrDefault(v, i));
          }
        }
      }
      assignOffsets();
    }

    /** For each value that a node makes, the last node that reads it, itself or what looks at it; the end for outputs. */
    private Map<Value, Integer> lastUses() {
      List<Node> nodes = program.nodes();
      Map<Value, Integer> last = new HashMap<>();
      for (int i = 0; i < nodes.size(); i++) {
        for (Value v : nodes.get(i).made()) {
          last.put(v, i);
        }
        for (Value v : nodes.get(i).inputs()) {
          if (v != null && last.containsKey(v)) {
            last.put(v, i);
          }
        }
      }
      for (Value v : program.outputs().values()) {
        if (last.containsKey(v)) {
          last.put(v, nodes.size());
        }
      }
      // A view keeps what it looks at alive; views follow their source, so one pass backwards is
      // enough.
      for (int i = nodes.size() - 1; i >= 0; i--) {
        for (Value v : nodes.get(i).made()) {
          Value source = v.alias();
          if (source != null && last.containsKey(source)) {
            last.merge(source, last.getOrDefault(v, i), Math::max);
          }
        }
      }
      return last;
    }

    private Spot spotFor(Value v, Node node, int index) {
      Value alias = v.alias();
      if (alias != null) {
        Spot of = spots.get(alias);
        if (of == null) {
          throw new IllegalStateException("unplaced " + alias);
        }
        long shift = node.op() instanceof View view
            ? view.from() * node.out().type().dtype().blockBytes()
            : 0;
        return new Spot(of.storage(), of.source(), of.offset() + shift);
      }
      long size = node.out().type().bytes();
      for (int i : node.op().inPlace()) {
        Spot spot = spots.get(node.in(i));
        if (spot == null
            || spot.storage() == null
            || spot.storage().bytes != size
            || spot.offset() != 0) {
          continue;
        }
        if (spot.storage().lastUse == index && !readElsewhere(node, i, spot.storage())) {
          return spot;
        }
      }
      Storage storage = new Storage(size, index);
      storages.add(storage);
      return new Spot(storage, null, 0);
    }

    /** Whether an input that must not be overwritten lies in the same storage. */
    private boolean readElsewhere(Node node, int input, Storage storage) {
      for (int i = 0; i < node.inputs().size(); i++) {
        Value v = node.inputs().get(i);
        if (i != input && v != null && !node.op().inPlace().contains(i)) {
          Spot spot = spots.get(v);
          if (spot != null && spot.storage() == storage) {
            return true;
          }
        }
      }
      return false;
    }

    /** Largest first, each at the lowest offset that is free for its whole life. */
    private void assignOffsets() {
      List<Storage> bySize = new ArrayList<>(storages);
      bySize.sort(Comparator.comparingLong((Storage s) -> -s.bytes).thenComparingInt(s -> s.born));
      List<Storage> placed = new ArrayList<>();
      for (Storage s : bySize) {
        List<Storage> rivals = new ArrayList<>();
        for (Storage p : placed) {
          if (p.born <= s.lastUse && s.born <= p.lastUse) {
            rivals.add(p);
          }
        }
        rivals.sort(Comparator.comparingLong((Storage p) -> p.offset));
        long at = 0;
        for (Storage p : rivals) {
          if (at + s.bytes <= p.offset) {
            break;
          }
          at = Math.max(at, align(p.offset + p.bytes));
        }
        s.offset = at;
        placed.add(s);
        bytes = Math.max(bytes, align(at + s.bytes));
      }
    }

    Map<Value, Slice> places() {
      Map<Value, Slice> places = new HashMap<>();
      spots.forEach((v, spot) -> {
        long base = spot.storage() == null ? 0 : spot.storage().offset;
        places.put(v, new Slice(spot.source(), base + spot.offset(), v.type().bytes()));
      });
      return Map.copyOf(places);
    }

    private static long align(long n) {
      return (n + ALIGNMENT - 1) / ALIGNMENT * ALIGNMENT;
    }
  }
}
