import { type Asked, shownAnswer, type Turn } from "../state/conversation.ts";
import { isBox, namedIn, type Region, type Shape } from "../state/shapes.ts";
import type { ChatRequest, Message, WireRegion } from "./wire.ts";

export type Sampling = { readonly temperature: number; readonly maxTokens: number; readonly seed?: number };

/** A question as it is asked, without its answer. */
export type Question = { readonly question: string; readonly regions: readonly Region[] };

/** The turns before one that the model is told: questions that have an answer to show. */
export function told(turns: readonly Turn[]): Asked[] {
  return turns.filter((turn): turn is Asked => turn.kind === "asked" && shownAnswer(turn).text !== "");
}

/**
 * Regions of a whole conversation under one id each. A region that was moved between two questions is two of them, so an id is the region's
 * number only where that is free.
 */
class Ids {
  readonly all: (WireRegion & { shape: Shape })[] = [];

  of(region: Region): string {
    const { number, shape } = region;
    const known = this.all.find((other) => JSON.stringify(other.shape) === JSON.stringify(shape));
    if (known) return known.id;
    const free = (id: string): boolean => this.all.every((other) => other.id !== id);
    let id = `r${number}`;
    for (let next = 100 + number; !free(id); next += 100) id = `r${next}`;
    this.all.push({ id, shape, ...(isBox(shape) ? { box: shape.box } : { point: shape.point }) });
    return id;
  }
}

/** The question's words with `[1]` replaced by what `name` gives; regions that it does not name follow it. */
function worded({ question, regions }: Question, name: (region: Region) => string): string {
  const named = new Set(namedIn(question));
  const text = question.replaceAll(/\[(\d{1,3})\]/g, (whole, digits: string) => {
    const region = regions.find((r) => r.number === Number(digits));
    return region ? name(region) : whole;
  });
  const rest = regions.filter((region) => !named.has(region.number)).map(name);
  return [text, ...rest].join(" ");
}

/** What is sent: every turn so far, the picture in the first one, and on it all regions that any question names. */
export function chatRequest(
  model: string,
  pictureUrl: string,
  before: readonly Asked[],
  question: Question,
  sampling: Sampling,
): ChatRequest {
  const ids = new Ids();
  const messages: Message[] = [];
  const say = (words: Question): void => {
    messages.push({ role: "user", content: [{ type: "text", text: worded(words, (region) => `<${ids.of(region)}>`) }] });
  };
  for (const turn of before) {
    say(turn);
    messages.push({ role: "assistant", content: shownAnswer(turn).text });
  }
  say(question);
  const regions = ids.all.map(({ shape: _, ...region }) => region);
  const first = messages[0];
  if (first?.role === "user") {
    first.content.unshift({
      type: "image_url",
      image_url: { url: pictureUrl },
      ...(regions.length > 0 ? { regions, region_units: "pixel" as const } : {}),
    });
  }
  return {
    model,
    messages,
    temperature: sampling.temperature,
    max_tokens: sampling.maxTokens,
    ...(sampling.seed === undefined ? {} : { seed: sampling.seed }),
    stream: true,
    stream_options: { include_usage: true },
  };
}

/** The number of the region that an id of the request stands for. */
export function numberOf(request: ChatRequest, id: string, regions: readonly Region[]): number | undefined {
  const parts = request.messages.flatMap((m) => (m.role === "user" ? m.content : []));
  const sent = parts.flatMap((part) => (part.type === "image_url" ? (part.regions ?? []) : [])).find((region) => region.id === id);
  return regions.find(({ shape }) => JSON.stringify(sent) === JSON.stringify({ id, ...shape }))?.number;
}

/** A command line that asks the same, with the picture read from a file of its name. */
export function asCurl(
  origin: string,
  model: string,
  picture: { name: string; type: string },
  before: readonly Asked[],
  question: Question,
  sampling: Sampling,
  withKey: boolean,
): string {
  const mark = "fovea-picture";
  const { stream: _, stream_options: __, ...request } = chatRequest(model, mark, before, question, sampling);
  // The shell expands $ and ` in the here-document and takes \ for itself, so JSON's own are escaped once more.
  const body = JSON.stringify(request, null, 2)
    .replaceAll(/[\\$`]/g, "\\$&")
    .replace(`"${mark}"`, () => `"data:${picture.type};base64,$(base64 < ${quoted(picture.name)} | tr -d '\\n')"`);
  return [
    `curl ${origin}/v1/chat/completions \\`,
    ...(withKey ? ['  -H "Authorization: Bearer $FOVEA_API_KEY" \\'] : []),
    "  -H 'Content-Type: application/json' \\",
    "  --data-binary @- <<EOF",
    body,
    "EOF",
    "",
  ].join("\n");
}

const quoted = (word: string): string => `'${word.replaceAll("'", "'\\''")}'`;

/** A Java program's lines that ask the same of the engine itself. */
export function asJava(picture: { name: string }, before: readonly Asked[], question: Question, sampling: Sampling): string {
  const turns = [...before, question];
  const greedy = sampling.temperature === 0;
  const lines = [
    'try (var fovea = Fovea.open(Path.of("models/demo"));',
    "    var session = fovea.session()) {",
    `  var picture = ImageDecoder.STANDARD.decode(Path.of(${literal(picture.name)}));`,
    greedy
      ? `  var generation = Generation.DEFAULT.withMaxTokens(${sampling.maxTokens});`
      : `  var sampling = new Sampling(${decimal(sampling.temperature)}, 0, 1, 0, 1, ${sampling.seed ?? 0});\n` +
        `  var generation = Generation.DEFAULT.withMaxTokens(${sampling.maxTokens}).withSampling(sampling);`,
  ];
  turns.forEach((turn, index) => {
    const order: Region[] = [];
    const text = worded(turn, (region) => {
      if (!order.includes(region)) order.push(region);
      return `{region${order.indexOf(region) + 1}}`;
    });
    const calls = [
      `Question.of(${literal(text)})`,
      ...(index === 0 ? [".picture(picture)"] : []),
      ...order.map(({ shape }) =>
        isBox(shape)
          ? `.region(new Region.Box(${shape.box.join(", ")}, Units.PIXEL))`
          : `.region(new Region.Point(${shape.point.join(", ")}, Units.PIXEL))`,
      ),
    ].join("\n          ");
    const ask = `session.ask(\n      ${calls},\n      generation)`;
    lines.push(index === turns.length - 1 ? `  System.out.println(${ask}.text());` : `  ${ask};`);
  });
  return [...lines, "}", ""].join("\n");
}

const decimal = (value: number): string => (Number.isInteger(value) ? value.toFixed(1) : String(value));

/** A Java string literal; JSON's escapes are Java's too, but for two line ends that JSON leaves as they are. */
const literal = (text: string): string =>
  JSON.stringify(text).replaceAll(/[\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16)}`);
