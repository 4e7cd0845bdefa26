import { batch, computed, effect, signal } from "@preact/signals";
import { AnswerFailure, ask, headers } from "../api/client.ts";
import { dataUrl, NoPicture, readPicture } from "../api/picture.ts";
import { chatRequest, numberOf, type Question, told } from "../api/request.ts";
import type { Scene } from "../api/wire.ts";
import {
  type Answer,
  type Asked,
  busyTurn,
  type Conversation,
  type Picture,
  settled,
  type Table,
  type Turn,
  WAITING,
} from "./conversation.ts";
import { namedIn, nextNumber, type Region, type Shape } from "./shapes.ts";
import { lookForServer, meetServer, served } from "./server.ts";
import { key, sampling, settings } from "./settings.ts";
import { forget, keep, loadAll, remember, remembered } from "./store.ts";

/**
 * The conversations, and everything a person can do with them. Components read the signals and call the functions; only this file changes
 * them. Conversations are immutable values, replaced whole.
 */

// ---- Conversations

export const conversations = signal<Conversation[]>([]);
export const loaded = signal(false);
const currentId = signal<string | undefined>(undefined);

export const current = computed(() => conversations.value.find((c) => c.id === currentId.value));
export const busy = computed(() => current.value?.turns.some(busyTurn) ?? false);

/** The number of the region that is selected, which a question without region numbers is about. */
export const selected = signal<number | undefined>(undefined);
/** What is pointed at in a text or list, to be shown on the picture: a region's number, or a spot of an answer. */
export const lit = signal<{ readonly shape: Shape; readonly number?: number; readonly spot?: string } | undefined>(undefined);
export const draft = signal("");

/** Something to tell: always to people who hear the page, and where `shown` for a moment on the screen, perhaps with a button. */
type Saying = {
  readonly text: string;
  readonly shown: boolean;
  readonly action?: { readonly name: string; readonly run: () => void };
};

export const said = signal<Saying>({ text: "", shown: false });

export function say(text: string, shown = false, action?: Saying["action"]): void {
  said.value = action ? { text, shown, action } : { text, shown };
}

type Panel = "history" | "settings" | "help" | undefined;
export const panel = signal<Panel>(undefined);

/** Not randomUUID, which pages that came over plain HTTP from another machine do not have. */
const newId = (): string => Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join("-");

const saving = new Map<string, ReturnType<typeof setTimeout>>();

/** Written at once, or soon: what changes often, such as an answer being written, is written now and then. */
function save(id: string, now = false): void {
  if (now) clearTimeout(saving.get(id));
  else if (saving.has(id)) return;
  const write = (): void => {
    saving.delete(id);
    const conversation = conversations.value.find((c) => c.id === id);
    if (conversation) void keep(settled(conversation));
  };
  if (now) write();
  else saving.set(id, setTimeout(write, 250));
}

function put(id: string, next: (c: Conversation) => Conversation): void {
  conversations.value = conversations.value.map((c) => (c.id === id ? next(c) : c));
  save(id);
}

export async function start(): Promise<void> {
  applyTheme();
  void lookForServer();
  addEventListener("online", () => void lookForServer());
  addEventListener("offline", () => void lookForServer());
  addEventListener("pagehide", () => {
    for (const id of [...saving.keys()]) save(id, true);
  });
  const all = await loadAll();
  batch(() => {
    conversations.value = [...conversations.value, ...all];
    const { id } = remembered("open", { id: "" });
    if (!currentId.value && all.some((c) => c.id === id)) open(id);
    loaded.value = true;
  });
  effect(() => remember("open", { id: currentId.value ?? "" }));
  effect(() => remember("settings", settings.value));
}

function applyTheme(): void {
  effect(() => {
    const { theme } = settings.value;
    if (theme === "system") delete document.documentElement.dataset["theme"];
    else document.documentElement.dataset["theme"] = theme;
  });
}

export function open(id: string | undefined): void {
  batch(() => {
    currentId.value = id;
    selected.value = undefined;
    lit.value = undefined;
    draft.value = "";
    past.value = [];
    future.value = [];
    panel.value = undefined;
  });
}

