import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import { askEach, askQuestion, busy, current, draft, regionsOf, say, selected, stopAll } from "../state/app.ts";
import { server } from "../state/server.ts";
import type { Conversation } from "../state/conversation.ts";
import { colourOf, described, namedIn, pieces } from "../state/shapes.ts";
import { Icon } from "./icons.tsx";
import { lights } from "./parts.tsx";

const field = { current: null as HTMLTextAreaElement | null };

/** Puts `[2]` where the caret is, so that it can be undone like typing, and goes on typing there. */
export function mentionRegion(number: number): void {
  const area = field.current;
  if (!area) return;
  const at = area.selectionStart;
  const before = area.value.slice(0, at);
  const after = area.value.slice(area.selectionEnd);
  const words = `${before && !/\s$/.test(before) ? " " : ""}[${number}]${/^[\s.,;:?!]/.test(after) ? "" : " "}`;
  area.focus();
  area.setRangeText(words, at, area.selectionEnd, "end");
  draft.value = area.value;
  say(`Region ${number} put into the question`);
}

export function Composer({ conversation }: { conversation: Conversation }) {
  const area = useRef<HTMLTextAreaElement>(null);
  const mirror = useRef<HTMLDivElement>(null);
  const { regions } = conversation;
  const known = (number: number): boolean => regions.some((r) => r.number === number);
  const about = regionsOf(draft.value).map((r) => r.number);
  const named = namedIn(draft.value).some(known);
  const ready = draft.value.trim() !== "" && server.value !== "offline";

  useEffect(() => {
    field.current = area.current;
    if (matchMedia("(hover: hover)").matches) area.current?.focus({ preventScroll: true });
    return () => {
      field.current = null;
    };
  }, [conversation.id]);

  useLayoutEffect(() => {
    const element = area.current;
    if (!element) return;
    element.style.height = "auto";
    element.style.height = `${Math.min(element.scrollHeight, 160)}px`;
    if (mirror.current) mirror.current.scrollTop = element.scrollTop;
  }, [draft.value]);

  function send(): void {
    if (ready && !busy.value) askQuestion(draft.value);
  }

  function key(e: KeyboardEvent): void {
    const element = area.current;
    if (!element) return;
    if (e.key === "Enter" && !e.shiftKey && !e.isComposing) {
      e.preventDefault();
      send();
    } else if (e.key === "Backspace" && element.selectionStart === element.selectionEnd) {
      // A region's number goes as one thing.
      const chip = /\[\d{1,3}\]$/.exec(element.value.slice(0, element.selectionStart));
      if (chip && known(Number(chip[0].slice(1, -1)))) {
        e.preventDefault();
        element.setRangeText("", chip.index, element.selectionStart, "end");
        draft.value = element.value;
      }
    } else if (e.key === "ArrowUp" && element.value === "") {
      const last = current.value?.turns.at(-1)?.question;
      if (last) {
        e.preventDefault();
        draft.value = last;
      }
    }
  }

  return (
    <form
      class="composer"
      aria-label="Ask"
      onSubmit={(e) => {
        e.preventDefault();
        send();
      }}
    >
      <div class="about" role="group" aria-label="What the question is about">
        <button
          type="button"
          class="chip chip-whole"
          aria-pressed={about.length === 0}
          disabled={named}
          onClick={() => {
            selected.value = undefined;
          }}
        >
          Whole picture
        </button>
        {regions.map((region) => (
          <button
            key={region.number}
            type="button"
            class={`chip c${colourOf(region.number)}`}
            aria-pressed={about.includes(region.number)}
            aria-label={`Put region ${region.number}, ${described(region.shape)}, into the question`}
            title="Put into the question"
            onClick={() => mentionRegion(region.number)}
            {...lights(region.shape, { number: region.number })}
          >
            {region.number}
          </button>
        ))}
      </div>
      <div class="writing">
        <div class="field">
          <div class="mirror" ref={mirror} aria-hidden="true">
            {pieces(draft.value, known).map((piece) =>
              typeof piece === "number" ? (
                <span class={`mirror-chip c${colourOf(piece)}`}>
                  <span class="bracket">[</span>
                  {piece}
                  <span class="bracket">]</span>
                </span>
              ) : (
                piece
              ),
            )}
            {"\u200b"}
          </div>
          <textarea
            ref={area}
            rows={1}
            aria-label="Your question"
            placeholder={about.length > 0 ? `Ask about ${about.map((n) => `region ${n}`).join(" and ")}` : "Ask about the picture"}
            enterkeyhint="send"
            value={draft.value}
            onInput={(e) => {
              draft.value = e.currentTarget.value;
            }}
            onKeyDown={key}
            onScroll={(e) => {
              if (mirror.current) mirror.current.scrollTop = e.currentTarget.scrollTop;
            }}
          />
        </div>
        {busy.value ? (
          <button type="button" class="send send-stop" aria-label="Stop" title="Stop" onClick={stopAll}>
            <Icon name="stop" />
          </button>
        ) : (
          <button type="submit" class="send" aria-label="Ask" title="Ask (Enter)" disabled={!ready}>
            <Icon name="send" />
          </button>
        )}
      </div>
      {regions.length > 1 && (
        <button
          type="button"
          class="quiet-button each"
          disabled={busy.value || server.value === "offline"}
          onClick={() => askEach(draft.value.trim() || "What is this?")}
        >
          <Icon name="table" />
          {draft.value.trim() ? "Ask this about every region" : "Ask “What is this?” about every region"}
        </button>
      )}
    </form>
  );
}
