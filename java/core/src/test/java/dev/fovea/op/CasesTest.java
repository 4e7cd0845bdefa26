package dev.fovea.op;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.util.HashSet;
import java.util.Set;
import org.junit.jupiter.api.Test;

class CasesTest {

  @Test
  void namesAreUniqueWithinAnOp() {
    Set<String> names = new HashSet<>();
    for (Op op : Ops.all()) {
      for (Case c : op.cases()) {
        assertTrue(names.add(op.name() + "/" + c.name()), op.name() + " has two cases " + c.name());
        assertEquals(op.name(), c.op().name());
      }
    }
  }

  @Test
  void everyOpIsCheckedOnItsOwnTypes() {
    for (Op op : Ops.all()) {
      assertTrue(!op.cases().isEmpty(), op.name());
      for (Case c : op.cases()) {
        c.op().infer(new Operands(c.op(), c.in())); // throws if the case breaks the shape rule
      }
    }
  }

  /** The series and the continued fraction meet at 2.5; values from Abramowitz and Stegun 1964, table 7.1. */
  @Test
  void complementaryErrorFunction() {
    assertEquals(1, Gelu.erfc(0), 0);
    assertEquals(1 - 0.8427007929, Gelu.erfc(1), 1e-10);
    assertEquals(1 + 0.5204998778, Gelu.erfc(-0.5), 1e-10);
    assertEquals(1 - 0.9953222650, Gelu.erfc(2), 1e-10);
    assertEquals(Gelu.erfc(Math.nextDown(2.5)), Gelu.erfc(2.5), 1e-14);
    assertEquals(Gelu.erfc(-2.5), 2 - Gelu.erfc(2.5), 1e-15);
  }
}
