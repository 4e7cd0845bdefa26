import { createReadStream, readFileSync } from "node:fs";
import { stat } from "node:fs/promises";
import { createServer } from "node:http";
import { extname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

/**
 * Stands in for the server in the page's own tests, so that slow, full, failing and absent ones can be had at will. It answers from the scenes'
 * list of objects; nothing of it is shipped.
 */
const here = fileURLToPath(new URL(".", import.meta.url));
const built = join(here, "../../../src/main/resources/web");
const samples = join(here, "../../../../../samples");
const scenes = JSON.parse(readFileSync(join(samples, "scenes.json"), "utf8"));

/** The policy of the real server. */
export const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob: data:; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const TYPES = { ".html": "text/html; charset=utf-8", ".js": "text/javascript", ".css": "text/css", ".svg": "image/svg+xml", ".png": "image/png", ".json": "application/json" };

const wait = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** `faults` may be changed at any time: loading, full (so many 429), refuse (a 400's message), breakAfter (pieces), msPerPiece, key. */
export async function startMock(faults = {}) {
  const requests = [];
  const seen = { cancelled: 0 };
  const server = createServer((request, response) => {
    handle(request, response).catch((e) => {
      response.destroy(e);
    });
  });

  const json = (response, status, body, headers = {}) => {
    response.writeHead(status, { "Content-Type": "application/json", ...headers });
    response.end(JSON.stringify(body));
  };
  const error = (response, status, message, type, headers) =>
    json(response, status, { error: { message, type, param: null, code: status } }, headers);

  async function handle(request, response) {
    const { pathname } = new URL(request.url, "http://x");
    if (pathname === "/health") {
      return faults.loading ? error(response, 503, "Loading model", "unavailable_error") : json(response, 200, { status: "ok" });
    }
    if (pathname === "/props") {
      if (faults.key && request.headers.authorization !== `Bearer ${faults.key}`) {
        return error(response, 401, "This server wants an API key", "authentication_error");
      }
      return json(response, 200, {
        model: "fovea-demo",
        backend: "cpu",
        image_mode: "stretch",
        context: 1024,
        preset: "chatspot",
        version: "0.1.0",
        samples: scenes.map((s) => s.image),
      });
    }
    if (pathname === "/v1/chat/completions") return await chat(request, response);
    const file = pathname.startsWith("/samples/")
      ? join(samples, normalize(pathname.slice("/samples/".length)))
      : join(built, normalize(pathname === "/" ? "/index.html" : pathname));
    try {
      await stat(file);
    } catch {
      return error(response, 404, `${pathname} is not here`, "invalid_request_error");
    }
    response.writeHead(200, {
      "Content-Type": TYPES[extname(file)] ?? "application/octet-stream",
      "Content-Security-Policy": POLICY,
      "X-Content-Type-Options": "nosniff",
    });
    createReadStream(file).pipe(response);
  }

  async function chat(request, response) {
    const parts = [];
    for await (const part of request) parts.push(part);
    const body = JSON.parse(Buffer.concat(parts).toString());
    requests.push({ body, headers: request.headers });
    if (faults.key && request.headers.authorization !== `Bearer ${faults.key}`) {
      return error(response, 401, "This server wants an API key", "authentication_error");
    }
    if (faults.loading) return error(response, 503, "Loading model", "unavailable_error", { "Retry-After": "1" });
    if (faults.full > 0) {
      faults.full--;
      return error(response, 429, "The queue is full", "overloaded_error", { "Retry-After": "2" });
    }
    if (faults.refuse) return error(response, 400, faults.refuse, "invalid_request_error");
    if (body.messages.length > (faults.mostMessages ?? Infinity)) {
      return json(response, 400, {
        error: { message: "messages: 1,100 tokens, the context holds 1,024", type: "invalid_request_error", param: "messages", code: "context_length_exceeded" },
      });
    }
    const wrong = regionFault(body);
    if (wrong) return error(response, 400, wrong, "invalid_request_error");
    const { text, annotations } = answerTo(body);
    const pieces = text.match(/\S+\s*|\s+/g) ?? [];
    let open = true;
    response.on("close", () => {
      open = false;
      if (!response.writableEnded) seen.cancelled++;
    });
    if (!body.stream) {
      return json(response, 200, { object: "chat.completion", choices: [{ index: 0, message: { role: "assistant", content: text }, finish_reason: "stop" }] });
    }
    response.writeHead(200, { "Content-Type": "text/event-stream", "Cache-Control": "no-store" });
    const send = (chunk) => response.write(`data: ${JSON.stringify({ id: "chatcmpl-1", object: "chat.completion.chunk", ...chunk })}\n\n`);
    if (faults.queueMs) {
      response.write(": ping\n\n");
      await wait(faults.queueMs);
    }
    send({ choices: [{ index: 0, delta: { role: "assistant", content: "" }, finish_reason: null }] });
    await wait(faults.firstMs ?? 30);
    for (const [i, piece] of pieces.entries()) {
      if (!open) return;
      if (i === faults.breakAfter) return response.destroy();
      send({ choices: [{ index: 0, delta: { content: piece }, finish_reason: null }] });
      await wait(faults.msPerPiece ?? 15);
    }
    send({
      choices: [{ index: 0, delta: annotations.length > 0 ? { annotations } : {}, finish_reason: pieces.length >= body.max_tokens ? "length" : "stop" }],
      timings: { predicted_n: pieces.length, predicted_per_second: 61.3, queue_ms: faults.queueMs ?? 0, image_encode_ms: 12.5 },
    });
    send({ choices: [], usage: { prompt_tokens: 90, completion_tokens: pieces.length, total_tokens: 90 + pieces.length } });
    response.end("data: [DONE]\n\n");
  }

  await new Promise((resolve) => server.listen(faults.port ?? 0, "127.0.0.1", resolve));
  const { port } = server.address();
  return {
    url: `http://127.0.0.1:${port}/`,
    port,
    requests,
    seen,
    faults,
    stop: () =>
      new Promise((resolve) => {
        server.close(resolve);
        server.closeAllConnections();
      }),
  };
}

/** The rule of the real server: ids in the text and on the picture are the same. */
function regionFault({ messages }) {
  const declared = new Set();
  const used = new Set();
  for (const { content } of messages) {
    for (const part of Array.isArray(content) ? content : []) {
      for (const region of part.regions ?? []) declared.add(region.id);
      for (const match of (part.text ?? "").matchAll(/<(r\d+)>/g)) used.add(match[1]);
    }
  }
  for (const id of used) if (!declared.has(id)) return `region ${id} is not on any picture`;
  for (const id of declared) if (!used.has(id)) return `region ${id} is not used`;
  return undefined;
}

function sceneOf(messages) {
  const image = messages.flatMap((m) => (Array.isArray(m.content) ? m.content : [])).find((p) => p.type === "image_url");
  const bytes = Buffer.from(image.image_url.url.split(",")[1], "base64");
  return { scene: scenes.find((s) => readFileSync(join(samples, s.image)).equals(bytes)), regions: image.regions ?? [] };
}

function answerTo({ messages }) {
  const { scene, regions } = sceneOf(messages);
  const text = messages.at(-1).content.map((p) => p.text ?? "").join("");
  if (/long/.test(text)) return { text: Array.from({ length: 400 }, (_, i) => `word${i}`).join(" "), annotations: [] };
  const where = /Where is the (\w+)/.exec(text);
  const found = scene?.objects.find((o) => o.name === where?.[1]);
  if (found) {
    const start = `The ${found.name} is at `;
    const box = `[${found.box.join(", ")}]`;
    const same = regions.find((r) => JSON.stringify(r.box) === JSON.stringify(found.box));
    return {
      text: `${start}${box}.`,
      annotations: [{ type: "region", ...(same ? { region: same.id } : {}), label: found.name, box: found.box, start_index: start.length, end_index: start.length + box.length }],
    };
  }
  const named = [...text.matchAll(/<(r\d+)>/g)].map((m) => nameOf(scene, regions.find((r) => r.id === m[1])));
  if (named.length > 0) return { text: `${named.map((n) => `A ${n}`).join(", then ")}.`.replace("A A", "A"), annotations: [] };
  return { text: `I see ${scene ? scene.objects.map((o) => o.name).join(", ") : "a picture that I have not seen before"}.`, annotations: [] };
}

function nameOf(scene, region) {
  const [x, y] = region.point ?? [(region.box[0] + region.box[2]) / 2, (region.box[1] + region.box[3]) / 2];
  return scene?.objects.find(({ box }) => x >= box[0] && x <= box[2] && y >= box[1] && y <= box[3])?.name ?? "plain background";
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  const mock = await startMock({ port: Number(process.argv[2] ?? 8080) });
  console.log(mock.url);
}
