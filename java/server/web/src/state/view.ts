import type { Point, Size } from "./shapes.ts";

/** Where the picture is on the stage: a picture's pixel p is at p * scale + (x, y), in CSS pixels from the stage's top left. */
export type View = { readonly scale: number; readonly x: number; readonly y: number };

const MARGIN = 20;
const LARGEST = 16;

/** The whole picture, in the middle; small pictures are enlarged up to three times. */
export function fitted(picture: Size, stage: Size): View {
  const margin = stage.width < 600 ? 10 : MARGIN;
  const scale = Math.max(
    0.01,
    Math.min((stage.width - 2 * margin) / picture.width, (stage.height - 2 * margin) / picture.height, 3),
  );
  return { scale, x: (stage.width - picture.width * scale) / 2, y: (stage.height - picture.height * scale) / 2 };
}

/** Larger or smaller by a factor, with the spot `at` of the stage staying where it is. */
export function zoomed(view: View, factor: number, at: Point, picture: Size, stage: Size): View {
  const least = Math.min(fitted(picture, stage).scale, 1) / 2;
  const scale = Math.min(Math.max(view.scale * factor, least), LARGEST);
  const change = scale / view.scale;
  return held({ scale, x: at[0] - (at[0] - view.x) * change, y: at[1] - (at[1] - view.y) * change }, picture, stage);
}

export function panned(view: View, dx: number, dy: number, picture: Size, stage: Size): View {
  return held({ ...view, x: view.x + dx, y: view.y + dy }, picture, stage);
}

/** A part of the picture always stays in sight. */
function held(view: View, picture: Size, stage: Size): View {
  const hold = (offset: number, length: number, room: number): number => {
    const keep = Math.min(80, length / 2, room / 2);
    return Math.min(Math.max(offset, keep - length), room - keep);
  };
  return {
    scale: view.scale,
    x: hold(view.x, picture.width * view.scale, stage.width),
    y: hold(view.y, picture.height * view.scale, stage.height),
  };
}

export const toPicture = (view: View, at: Point): Point => [(at[0] - view.x) / view.scale, (at[1] - view.y) / view.scale];
