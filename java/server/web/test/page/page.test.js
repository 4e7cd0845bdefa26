import assert from "node:assert/strict";
import { after, afterEach, before, beforeEach, describe, test } from "node:test";
import { answerAt, ask, click, drag, launch, onPicture, openScene, question, SIZES, visit } from "../browser.js";
import { startMock } from "../mock/server.js";

/** The page in Chromium, with a server that can be slow, full, failing or gone. */
let browser;
let mock;
let page;
let context;
let faults;

before(async () => {
  browser = await launch();
});
after(async () => {
  await browser.close();
});

const open = async (server = {}, options = {}) => {
  mock = await startMock(server);
  ({ page, context, faults } = await visit(browser, mock.url, options));
};

afterEach(async () => {
  await context?.close();
  await mock?.stop();
  assert.deepEqual(faults, [], "errors of the page, or what its policy refused");
});

const regions = () => page.locator(".tag[data-region]");
const last = () => mock.requests.at(-1).body;
const lastText = () => last().messages.at(-1).content.at(-1).text;
const place = async (n) => (await regions().nth(n).getAttribute("aria-label")).match(/\d+/g).slice(1).map(Number);
/** Waits for something outside the page. */
async function until(holds, what) {
  for (let end = Date.now() + 10_000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 20))) {
    if (holds()) return;
  }
  assert.fail(what);
}
const near = (found, wanted, by = 3) => assert.ok(found.length === wanted.length && found.every((v, i) => Math.abs(v - wanted[i]) <= by), `${found} instead of ${wanted}`);

