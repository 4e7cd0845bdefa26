import { type Conversation, shownAnswer, type Spot } from "../state/conversation.ts";
import { COLOURS, type Handle, HANDLES, type Point, sameShape, type Size } from "../state/shapes.ts";

/** What is drawn on the picture. Places (`at`) are CSS pixels of the stage: two corners of a box, or a point. */

const LONGEST_LABEL = 28;

/** The latest answer's spots, shown on the picture without being pointed at. */
export function latestSpots(conversation: Conversation): readonly Spot[] {
  const turn = conversation.turns.at(-1);
  return turn?.kind === "asked" ? shownAnswer(turn).spots : [];
}

/** What the latest turn says of regions that are still where they were, where it is short enough to stand beside them. */
export function latestWords(conversation: Conversation): Map<number, string> {
  const turn = conversation.turns.at(-1);
  const said = turn?.kind === "table" ? turn.rows : turn?.regions.length === 1 ? [{ region: turn.regions[0], answer: shownAnswer(turn) }] : [];
  const words = new Map<number, string>();
  for (const { region, answer } of said) {
    const now = conversation.regions.find((r) => r.number === region?.number);
    const text = answer.text.trim().replace(/\.$/, "");
    if (region && now && sameShape(now.shape, region.shape) && text.length > 0 && text.length <= LONGEST_LABEL) words.set(region.number, text);
  }
  return words;
}

/** Spots take the colours from the other end than regions do. */
export const spotColour = (index: number): number => COLOURS - (index % COLOURS);

export const letterOf = (index: number): string => String.fromCharCode(97 + (index % 26));

/** What to call a spot that the server gives no name. */
export const nameOf = (spot: Spot, index: number): string => (spot.region === undefined ? letterOf(index) : `region ${spot.region}`);

/** A spot's outline is drawn a little outside, so that a region on the same thing does not hide it. */
export const apart = (at: readonly number[]): readonly number[] => (at.length === 4 ? at.map((v, i) => (i < 2 ? v - 5 : v + 5)) : at);

/** A box is an outline and a point a ring, in its colour on white on a shade, so that it is seen on any picture. */
export function Outline({ at, class: name }: { at: readonly number[]; class: string }) {
  const [x1 = 0, y1 = 0, x2, y2] = at;
  const layers = ["outline-shade", "outline-white", "outline-colour"];
  return (
    <g class={`outline ${name}`}>
      {layers.map((layer) =>
        x2 === undefined || y2 === undefined ? (
          <circle key={layer} class={layer} cx={x1} cy={y1} r={name.includes("chosen") ? 12 : 9} />
        ) : (
          <rect key={layer} class={layer} x={x1} y={y1} width={x2 - x1} height={y2 - y1} rx={3} />
        ),
      )}
      {x2 === undefined && <circle class="outline-dot" cx={x1} cy={y1} r={2.5} />}
    </g>
  );
}

/** Darkens the picture but for one place. */
export function Spotlight({ at, frame }: { at: readonly number[]; frame: readonly number[] }) {
  const [x1 = 0, y1 = 0, x2, y2] = at;
  const [left, top, right, bottom] = frame;
  const hole =
    x2 === undefined || y2 === undefined
      ? `M${x1 - 26} ${y1}a26 26 0 1 0 52 0a26 26 0 1 0 -52 0z`
      : `M${x1} ${y1}H${x2}V${y2}H${x1}z`;
  return <path class="spotlight" fill-rule="evenodd" d={`M${left} ${top}H${right}V${bottom}H${left}z${hole}`} />;
}

/** A tag sits on the top left corner of a box, or beside a point, inside the stage. */
export function tagAt(at: readonly number[], size: Size): { left: string; top: string } {
  const [x1 = 0, y1 = 0, x2] = at;
  const left = x2 === undefined ? x1 + 9 : x1 - 2;
  const top = x2 === undefined ? y1 - 31 : y1 >= 26 ? y1 - 26 : y1 + 2;
  return { left: `${Math.min(Math.max(left, 0), size.width - 24)}px`, top: `${Math.min(Math.max(top, 0), size.height - 24)}px` };
}

/** That of a spot hangs below it, out of the way of a region on the same thing. */
export function spotTagAt(at: readonly number[], size: Size): { left: string; top: string } {
  const [x1 = 0, y1 = 0, x2, y2 = y1 + 9] = at;
  const left = x2 === undefined ? x1 + 9 : x1 - 2;
  return { left: `${Math.min(Math.max(left, 0), size.width - 60)}px`, top: `${Math.min(y2 + 7, size.height - 26)}px` };
}

export function Handles({ at, colour }: { at: readonly number[]; colour: number }) {
  const [x1 = 0, y1 = 0, x2 = 0, y2 = 0] = at;
  const place: Record<Handle, Point> = {
    nw: [x1, y1],
    n: [(x1 + x2) / 2, y1],
    ne: [x2, y1],
    e: [x2, (y1 + y2) / 2],
    se: [x2, y2],
    s: [(x1 + x2) / 2, y2],
    sw: [x1, y2],
    w: [x1, (y1 + y2) / 2],
  };
  // Small boxes keep their corners only, so that there is room to take hold of them.
  const shown = HANDLES.filter((h) => h.length === 2 || (h === "n" || h === "s" ? x2 - x1 > 70 : y2 - y1 > 70));
  return (
    <>
      {shown.map((h) => (
        <span key={h} class={`handle handle-${h} c${colour}`} data-handle={h} style={{ left: `${place[h][0]}px`, top: `${place[h][1]}px` }} />
      ))}
    </>
  );
}
