package dev.fovea.cli;

import java.util.Collection;
import java.util.Locale;
import java.util.Map;

/** Writes maps, lists, texts, numbers and booleans as one line of JSON; a NaN or an infinity becomes null, as JSON has neither. */
final class Json {
  private Json() {}

  static String line(Object value) {
    StringBuilder out = new StringBuilder();
    write(value, out);
    return out.toString();
  }

  private static void write(Object value, StringBuilder out) {
    switch (value) {
      case Map<?, ?> map -> {
        String between = "{";
        for (Map.Entry<?, ?> e : map.entrySet()) {
          out.append(between);
          text(String.valueOf(e.getKey()), out);
          out.append(':');
          write(e.getValue(), out);
          between = ",";
        }
        out.append(map.isEmpty() ? "{}" : "}");
      }
      case Collection<?> list -> {
        String between = "[";
        for (Object element : list) {
          out.append(between);
          write(element, out);
          between = ",";
        }
        out.append(list.isEmpty() ? "[]" : "]");
      }
      case Double d -> out.append(number(d));
      case Float f -> out.append(number(f));
      case Number n -> out.append(n);
      case Boolean b -> out.append(b.booleanValue());
      default -> text(value.toString(), out);
    }
  }

  /** Six decimals at most, and no exponent for the sizes that occur here. */
  private static String number(double d) {
    if (Double.isNaN(d) || Double.isInfinite(d)) {
      return "null";
    }
    if (d == Math.rint(d) && Math.abs(d) < 1e15) {
      return Long.toString((long) d);
    }
    return Math.abs(d) < 1e-3 || Math.abs(d) >= 1e9
        ? Double.toString(d)
        : String.format(Locale.ROOT, "%.6f", d).replaceFirst("0+$", "");
  }

  private static void text(String s, StringBuilder out) {
    out.append('"');
    for (int i = 0; i < s.length(); i++) {
      char c = s.charAt(i);
      switch (c) {
        case '"' -> out.append("\\\"");
        case '\\' -> out.append("\\\\");
        case '\n' -> out.append("\\n");
        case '\r' -> out.append("\\r");
        case '\t' -> out.append("\\t");
        default -> {
          if (c < 0x20 || c == 0x7f || c == 0x2028 || c == 0x2029 || lone(s, i)) {
            out.append(String.format(Locale.ROOT, "\\u%04x", (int) c));
          } else {
            out.append(c);
          }
        }
      }
    }
    out.append('"');
  }

  /** Half a surrogate pair has no UTF-8. */
  private static boolean lone(String s, int i) {
    char c = s.charAt(i);
    if (Character.isHighSurrogate(c)) {
      return i + 1 == s.length() || !Character.isLowSurrogate(s.charAt(i + 1));
    }
    return Character.isLowSurrogate(c) && (i == 0 || !Character.isHighSurrogate(s.charAt(i - 1)));
  }
}