describe("asking", () => {
  beforeEach(() => open());

  test("a dragged box goes with the question, in pixels of the picture", async () => {
    await openScene(page);
    await drag(page, [360, 41], [464, 179]);
    assert.equal(await ask(page, "What is this?"), "A rabbit.");
    const [picture, text] = last().messages[0].content;
    near(picture.regions[0].box, [360, 41, 464, 179], 1);
    assert.equal(picture.region_units, "pixel");
    assert.equal(text.text, "What is this? <r1>");
    assert.match(await page.locator(".figures").innerText(), /first token \d+ ms · 61\.3 tokens\/s/);
  });

  test("a click is a point", async () => {
    await openScene(page);
    await click(page, 280, 290);
    assert.equal(await ask(page, "What is this?"), "A penguin.");
    near(last().messages[0].content[0].regions[0].point, [280, 290], 1);
  });

  test("two regions are named by their chips, and earlier turns are told", async () => {
    await openScene(page);
    await drag(page, [360, 41], [464, 179]);
    await ask(page, "What is this?");
    await click(page, 280, 160);
    await question(page).fill("Is");
    await page.locator(".chip.c1").click();
    await question(page).press("End");
    await question(page).pressSequentially("like");
    await page.locator(".chip.c2").click();
    assert.equal(await question(page).inputValue(), "Is [1] like [2] ");
    assert.equal(await page.locator(".mirror-chip").count(), 2);
    await question(page).press("Enter");
    await page.locator(".turn").nth(1).locator(".answer-foot").waitFor();
    assert.equal(lastText(), "Is <r1> like <r2>");
    assert.equal(last().messages.length, 3);
    assert.equal(last().messages[1].content, "A rabbit.");
    assert.deepEqual(await page.locator(".turn").nth(1).locator(".mention").allInnerTexts(), ["1", "2"]);
  });

  test("backspace takes a chip as one thing", async () => {
    await openScene(page);
    await click(page, 280, 160);
    await question(page).fill("What is [1]");
    await question(page).press("Backspace");
    assert.equal(await question(page).inputValue(), "What is ");
  });

  test("a spot named in an answer is shown on the picture, and lit when pointed at", async () => {
    await openScene(page);
    await ask(page, "Where is the penguin?");
    const spot = page.locator("button.spot");
    assert.equal(await spot.innerText(), "[239, 213, 325, 353]");
    assert.equal(await page.locator(".outline-spot").count(), 1);
    assert.equal(await page.locator(".tag-spot").innerText(), "penguin");
    await spot.hover();
    await page.locator(".spotlight").waitFor();
    const frame = await page.locator(".outline-lit .outline-colour").boundingBox();
    const [x, y] = await onPicture(page, 239, 213);
    near([frame.x, frame.y], [x, y], 4);
    await page.mouse.move(5, 5);
    await page.locator(".spotlight").waitFor({ state: "detached" });
  });

  test("a spot that lies on a region has the region's colour, also after the region moved", async () => {
    await openScene(page);
    await click(page, 60, 60);
    await drag(page, [239, 213], [325, 353]);
    for (const text of ["Where is the penguin? [2]", "Where is the penguin, not [1]?"]) {
      await ask(page, text);
      const spot = page.locator("button.spot").last();
      assert.match(await spot.getAttribute("class"), /\bc2\b/);
      assert.match(await page.locator(".outline-spot").getAttribute("class"), /\bc2\b/);
      await page.locator(".tag[data-region='2']").focus();
      await page.keyboard.press("ArrowLeft");
    }
  });

  test("asking again adds an answer to leaf through", async () => {
    await openScene(page);
    await ask(page, "Describe the picture");
    await page.getByRole("button", { name: "Ask again" }).click();
    await page.getByText("2/2").waitFor();
    await page.locator(".answer-foot").waitFor();
    await page.getByRole("button", { name: "Earlier answer" }).click();
    await page.getByText("1/2").waitFor();
    assert.equal(mock.requests.length, 2);
    assert.equal(last().messages.length, 1);
  });

  test("every region is asked about, and fills a table", async () => {
    await openScene(page);
    await page.getByRole("button", { name: "Box everything" }).click();
    assert.equal(await regions().count(), 4);
    await page.getByRole("button", { name: /What is this.*every region/ }).click();
    await page.getByRole("button", { name: "Copy the table" }).waitFor();
    const rows = await page.locator("tbody td:nth-child(2)").allInnerTexts();
    assert.deepEqual(rows.map((row) => row.replace(/^Answer:\s*/, "").trim()), ["A rabbit.", "A penguin.", "A HELLO.", "A watermelon."]);
    assert.equal(mock.requests.length, 4);
    for (const { body } of mock.requests) assert.equal(body.messages[0].content[0].regions.length, 1);
    await page.getByRole("button", { name: "Copy the table" }).click();
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    assert.match(copied, /^region\tplace\tWhat is this\?\n1\tbox from 360, 41 to 464, 180\tA rabbit\./);
  });

  test("an answer, a curl command and Java are copied", async () => {
    await openScene(page);
    await drag(page, [360, 41], [464, 179]);
    await ask(page, "What is this?");
    const clipboard = () => page.evaluate(() => navigator.clipboard.readText());
    await page.getByRole("button", { name: "Copy the answer" }).click();
    assert.equal(await clipboard(), "A rabbit.");
    await page.getByRole("button", { name: "Copy as curl" }).click();
    assert.match(await clipboard(), new RegExp(`^curl ${mock.url}v1/chat/completions`));
    await page.getByRole("button", { name: "Copy as Java" }).click();
    assert.match(await clipboard(), /Question\.of\("What is this\? \{region1\}"\)/);
  });

  test("settings go with the question and are kept", async () => {
    await page.getByRole("button", { name: "Settings", exact: true }).click();
    await page.getByRole("slider").fill("0.7");
    await page.getByLabel("Most tokens").fill("17");
    await page.getByLabel("Seed").fill("42");
    await page.getByRole("radio", { name: "Dark" }).check();
    for (const fact of ["fovea-demo", "cpu", "chatspot", "stretch", "1024 tokens"]) await page.locator("dd", { hasText: fact }).waitFor();
    await page.keyboard.press("Escape");
    await page.reload();
    assert.equal(await page.evaluate(() => getComputedStyle(document.documentElement).colorScheme), "dark");
    await openScene(page);
    await ask(page, "Describe the picture");
    const { temperature, max_tokens, seed } = last();
    assert.deepEqual({ temperature, max_tokens, seed }, { temperature: 0.7, max_tokens: 17, seed: 42 });
  });
});

