package dev.fovea.cli;

import java.util.ArrayList;
import java.util.Collections;
import java.util.List;

/** Rows under a header, columns aligned, as Markdown has them. */
final class Table {
  private final List<List<String>> rows = new ArrayList<>();
  private final List<Boolean> right = new ArrayList<>();

  /** @param header column names; one that begins with {@code >} is aligned right */
  Table(String... header) {
    List<String> names = new ArrayList<>();
    for (String name : header) {
      right.add(name.startsWith(">"));
      names.add(name.startsWith(">") ? name.substring(1) : name);
    }
    rows.add(names);
  }

  void row(String... cells) {
    if (cells.length != right.size()) {
      throw new IllegalArgumentException(
          cells.length + " cells under " + right.size() + " columns");
    }
    rows.add(List.of(cells));
  }

  @Override
  public String toString() {
    List<Integer> widths = new ArrayList<>(Collections.nCopies(right.size(), 3));
    for (List<String> row : rows) {
      for (int i = 0; i < row.size(); i++) {
        widths.set(
            i, Math.max(widths.get(i), row.get(i).codePointCount(0, row.get(i).length())));
      }
    }
    StringBuilder text = new StringBuilder();
    for (int r = 0; r < rows.size(); r++) {
      for (int i = 0; i < right.size(); i++) {
        String cell = rows.get(r).get(i);
        String pad = " ".repeat(widths.get(i) - cell.codePointCount(0, cell.length()));
        text.append("| ").append(right.get(i) ? pad + cell : cell + pad).append(' ');
      }
      text.append("|\n");
      if (r == 0) {
        for (int i = 0; i < right.size(); i++) {
          String dashes = "-".repeat(widths.get(i));
          text.append(right.get(i) ? "| " + dashes + ":" : "| " + dashes + " ");
        }
        text.append("|\n");
      }
    }
    return text.toString();
  }
}
