import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect } from "preact/hooks";
import { askAgain, panel, say, showAnswer, startOver } from "../state/app.ts";
import { served } from "../state/server.ts";
import { key, sampling } from "../state/settings.ts";
import { asCurl, asJava, told } from "../api/request.ts";
import { type Answer, type Asked, type Conversation, isBusy, type Measures, shownAnswer } from "../state/conversation.ts";
import { colourOf, described, namedIn, pieces, type Region } from "../state/shapes.ts";
import { Icon } from "./icons.tsx";
import { IconButton, lights, Mention } from "./parts.tsx";
import { letterOf, nameOf, spotColour } from "./marks.tsx";

/** A question with its region numbers in their colours; those that it does not name stand behind it. */
function Words({ question, regions }: { question: string; regions: readonly Region[] }) {
  const find = (number: number): Region | undefined => regions.find((r) => r.number === number);
  const named = new Set(namedIn(question));
  return (
    <>
      {pieces(question, (n) => find(n) !== undefined).map((piece) => {
        const region = typeof piece === "number" ? find(piece) : undefined;
        return region ? <Mention region={region} /> : piece;
      })}
      {regions
        .filter((region) => !named.has(region.number))
        .map((region) => (
          <>
            {" "}
            <Mention region={region} />
          </>
        ))}
    </>
  );
}

export function AskedTurn({ turn, conversation }: { turn: Asked; conversation: Conversation }) {
  const answer = shownAnswer(turn);
  const tone = turn.regions.length > 0 ? `c${colourOf(turn.regions[0]?.number ?? 1)}` : "c-whole";
  return (
    <li class="turn" data-turn={turn.id}>
      <p class="question">
        <span class="only-heard">You asked: </span>
        <Words question={turn.question} regions={turn.regions} />
      </p>
      <div class={`answer ${tone}`} aria-busy={isBusy(answer)}>
        <span class="answer-bars" aria-hidden="true">
          {(turn.regions.length > 0 ? turn.regions : [undefined]).map((region) => (
            <span class={region ? `c${colourOf(region.number)}` : "c-whole"} />
          ))}
        </span>
        <AnswerText answer={answer} colour={spotColour} />
        <State answer={answer} onAgain={() => askAgain(turn.id)} />
        {!isBusy(answer) && <AnswerFoot turn={turn} answer={answer} conversation={conversation} />}
      </div>
    </li>
  );
}

/** The words; those that name a spot show it when they are pointed at or focused. */
export function AnswerText({ answer, colour }: { answer: Answer; colour: (index: number) => number }) {
  const { text, spots } = answer;
  const parts: ComponentChildren[] = [];
  let end = 0;
  spots.forEach((spot, i) => {
    if (spot.start < end || spot.end > text.length || spot.end <= spot.start) return;
    parts.push(text.slice(end, spot.start));
    const stop = /^[.,;:!?)]*/.exec(text.slice(spot.end))?.[0] ?? "";
    parts.push(
      <span class="spot-kept">
        <button
          type="button"
          class={`spot c${spot.region === undefined ? colour(i) : colourOf(spot.region)}`}
          aria-label={`${text.slice(spot.start, spot.end)}: ${spot.label || nameOf(spot, i)}, ${described(spot.shape)}. Show it on the picture`}
          {...lights(spot.shape, { spot: letterOf(i) })}
        >
          {text.slice(spot.start, spot.end)}
        </button>
        {stop}
      </span>,
    );
    end = spot.end + stop.length;
  });
  parts.push(text.slice(end));
  return (
    <p class="answer-text">
      <span class="only-heard">Answer: </span>
      {parts}
      {answer.state === "writing" && <span class="caret" aria-hidden="true" />}
    </p>
  );
}

/** What is going on when there is no answer yet, or no whole one. */
export function State({ answer, onAgain }: { answer: Answer; onAgain: () => void }) {
  if (answer.state === "waiting") {
    return (
      <p class="state">
        <span class="dots" aria-hidden="true">
          <i />
          <i />
          <i />
        </span>
        <span>
          {answer.notice ?? "Looking at the picture"}
          <Elapsed />
        </span>
      </p>
    );
  }
  if (answer.state === "failed" && answer.failure) {
    const { kind, message } = answer.failure;
    return (
      <div class="state state-failed" role="alert">
        <Icon name="warn" />
        <span>{message}</span>
        {kind === "key" ? (
          <button
            type="button"
            class="quiet-button"
            onClick={() => {
              panel.value = "settings";
            }}
          >
            Enter a key
          </button>
        ) : kind === "full" ? (
          <button type="button" class="quiet-button" onClick={startOver}>
            Start over with this picture
          </button>
        ) : (
          <button type="button" class="quiet-button" onClick={onAgain}>
            Try again
          </button>
        )}
      </div>
    );
  }
  if (answer.state === "stopped") return <p class="state">{answer.text ? "Stopped here" : "Stopped before the first word"}</p>;
  if (answer.state === "cut") return <p class="state">Ended by the limit of {answer.measures.tokens} tokens; settings can raise it</p>;
  return null;
}