describe("regions", () => {
  beforeEach(async () => {
    await open();
    await openScene(page);
  });

  test("are moved, resized, deleted, and all of it undone", async () => {
    await drag(page, [100, 100], [200, 180]);
    near(await place(0), [100, 100, 200, 180], 1);
    await drag(page, [150, 140], [180, 160]);
    near(await place(0), [130, 120, 230, 200], 2);
    await drag(page, [230, 200], [260, 240]);
    near(await place(0), [130, 120, 260, 240], 2);
    await page.keyboard.press("Delete");
    assert.equal(await regions().count(), 0);
    await page.keyboard.press("Control+z");
    near(await place(0), [130, 120, 260, 240], 2);
    await page.keyboard.press("Control+z");
    await page.keyboard.press("Control+z");
    near(await place(0), [100, 100, 200, 180], 1);
    await page.keyboard.press("Control+z");
    assert.equal(await regions().count(), 0);
    await page.keyboard.press("Control+y");
    assert.equal(await regions().count(), 1);
  });

  test("a box can be drawn inside another, and a click selects the smaller", async () => {
    await drag(page, [100, 100], [300, 300]);
    await page.keyboard.press("Escape");
    await drag(page, [150, 150], [200, 200]);
    assert.equal(await regions().count(), 2);
    await page.keyboard.press("Escape");
    await click(page, 170, 170);
    assert.equal(await regions().nth(1).getAttribute("aria-pressed"), "true");
    assert.equal(await regions().count(), 2);
  });

  test("are drawn right in a picture that is zoomed and moved", async () => {
    await page.mouse.move(...(await onPicture(page, 400, 100)));
    await page.mouse.wheel(0, -400);
    await page.waitForFunction(() => !document.querySelector(".zoom-figure").textContent.startsWith("156"));
    await page.locator(".stage").focus();
    await page.keyboard.down("Space");
    await drag(page, [400, 100], [380, 90]);
    await page.keyboard.up("Space");
    assert.equal(await regions().count(), 0);
    await drag(page, [360, 60], [440, 140]);
    near(await place(0), [360, 60, 440, 140], 1);
    await page.getByRole("button", { name: /Show the whole picture/ }).click();
    near(await place(0), [360, 60, 440, 140], 1);
  });

  test("work by keyboard alone", async () => {
    await page.locator(".stage").focus();
    await page.keyboard.press("b");
    await page.locator(".tag:focus").waitFor();
    const [x1, y1, x2, y2] = await place(0);
    await page.keyboard.press("ArrowRight");
    await page.keyboard.press("Alt+ArrowDown");
    assert.deepEqual(await place(0), [x1 + 5, y1 + 1, x2 + 5, y2 + 1]);
    await page.keyboard.press("Shift+ArrowRight");
    assert.deepEqual(await place(0), [x1 + 5, y1 + 1, x2 + 10, y2 + 1]);
    await page.keyboard.press("Enter");
    assert.equal(await question(page).inputValue(), "[1] ");
    await question(page).pressSequentially("What is this?");
    await page.keyboard.press("Enter");
    await page.locator(".answer-foot").waitFor();
    assert.equal(lastText(), "<r1> What is this?");
    await page.locator(".tag").first().focus();
    await page.keyboard.press("Delete");
    assert.equal(await regions().count(), 0);
  });

  test("are said to screen readers", async () => {
    await drag(page, [100, 100], [200, 180]);
    await page.getByRole("status").filter({ hasText: /Region 1 added, box from 100, 100 to \d+/ }).waitFor();
    await page.getByRole("group", { name: "scene-01.png, 480 by 360 pixels, 1 region" }).waitFor();
    await page.getByRole("img", { name: "Scene with rabbit, penguin, HELLO, watermelon" }).waitFor();
  });
});