export async function openPicture(file: Blob, name: string, scene?: string): Promise<void> {
  try {
    begin(await readPicture(file, name, scene));
  } catch (e) {
    if (!(e instanceof NoPicture)) throw e;
    say(e.message, true);
  }
}

export async function openScene(scene: Scene): Promise<void> {
  try {
    const response = await fetch(`samples/${scene.image}`, { headers: headers(key.value) });
    if (!response.ok) throw new TypeError(String(response.status));
    await openPicture(await response.blob(), scene.image, scene.image);
  } catch (e) {
    if (!(e instanceof TypeError)) throw e;
    say("The scene could not be loaded", true);
    void lookForServer();
  }
}

function begin(picture: Picture): void {
  const now = Date.now();
  const conversation: Conversation = { id: newId(), started: now, changed: now, picture, regions: [], turns: [] };
  batch(() => {
    conversations.value = [conversation, ...conversations.value];
    open(conversation.id);
  });
  save(conversation.id);
  say(`${picture.name}, ${picture.width} by ${picture.height} pixels`);
}

/** A new conversation about the same picture, with its regions. */
export function startOver(): void {
  const conversation = current.value;
  if (!conversation) return;
  begin(conversation.picture);
  setRegions(conversation.regions);
}

/** Deletes a conversation; for as long as that is told, it can be taken back. */
export function remove(id: string): void {
  const conversation = conversations.value.find((c) => c.id === id);
  if (!conversation) return;
  for (const turn of conversation.turns) stop(turn);
  const wasOpen = currentId.value === id;
  batch(() => {
    conversations.value = conversations.value.filter((c) => c.id !== id);
    if (wasOpen) open(undefined);
  });
  void forget(id);
  say("Conversation deleted", true, {
    name: "Take back",
    run: () => {
      batch(() => {
        conversations.value = [...conversations.value, settled(conversation)].sort((a, b) => b.changed - a.changed);
        if (wasOpen) open(id);
      });
      save(id);
    },
  });
}

const urls = new WeakMap<Blob, string>();

/** The picture's address within this page. */
export function urlOf(picture: Picture): string {
  let url = urls.get(picture.bytes);
  if (!url) {
    url = URL.createObjectURL(picture.bytes);
    urls.set(picture.bytes, url);
  }
  return url;
}

// ---- Regions, with undo

const past = signal<(readonly Region[])[]>([]);
const future = signal<(readonly Region[])[]>([]);
const LONGEST_PAST = 100;

export const canUndo = computed(() => past.value.length > 0);
export const canRedo = computed(() => future.value.length > 0);

function setRegions(regions: readonly Region[]): void {
  const conversation = current.value;
  if (conversation) put(conversation.id, (c) => ({ ...c, regions }));
}

/** Remembers the regions as they are, before they change; once for a whole drag. */
export function mark(): void {
  const conversation = current.value;
  if (!conversation) return;
  batch(() => {
    past.value = [...past.value.slice(-LONGEST_PAST), conversation.regions];
    future.value = [];
  });
}

export function addRegion(shape: Shape): number {
  mark();
  const regions = current.value?.regions ?? [];
  const number = nextNumber(regions);
  batch(() => {
    setRegions([...regions, { number, shape }].sort((a, b) => a.number - b.number));
    selected.value = number;
  });
  return number;
}

/** Adds what is not there yet, such as all things of a shipped scene. */
export function addRegions(shapes: readonly Shape[]): void {
  mark();
  const regions = [...(current.value?.regions ?? [])];
  for (const shape of shapes) {
    if (regions.some((r) => JSON.stringify(r.shape) === JSON.stringify(shape))) continue;
    regions.push({ number: nextNumber(regions), shape });
  }
  setRegions(regions.sort((a, b) => a.number - b.number));
}

/** Without {@link mark}: a drag calls this for every move. */
export function reshape(number: number, shape: Shape): void {
  setRegions((current.value?.regions ?? []).map((r) => (r.number === number ? { number, shape } : r)));
}

export function deleteRegion(number: number): void {
  mark();
  batch(() => {
    setRegions((current.value?.regions ?? []).filter((r) => r.number !== number));
    if (selected.value === number) selected.value = undefined;
  });
  say(`Region ${number} deleted`);
}

