import assert from "node:assert/strict";
import { test } from "node:test";
import { load } from "./modules.js";

const shapes = await load("state/shapes.ts");
const view = await load("state/view.ts");
const size = { width: 480, height: 360 };

/** Numbers that look random and are the same every time. */
function generator(seed) {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

test("a box between any two spots is whole, inside and large enough", () => {
  for (let seed = 1; seed <= 500; seed++) {
    const random = generator(seed);
    const spot = () => [random() * 700 - 100, random() * 600 - 100];
    const box = shapes.boxBetween(spot(), spot(), size);
    const [x1, y1, x2, y2] = box;
    const right = box.every(Number.isInteger) && x1 >= 0 && y1 >= 0 && x2 <= 480 && y2 <= 360 && x2 - x1 >= 4 && y2 - y1 >= 4;
    assert.ok(right, `seed ${seed}: ${box}`);
  }
});

test("moving keeps a box's size and resizing past the other side turns it over", () => {
  assert.deepEqual(shapes.moved({ box: [10, 10, 50, 40] }, -100, 1000, size), { box: [0, 330, 40, 360] });
  assert.deepEqual(shapes.moved({ point: [10, 10] }, -100, 1000, size), { point: [0, 359] });
  assert.deepEqual(shapes.resized([10, 10, 50, 40], "e", -60, 0, size), [0, 10, 10, 40]);
  assert.deepEqual(shapes.resized([10, 10, 50, 40], "nw", 5, 6, size), [15, 16, 50, 40]);
});

test("a deleted region's number is given again", () => {
  const region = (number) => ({ number, shape: { point: [1, 1] } });
  assert.equal(shapes.nextNumber([region(1), region(3)]), 2);
  assert.equal(shapes.nextNumber([]), 1);
});

test("the smallest box under a spot is meant, and points before boxes", () => {
  const regions = [
    { number: 1, shape: { box: [0, 0, 100, 100] } },
    { number: 2, shape: { box: [20, 20, 40, 40] } },
    { number: 3, shape: { point: [30, 30] } },
  ];
  assert.equal(shapes.regionAt(regions, [22, 38], 4).number, 2);
  assert.equal(shapes.regionAt(regions, [31, 30], 4).number, 3);
  assert.equal(shapes.regionAt(regions, [90, 90], 4).number, 1);
  assert.equal(shapes.regionAt(regions, [200, 90], 4), undefined);
});

test("a question is cut at the regions it names and nowhere else", () => {
  assert.deepEqual(shapes.namedIn("[2] or [1], not [2] [x] [1234]"), [2, 1]);
  assert.deepEqual(shapes.pieces("Is [1] like [9]?", (n) => n === 1), ["Is ", 1, " like [9]?"]);
});

test("zooming keeps the spot under the pointer, and the picture in sight", () => {
  const stage = { width: 800, height: 600 };
  for (let seed = 1; seed <= 200; seed++) {
    const random = generator(seed);
    let now = view.fitted(size, stage);
    const at = [300 + random() * 200, 200 + random() * 200];
    const spot = view.toPicture(now, at);
    now = view.zoomed(now, 1 + random() * 3, at, size, stage);
    const still = view.toPicture(now, at);
    assert.ok(Math.hypot(still[0] - spot[0], still[1] - spot[1]) < 1e-6, `seed ${seed}`);
    now = view.panned(now, (random() - 0.5) * 1e5, (random() - 0.5) * 1e5, size, stage);
    const right = now.x < stage.width && now.y < stage.height && now.x + size.width * now.scale > 0 && now.y + size.height * now.scale > 0;
    assert.ok(right, `seed ${seed}: ${JSON.stringify(now)}`);
  }
});
