package dev.fovea.model.layer;

import dev.fovea.op.KvAppend;
import dev.fovea.op.PagedAttention;
import dev.fovea.program.Trace;
import dev.fovea.program.Value;

/**
 * The keys and values of one layer, in pages that sequences can share.
 *
 * @param keys [Pg,Hk,Ps,Dh]
 * @param values [Pg,Hk,Ps,Dh]
 * @param pos [T] where each row stands in its sequence
 * @param seq [T] which sequence each row belongs to
 * @param pages [B,Mp] the pages of each sequence, in order
 */
public record KvCache(Value keys, Value values, Value pos, Value seq, Value pages) {

  /** k, v [T,Hk,Dh] → the cache with these rows in it, so that reading it comes after. */
  public KvCache append(Value k, Value v) {
    Trace trace = k.trace();
    return new KvCache(
        trace.apply(new KvAppend(), keys, k, pos, seq, pages),
        trace.apply(new KvAppend(), values, v, pos, seq, pages),
        pos,
        seq,
        pages);
  }

  /** q [T,H,Dh] → what each row finds at the positions up to its own [T,H,Dh]. */
  public Value attend(Value q, double scale) {
    return q.trace().apply(new PagedAttention(scale), q, keys, values, pos, seq, pages);
  }
}
