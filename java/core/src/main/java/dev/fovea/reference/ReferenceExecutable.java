package dev.fovea.reference;

import dev.fovea.backend.Buffer;
import dev.fovea.backend.Executable;
import dev.fovea.backend.Mailbox;
import dev.fovea.error.BackendException;
import dev.fovea.error.InputException;
import dev.fovea.op.Call;
import dev.fovea.program.Node;
import dev.fovea.program.Plan;
import dev.fovea.program.Value;
import dev.fovea.tensor.Axis;
import dev.fovea.tensor.Shape;
import dev.fovea.tensor.TensorType;
import java.lang.foreign.Arena;
import java.lang.foreign.MemorySegment;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.Collections;
import java.util.EnumMap;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Runs a program node by node. Every value has memory of its own, so results stay readable after a run. */
public final class ReferenceExecutable implements Executable {
  private final Plan plan;
  private final Map<Value, ReferenceBuffer> buffers = new HashMap<>();
  private final Map<String, Value> inputs = new HashMap<>();
  private final Arena own = Arena.ofShared();
  private final Mailbox mailbox = new Mailbox(own);
  private final Map<Axis, Integer> live = new EnumMap<>(Axis.class);

  ReferenceExecutable(Plan plan, Map<String, Buffer> bound) {
    this.plan = plan;
    for (Value v : plan.program().sources()) {
      if (v.kind() == Value.Kind.INPUT) {
        inputs.put(v.name(), v);
        buffers.put(v, new ReferenceBuffer(v.type()));
      } else if (bound.get(v.name()) instanceof ReferenceBuffer b && b.type().equals(v.type())) {
        buffers.put(v, b);
      } else {
        throw new BackendException(
            plan.program().name() + ": " + v + " is bound to " + bound.get(v.name()));
      }
    }
    for (Node n : plan.program().nodes()) {
      int alias = n.op().aliasOf();
      boolean state = alias >= 0
          && n.in(alias).type().equals(n.out().type())
          && n.in(alias).kind() != Value.Kind.INPUT;
      buffers.put(
          n.out(), state ? buffer(n.in(alias)) : new ReferenceBuffer(n.out().type()));
      for (int i = 0; i < n.written().size(); i++) {
        buffers.put(n.written().get(i), buffer(n.in(n.op().writes().get(i))));
      }
    }
  }

  private ReferenceBuffer buffer(Value v) {
    ReferenceBuffer b = buffers.get(v);
    if (b == null) {
      throw new IllegalArgumentException(v + " is not part of " + plan.program().name());
    }
    return b;
  }

  @Override
  public Plan plan() {
    return plan;
  }

  @Override
  public void live(Axis axis, int rows) {
    live.put(axis, rows);
  }

  @Override
  public void write(String input, MemorySegment from) {
    Value v = inputs.get(input);
    if (v == null) {
      throw new InputException(plan.program().name() + " has no input " + input);
    }
    buffer(v).upload(from, 0);
  }

  @Override
  public void run() {
    for (Node node : plan.program().nodes()) {
      List<@Nullable TensorType> types = new ArrayList<>();
      List<double @Nullable []> in = new ArrayList<>();
      for (Value v : node.inputs()) {
        TensorType type = v == null ? null : liveType(v.type());
        types.add(type);
        in.add(v == null || type == null ? null : prefix(buffer(v).values, type));
      }
      List<Call.Target> targets = new ArrayList<>();
      for (Value v : node.made()) {
        double[] y = buffer(v).values;
        targets.add(new Call.Target(liveType(v.type()), y, new double[y.length]));
      }
      node.op().reference(new Call(types, in, Collections.nCopies(in.size(), null), targets));
    }
  }

  private TensorType liveType(TensorType type) {
    Shape s = type.shape();
    int rows = Math.min(live.getOrDefault(s.axis(0), s.size(0)), s.size(0));
    List<Integer> sizes = new ArrayList<>(s.sizes());
    sizes.set(0, Math.max(rows, 1));
    return new TensorType(type.dtype(), new Shape(s.axes(), sizes));
  }

  private static double[] prefix(double[] values, TensorType type) {
    int n = (int) type.shape().elements();
    return n == values.length ? values : Arrays.copyOf(values, n);
  }

  @Override
  public void read(String output, MemorySegment to) {
    buffer(output(output)).download(to, 0);
  }

  @Override
  public void post(String output) {
    read(output, mailbox.post(output(output).type().bytes()));
  }

  @Override
  public void collect(MemorySegment to) {
    mailbox.collect(to);
  }

  private Value output(String name) {
    Value v = plan.program().outputs().get(name);
    if (v == null) {
      throw new InputException(plan.program().name() + " has no output " + name);
    }
    return v;
  }

  /** The numbers of any value after a run, intermediate ones included. */
  public double[] values(Value v) {
    return buffer(v).values.clone();
  }

  @Override
  public void peek(long offset, MemorySegment to) {
    throw new BackendException("the reference has no arena: every value has memory of its own");
  }

  @Override
  public void poke(long offset, MemorySegment from) {
    throw new BackendException("the reference has no arena: every value has memory of its own");
  }

  @Override
  public void close() {
    if (own.scope().isAlive()) {
      own.close();
    }
  }
}
