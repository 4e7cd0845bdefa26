package dev.fovea.bench;

import dev.fovea.backend.Ceilings;
import java.util.ArrayList;
import java.util.Collection;
import java.util.List;
import org.HdrHistogram.Histogram;
import org.openjdk.jmh.infra.BenchmarkParams;
import org.openjdk.jmh.infra.IterationParams;
import org.openjdk.jmh.profile.InternalProfiler;
import org.openjdk.jmh.results.AggregationPolicy;
import org.openjdk.jmh.results.IterationResult;
import org.openjdk.jmh.results.Result;
import org.openjdk.jmh.results.ScalarResult;

/**
 * Percentiles of every iteration, GB/s and GOP/s by the median and what the ops declare, and these as percents of what the device can do at
 * best.
 */
public final class MeterProfiler implements InternalProfiler {

  @Override
  public String getDescription() {
    return "percentiles, rates and shares of the device's ceilings";
  }

  @Override
  public void beforeIteration(BenchmarkParams benchmark, IterationParams iteration) {
    Meter.current().clear();
  }

  @Override
  public Collection<? extends Result<?>> afterIteration(
      BenchmarkParams benchmark, IterationParams iteration, IterationResult result) {
    Meter meter = Meter.current();
    Histogram nanos = meter.nanos();
    List<ScalarResult> results = new ArrayList<>();
    if (nanos.getTotalCount() == 0) {
      return results;
    }
    for (double p : new double[] {50, 90, 99}) {
      results.add(average("p" + (int) p, nanos.getValueAtPercentile(p) / 1e3, "us"));
    }
    results.add(new ScalarResult("·max", nanos.getMaxValue() / 1e3, "us", AggregationPolicy.MAX));
    double seconds = nanos.getValueAtPercentile(50) / 1e9;
    Ceilings most = meter.ceilings();
    rate(results, "read", meter.bytes() / seconds, most.read(), "GB/s");
    rate(results, "done", meter.operations() / seconds, 0, "GOP/s");
    share(results, "of.int8", meter.operations() / seconds, most.int8());
    share(results, "of.bf16", meter.operations() / seconds, most.bf16());
    return results;
  }

  private static void rate(
      List<ScalarResult> to, String name, double perSecond, double most, String unit) {
    if (perSecond > 0) {
      to.add(average(name, perSecond / 1e9, unit));
      share(to, "of." + name, perSecond, most);
    }
  }

  private static void share(List<ScalarResult> to, String name, double perSecond, double most) {
    if (perSecond > 0 && most > 0) {
      to.add(average(name, 100 * perSecond / most, "%"));
    }
  }

  private static ScalarResult average(String name, double value, String unit) {
    return new ScalarResult("·" + name, value, unit, AggregationPolicy.AVG);
  }
}
