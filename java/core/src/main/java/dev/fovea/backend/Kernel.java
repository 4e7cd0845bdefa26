package dev.fovea.backend;

import org.jspecify.annotations.Nullable;

/** One implementation of an op on one signature. Backends add what they need to launch it. */
public interface Kernel {
  String op();

  /** Element types: {@code f32,q4_0,_->f32}. */
  String signature();

  /** The idea, not an attempt's number: {@code avx512_vnni}. */
  String variant();

  /** Why it was chosen and not another, for people; null where that goes without saying. */
  default @Nullable String note() {
    return null;
  }
}
