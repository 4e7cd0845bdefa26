package dev.fovea.model.text;

import java.util.ArrayList;
import java.util.Comparator;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import tools.jackson.databind.json.JsonMapper;
import tools.jackson.databind.node.ArrayNode;
import tools.jackson.databind.node.ObjectNode;

/** Writes LLaMA's vocabulary as the {@code tokenizer.json} variants that exist. */
final class LlamaJson {
  static final JsonMapper JSON = JsonMapper.builder().build();

  private LlamaJson() {}

  /** A tokenizer.json with the tokens of the goldens; normalizer and pre_tokenizer as JSON, or "null". */
  static ObjectNode tree(String normalizer, String preTokenizer, boolean mergesAsStrings) {
    TokenizerData data = Tokenizer.llama().data();
    ObjectNode root = JSON.createObjectNode();
    root.put("version", "1.0");
    ArrayNode added = root.putArray("added_tokens");
    token(added, 0, "<unk>", true, false, false, false, false);
    token(added, 1, "<s>", true, false, false, false, false);
    token(added, 2, "</s>", true, false, false, false, false);
    Map<String, Integer> ids = new HashMap<>();
    for (int id = 0; id < data.pieces().length; id++) {
      ids.put(data.pieces()[id], id);
    }
    int next = data.pieces().length;
    token(added, next++, "<image>", true, false, false, false, false);
    token(added, next++, "<pad>", true, false, false, false, false);
    token(added, next++, "<box>", false, false, false, false, false);
    token(added, next++, "</box>", false, false, false, true, false);
    token(added, next++, "<im_start>", true, false, true, false, false);
    token(added, next++, "<im_end>", true, true, false, false, false);
    Integer picture = ids.get("picture");
    token(added, picture == null ? next : picture, "picture", false, false, false, true, true);
    root.set("normalizer", JSON.readTree(normalizer));
    root.set("pre_tokenizer", JSON.readTree(preTokenizer));
    root.set(
        "decoder",
        JSON.readTree(
            "{\"type\":\"Sequence\",\"decoders\":[{\"type\":\"Replace\",\"pattern\":{\"String\":\"\u2581\"},\"content\":\" \"},"
                + "{\"type\":\"ByteFallback\"},{\"type\":\"Fuse\"},{\"type\":\"Strip\",\"content\":\" \",\"start\":1,\"stop\":0}]}"));
    ObjectNode model = root.putObject("model");
    model.put("type", "BPE");
    model.put("unk_token", "<unk>");
    model.put("fuse_unk", true);
    model.put("byte_fallback", true);
    ObjectNode vocab = model.putObject("vocab");
    for (int id = 0; id < data.pieces().length; id++) {
      vocab.put(data.pieces()[id], id);
    }
    ArrayNode merges = model.putArray("merges");
    for (String[] pair : merges(data, ids)) {
      if (mergesAsStrings) {
        merges.add(pair[0] + " " + pair[1]);
      } else {
        merges.addArray().add(pair[0]).add(pair[1]);
      }
    }
    return root;
  }

  private static void token(
      ArrayNode list,
      int id,
      String content,
      boolean special,
      boolean lstrip,
      boolean rstrip,
      boolean normalized,
      boolean singleWord) {
    ObjectNode token = list.addObject();
    token
        .put("id", id)
        .put("content", content)
        .put("single_word", singleWord)
        .put("lstrip", lstrip);
    token.put("rstrip", rstrip).put("normalized", normalized).put("special", special);
  }

  /** Every cut of every piece, ordered by the piece's score, then by the ids of the parts. */
  private static List<String[]> merges(TokenizerData data, Map<String, Integer> ids) {
    List<Integer> order = new ArrayList<>();
    for (int id = 259; id < data.pieces().length; id++) {
      order.add(id);
    }
    order.sort(
        Comparator.comparingDouble((Integer id) -> -data.scores()[id]).thenComparingInt(id -> id));
    List<String[]> merges = new ArrayList<>();
    for (int id : order) {
      String piece = data.pieces()[id];
      List<String[]> cuts = new ArrayList<>();
      for (int k = 1; k < piece.length(); k++) {
        if (ids.containsKey(piece.substring(0, k)) && ids.containsKey(piece.substring(k))) {
          cuts.add(new String[] {piece.substring(0, k), piece.substring(k)});
        }
      }
      cuts.sort(Comparator.comparingInt((String[] c) -> ids.get(c[0]))
          .thenComparingInt(c -> ids.get(c[1])));
      merges.addAll(cuts);
    }
    return merges;
  }
}
