import type { Failure, Measures, Spot } from "../state/conversation.ts";
import { events } from "./events.ts";
import type { Annotation, ChatRequest, Chunk, ErrorBody, Props, Scene } from "./wire.ts";

/** A failure that is shown where the answer would be. */
export class AnswerFailure extends Error {
  readonly failure: Failure;

  constructor(failure: Failure) {
    super(failure.message);
    this.failure = failure;
  }
}

/** A spot as it comes, with the id of the request's region that it lies on. */
type Named = Spot & { readonly id?: string };

/** What a running answer tells whoever shows it. */
type Listener = {
  words(more: string): void;
  spots(spots: Named[]): void;
  notice(text: string | undefined): void;
};

type End = { readonly measures: Measures; readonly cut: boolean };

const UNREACHABLE = "The server does not answer. Is it still running?";

/** The server refuses with 429 when its queue is full; the page waits as long as it says and tries this often. */
const TRIES = 8;
const LONGEST_WAIT_S = 30;

export function headers(key: string): Record<string, string> {
  return key ? { Authorization: `Bearer ${key}` } : {};
}

const pause = (ms: number, signal: AbortSignal): Promise<void> =>
  new Promise((resolve, reject) => {
    const stop = (): void => {
      clearTimeout(timer);
      reject(signal.reason as Error);
    };
    const timer = setTimeout(() => {
      signal.removeEventListener("abort", stop);
      resolve();
    }, ms);
    if (signal.aborted) stop();
    else signal.addEventListener("abort", stop, { once: true });
  });

async function failureOf(response: Response): Promise<Failure> {
  let body: ErrorBody = {};
  try {
    const parsed = (await response.json()) as { error?: ErrorBody | string };
    body = typeof parsed.error === "string" ? { message: parsed.error } : (parsed.error ?? {});
  } catch {
    // not JSON: the status alone has to do
  }
  if (body.code === "context_length_exceeded") return { kind: "full", message: body.message ?? "The conversation is too long" };
  const message = body.message ?? `The server answered ${response.status} ${response.statusText}`.trim();
  switch (response.status) {
    case 401:
    case 403:
      return { kind: "key", message };
    case 413:
      return { kind: "refused", message: `The picture is too large for this server. ${message}` };
    case 429:
    case 503:
      return { kind: "busy", message };
    default:
      return { kind: response.status < 500 ? "refused" : "failed", message };
  }
}

/** Asks, waits while the server is loading or its queue is full, and passes the answer on as it comes. An abort is thrown as such. */
export async function ask(request: ChatRequest, key: string, signal: AbortSignal, listener: Listener): Promise<End> {
  const body = JSON.stringify(request);
  const asked = performance.now();
  for (let attempt = 1; ; attempt++) {
    let response: Response;
    try {
      response = await fetch("v1/chat/completions", {
        method: "POST",
        headers: { "Content-Type": "application/json", Accept: "text/event-stream", ...headers(key) },
        body,
        signal,
      });
    } catch (e) {
      if (signal.aborted) throw e;
      throw new AnswerFailure({ kind: "offline", message: UNREACHABLE });
    }
    if (response.ok && response.body) {
      listener.notice(undefined);
      return await read(response.body, asked, signal, listener);
    }
    const failure = await failureOf(response);
    if (failure.kind !== "busy" || attempt === TRIES) throw new AnswerFailure(failure);
    const wait = Number(response.headers.get("Retry-After") ?? Number.NaN);
    const seconds = Math.min(Number.isFinite(wait) && wait > 0 ? wait : 2, LONGEST_WAIT_S);
    const why = response.status === 503 ? "The model is still loading" : "Many are asking right now";
    for (let left = Math.ceil(seconds); left > 0; left--) {
      listener.notice(`${why}. Trying again in ${left} s`);
      await pause(1000, signal);
    }
    listener.notice(undefined);
  }
}

