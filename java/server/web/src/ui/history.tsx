import { conversations, current, open, remove, urlOf } from "../state/app.ts";
import { busyTurn, type Conversation, shownAnswer, titleOf } from "../state/conversation.ts";
import { Icon } from "./icons.tsx";
import { IconButton } from "./parts.tsx";

/** All conversations, the latest first. */
export function History() {
  return (
    <nav class="history" aria-label="Conversations">
      <button type="button" class="history-new" onClick={() => open(undefined)} {...(current.value ? {} : { "aria-current": "page" })}>
        <Icon name="plus" />
        New picture
      </button>
      {conversations.value.length === 0 ? (
        <p class="history-empty">Conversations are kept in this browser and show up here.</p>
      ) : (
        <ul>
          {conversations.value.map((conversation) => (
            <li key={conversation.id} class="history-item">
              <button
                type="button"
                class="history-open"
                {...(conversation === current.value ? { "aria-current": "page" as const } : {})}
                onClick={() => open(conversation.id)}
              >
                <img src={urlOf(conversation.picture)} alt="" width={40} height={32} />
                <span class="history-words">
                  <span class="history-title">{titleOf(conversation)}</span>
                  <span class="history-when">{conversation.turns.some(busyTurn) ? "answering" : subtitle(conversation)}</span>
                </span>
              </button>
              <IconButton icon="trash" class="history-delete" name={`Delete ${titleOf(conversation)}`} onClick={() => remove(conversation.id)} />
            </li>
          ))}
        </ul>
      )}
    </nav>
  );
}

/** The latest answer and its time. */
function subtitle(conversation: Conversation): string {
  const turn = conversation.turns.at(-1);
  const words = turn?.kind === "asked" ? shownAnswer(turn).text : turn ? `${turn.rows.length} regions` : "";
  return [when(conversation.changed), words].filter(Boolean).join(" · ");
}

/** How long ago, in the words of the reader's language. */
function when(time: number): string {
  const words = new Intl.RelativeTimeFormat(undefined, { numeric: "auto", style: "short" });
  const minutes = Math.round((time - Date.now()) / 60_000);
  if (minutes > -1) return "now";
  if (minutes > -60) return words.format(minutes, "minute");
  if (minutes > -24 * 60) return words.format(Math.round(minutes / 60), "hour");
  return words.format(Math.round(minutes / (24 * 60)), "day");
}
