package dev.fovea.reference;

import dev.fovea.backend.Buffer;
import dev.fovea.backend.Device;
import dev.fovea.backend.Executable;
import dev.fovea.backend.Kernel;
import dev.fovea.op.FusedOp;
import dev.fovea.op.Op;
import dev.fovea.program.Node;
import dev.fovea.program.Plan;
import dev.fovea.tensor.TensorType;
import java.lang.foreign.MemorySegment;
import java.util.List;
import java.util.Map;
import org.jspecify.annotations.Nullable;

/** Memory as arrays of doubles, and one kernel per op: its definition. */
final class ReferenceDevice implements Device {

  private record Definition(String op, String signature) implements Kernel {
    @Override
    public String variant() {
      return "definition";
    }
  }

  @Override
  public String name() {
    return "reference";
  }

  @Override
  public String describe() {
    return "each op's definition, in doubles";
  }

  /** Fused ops are left to the ops they stand for. */
  @Override
  public List<Candidate> candidates(Op op, List<@Nullable TensorType> in, TensorType out) {
    return op instanceof FusedOp
        ? List.of()
        : List.of(new Candidate(new Definition(op.name(), Node.signature(in, out)), null));
  }

  @Override
  public Buffer allocate(TensorType type) {
    return new ReferenceBuffer(type);
  }

  @Override
  public Buffer constant(TensorType type, MemorySegment data) {
    ReferenceBuffer buffer = new ReferenceBuffer(type);
    buffer.upload(data, 0);
    return buffer;
  }

  @Override
  public Executable compile(Plan plan, Map<String, Buffer> bound) {
    return new ReferenceExecutable(plan, bound);
  }

  @Override
  public void close() {}
}