export function deleteRegions(): void {
  mark();
  batch(() => {
    setRegions([]);
    selected.value = undefined;
  });
  say("All regions deleted");
}

function travel(from: typeof past, to: typeof past, word: string): void {
  const conversation = current.value;
  const there = from.value.at(-1);
  if (!conversation || !there) return;
  batch(() => {
    to.value = [...to.value, conversation.regions];
    from.value = from.value.slice(0, -1);
    setRegions(there);
    if (!there.some((r) => r.number === selected.value)) selected.value = undefined;
  });
  say(word);
}

export const undo = (): void => travel(past, future, "Undone");
export const redo = (): void => travel(future, past, "Done again");

// ---- Asking

const running = new Map<string, AbortController>();

/** The regions that a question is about: those it names, else the selected one. */
export function regionsOf(question: string): Region[] {
  const regions = current.value?.regions ?? [];
  const named = namedIn(question).flatMap((number) => regions.find((r) => r.number === number) ?? []);
  return named.length > 0 ? named : regions.filter((r) => r.number === selected.value);
}

function putTurn(id: string, turnId: string, next: (turn: Turn) => Turn): void {
  put(id, (c) => ({ ...c, changed: Date.now(), turns: c.turns.map((turn) => (turn.id === turnId ? next(turn) : turn)) }));
}

function putAnswer(id: string, turnId: string, index: number, next: (answer: Answer) => Answer): void {
  putTurn(id, turnId, (turn) =>
    turn.kind === "asked"
      ? { ...turn, answers: turn.answers.map((a, i) => (i === index ? next(a) : a)) }
      : { ...turn, rows: turn.rows.map((row, i) => (i === index ? { ...row, answer: next(row.answer) } : row)) },
  );
}

/** Asks, and writes what comes into one answer of a turn. Ends when the answer does; failures are part of it. */
async function answer(
  conversation: Conversation,
  turnId: string,
  index: number,
  before: readonly Asked[],
  question: Question,
  control: AbortController,
): Promise<void> {
  const set = (next: (answer: Answer) => Answer): void => putAnswer(conversation.id, turnId, index, next);
  const noticed = (notice: string | undefined) => (a: Answer): Answer => {
    const { notice: _, ...rest } = a;
    return notice === undefined ? rest : { ...rest, notice };
  };
  try {
    const url = await dataUrl(conversation.picture);
    const request = chatRequest(served.value?.model ?? "default", url, before, question, sampling());
    const end = await ask(request, key.value, control.signal, {
      words: (more) => set((a) => ({ ...noticed(undefined)(a), state: "writing", text: a.text + more })),
      spots: (named) => {
        const regions = [question, ...before].flatMap((q) => q.regions);
        const spots = named.map(({ id, ...spot }) => {
          const region = id === undefined ? undefined : numberOf(request, id, regions);
          return { ...spot, ...(region === undefined ? {} : { region }) };
        });
        set((a) => ({ ...a, spots }));
      },
      notice: (text) => set(noticed(text)),
    });
    set((a) => ({ ...noticed(undefined)(a), state: end.cut ? "cut" : "done", measures: end.measures }));
  } catch (e) {
    if (control.signal.aborted) {
      set((a) => ({ ...noticed(undefined)(a), state: "stopped" }));
      return;
    }
    const failure =
      e instanceof AnswerFailure
        ? e.failure
        : { kind: "failed" as const, message: e instanceof Error ? e.message : "The page failed" };
    set((a) => ({ ...noticed(undefined)(a), state: "failed", failure }));
    if (failure.kind === "offline") void lookForServer();
    if (failure.kind === "refused") void meetServer(); // it may serve another model by now
    say(`No answer. ${failure.message}`);
  }
}

function controlled(turnId: string, work: (control: AbortController) => Promise<void>): void {
  const control = new AbortController();
  running.set(turnId, control);
  void work(control).finally(() => {
    if (running.get(turnId) === control) running.delete(turnId);
  });
}

export function askQuestion(text: string): void {
  const conversation = current.value;
  const question = text.trim();
  if (!conversation || !question || busy.value) return;
  const turn: Asked = { kind: "asked", id: newId(), question, regions: regionsOf(question), answers: [WAITING], shown: 0 };
  const before = told(conversation.turns);
  put(conversation.id, (c) => ({ ...c, changed: Date.now(), turns: [...c.turns, turn] }));
  draft.value = "";
  controlled(turn.id, async (control) => {
    await answer(conversation, turn.id, 0, before, turn, control);
    announce(conversation.id, turn.id);
  });
}

