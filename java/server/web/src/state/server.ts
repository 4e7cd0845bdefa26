import { batch, signal } from "@preact/signals";
import { type Health, health, meet } from "../api/client.ts";
import type { Props, Scene } from "../api/wire.ts";
import { key } from "./settings.ts";

/** What is known of the server: whether it is there, what it serves, and whether it wants a key. */
export const server = signal<Health | "connecting">("connecting");
export const served = signal<Props | undefined>(undefined);
export const shipped = signal<Scene[]>([]);
/** The server wants a key, or another one. */
export const locked = signal(false);

const CALM_MS = 20_000;
const EAGER_MS = 1_500;
let watch: ReturnType<typeof setTimeout> | undefined;

/** Looks whether the server is there, and from then on again and again; often while it is not. */
export async function lookForServer(): Promise<void> {
  clearTimeout(watch);
  const found = await health();
  const came = found === "ready" && server.value !== "ready";
  server.value = found;
  if (came) await meetServer();
  watch = setTimeout(() => void lookForServer(), found === "ready" ? CALM_MS : EAGER_MS);
}

export async function meetServer(): Promise<void> {
  const found = await meet(key.value);
  batch(() => {
    served.value = found.props;
    shipped.value = found.scenes;
    locked.value = found.locked;
  });
}

export function useKey(value: string): void {
  key.value = value.trim();
  sessionStorage.setItem("fovea.key", key.value);
  if (server.value === "ready") void meetServer();
}