describe("conversations", () => {
  beforeEach(() => open());

  test("survive a reload with their picture, regions and answers, and can be deleted", async () => {
    await openScene(page);
    await drag(page, [360, 41], [464, 179]);
    await ask(page, "What is this?");
    await page.waitForTimeout(400);
    await page.reload();
    await page.locator(".picture").waitFor();
    assert.equal(await answerAt(page, 0), "A rabbit.");
    near(await place(0), [360, 41, 464, 179], 1);
    assert.equal(await page.locator(".picture").evaluate((img) => img.decode().then(() => img.naturalWidth)), 480);
    assert.equal(await ask(page, "And [1]?"), "A rabbit.");
    await page.getByRole("button", { name: "New picture" }).first().click();
    await openScene(page, 1);
    assert.equal(await page.locator(".sidebar .history-item").count(), 2);
    await page.locator(".sidebar .history-open").nth(1).click();
    assert.equal(await answerAt(page, 0), "A rabbit.");
    await page.locator(".sidebar .history-item").nth(1).hover();
    await page.getByRole("button", { name: "Delete What is this?" }).click();
    assert.equal(await page.locator(".sidebar .history-item").count(), 1);
    await page.getByRole("button", { name: "Take back" }).click();
    assert.equal(await answerAt(page, 0), "A rabbit.");
    await page.locator(".sidebar .history-item").nth(1).hover();
    await page.getByRole("button", { name: "Delete What is this?" }).click();
    await page.waitForTimeout(300);
    await page.reload();
    await page.locator(".sidebar .history-item").first().waitFor();
    assert.equal(await page.locator(".sidebar .history-item").count(), 1);
  });

  test("a chosen, a dropped and a pasted picture are taken; other files are not", async () => {
    const make = (type, how) =>
      page.evaluate(
        async ([kind, event]) => {
          const canvas = new OffscreenCanvas(3000, 1500);
          canvas.getContext("2d").fillRect(0, 0, 10, 10);
          const blob = kind === "text/plain" ? new Blob(["no"], { type: kind }) : await canvas.convertToBlob({ type: kind });
          const transfer = new DataTransfer();
          transfer.items.add(new File([blob], kind === "image/webp" ? "large.webp" : "large.png", { type: kind }));
          const target = document.body;
          if (event === "drop") target.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
          else target.dispatchEvent(new ClipboardEvent("paste", { clipboardData: transfer, bubbles: true, cancelable: true }));
        },
        [type, how],
      );
    await make("text/plain", "drop");
    await page.locator(".toast", { hasText: "not a picture" }).waitFor();
    await make("image/webp", "drop");
    await page.getByRole("group", { name: /^large\.jpg, 2048 by 1024 pixels/ }).waitFor();
    await ask(page, "What is it?");
    assert.match(last().messages[0].content[0].image_url.url, /^data:image\/jpeg;base64,\/9j/);
    await make("image/png", "paste");
    await page.getByRole("group", { name: /^large\.jpg, 2048 by 1024 pixels/ }).waitFor();
    await page.getByRole("button", { name: "New picture" }).first().click();
    await page.locator("input[type=file]").setInputFiles({ name: "broken.png", mimeType: "image/png", buffer: Buffer.from("nothing") });
    await page.locator(".toast", { hasText: "broken.png is not a picture that this browser can read" }).waitFor();
  });
});

describe("pictures and places that are unusual", () => {
  test("a JPEG that its EXIF part turns is sent as it is seen", async () => {
    await open();
    await page.evaluate(async () => {
      const canvas = new OffscreenCanvas(300, 200);
      canvas.getContext("2d").fillRect(0, 0, 300, 200);
      const jpeg = new Uint8Array(await (await canvas.convertToBlob({ type: "image/jpeg" })).arrayBuffer());
      // TIFF, little endian, one entry: orientation (0x0112), SHORT, 1, value 6 (a quarter turn)
      const tiff = [0x49, 0x49, 42, 0, 8, 0, 0, 0, 1, 0, 0x12, 1, 3, 0, 1, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0];
      const exif = [0xff, 0xe1, 0, 2 + 6 + tiff.length, 0x45, 0x78, 0x69, 0x66, 0, 0, ...tiff];
      const turned = new Blob([jpeg.slice(0, 2), new Uint8Array(exif), jpeg.slice(2)], { type: "image/jpeg" });
      const transfer = new DataTransfer();
      transfer.items.add(new File([turned], "turned.jpg", { type: "image/jpeg" }));
      document.body.dispatchEvent(new DragEvent("drop", { dataTransfer: transfer, bubbles: true, cancelable: true }));
    });
    await page.getByRole("group", { name: /^turned\.jpg, 200 by 300 pixels/ }).waitFor();
    await ask(page, "What is it?");
    const sent = Buffer.from(last().messages[0].content[0].image_url.url.split(",")[1], "base64");
    assert.ok(!sent.includes("Exif"));
  });

  test("over plain HTTP from another machine the page asks and copies too", async () => {
    mock = await startMock();
    ({ page, context, faults } = await visit(browser, mock.url.replace("127.0.0.1", "another.test")));
    assert.equal(await page.evaluate(() => isSecureContext), false);
    await openScene(page);
    await drag(page, [360, 41], [464, 179]);
    assert.equal(await ask(page, "What is this?"), "A rabbit.");
    await page.getByRole("button", { name: "Copy the answer" }).click();
    await page.locator(".toast", { hasText: "Answer copied" }).waitFor();
    await question(page).focus();
    await page.keyboard.press("Control+v");
    assert.equal(await question(page).inputValue(), "A rabbit.");
  });
});

