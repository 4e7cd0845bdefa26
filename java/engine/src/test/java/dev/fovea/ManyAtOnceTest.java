package dev.fovea;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import dev.fovea.error.QueueFullException;
import dev.fovea.model.image.ImageDecoder;
import dev.fovea.model.image.Picture;
import dev.fovea.model.prompt.Region;
import dev.fovea.model.prompt.Units;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.concurrent.Callable;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.ExecutorService;
import java.util.concurrent.Executors;
import java.util.concurrent.Future;
import java.util.concurrent.TimeUnit;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.TestInstance;
import org.junit.jupiter.api.Timeout;
import tools.jackson.databind.JsonNode;
import tools.jackson.databind.ObjectMapper;

/** Many who ask at once, of the demo model: everybody gets the answer that they would get alone, in their turn, and what they held is given back. */
@TestInstance(TestInstance.Lifecycle.PER_CLASS)
@Timeout(120)
class ManyAtOnceTest {
  private static final Path ROOT = Path.of("..", "..").toAbsolutePath().normalize();
  private static final Generation ENDLESS =
      Generation.DEFAULT.withMaxTokens(700).withIgnoreEos(true);

  private record Asked(Picture picture, Region region) {}

  private final List<Asked> spots = new ArrayList<>();
  private final ExecutorService people = Executors.newVirtualThreadPerTaskExecutor();

  @BeforeAll
  void readScenes() throws Exception {
    JsonNode scenes =
        new ObjectMapper().readTree(Files.readString(ROOT.resolve("samples/scenes.json")));
    for (JsonNode scene : scenes) {
      Picture picture = ImageDecoder.STANDARD.decode(
          ROOT.resolve("samples").resolve(scene.get("image").asString()));
      for (JsonNode object : scene.get("objects")) {
        JsonNode b = object.get("box");
        spots.add(new Asked(
            picture,
            new Region.Box(
                b.get(0).asDouble(),
                b.get(1).asDouble(),
                b.get(2).asDouble(),
                b.get(3).asDouble(),
                Units.PIXEL)));
      }
    }
    assertTrue(spots.size() >= 32, spots.size() + " spots");
  }

  @AfterAll
  void everybodyGoes() {
    people.shutdownNow();
  }

  private static Fovea open(int sequences, int queue) {
    return Fovea.open(
        ROOT.resolve("models/demo"),
        FoveaOptions.builder()
            .threads(2)
            .context(1024)
            .sequences(sequences)
            .queue(queue)
            .cacheBytes(64 << 20)
            .build());
  }

  private static Answer ask(Fovea fovea, Asked asked, Generation generation) {
    try (Session session = fovea.session()) {
      return session.ask(
          Question.of("What is this?").picture(asked.picture()).region(asked.region()), generation);
    }
  }

  /** What one who draws says, with a seed of its own. */
  private static Generation drawn(int i) {
    return Generation.DEFAULT
        .withMaxTokens(12)
        .withIgnoreEos(true)
        .withSampling(i % 2 == 0 ? Sampling.GREEDY : new Sampling(1.1, 0, 1, 0, 1, i));
  }

  @Test
  void everybodyGetsTheAnswerThatTheyGetAlone() throws Exception {
    List<String> alone = new ArrayList<>();
    try (Fovea fovea = open(1, 256)) {
      for (int i = 0; i < spots.size(); i++) {
        alone.add(ask(fovea, spots.get(i), drawn(i)).text());
      }
    }
    try (Fovea fovea = open(16, 256)) {
      List<Callable<String>> questions = new ArrayList<>();
      for (int i = 0; i < spots.size(); i++) {
        int n = i;
        questions.add(() -> ask(fovea, spots.get(n), drawn(n)).text());
      }
      List<String> together = new ArrayList<>();
      for (Future<String> f : people.invokeAll(questions)) {
        together.add(f.get());
      }
      assertEquals(alone, together);
      assertEquals(0, busy(fovea).pagesUsed());
    }
  }

  /** The load once it has become 0, or after a while. */
  private static Load busy(Fovea fovea) throws InterruptedException {
    for (int i = 0; i < 100 && fovea.load().answering() > 0; i++) {
      Thread.sleep(1);
    }
    return fovea.load();
  }

