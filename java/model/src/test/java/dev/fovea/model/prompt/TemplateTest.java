package dev.fovea.model.prompt;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertSame;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.error.InputException;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;

class TemplateTest {
  private static final String USER =
      "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and"
          + " polite answers to the user's questions.";
  private static final String HUMAN = USER.replace("user", "human");

  private static String one(Template template) {
    return Segment.show(template.open(null, Turn.of("q1", 0)));
  }

  private static String two(Template template) {
    return Segment.show(
        template.render(null, List.of(new Exchange(Turn.of("q1", 0), "a1")), Turn.of("q2")));
  }

  @Test
  void oneTurn() {
    assertEquals(USER + " USER: <image>\nq1 ASSISTANT:", one(Template.VICUNA_V1));
    assertEquals(HUMAN + " USER: <image>\nq1 ASSISTANT:", one(Template.LLAVA_V1));
    assertEquals(HUMAN + "###Human: <image>\nq1###Assistant:", one(Template.LLAVA_V0));
    assertEquals("USER: <image>\nq1 ASSISTANT:", one(Template.HF_LLAVA));
    assertEquals("<image>q1", one(Template.PLAIN));
    assertEquals(
        "[INST] <<SYS>>\nYou are a helpful language and vision assistant. You are able to understand the visual content that"
            + " the user provides, and assist the user with a variety of tasks using natural language.\n<</SYS>>\n\n"
            + "<image>\nq1 [/INST]",
        one(Template.LLAVA_LLAMA_2));
    assertTrue(
        one(Template.LLAVA_V1_2307).endsWith("in detail. USER: q1\n<image> ASSISTANT:"),
        one(Template.LLAVA_V1_2307));
    assertTrue(
        one(Template.MULTIMODAL_2307)
            .endsWith(
                "in detail.###Human: Hi!###Assistant: Hi there!  How can I help you today?\n###Human: q1\n<image>###Assistant:"),
        one(Template.MULTIMODAL_2307));
    assertTrue(
        one(Template.V1_MMTAG)
            .endsWith(
                "<Image>visual content</Image>. USER: <Image><image></Image> ASSISTANT: Received.</s>USER: q1 ASSISTANT:"),
        one(Template.V1_MMTAG));
    assertTrue(
        one(Template.V0_MMTAG)
            .endsWith(
                "###Human: <Image><image></Image>###Assistant: Received.###Human: q1###Assistant:"),
        one(Template.V0_MMTAG));
    assertTrue(
        one(Template.V0)
            .startsWith(
                HUMAN
                    + "###Human: What are the key differences between renewable and non-renewable energy sources?###Assistant:"
                    + " Renewable energy sources are those that can be replenished naturally in a relatively short amount of"
                    + " time, such as solar, wind, hydro, geothermal, and biomass. Non-renewable energy sources, on the other"
                    + " hand, are finite and will eventually be depleted, such as coal, oil, and natural gas. Here are some key"
                    + " differences between renewable and non-renewable energy sources:\n1. Availability:"));
    assertTrue(
        one(Template.V0)
            .endsWith(
                "and their depletion can lead to economic and social instability.\n###Human: <image>\nq1###Assistant:"));
  }

  @Test
  void twoTurns() {
    assertEquals(
        USER + " USER: <image>\nq1 ASSISTANT: a1</s>USER: q2 ASSISTANT:", two(Template.VICUNA_V1));
    assertEquals("USER: <image>\nq1 ASSISTANT: a1</s>USER: q2 ASSISTANT:", two(Template.HF_LLAVA));
    assertEquals(
        HUMAN + "###Human: <image>\nq1###Assistant: a1###Human: q2###Assistant:",
        two(Template.LLAVA_V0));
    assertTrue(
        two(Template.LLAVA_LLAMA_2).endsWith("<image>\nq1 [/INST] a1 </s><s>[INST] q2 [/INST]"));
    assertEquals("<image>q1a1\nq2", two(Template.PLAIN));
  }

  @Test
  void ownSystemTextAndNone() {
    assertEquals(
        "Be brief. USER: q ASSISTANT:",
        Segment.show(Template.VICUNA_V1.open("Be brief.", Turn.of("q"))));
    assertEquals(" USER: q ASSISTANT:", Segment.show(Template.VICUNA_V1.open("", Turn.of("q"))));
    assertEquals("[INST] q [/INST]", Segment.show(Template.LLAVA_LLAMA_2.open("", Turn.of("q"))));
    assertEquals("S USER: q ASSISTANT:", Segment.show(Template.HF_LLAVA.open("S", Turn.of("q"))));
    assertTrue(Template.VICUNA_V1.open("</s>", Turn.of("q")).contains(new Segment.User("</s>")));
  }

  @Test
  void severalImages() {
    Turn turn = Turn.of("q", 0, 1);
    assertEquals(
        "USER: <image>\n<image>\nq ASSISTANT:", Segment.show(Template.HF_LLAVA.open(null, turn)));
    assertEquals(
        "USER: q\n<image>\n<image> ASSISTANT:",
        Segment.show(Template.HF_LLAVA.withImages(ImagePlacement.LAST_LINE).open(null, turn)));
    assertEquals(
        "USER: Given an image <image>. Given an image <image>. q ASSISTANT:",
        Segment.show(Template.HF_LLAVA.withImages(ImagePlacement.INLINE).open(null, turn)));
    assertEquals(
        "</s>USER: <image>\nq ASSISTANT:", Segment.show(Template.HF_LLAVA.next(Turn.of("q", 5))));
  }

  @Test
  void presetsByName() {
    for (Map.Entry<String, Template> entry : Template.PRESETS.entrySet()) {
      assertSame(entry.getValue(), Template.named(entry.getKey()));
    }
    assertSame(Template.VICUNA_V1, Template.named("v1"));
    assertEquals(12, Template.PRESETS.size());
    assertThrows(InputException.class, () -> Template.named("chatml"));
    assertSame(Template.LLAVA_LLAMA_2, Template.forModel("llava-LLaMA-2-13b-chat"));
    assertSame(Template.LLAVA_V1, Template.forModel("llava-v1.5-7b"));
    assertSame(Template.LLAVA_V0, Template.forModel("llava-7b"));
    assertEquals(List.of("###"), Template.LLAVA_V0.stops());
    assertEquals(List.of(), Template.VICUNA_V1.stops());
  }
}
