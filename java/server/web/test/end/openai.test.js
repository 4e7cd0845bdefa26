import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, test } from "node:test";
import OpenAI from "openai";
import { root, serve } from "./server.js";

/** OpenAI's own client against the real server: what works with OpenAI works here. */
let server;
let client;

before(async () => {
  server = await serve();
  client = new OpenAI({ baseURL: `${server.url}v1`, apiKey: "none", maxRetries: 0 });
});

after(async () => {
  await server?.stop();
});

const picture = { url: `data:image/png;base64,${readFileSync(`${root}samples/scene-01.png`, "base64")}` };

const question = (text, regions) => ({
  model: "default",
  messages: [{ role: "user", content: [{ type: "image_url", image_url: picture, ...(regions ? { regions } : {}) }, { type: "text", text }] }],
});
const rabbit = question("What is this? <r1>", [{ id: "r1", box: [360, 41, 464, 180] }]);

const running = async () => {
  const text = await (await fetch(`${server.url}metrics`)).text();
  return Number(/^fovea_num_requests_running\{.*\} (\S+)$/m.exec(text)[1]);
};

test("models are listed", async () => {
  const models = [];
  for await (const model of await client.models.list()) models.push(model.id);
  assert.deepEqual(models, ["demo"]);
  assert.equal((await client.models.retrieve("demo")).object, "model");
});

test("a chat about a spot in a picture is answered", async () => {
  const answer = await client.chat.completions.create(rabbit);
  assert.match(answer.choices[0].message.content, /rabbit/);
  assert.equal(answer.choices[0].finish_reason, "stop");
  assert.equal(answer.usage.total_tokens, answer.usage.prompt_tokens + answer.usage.completion_tokens);
});

test("a stream gives the same words, and the usage", async () => {
  const whole = await client.chat.completions.create(rabbit);
  const stream = await client.chat.completions.create({ ...rabbit, stream: true, stream_options: { include_usage: true } });
  let text = "";
  let usage;
  for await (const chunk of stream) {
    text += chunk.choices[0]?.delta?.content ?? "";
    usage = chunk.usage ?? usage;
  }
  assert.equal(text, whole.choices[0].message.content);
  assert.equal(usage.completion_tokens, whole.usage.completion_tokens);
});

test("an abort ends the work in the server", async () => {
  const stream = await client.chat.completions.create({ ...question("Describe the image."), stream: true, ignore_eos: true, max_tokens: 900 });
  let pieces = 0;
  for await (const _ of stream) {
    if (++pieces === 5) {
      assert.equal(await running(), 1);
      stream.controller.abort();
    }
  }
  for (let tries = 0; (await running()) !== 0; tries++) {
    assert.ok(tries < 100, "it is still being answered");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
});

test("errors have OpenAI's types and name the field", async () => {
  await assert.rejects(client.chat.completions.create({ ...rabbit, temperature: 9 }), (e) => {
    assert.ok(e instanceof OpenAI.BadRequestError, String(e));
    assert.equal(e.param, "temperature");
    return true;
  });
  await assert.rejects(client.chat.completions.create({ ...rabbit, model: "gpt-none" }), OpenAI.NotFoundError);
  await assert.rejects(client.chat.completions.create(question("What is <r7>?")), /<r7>/);
  const bad = structuredClone(rabbit);
  bad.messages[0].content[0].image_url.url = "data:image/png;base64,AAAA";
  await assert.rejects(client.chat.completions.create(bad), OpenAI.UnprocessableEntityError);
});

test("text completions stream, too", async () => {
  const stream = await client.completions.create({ model: "default", prompt: "USER: Hello ASSISTANT:", max_tokens: 6, stream: true });
  let reason;
  for await (const chunk of stream) reason = chunk.choices[0]?.finish_reason ?? reason;
  assert.ok(["stop", "length"].includes(reason), reason);
});
