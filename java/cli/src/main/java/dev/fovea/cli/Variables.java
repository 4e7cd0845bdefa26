package dev.fovea.cli;

import java.util.Locale;
import java.util.Map;
import org.jspecify.annotations.Nullable;
import picocli.CommandLine.IDefaultValueProvider;
import picocli.CommandLine.Model.ArgSpec;
import picocli.CommandLine.Model.OptionSpec;
import picocli.CommandLine.ParameterException;

/** Values for flags that were not given, from the environment: {@code --cpu-tier} is {@code FOVEA_CPU_TIER}. */
record Variables(Map<String, String> env) implements IDefaultValueProvider {

  @Override
  public @Nullable String defaultValue(ArgSpec arg) {
    if (!(arg instanceof OptionSpec option) || option.usageHelp()) {
      return null;
    }
    String value = env.get(name(option));
    if (value == null || value.isEmpty()) {
      return null;
    }
    return option.typeInfo().isBoolean() ? truth(value) : value;
  }

  private static String truth(String value) {
    return switch (value.toLowerCase(Locale.ROOT)) {
      case "1", "on", "yes" -> "true";
      case "0", "off", "no" -> "false";
      default -> value;
    };
  }

  static String name(OptionSpec option) {
    return "FOVEA_"
        + option.longestName().replaceFirst("^-+", "").replace('-', '_').toUpperCase(Locale.ROOT);
  }

  /** What is wrong with the arguments, naming the variable if the value came from there. */
  static String blame(ParameterException e, Map<String, String> env) {
    String message = String.valueOf(e.getMessage());
    message = message.isEmpty()
        ? "wrong arguments"
        : message.substring(0, 1).toLowerCase(Locale.ROOT) + message.substring(1);
    if (e.getArgSpec() instanceof OptionSpec option
        && e.getValue() != null
        && e.getValue().equals(env.get(name(option)))) {
      return message + ", from " + name(option);
    }
    return message;
  }
}
