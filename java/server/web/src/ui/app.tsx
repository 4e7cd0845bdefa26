import { useSignal, useSignalEffect } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { current, loaded, open, openPicture, panel, said, say } from "../state/app.ts";
import { locked, served, server } from "../state/server.ts";
import { titleOf } from "../state/conversation.ts";
import { pictureIn } from "../api/picture.ts";
import { Composer } from "./composer.tsx";
import { History } from "./history.tsx";
import { Logo } from "./icons.tsx";
import { Dialog, IconButton } from "./parts.tsx";
import { HelpText, SettingsForm } from "./settings.tsx";
import { Stage } from "./stage.tsx";
import { Thread } from "./thread.tsx";
import { Welcome } from "./welcome.tsx";

const TOAST_MS = 3500;
const LONG_TOAST_MS = 8000;

export function App() {
  const conversation = current.value;
  const dropping = useDropsAndPastes();
  const title = conversation ? `${titleOf(conversation)} – Fovea` : "Fovea";
  useEffect(() => {
    document.title = title;
  }, [title]);
  const close = (): void => {
    panel.value = undefined;
  };
  return (
    <div class={`page ${conversation ? "page-open" : ""}`}>
      <Header />
      <aside class="sidebar">
        <History />
      </aside>
      <main class={conversation ? "workbench" : "start"}>
        <Trouble />
        {conversation ? (
          <>
            <h1 class="only-heard">Fovea</h1>
            <Stage conversation={conversation} />
            <section class="talk" aria-label="Questions and answers">
              <Thread conversation={conversation} />
              <Composer conversation={conversation} />
            </section>
          </>
        ) : (
          loaded.value && <Welcome />
        )}
      </main>
      {dropping && (
        <div class="drop" aria-hidden="true">
          <p>Drop the picture</p>
        </div>
      )}
      <Toast />
      <Dialog open={panel.value === "settings"} title="Settings" onClose={close}>
        <SettingsForm />
      </Dialog>
      <Dialog open={panel.value === "help"} title="How it works" onClose={close}>
        <HelpText />
      </Dialog>
      <Dialog open={panel.value === "history"} title="Conversations" class="sheet drawer" onClose={close}>
        <History />
      </Dialog>
    </div>
  );
}

const STATES: Partial<Record<typeof server.value, string>> = { connecting: "Connecting", loading: "Loading", offline: "Offline" };

function Header() {
  const state = server.value;
  const props = served.value;
  const name = STATES[state] ?? props?.model ?? (locked.value ? "Locked" : "Ready");
  return (
    <header class="header">
      <IconButton icon="history" class="header-history" name="Conversations" onClick={() => (panel.value = "history")} />
      <a
        class="brand"
        href="./"
        aria-label="Fovea, start with a new picture"
        onClick={(e) => {
          e.preventDefault();
          open(undefined);
        }}
      >
        <Logo />
        <span>Fovea</span>
      </a>
      <button type="button" class={`served served-${state}`} onClick={() => (panel.value = "settings")}>
        <span class="only-heard">Model: </span>
        <span class="served-dot" />
        <span class="served-name">{name}</span>
        {props && state === "ready" && <span class="served-backend">{props.backend}</span>}
        <span class="only-heard">. Settings of the server and of answers</span>
      </button>
      <span class="header-space" />
      {current.value && <IconButton icon="plus" class="header-new" name="New picture" onClick={() => open(undefined)} />}
      <IconButton icon="help" name="How it works" onClick={() => (panel.value = "help")} />
      <IconButton icon="settings" name="Settings" onClick={() => (panel.value = "settings")} />
    </header>
  );
}

/** Why nothing can be asked just now. */
function Trouble() {
  const state = server.value;
  if (state === "loading") {
    return (
      <p class="trouble trouble-loading" role="status">
        <span class="spinner" aria-hidden="true" />
        The model is loading. You can already choose a picture and draw on it.
      </p>
    );
  }
  if (state === "offline") {
    return (
      <p class="trouble" role="alert">
        <span class="spinner" aria-hidden="true" />
        The server cannot be reached. Trying again; conversations are kept.
      </p>
    );
  }
  if (locked.value) {
    return (
      <p class="trouble trouble-loading" role="status">
        This server wants an API key.
        <button type="button" class="quiet-button" onClick={() => (panel.value = "settings")}>
          Enter a key
        </button>
      </p>
    );
  }
  return null;
}

/** What was said last: always to screen readers, and for a moment on the screen where it matters to all. */
function Toast() {
  const shown = useSignal(false);
  useSignalEffect(() => {
    const { shown: show, action } = said.value;
    shown.value = show;
    if (!show) return;
    const timer = setTimeout(
      () => {
        shown.value = false;
      },
      action ? LONG_TOAST_MS : TOAST_MS,
    );
    return () => clearTimeout(timer);
  });
  const { text, action } = said.value;
  return (
    <>
      <p class="only-heard" role="status">
        {text}
      </p>
      {shown.value && (
        <div class="toast">
          <span aria-hidden="true">{text}</span>
          {action && (
            <button
              type="button"
              onClick={() => {
                shown.value = false;
                action.run();
              }}
            >
              {action.name}
            </button>
          )}
        </div>
      )}
    </>
  );
}

/** Pictures may be dropped and pasted anywhere; says whether one hovers over the page. */
function useDropsAndPastes(): boolean {
  const over = useSignal(false);
  useEffect(() => {
    const carriesFile = (e: DragEvent): boolean => e.dataTransfer?.types.includes("Files") ?? false;
    const dragOver = (e: DragEvent): void => {
      if (!carriesFile(e)) return;
      e.preventDefault();
      over.value = true;
    };
    const leave = (e: DragEvent): void => {
      if (e.relatedTarget === null) over.value = false;
    };
    const drop = (e: DragEvent): void => {
      if (!carriesFile(e)) return;
      e.preventDefault();
      over.value = false;
      take(e.dataTransfer);
    };
    const paste = (e: ClipboardEvent): void => {
      if (pictureIn(e.clipboardData)) {
        e.preventDefault();
        take(e.clipboardData);
      }
    };
    const take = (transfer: DataTransfer | null): void => {
      const file = pictureIn(transfer);
      if (file) void openPicture(file, file.name || "pasted.png");
      else say("That is not a picture", true);
    };
    addEventListener("dragover", dragOver);
    addEventListener("dragleave", leave);
    addEventListener("drop", drop);
    addEventListener("paste", paste);
    return () => {
      removeEventListener("dragover", dragOver);
      removeEventListener("dragleave", leave);
      removeEventListener("drop", drop);
      removeEventListener("paste", paste);
    };
  }, []);
  return over.value;
}