async function read(
  body: ReadableStream<Uint8Array>,
  asked: number,
  signal: AbortSignal,
  listener: Listener,
): Promise<End> {
  let first: number | undefined;
  let last = asked;
  let pieces = 0;
  let cut = false;
  let complete = false;
  let measures: Measures = {};
  const annotations: Annotation[] = [];
  try {
    for await (const event of events(body)) {
      if ("comment" in event) {
        if (first === undefined) listener.notice("Waiting for its turn");
        continue;
      }
      if (event.data === "[DONE]") {
        complete = true;
        break;
      }
      const chunk = JSON.parse(event.data) as Chunk;
      if (chunk.error) {
        throw new AnswerFailure({ kind: "failed", message: chunk.error.message ?? "The server ended the answer" });
      }
      const choice = chunk.choices?.[0];
      const words = choice?.delta?.content;
      if (words) {
        last = performance.now();
        if (first === undefined) {
          first = last;
          listener.notice(undefined);
        }
        pieces++;
        listener.words(words);
      }
      if (choice?.finish_reason) {
        cut = choice.finish_reason === "length";
        complete = true;
      }
      const more = [...(chunk.annotations ?? []), ...(choice?.annotations ?? []), ...(choice?.delta?.annotations ?? [])];
      if (more.length > 0) {
        annotations.push(...more);
        listener.spots(annotations.flatMap(spot));
      }
      const timings = chunk.timings;
      measures = {
        ...measures,
        ...(chunk.usage?.completion_tokens === undefined ? {} : { tokens: chunk.usage.completion_tokens }),
        ...(chunk.usage?.prompt_tokens === undefined ? {} : { promptTokens: chunk.usage.prompt_tokens }),
        ...(timings?.predicted_per_second ? { perSecond: timings.predicted_per_second } : {}),
        ...(timings?.queue_ms === undefined ? {} : { queued: timings.queue_ms }),
        ...(timings?.image_encode_ms === undefined ? {} : { encoded: timings.image_encode_ms }),
      };
    }
  } catch (e) {
    if (signal.aborted || e instanceof AnswerFailure) throw e;
    throw new AnswerFailure(
      e instanceof SyntaxError
        ? { kind: "failed", message: "The server sent something that is no answer" }
        : { kind: "offline", message: "The connection was lost in the middle of the answer" },
    );
  }
  if (!complete) throw new AnswerFailure({ kind: "offline", message: "The connection was lost in the middle of the answer" });
  // Without the server's own figure: the tokens after the first, over the time they took.
  const tokens = measures.tokens ?? pieces;
  if (measures.perSecond === undefined && first !== undefined && tokens > 1 && last > first) {
    measures = { ...measures, perSecond: ((tokens - 1) * 1000) / (last - first) };
  }
  return { measures: { ...measures, tokens, ...(first === undefined ? {} : { firstToken: first - asked }) }, cut };
}

function spot(annotation: Annotation): Named[] {
  const { box, point, label, region } = annotation;
  const place = { label: label ?? "", ...(region === undefined ? {} : { id: region }), start: annotation.start_index ?? 0, end: annotation.end_index ?? 0 };
  if (box?.length === 4) {
    const [x1, y1, x2, y2] = box as [number, number, number, number];
    return [{ shape: { box: [x1, y1, x2, y2] }, ...place }];
  }
  if (point?.length === 2) {
    const [x, y] = point as [number, number];
    return [{ shape: { point: [x, y] }, ...place }];
  }
  return [];
}

export type Health = "ready" | "loading" | "offline";

export async function health(): Promise<Health> {
  try {
    const response = await fetch("health", { cache: "no-store", signal: AbortSignal.timeout(5000) });
    return response.ok ? "ready" : response.status === 503 ? "loading" : "offline";
  } catch {
    return "offline";
  }
}

/** What the server says of itself and the scenes it has; `locked` if it wants another key first. What is missing is not shown. */
export async function meet(key: string): Promise<{ props?: Props; scenes: Scene[]; locked: boolean }> {
  const [props, scenes] = await Promise.all([json<Props>("props", key), json<Scene[]>("samples/scenes.json", key)]);
  return {
    ...(props.body ? { props: props.body } : {}),
    scenes: scenes.body ?? [],
    locked: props.status === 401 || props.status === 403,
  };
}

async function json<T>(path: string, key: string): Promise<{ status: number; body?: T }> {
  try {
    const response = await fetch(path, { headers: headers(key) });
    return response.ok ? { status: response.status, body: (await response.json()) as T } : { status: response.status };
  } catch {
    return { status: 0 };
  }
}
