import { served, server, useKey } from "../state/server.ts";
import { change, DEFAULTS, key, type Theme, settings } from "../state/settings.ts";

const THEMES: readonly { readonly theme: Theme; readonly name: string }[] = [
  { theme: "system", name: "System" },
  { theme: "light", name: "Light" },
  { theme: "dark", name: "Dark" },
];

const STATES = { ready: "ready", loading: "loading the model", offline: "not reachable", connecting: "connecting" } as const;

export function SettingsForm() {
  const { temperature, maxTokens, seed, theme } = settings.value;
  const props = served.value;
  return (
    <div class="settings">
      <fieldset>
        <legend>Answers</legend>
        <label class="setting">
          <span class="setting-name">
            Temperature <output>{temperature.toFixed(1)}</output>
          </span>
          <input
            type="range"
            min={0}
            max={2}
            step={0.1}
            value={temperature}
            aria-describedby="temperature-help"
            onInput={(e) => change({ temperature: e.currentTarget.valueAsNumber })}
          />
          <span class="setting-help" id="temperature-help">
            0 gives the same answer every time; higher is more varied.
          </span>
        </label>
        <div class="setting-pair">
          <label class="setting">
            <span class="setting-name">Most tokens</span>
            <input
              type="number"
              min={1}
              max={4096}
              value={maxTokens}
              onChange={(e) => {
                const most = Math.round(e.currentTarget.valueAsNumber);
                change({ maxTokens: Number.isFinite(most) ? Math.min(Math.max(most, 1), 4096) : DEFAULTS.maxTokens });
              }}
            />
          </label>
          <label class="setting">
            <span class="setting-name">Seed</span>
            <input
              type="text"
              inputMode="numeric"
              pattern="[0-9]*"
              placeholder="any"
              value={seed}
              onChange={(e) => change({ seed: e.currentTarget.value.replaceAll(/\D/g, "").slice(0, 15) })}
            />
          </label>
        </div>
      </fieldset>
      <fieldset>
        <legend>Look</legend>
        <div class="segments">
          {THEMES.map((choice) => (
            <label key={choice.theme}>
              <input type="radio" name="theme" checked={theme === choice.theme} onChange={() => change({ theme: choice.theme })} />
              <span>{choice.name}</span>
            </label>
          ))}
        </div>
      </fieldset>
      <fieldset>
        <legend>Server</legend>
        <dl class="facts">
          <dt>State</dt>
          <dd>{STATES[server.value]}</dd>
          {props && (
            <>
              <dt>Model</dt>
              <dd>{props.model}</dd>
              <dt>Backend</dt>
              <dd>{props.backend}</dd>
              <dt>Prompt preset</dt>
              <dd>{props.preset}</dd>
              <dt>Picture mode</dt>
              <dd>{props.image_mode}</dd>
              <dt>Context</dt>
              <dd>{props.context} tokens</dd>
              <dt>Version</dt>
              <dd>{props.version}</dd>
            </>
          )}
        </dl>
        <label class="setting">
          <span class="setting-name">API key</span>
          <input
            type="password"
            autocomplete="off"
            placeholder="only if the server wants one"
            value={key.value}
            onChange={(e) => useKey(e.currentTarget.value)}
          />
          <span class="setting-help">Kept until this tab is closed.</span>
        </label>
      </fieldset>
    </div>
  );
}

type Ways = readonly (readonly [keys: readonly string[], what: string])[];

const WITH_FINGERS: Ways = [
  [["Drag"], "draw a box; from inside the selected one, move it"],
  [["Tap"], "put a point; on a region, select it"],
  [["Two fingers"], "zoom and move the picture"],
];

const WITH_MOUSE_AND_KEYS: Ways = [
  [["Drag"], "draw a box; from inside the selected one, move it"],
  [["Click"], "put a point; on a region, select it"],
  [["Shift", "drag"], "draw on top of other regions"],
  [["Wheel"], "zoom"],
  [["Space", "drag"], "move the picture"],
  [["B"], "add a box; P adds a point (picture focused)"],
  [["Arrows"], "move a focused region; Shift resizes, Alt is one pixel"],
  [["Enter"], "put a focused region into the question"],
  [["Delete"], "delete the selected region"],
  [["Ctrl", "Z"], "undo; Ctrl Y does it again"],
  [["+", "−", "0"], "zoom in, out, show all (picture focused)"],
  [["↑"], "in an empty question: the last one again"],
];

function WaysList({ ways, class: name }: { ways: Ways; class: string }) {
  return (
    <dl class={`keys ${name}`}>
      {ways.map(([keys, what]) => (
        <>
          <dt>
            {keys.map((k) => (
              <kbd key={k}>{k}</kbd>
            ))}
          </dt>
          <dd>{what}</dd>
        </>
      ))}
    </dl>
  );
}

export function HelpText() {
  return (
    <div class="help">
      <p>
        Regions have numbers. Write <code>[1]</code> in a question, or choose a number above it, to say which one you mean: “What is{" "}
        <span class="mention c1">1</span> doing with <span class="mention c2">2</span>?” Without a number the question is about the selected region,
        and with none selected about the whole picture.
      </p>
      <WaysList ways={WITH_FINGERS} class="with-touch" />
      <WaysList ways={WITH_MOUSE_AND_KEYS} class="with-mouse" />
    </div>
  );
}
