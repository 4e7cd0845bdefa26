import type { Region, Shape, Size } from "./shapes.ts";

/** The picture of a conversation; `bytes` is what goes to the server, a PNG or JPEG. */
export type Picture = Size & {
  readonly name: string;
  readonly type: "image/png" | "image/jpeg";
  readonly bytes: Blob;
  /** The shipped scene it is, if it is one. */
  readonly scene?: string;
};

/** A spot that an answer names: a box in pixels of the picture, and the characters of the answer that say it. */
export type Spot = {
  readonly shape: Shape;
  readonly label: string;
  /** Number of the region that it lies on, if the server says so: it has its colour. */
  readonly region?: number;
  readonly start: number;
  readonly end: number;
};

/** What an answer took. Times in milliseconds; absent where neither the server nor the clock said. */
export type Measures = {
  readonly firstToken?: number;
  readonly perSecond?: number;
  readonly tokens?: number;
  readonly promptTokens?: number;
  readonly queued?: number;
  readonly encoded?: number;
};

export type Failure = { readonly kind: "offline" | "key" | "busy" | "full" | "refused" | "failed"; readonly message: string };

export type Answer = {
  readonly text: string;
  readonly state: "waiting" | "writing" | "done" | "cut" | "stopped" | "failed";
  readonly spots: readonly Spot[];
  readonly measures: Measures;
  readonly failure?: Failure;
  /** What is going on before the first word, such as the server being busy. */
  readonly notice?: string;
};

/** A question, the regions it names as they were then, and its answers; asking again adds one. */
export type Asked = {
  readonly kind: "asked";
  readonly id: string;
  readonly question: string;
  readonly regions: readonly Region[];
  readonly answers: readonly Answer[];
  readonly shown: number;
};

/** One question asked about each region by itself. These are no part of what the model is told later. */
export type Table = {
  readonly kind: "table";
  readonly id: string;
  readonly question: string;
  readonly rows: readonly { readonly region: Region; readonly answer: Answer }[];
};

export type Turn = Asked | Table;

export type Conversation = {
  readonly id: string;
  readonly started: number;
  readonly changed: number;
  readonly picture: Picture;
  readonly regions: readonly Region[];
  readonly turns: readonly Turn[];
};

export const WAITING: Answer = { text: "", state: "waiting", spots: [], measures: {} };

export const isBusy = (answer: Answer): boolean => answer.state === "waiting" || answer.state === "writing";

export const busyTurn = (turn: Turn): boolean =>
  turn.kind === "asked" ? turn.answers.some(isBusy) : turn.rows.some((row) => isBusy(row.answer));

export const shownAnswer = (turn: Asked): Answer => turn.answers[turn.shown] ?? WAITING;

/** What it is called in the list: the first question without its region numbers, else the picture's name. */
export function titleOf(conversation: Conversation): string {
  const first = conversation.turns[0]?.question.replaceAll(/\s*\[\d+\]/g, "").trim();
  return first || conversation.picture.name;
}

/** A conversation as it may be kept: what was being written when the page closed was stopped by that. */
export function settled(conversation: Conversation): Conversation {
  const still = (answer: Answer): Answer => {
    if (!isBusy(answer)) return answer;
    const { notice: _, ...rest } = answer;
    return { ...rest, state: "stopped" };
  };
  return {
    ...conversation,
    turns: conversation.turns.map((turn) =>
      turn.kind === "asked"
        ? { ...turn, answers: turn.answers.map(still) }
        : { ...turn, rows: turn.rows.map((row) => ({ ...row, answer: still(row.answer) })) },
    ),
  };
}
