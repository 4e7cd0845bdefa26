import type { Conversation } from "./conversation.ts";

/** Conversations, pictures included, in the browser's own database. Where there is none (private windows), nothing is kept. */
const NAME = "fovea";
const TABLE = "conversations";

/** Older conversations beyond this many are forgotten. */
const KEPT = 60;

let opened: Promise<IDBDatabase> | undefined;

function database(): Promise<IDBDatabase> {
  opened ??= new Promise((resolve, reject) => {
    const request = indexedDB.open(NAME, 1);
    request.onupgradeneeded = () => request.result.createObjectStore(TABLE, { keyPath: "id" });
    request.onsuccess = () => resolve(request.result);
    request.onerror = () => reject(request.error ?? new Error("no database"));
  });
  return opened;
}

async function run<T>(mode: IDBTransactionMode, what: (table: IDBObjectStore) => IDBRequest<T>): Promise<T | undefined> {
  try {
    const transaction = (await database()).transaction(TABLE, mode);
    return await new Promise<T>((resolve, reject) => {
      const request = what(transaction.objectStore(TABLE));
      transaction.oncomplete = () => resolve(request.result);
      transaction.onabort = () => reject(transaction.error ?? new Error("not kept"));
    });
  } catch {
    return undefined;
  }
}

export async function loadAll(): Promise<Conversation[]> {
  const all = ((await run("readonly", (table) => table.getAll())) ?? []) as Conversation[];
  all.sort((a, b) => b.changed - a.changed);
  for (const old of all.splice(KEPT)) await forget(old.id);
  return all;
}

export const keep = (conversation: Conversation): Promise<unknown> => run("readwrite", (table) => table.put(conversation));

export const forget = (id: string): Promise<unknown> => run("readwrite", (table) => table.delete(id));

/** Small things of this browser alone, such as settings; absent or unreadable ones are the default. */
export function remembered<T extends object>(key: string, or: T): T {
  try {
    return { ...or, ...(JSON.parse(localStorage.getItem(`fovea.${key}`) ?? "{}") as Partial<T>) };
  } catch {
    return or;
  }
}

export function remember(key: string, value: object): void {
  try {
    localStorage.setItem(`fovea.${key}`, JSON.stringify(value));
  } catch {
    // a browser that keeps nothing
  }
}
