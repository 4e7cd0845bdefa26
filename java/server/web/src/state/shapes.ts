/**
 * Regions of a picture and what can be done to them. All coordinates are pixels of the picture, from its top left; nothing here knows of the
 * screen.
 */
export type Box = readonly [x1: number, y1: number, x2: number, y2: number];
export type Point = readonly [x: number, y: number];
export type Shape = { readonly box: Box } | { readonly point: Point };

/** A numbered region; its number is what `[3]` in a question names, and chooses its colour. */
export type Region = { readonly number: number; readonly shape: Shape };

export type Size = { readonly width: number; readonly height: number };

/** The sides and corners that a box can be held by. */
export const HANDLES = ["nw", "n", "ne", "e", "se", "s", "sw", "w"] as const;
export type Handle = (typeof HANDLES)[number];

/** Boxes are at least this many pixels wide and high. */
const SMALLEST = 4;

/** Regions have this many colours, then they start again. */
export const COLOURS = 7;

export const isBox = (shape: Shape): shape is { readonly box: Box } => "box" in shape;

export const colourOf = (number: number): number => ((number - 1) % COLOURS) + 1;

const clamp = (value: number, low: number, high: number): number => Math.min(Math.max(value, low), Math.max(low, high));

/** The box between two corners given in any order, whole pixels, inside the picture and at least SMALLEST wide and high. */
export function boxBetween(a: Point, b: Point, size: Size): Box {
  const span = (p: number, q: number, length: number): [number, number] => {
    const low = Math.round(clamp(Math.min(p, q), 0, length - SMALLEST));
    const high = Math.round(clamp(Math.max(p, q), 0, length));
    return [low, Math.min(Math.max(high, low + SMALLEST), Math.max(length, SMALLEST))];
  };
  const [x1, x2] = span(a[0], b[0], size.width);
  const [y1, y2] = span(a[1], b[1], size.height);
  return [x1, y1, x2, y2];
}

export const pointAt = (p: Point, size: Size): Point => [
  Math.round(clamp(p[0], 0, size.width - 1)),
  Math.round(clamp(p[1], 0, size.height - 1)),
];

/** Moved whole, and kept inside the picture. */
export function moved(shape: Shape, dx: number, dy: number, size: Size): Shape {
  if (!isBox(shape)) {
    return { point: pointAt([shape.point[0] + dx, shape.point[1] + dy], size) };
  }
  const [x1, y1, x2, y2] = shape.box;
  const x = Math.round(clamp(x1 + dx, 0, size.width - (x2 - x1)));
  const y = Math.round(clamp(y1 + dy, 0, size.height - (y2 - y1)));
  return { box: [x, y, x + (x2 - x1), y + (y2 - y1)] };
}

/** A box with one of its sides or corners dragged; it may be dragged past the opposite side. */
export function resized(box: Box, handle: Handle, dx: number, dy: number, size: Size): Box {
  let [x1, y1, x2, y2] = box;
  if (handle.includes("w")) x1 += dx;
  if (handle.includes("e")) x2 += dx;
  if (handle.includes("n")) y1 += dy;
  if (handle.includes("s")) y2 += dy;
  return boxBetween([x1, y1], [x2, y2], size);
}

/** The smallest number that is free, so that deleting a region gives its colour to the next one. */
export function nextNumber(regions: readonly Region[]): number {
  const taken = new Set(regions.map((r) => r.number));
  let number = 1;
  while (taken.has(number)) number++;
  return number;
}

const area = (box: Box): number => (box[2] - box[0]) * (box[3] - box[1]);

/** What lies under a spot: points within `reach` first, then the smallest box round it. */
export function regionAt(regions: readonly Region[], at: Point, reach: number): Region | undefined {
  let best: Region | undefined;
  let least = Infinity;
  for (const region of regions) {
    const shape = region.shape;
    if (isBox(shape)) {
      const [x1, y1, x2, y2] = shape.box;
      const inside = at[0] >= x1 && at[0] <= x2 && at[1] >= y1 && at[1] <= y2;
      if (inside && area(shape.box) < least) {
        best = region;
        least = area(shape.box);
      }
    } else if (Math.hypot(at[0] - shape.point[0], at[1] - shape.point[1]) <= reach) {
      return region;
    }
  }
  return best;
}

/** In words, for people who cannot see it and for titles. */
export function described(shape: Shape): string {
  return isBox(shape)
    ? `box from ${shape.box[0]}, ${shape.box[1]} to ${shape.box[2]}, ${shape.box[3]}`
    : `point at ${shape.point[0]}, ${shape.point[1]}`;
}

export const sameShape = (a: Shape, b: Shape): boolean => JSON.stringify(a) === JSON.stringify(b);

/** The numbers that a question names as [1], [2] …, each once, in order. */
export function namedIn(text: string): number[] {
  return [...new Set(Array.from(text.matchAll(/\[(\d{1,3})\]/g), (m) => Number(m[1])))];
}

/** A question cut into words and region numbers, for showing it. Numbers that are no region of it stay words. */
export function pieces(text: string, known: (number: number) => boolean): (string | number)[] {
  const out: (string | number)[] = [];
  let end = 0;
  for (const match of text.matchAll(/\[(\d{1,3})\]/g)) {
    const number = Number(match[1]);
    if (!known(number)) continue;
    if (match.index > end) out.push(text.slice(end, match.index));
    out.push(number);
    end = match.index + match[0].length;
  }
  if (end < text.length) out.push(text.slice(end));
  return out;
}
