/** The icons, drawn on a grid of 20 with a stroke of the text's colour. Buttons name themselves, so icons are hidden from screen readers. */
const PATHS = {
  send: "M10 16V4M5 9l5-5 5 5",
  stop: "M6 6h8v8H6z",
  undo: "M7 4 3.5 7.5 7 11M4 7.5h7.5a4.5 4.5 0 0 1 0 9H8",
  redo: "M13 4l3.5 3.5L13 11M16 7.5H8.5a4.5 4.5 0 0 0 0 9H12",
  trash: "M4 5.5h12M8 5.5V4h4v1.5M5.5 5.5l.7 10.5h7.6l.7-10.5M8.5 8.5v5M11.5 8.5v5",
  plus: "M10 4v12M4 10h12",
  minus: "M4 10h12",
  close: "M5 5l10 10M15 5 5 15",
  hand: "M7 10.5V5.2a1.2 1.2 0 0 1 2.4 0V9M9.4 9V4a1.2 1.2 0 0 1 2.4 0v5M11.8 9V5a1.2 1.2 0 0 1 2.4 0v6.5c0 3-1.7 5.5-4.7 5.5-2.4 0-3.5-1.3-4.4-3L3.7 11a1.2 1.2 0 0 1 2-1.2L7 11.5",
  box: "M4 5.5h12v9H4zM2.8 4.3h2.4v2.4H2.8zM14.8 13.3h2.4v2.4h-2.4z",
  point: "M10 7.6a2.4 2.4 0 1 0 0 4.8 2.4 2.4 0 0 0 0-4.8M10 2.5v3M10 14.5v3M2.5 10h3M14.5 10h3",
  table: "M3.5 4.5h13v11h-13zM3.5 8.2h13M3.5 11.9h13M8 4.5v11",
  copy: "M7.5 7.5h8v8.5h-8zM12.5 7.5V4h-8v8.5h3",
  again: "M15.5 8A6 6 0 1 0 16 11.5M16 4v4.2h-4.2",
  back: "M12 4.5 6.5 10l5.5 5.5",
  forth: "M8 4.5l5.5 5.5L8 15.5",
  history: "M3.8 8A6.5 6.5 0 1 1 3.5 11M3.5 4v4h4M10 6.5V10l2.5 1.8",
  settings: "M3 6h7M14 6h3M12 4v4M3 14h3M10 14h7M8 12v4",
  help: "M7.5 7.5a2.5 2.5 0 1 1 3.6 2.2c-.8.4-1.1.9-1.1 1.8M10 14.2v.3",
  upload: "M10 13V4M6.5 7.5 10 4l3.5 3.5M4 12.5v3.5h12v-3.5",
  warn: "M10 3.5 17.5 16h-15zM10 8v4M10 13.8v.2",
} as const;

export type IconName = keyof typeof PATHS;

export function Icon({ name }: { name: IconName }) {
  return (
    <svg class={name === "stop" ? "icon icon-solid" : "icon"} viewBox="0 0 20 20" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

export function Logo() {
  return (
    <svg class="logo" viewBox="0 0 32 32" aria-hidden="true">
      <circle class="logo-iris" cx="16" cy="16" r="12.5" />
      <circle class="logo-fovea" cx="16" cy="16" r="5" />
    </svg>
  );
}
