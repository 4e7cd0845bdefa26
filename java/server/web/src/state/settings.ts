import { signal } from "@preact/signals";
import type { Sampling } from "../api/request.ts";
import { remembered } from "./store.ts";

/** What a person set, kept in this browser. */
export type Theme = "system" | "light" | "dark";
export type Settings = { temperature: number; maxTokens: number; seed: string; theme: Theme };

export const DEFAULTS: Settings = { temperature: 0, maxTokens: 256, seed: "", theme: "system" };

export const settings = signal<Settings>(remembered("settings", DEFAULTS));

/** Kept for this tab only. */
export const key = signal<string>(sessionStorage.getItem("fovea.key") ?? "");

export function change(some: Partial<Settings>): void {
  settings.value = { ...settings.value, ...some };
}

/** The settings as a request has them. */
export function sampling(): Sampling {
  const { temperature, maxTokens, seed } = settings.value;
  const number = Number.parseInt(seed, 10);
  return { temperature, maxTokens, ...(Number.isFinite(number) ? { seed: number } : {}) };
}