  @Test
  void askEachIsAskingEach() {
    Picture picture = spots.getFirst().picture();
    List<Region> regions = new ArrayList<>();
    List<String> expected = new ArrayList<>();
    try (Fovea fovea = open(8, 256)) {
      for (Asked asked : spots) {
        if (asked.picture().equals(picture)) {
          regions.add(asked.region());
          expected.add(ask(fovea, asked, Generation.DEFAULT).text());
        }
      }
    }
    try (Fovea fovea = open(8, 256);
        Session session = fovea.session()) {
      List<Answer> answers = session.askEach(
          regions, Question.of("What is this?").picture(picture), Generation.DEFAULT);
      assertEquals(expected, answers.stream().map(Answer::text).toList());
      assertEquals(0, answers.getFirst().usage().cachedTokens());
      for (Answer other : answers.subList(1, answers.size())) {
        int image = other.usage().imageTokens();
        assertTrue(other.usage().cachedTokens() >= image, "the picture was computed again");
        assertEquals(0, other.timings().imageMs());
      }
      assertEquals(0, session.length(), "the conversation is as it was");
    }
  }

  @Test
  void whoeverLeavesGivesTheirPagesBack() throws Exception {
    try (Fovea fovea = open(4, 256)) {
      List<Cancellation> leaving = new ArrayList<>();
      List<Future<Answer>> answers = new ArrayList<>();
      CountDownLatch writing = new CountDownLatch(4);
      for (int i = 0; i < 4; i++) {
        Cancellation c = new Cancellation();
        Asked asked = spots.get(4 * i);
        leaving.add(c);
        answers.add(people.submit(() -> {
          try (Session session = fovea.session()) {
            boolean[] first = {true};
            return session.ask(
                Question.of("What is this?").picture(asked.picture()).region(asked.region()),
                ENDLESS,
                t -> {
                  if (first[0]) {
                    first[0] = false;
                    writing.countDown();
                  }
                },
                c);
          }
        }));
      }
      assertTrue(writing.await(60, TimeUnit.SECONDS));
      leaving.forEach(Cancellation::cancel);
      long start = System.nanoTime();
      for (Future<Answer> f : answers) {
        assertEquals(FinishReason.CANCELLED, f.get().finishReason());
      }
      assertEquals(0, busy(fovea).pagesUsed());
      long ms = (System.nanoTime() - start) / 1_000_000;
      assertTrue(ms < 100, ms + " ms until the pages were free");
    }
  }

  @Test
  void theQueueIsBoundedAndOrdered() throws Exception {
    try (Fovea fovea = open(1, 2)) {
      Cancellation first = new Cancellation();
      CountDownLatch writing = new CountDownLatch(1);
      Future<?> running = people.submit(() -> {
        try (Session session = fovea.session()) {
          return session.ask(Question.of("Go on."), ENDLESS, t -> writing.countDown(), first);
        }
      });
      assertTrue(writing.await(60, TimeUnit.SECONDS));
      List<String> order = java.util.Collections.synchronizedList(new ArrayList<>());
      List<Future<?>> waiting = new ArrayList<>();
      for (int priority : new int[] {0, 5}) {
        waiting.add(people.submit(() -> {
          try (Session session = fovea.session()) {
            session.ask(
                Question.of("And?"),
                Generation.DEFAULT.withMaxTokens(2).withPriority(priority),
                t -> order.add("priority " + priority),
                new Cancellation());
          }
        }));
        while (fovea.load().waiting() < waiting.size()) {
          Thread.sleep(1);
        }
      }
      assertThrows(QueueFullException.class, () -> {
        try (Session session = fovea.session()) {
          session.ask(Question.of("Me too."), Generation.DEFAULT);
        }
      });
      first.cancel();
      running.get();
      for (Future<?> f : waiting) {
        f.get();
      }
      assertEquals("priority 5", order.getFirst());
      assertEquals("priority 0", order.getLast());
    }
  }

  @Test
  void aDeadlineEndsWhoeverWaitsOrWrites() {
    try (Fovea fovea = open(1, 8);
        Session session = fovea.session()) {
      Answer late = session.ask(
          Question.of("Go on."), ENDLESS, t -> {}, Cancellation.after(Duration.ofMillis(30)));
      assertEquals(FinishReason.CANCELLED, late.finishReason());
      assertTrue(late.tokens().size() < 700, late.tokens().size() + " tokens");
      Answer never = session.ask(
          Question.of("Go on."), ENDLESS, t -> {}, Cancellation.after(Duration.ofNanos(1)));
      assertEquals(FinishReason.CANCELLED, never.finishReason());
      assertEquals(0, never.tokens().size());
    }
  }

  @Test
  void closingAnswersThoseWhoWait() throws Exception {
    Future<Answer> answer;
    try (Fovea fovea = open(1, 8)) {
      CountDownLatch asked = new CountDownLatch(1);
      answer = people.submit(() -> {
        try (Session session = fovea.session()) {
          return session.ask(
              Question.of("Go on."),
              Generation.DEFAULT.withMaxTokens(50).withIgnoreEos(true),
              t -> asked.countDown(),
              new Cancellation());
        }
      });
      assertTrue(asked.await(60, TimeUnit.SECONDS));
    }
    assertEquals(50, answer.get().tokens().size());
  }
}