describe("what goes wrong", () => {
  test("stop ends the answer, keeps its beginning, and the server hears of it", async () => {
    await open({ msPerPiece: 20 });
    await openScene(page);
    await question(page).fill("Tell me something long");
    await question(page).press("Enter");
    await page.getByText("word5 ").waitFor();
    await page.getByRole("button", { name: "Stop" }).click();
    await page.getByText("Stopped here").waitFor();
    await until(() => mock.seen.cancelled === 1, "the server did not hear of it");
    assert.match(await answerAt(page, 0), /^word0 word1/);
    assert.equal(await ask(page, "Describe it"), "I see rabbit, penguin, HELLO, watermelon.");
  });

  test("a reload in the middle of an answer leaves it stopped", async () => {
    await open({ msPerPiece: 20 });
    await openScene(page);
    await question(page).fill("Tell me something long");
    await question(page).press("Enter");
    await page.getByText("word5 ").waitFor();
    await page.waitForTimeout(300);
    await page.reload();
    await page.getByText("Stopped here").waitFor();
    await until(() => mock.seen.cancelled === 1, "the server did not hear of it");
  });

  test("a full server is waited for", async () => {
    await open({ full: 1 });
    await openScene(page);
    await question(page).fill("Describe it");
    await question(page).press("Enter");
    await page.getByText("Many are asking right now. Trying again in").waitFor();
    await page.locator(".answer-foot").waitFor();
    assert.equal(await answerAt(page, 0), "I see rabbit, penguin, HELLO, watermelon.");
    assert.equal(mock.requests.length, 2);
  });

  test("the queue is shown", async () => {
    await open({ queueMs: 1500 });
    await openScene(page);
    await question(page).fill("Describe it");
    await question(page).press("Enter");
    await page.getByText("Waiting for its turn").waitFor();
    await page.locator(".answer-foot").waitFor();
    assert.match(await page.locator(".figures").innerText(), /1\.5 s in the queue/);
  });

  test("a loading server is said to be loading, and found when it is there", async () => {
    await open({ loading: true });
    await page.getByText("The model is loading").waitFor();
    mock.faults.loading = false;
    await page.locator(".scene").first().waitFor();
    assert.equal(await page.getByText("The model is loading").count(), 0);
  });

  test("a refusal shows the server's words and can be tried again", async () => {
    await open({ refuse: "max_tokens: expected 1 or more, found 0" });
    await openScene(page);
    await question(page).fill("Describe it");
    await question(page).press("Enter");
    const alert = page.getByRole("alert");
    await alert.waitFor();
    assert.match(await alert.innerText(), /max_tokens: expected 1 or more, found 0/);
    mock.faults.refuse = undefined;
    await alert.getByRole("button", { name: "Try again" }).click();
    await page.locator(".answer-text", { hasText: "I see rabbit" }).waitFor();
    assert.equal(await page.getByRole("alert").count(), 0);
  });

  test("a conversation that got too long can be started over with its picture and regions", async () => {
    await open({ mostMessages: 1 });
    await openScene(page);
    await drag(page, [360, 41], [464, 179]);
    await ask(page, "What is this?");
    await question(page).fill("And this?");
    await question(page).press("Enter");
    await page.getByText("1,100 tokens, the context holds 1,024", { exact: false }).first().waitFor();
    await page.getByRole("button", { name: "Start over with this picture" }).click();
    await page.locator(".turn").first().waitFor({ state: "detached" });
    assert.equal(await regions().count(), 1);
    assert.equal(await ask(page, "What is [1]?"), "A rabbit.");
    assert.equal(await page.locator(".sidebar .history-item").count(), 2);
  });

  test("an answer that breaks off says so", async () => {
    await open({ breakAfter: 2 });
    await openScene(page);
    await question(page).fill("Describe it");
    await question(page).press("Enter");
    await page.getByText("The connection was lost in the middle of the answer").waitFor();
    assert.match(await answerAt(page, 0), /^I see/);
  });

  test("a server that wants a key gets the one that is entered", async () => {
    await open({ key: "secret" });
    await page.getByText("This server wants an API key").waitFor();
    await openScene(page);
    await question(page).fill("Describe it");
    await question(page).press("Enter");
    await page.locator(".answer").getByRole("button", { name: "Enter a key" }).click();
    await page.getByLabel("API key").fill("secret");
    await page.getByRole("button", { name: "Close" }).click();
    await page.locator(".trouble").waitFor({ state: "detached" });
    assert.equal(await ask(page, "Describe it"), "I see rabbit, penguin, HELLO, watermelon.");
  });

  test("a server that is gone is looked for until it is back, and nothing is lost", async () => {
    await open();
    await openScene(page);
    await ask(page, "Describe it");
    const { port } = mock;
    await mock.stop();
    await question(page).fill("And now?");
    await question(page).press("Enter");
    await page.getByText("The server cannot be reached").waitFor();
    await page.getByText("The server does not answer. Is it still running?", { exact: true }).waitFor();
    mock = await startMock({ port });
    await page.getByText("The server cannot be reached").waitFor({ state: "detached" });
    await page.getByRole("button", { name: "Try again" }).click();
    await page.locator(".turn").nth(1).locator(".answer-foot").waitFor();
    assert.match(await answerAt(page, 1), /^I see rabbit/);
  });
});

