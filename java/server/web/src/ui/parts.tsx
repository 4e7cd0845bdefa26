import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { colourOf, described, type Region, type Shape } from "../state/shapes.ts";
import { lit } from "../state/app.ts";
import { Icon, type IconName } from "./icons.tsx";

/** A button that is an icon; its name is read out and shown as its tip. */
export function IconButton(props: {
  icon: IconName;
  name: string;
  onClick: () => void;
  disabled?: boolean;
  pressed?: boolean;
  class?: string;
  children?: ComponentChildren;
}) {
  return (
    <button
      type="button"
      class={`icon-button ${props.class ?? ""}`}
      aria-label={props.name}
      title={props.name}
      disabled={props.disabled}
      {...(props.pressed === undefined ? {} : { "aria-pressed": props.pressed })}
      onClick={props.onClick}
    >
      <Icon name={props.icon} />
      {props.children}
    </button>
  );
}

type Lights = Record<"onPointerEnter" | "onPointerLeave" | "onFocus" | "onBlur", () => void>;

/** Handlers that show a shape on the picture while something that speaks of it is pointed at or focused. */
export function lights(shape: Shape, more: { number?: number; spot?: string }): Lights {
  const on = (): void => {
    lit.value = { shape, ...more };
  };
  const off = (): void => {
    lit.value = undefined;
  };
  return { onPointerEnter: on, onPointerLeave: off, onFocus: on, onBlur: off };
}

/** A region's number in its colour, within text; pointing at it shows the region. */
export function Mention({ region }: { region: Region }) {
  return (
    <span
      class={`mention c${colourOf(region.number)}`}
      role="img"
      aria-label={`region ${region.number}, ${described(region.shape)}`}
      {...lights(region.shape, { number: region.number })}
    >
      {region.number}
    </span>
  );
}

/** A dialog of the browser's own: focus stays inside, Escape and a click beside it close it. */
export function Dialog(props: { open: boolean; title: string; class?: string; onClose: () => void; children: ComponentChildren }) {
  const element = useRef<HTMLDialogElement>(null);
  useEffect(() => {
    const dialog = element.current;
    if (!dialog) return;
    if (props.open && !dialog.open) dialog.showModal();
    if (!props.open && dialog.open) dialog.close();
  }, [props.open]);
  return (
    <dialog
      ref={element}
      class={props.class ?? "sheet"}
      aria-label={props.title}
      onClose={props.onClose}
      onClick={(e) => {
        if (e.target === element.current) props.onClose();
      }}
    >
      {props.open && (
        <div class="dialog-body">
          <header class="dialog-head">
            <h2>{props.title}</h2>
            <IconButton icon="close" name="Close" onClick={props.onClose} />
          </header>
          {props.children}
        </div>
      )}
    </dialog>
  );
}