/** Asks a turn's question once more; its earlier answers stay to be leafed through. Failed ones make room. */
export function askAgain(turnId: string): void {
  const conversation = current.value;
  const at = conversation?.turns.findIndex((t) => t.id === turnId) ?? -1;
  const turn = conversation?.turns[at];
  if (!conversation || turn?.kind !== "asked" || busy.value) return;
  const answers = [...turn.answers.filter((a) => a.state !== "failed" || a.text), WAITING];
  const index = answers.length - 1;
  putTurn(conversation.id, turnId, () => ({ ...turn, answers, shown: index }));
  controlled(turnId, async (control) => {
    await answer(conversation, turnId, index, told(conversation.turns.slice(0, at)), turn, control);
    announce(conversation.id, turnId);
  });
}

export function showAnswer(turnId: string, index: number): void {
  const conversation = current.value;
  if (conversation) putTurn(conversation.id, turnId, (turn) => (turn.kind === "asked" ? { ...turn, shown: index } : turn));
}

function announce(id: string, turnId: string): void {
  const turn = conversations.value.find((c) => c.id === id)?.turns.find((t) => t.id === turnId);
  if (turn?.kind === "asked") {
    const last = turn.answers[turn.shown];
    if (last?.text) say(`Answer: ${last.text}`);
  } else if (turn) {
    say(`Asked about ${turn.rows.length} regions`);
  }
}

/** So many rows of a table are asked at once. Browsers open six connections to a server; one is left for all else. */
const AT_ONCE = 5;

export function askEach(text: string): void {
  const conversation = current.value;
  const question = text.replaceAll(/\s*\[\d+\]/g, "").trim();
  if (!conversation || !question || conversation.regions.length === 0 || busy.value) return;
  const rows = conversation.regions.map((region) => ({ region, answer: WAITING }));
  const turn: Table = { kind: "table", id: newId(), question, rows };
  put(conversation.id, (c) => ({ ...c, changed: Date.now(), turns: [...c.turns, turn] }));
  draft.value = "";
  fillTable(conversation, turn, rows.map((_, i) => i));
}

/** Asks those rows of a table again that have no whole answer. */
export function askRest(turnId: string): void {
  const conversation = current.value;
  const turn = conversation?.turns.find((t) => t.id === turnId);
  if (!conversation || turn?.kind !== "table" || busy.value) return;
  const missing = turn.rows.flatMap((row, i) => (row.answer.state === "failed" || row.answer.state === "stopped" ? [i] : []));
  putTurn(conversation.id, turnId, (t) =>
    t.kind === "table" ? { ...t, rows: t.rows.map((row, i) => (missing.includes(i) ? { ...row, answer: WAITING } : row)) } : t,
  );
  fillTable(conversation, turn, missing);
}

function fillTable(conversation: Conversation, turn: Table, indexes: readonly number[]): void {
  controlled(turn.id, async (control) => {
    const left = [...indexes];
    const worker = async (): Promise<void> => {
      for (let i = left.shift(); i !== undefined; i = left.shift()) {
        const row = turn.rows[i];
        if (row) await answer(conversation, turn.id, i, [], { question: turn.question, regions: [row.region] }, control);
      }
    };
    await Promise.all(Array.from({ length: AT_ONCE }, worker));
    announce(conversation.id, turn.id);
  });
}

export function stop(turn: Turn): void {
  running.get(turn.id)?.abort(new DOMException("stopped", "AbortError"));
}

export function stopAll(): void {
  for (const turn of current.value?.turns ?? []) if (busyTurn(turn)) stop(turn);
  say("Stopped");
}

export function deleteTurn(turnId: string): void {
  const conversation = current.value;
  const turn = conversation?.turns.find((t) => t.id === turnId);
  if (!conversation || !turn) return;
  stop(turn);
  put(conversation.id, (c) => ({ ...c, turns: c.turns.filter((t) => t.id !== turnId) }));
}