/** Seconds since it came on the screen, once there are enough to wonder. */
function Elapsed() {
  const time = useSignal(0);
  useEffect(() => {
    const start = Date.now();
    const timer = setInterval(() => {
      time.value = Math.round((Date.now() - start) / 1000);
    }, 1000);
    return () => clearInterval(timer);
  }, []);
  return time.value < 2 ? null : <span class="elapsed"> · {time.value} s</span>;
}

function AnswerFoot({ turn, answer, conversation }: { turn: Asked; answer: Answer; conversation: Conversation }) {
  const { answers, shown } = turn;
  return (
    <div class="answer-foot">
      {answers.length > 1 && (
        <span class="leaf" role="group" aria-label="Answers to this question">
          <IconButton icon="back" name="Earlier answer" disabled={shown === 0} onClick={() => showAnswer(turn.id, shown - 1)} />
          <span>
            {shown + 1}/{answers.length}
          </span>
          <IconButton icon="forth" name="Later answer" disabled={shown === answers.length - 1} onClick={() => showAnswer(turn.id, shown + 1)} />
        </span>
      )}
      <IconButton icon="again" name="Ask again" onClick={() => askAgain(turn.id)} />
      <IconButton icon="copy" name="Copy the answer" disabled={!answer.text} onClick={() => void copy(answer.text, "Answer copied")} />
      <button type="button" class="quiet-button" aria-label="Copy as curl" title="Copy as a curl command" onClick={() => void copy(curl(turn, conversation), "curl command copied")}>
        curl
      </button>
      <button type="button" class="quiet-button" aria-label="Copy as Java" title="Copy as Java" onClick={() => void copy(java(turn, conversation), "Java copied")}>
        Java
      </button>
      <Figures measures={answer.measures} />
    </div>
  );
}

/** What the answer took, in the units people think in. */
function Figures({ measures }: { measures: Measures }) {
  const { firstToken, perSecond, tokens, queued } = measures;
  const parts = [
    firstToken === undefined ? undefined : `first token ${seconds(firstToken)}`,
    perSecond === undefined ? undefined : `${perSecond >= 100 ? Math.round(perSecond) : perSecond.toFixed(1)} tokens/s`,
    queued !== undefined && queued >= 100 ? `${seconds(queued)} in the queue` : undefined,
  ].filter((part) => part !== undefined);
  if (parts.length === 0) return null;
  const all = [
    tokens === undefined ? undefined : `${tokens} tokens`,
    measures.promptTokens === undefined ? undefined : `${measures.promptTokens} tokens of prompt`,
    measures.encoded === undefined ? undefined : `picture read in ${seconds(measures.encoded)}`,
  ].filter((part) => part !== undefined);
  return (
    <span class="figures" title={all.join(", ")}>
      {parts.join(" · ")}
    </span>
  );
}

export const seconds = (ms: number): string => (ms < 1000 ? `${Math.round(ms)} ms` : `${(ms / 1000).toFixed(1)} s`);

function before(turn: Asked, conversation: Conversation): Asked[] {
  const at = conversation.turns.findIndex((t) => t.id === turn.id);
  return told(conversation.turns.slice(0, at));
}

function curl(turn: Asked, conversation: Conversation): string {
  const base = new URL(".", location.href).href.replace(/\/$/, "");
  const { picture } = conversation;
  return asCurl(base, served.value?.model ?? "default", picture, before(turn, conversation), turn, sampling(), key.value !== "");
}

const java = (turn: Asked, conversation: Conversation): string => asJava(conversation.picture, before(turn, conversation), turn, sampling());

export async function copy(text: string, done: string): Promise<void> {
  try {
    if (isSecureContext) await navigator.clipboard.writeText(text);
    else copyOldWay(text);
    say(done, true);
  } catch {
    say("The browser does not let the page copy", true);
  }
}

/** Over plain HTTP from another machine there is no clipboard but that of a selected field. */
function copyOldWay(text: string): void {
  const field = document.createElement("textarea");
  field.value = text;
  field.className = "only-heard";
  document.body.append(field);
  const focused = document.activeElement as HTMLElement | null;
  field.select();
  const copied = document.execCommand("copy");
  field.remove();
  focused?.focus();
  if (!copied) throw new Error("not copied");
}