describe("on a phone", () => {
  beforeEach(async () => {
    await open({}, SIZES.phone);
  });

  test("nothing is wider than the screen, and a finger draws and points", async () => {
    await openScene(page);
    const wide = () => page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.equal(await wide(), 0);
    const touch = await context.newCDPSession(page);
    const finger = async (type, ...points) =>
      touch.send("Input.dispatchTouchEvent", { type, touchPoints: points.map(([x, y], id) => ({ x, y, id })) });
    const a = await onPicture(page, 360, 41);
    const b = await onPicture(page, 464, 179);
    await finger("touchStart", a);
    await finger("touchMove", [(a[0] + b[0]) / 2, (a[1] + b[1]) / 2]);
    await finger("touchMove", b);
    await finger("touchEnd");
    near(await place(0), [360, 41, 464, 179], 3);
    assert.equal(await ask(page, "What is this?"), "A rabbit.");
    await page.touchscreen.tap(...(await onPicture(page, 100, 250)));
    near(await place(1), [100, 250], 3);
    const before = (await page.locator(".picture").boundingBox()).width;
    const [x, y] = await onPicture(page, 150, 200);
    await finger("touchStart", [x - 20, y], [x + 20, y]);
    await finger("touchMove", [x - 50, y], [x + 50, y]);
    await finger("touchMove", [x - 70, y], [x + 70, y]);
    await finger("touchEnd");
    assert.ok((await page.locator(".picture").boundingBox()).width > before * 1.5, "two fingers zoom");
    assert.equal(await regions().count(), 2);
    assert.equal(await wide(), 0);
  });

  test("conversations are in a drawer", async () => {
    await openScene(page);
    await ask(page, "Describe it");
    await page.getByRole("button", { name: "Conversations" }).click();
    await page.locator("dialog .history-open").click();
    await page.locator("dialog[open]").waitFor({ state: "detached" }).catch(() => {});
    assert.equal(await answerAt(page, 0), "I see rabbit, penguin, HELLO, watermelon.");
  });
});
