import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { test } from "node:test";
import { load } from "./modules.js";

const { asCurl, asJava, chatRequest, numberOf, told } = await load("api/request.ts");
const { events } = await load("api/events.ts");

const box = (number, ...corners) => ({ number, shape: { box: corners } });
const greedy = { temperature: 0, maxTokens: 64 };
const asked = (question, regions, text) => ({
  kind: "asked",
  id: question,
  question,
  regions,
  answers: [{ text, state: "done", spots: [], measures: {} }],
  shown: 0,
});

test("every region of a conversation has one id, and a moved one two", () => {
  const before = [asked("What is this?", [box(1, 0, 0, 10, 10)], "A dog."), asked("And [1]?", [box(1, 5, 5, 10, 10)], "A cat.")];
  const request = chatRequest("m", "data:x", before, { question: "Is [2] like [1]?", regions: [box(2, 0, 0, 10, 10), box(1, 5, 5, 10, 10)] }, greedy);
  assert.deepEqual(request.messages[0].content[0].regions, [
    { id: "r1", box: [0, 0, 10, 10] },
    { id: "r101", box: [5, 5, 10, 10] },
  ]);
  assert.equal(request.messages[0].content[0].region_units, "pixel");
  assert.deepEqual(
    request.messages.map((m) => (typeof m.content === "string" ? m.content : m.content.at(-1).text)),
    ["What is this? <r1>", "A dog.", "And <r101>?", "A cat.", "Is <r1> like <r101>?"],
  );
});

test("an id of the request is known by its region's number", () => {
  const before = [asked("What is this?", [box(1, 0, 0, 10, 10)], "A dog.")];
  const regions = [box(1, 5, 5, 10, 10), box(2, 1, 1, 8, 8)];
  const request = chatRequest("m", "data:x", before, { question: "Is [1] like [2]?", regions }, greedy);
  const all = [...regions, ...before[0].regions];
  assert.deepEqual(["r1", "r101", "r2", "r3"].map((id) => numberOf(request, id, all)), [1, 1, 2, undefined]);
});

test("questions without an answer and tables are not told", () => {
  const table = { kind: "table", id: "t", question: "What?", rows: [] };
  assert.deepEqual(told([asked("a", [], "yes"), table, asked("b", [], "")]).map((t) => t.question), ["a"]);
});

test("without regions there is no region field", () => {
  const part = chatRequest("m", "data:x", [], { question: "Describe it", regions: [] }, greedy).messages[0].content[0];
  assert.deepEqual(part, { type: "image_url", image_url: { url: "data:x" } });
});

test("the curl command is one that a shell makes the same request of", () => {
  const folder = mkdtempSync(join(tmpdir(), "fovea-"));
  try {
    const name = "it's a $HOME.png";
    writeFileSync(join(folder, name), "picture");
    const nasty = "Say \"$(id)\" `id` \\n \\ $1 'x' é?";
    const command = asCurl("http://127.0.0.1:1", "m", { name, type: "image/png" }, [], { question: nasty, regions: [box(1, 1, 2, 30, 40)] }, greedy, true);
    assert.match(command, /Authorization: Bearer \$FOVEA_API_KEY/);
    const script = `curl() { cat; }\n${command}`;
    const body = JSON.parse(execFileSync("bash", ["-c", script], { cwd: folder, encoding: "utf8" }));
    const [picture, text] = body.messages[0].content;
    assert.equal(text.text, `${nasty} <r1>`);
    assert.equal(picture.image_url.url, `data:image/png;base64,${Buffer.from("picture").toString("base64")}`);
    assert.deepEqual(picture.regions, [{ id: "r1", box: [1, 2, 30, 40] }]);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

test("the Java lines name regions in the order they appear", () => {
  const java = asJava({ name: 'a"b.png' }, [asked("Hm?", [], "Yes.")], { question: "[2] or [1]?", regions: [box(1, 1, 2, 3, 4), { number: 2, shape: { point: [5, 6] } }] }, { temperature: 0.7, maxTokens: 9, seed: 3 });
  assert.match(java, /Path\.of\("a\\"b\.png"\)/);
  assert.match(java, /Question\.of\("Hm\?"\)\n\s+\.picture\(picture\),\n\s+generation\);/);
  assert.match(java, /Question\.of\("\{region1\} or \{region2\}\?"\)\n\s+\.region\(new Region\.Point\(5, 6, Units\.PIXEL\)\)\n\s+\.region\(new Region\.Box\(1, 2, 3, 4, Units\.PIXEL\)\)/);
  assert.match(java, /new Sampling\(0\.7, 0, 1, 0, 1, 3\)/);
});

test("a stream is cut into the same events wherever its bytes are split", async () => {
  const bytes = new TextEncoder().encode(': ping\r\n\r\ndata: {"a":"é€😀"}\r\n\r\ndata: one\ndata: two\n\nevent: x\ndata:[DONE]\n\ndata: cut off');
  const wanted = [{ comment: "ping" }, { data: '{"a":"é€😀"}' }, { data: "one\ntwo" }, { data: "[DONE]" }];
  for (let step = 1; step <= bytes.length; step++) {
    const stream = new ReadableStream({
      start(controller) {
        for (let at = 0; at < bytes.length; at += step) controller.enqueue(bytes.slice(at, at + step));
        controller.close();
      },
    });
    const found = [];
    for await (const event of events(stream)) found.push(event);
    assert.deepEqual(found, wanted, `steps of ${step}`);
  }
});
