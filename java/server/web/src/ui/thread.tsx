import { useEffect, useRef } from "preact/hooks";
import { askQuestion, askRest, deleteTurn, selected, urlOf } from "../state/app.ts";
import { shipped } from "../state/server.ts";
import { type Conversation, isBusy, type Picture, type Table } from "../state/conversation.ts";
import { colourOf, described, isBox, type Shape } from "../state/shapes.ts";
import { AnswerText, AskedTurn, copy, seconds, State } from "./answer.tsx";
import { IconButton, lights } from "./parts.tsx";

/** Closer than this to its end, the thread follows what is being written. */
const NEAR_END_PX = 120;

export function Thread({ conversation }: { conversation: Conversation }) {
  const element = useRef<HTMLDivElement>(null);
  const follows = useRef(true);
  const { turns } = conversation;
  const count = useRef(turns.length);

  useEffect(() => {
    const thread = element.current;
    if (!thread) return;
    if (turns.length > count.current) follows.current = true;
    count.current = turns.length;
    if (follows.current) thread.scrollTop = thread.scrollHeight;
  }, [turns]);

  useEffect(() => {
    follows.current = true;
    const thread = element.current;
    if (thread) thread.scrollTop = thread.scrollHeight;
  }, [conversation.id]);

  // The banner of a lost server and the keyboard of a phone take height from it.
  useEffect(() => {
    const thread = element.current;
    if (!thread) return;
    const watch = new ResizeObserver(() => {
      if (follows.current) thread.scrollTop = thread.scrollHeight;
    });
    watch.observe(thread);
    return () => watch.disconnect();
  }, []);

  return (
    <div
      ref={element}
      class="thread"
      role="region"
      aria-label="Conversation"
      tabIndex={0}
      onScroll={(e) => {
        const { scrollHeight, scrollTop, clientHeight } = e.currentTarget;
        follows.current = scrollHeight - scrollTop - clientHeight < NEAR_END_PX;
      }}
    >
      {turns.length === 0 ? (
        <Suggestions conversation={conversation} />
      ) : (
        <ol class="turns">
          {turns.map((turn) =>
            turn.kind === "asked" ? (
              <AskedTurn key={turn.id} turn={turn} conversation={conversation} />
            ) : (
              <TableTurn key={turn.id} turn={turn} picture={conversation.picture} />
            ),
          )}
        </ol>
      )}
    </div>
  );
}

/** Questions to start with; which ones depends on what is selected. */
function Suggestions({ conversation }: { conversation: Conversation }) {
  const about = conversation.regions.find((r) => r.number === selected.value);
  const scene = shipped.value.find((s) => s.image === conversation.picture.scene);
  const thing = scene?.objects.find((o) => o.name === o.name.toLowerCase() && !/\d/.test(o.name))?.name;
  const questions = about
    ? ["What is this?", "What colour is this?", "What does this say?"]
    : ["Describe the picture in one sentence.", ...(thing ? [`Where is the ${thing}?`] : []), "What does the sign say?"];
  return (
    <div class="suggestions">
      <h2>{about ? <>Ask about region {about.number}</> : "Point at something"}</h2>
      <p>
        {about
          ? "A question without a number is about the selected region."
          : "Draw a box on the picture, or click a point. Or ask about all of it:"}
      </p>
      <ul>
        {questions.map((question) => (
          <li key={question}>
            <button type="button" class="suggestion" onClick={() => askQuestion(question)}>
              {question}
            </button>
          </li>
        ))}
      </ul>
    </div>
  );
}

const CROP = { width: 44, height: 34 };

/** What a region shows, small; of a point what is round it. */
function Crop({ picture, shape }: { picture: Picture; shape: Shape }) {
  const round = Math.min(picture.width, picture.height) / 8;
  const [x1, y1, x2, y2] = isBox(shape)
    ? shape.box
    : [shape.point[0] - round, shape.point[1] - round, shape.point[0] + round, shape.point[1] + round];
  const scale = Math.min(CROP.width / (x2 - x1), CROP.height / (y2 - y1));
  // Never past the picture's edge, where there is nothing to see.
  const held = (offset: number, room: number, length: number): number => Math.min(0, Math.max(offset, room - length));
  const left = held(CROP.width / 2 - ((x1 + x2) / 2) * scale, CROP.width, picture.width * scale);
  const top = held(CROP.height / 2 - ((y1 + y2) / 2) * scale, CROP.height, picture.height * scale);
  return (
    <span class="crop" aria-hidden="true">
      <img
        src={urlOf(picture)}
        alt=""
        style={{ left: `${left}px`, top: `${top}px`, width: `${picture.width * scale}px`, height: `${picture.height * scale}px` }}
      />
    </span>
  );
}

function TableTurn({ turn, picture }: { turn: Table; picture: Picture }) {
  const open = turn.rows.filter((row) => row.answer.state === "failed" || row.answer.state === "stopped").length;
  const busy = turn.rows.some((row) => isBusy(row.answer));
  const asText = (): string =>
    [
      ["region", "place", turn.question].join("\t"),
      ...turn.rows.map(({ region, answer }) => [region.number, described(region.shape), answer.text.replaceAll(/\s+/g, " ")].join("\t")),
    ].join("\n");
  return (
    <li class="turn" data-turn={turn.id}>
      <p class="question">
        <span class="only-heard">You asked about every region: </span>
        {turn.question} <span class="mention mention-each">each</span>
      </p>
      <div class="table-frame" role="region" aria-label={`${turn.question}, about each region`} tabIndex={0} aria-busy={busy}>
        <table>
          <thead>
            <tr>
              <th scope="col">Region</th>
              <th scope="col">Answer</th>
              <th scope="col" class="table-figure">
                First token
              </th>
            </tr>
          </thead>
          <tbody>
            {turn.rows.map(({ region, answer }) => (
              <tr key={region.number} {...lights(region.shape, { number: region.number })}>
                <th scope="row">
                  <span class="row-head">
                    <span class={`mention c${colourOf(region.number)}`}>{region.number}</span>
                    <Crop picture={picture} shape={region.shape} />
                  </span>
                  <span class="only-heard">{described(region.shape)}</span>
                </th>
                <td>
                  {answer.text && <AnswerText answer={answer} colour={() => colourOf(region.number)} />}
                  {answer.state === "failed" ? (
                    <span class="state-failed-text">{answer.failure?.message}</span>
                  ) : (
                    <State answer={answer} onAgain={() => askRest(turn.id)} />
                  )}
                </td>
                <td class="table-figure">
                  <span class="figures">{answer.measures.firstToken === undefined ? "" : seconds(answer.measures.firstToken)}</span>
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {!busy && (
        <div class="answer-foot">
          {open > 0 && (
            <button type="button" class="quiet-button" onClick={() => askRest(turn.id)}>
              Ask the {open} open {open === 1 ? "one" : "ones"} again
            </button>
          )}
          <IconButton icon="copy" name="Copy the table" onClick={() => void copy(asText(), "Table copied")} />
          <IconButton icon="trash" name="Delete the table" onClick={() => deleteTurn(turn.id)} />
        </div>
      )}
    </li>
  );
}

