import { useComputed, useSignal, useSignalEffect } from "@preact/signals";
import { useEffect, useLayoutEffect, useRef } from "preact/hooks";
import {
  addRegion,
  addRegions,
  canRedo,
  canUndo,
  current,
  deleteRegion,
  deleteRegions,
  lit,
  mark,
  redo,
  reshape,
  say,
  selected,
  undo,
  urlOf,
} from "../state/app.ts";
import { shipped } from "../state/server.ts";
import type { Conversation } from "../state/conversation.ts";
import {
  boxBetween,
  colourOf,
  described,
  type Handle,
  isBox,
  moved,
  nextNumber,
  type Point,
  pointAt,
  type Region,
  regionAt,
  resized,
  type Shape,
} from "../state/shapes.ts";
import { fitted, panned, toPicture, type View, zoomed } from "../state/view.ts";
import { mentionRegion } from "./composer.tsx";
import { apart, Handles, latestSpots, latestWords, letterOf, nameOf, Outline, spotColour, Spotlight, spotTagAt, tagAt } from "./marks.tsx";
import { IconButton } from "./parts.tsx";

/** What a pointer that is held down is doing. Nothing changes before it has moved a little. */
type Gesture =
  | { kind: "draw"; from: Point }
  | { kind: "move"; from: Point; region: Region }
  | { kind: "resize"; from: Point; region: Region; handle: Handle }
  | { kind: "pan" };

const STILL_PX = 4;
const REACH_PX = 16;
const KEY_STEP = 0.01;

export function Stage({ conversation }: { conversation: Conversation }) {
  const { picture, regions } = conversation;
  const element = useRef<HTMLDivElement>(null);
  const size = useSignal({ width: 0, height: 0 });
  const own = useSignal<View | undefined>(undefined); // none: the picture fits
  const view = useComputed(() => own.value ?? fitted(picture, size.value));
  const drawn = useSignal<Shape | undefined>(undefined);
  const panTool = useSignal(false);
  const spaceHeld = useSignal(false);
  const held = useRef(new Map<number, Point>());
  const gesture = useRef<{ what: Gesture; start: Point; chosen: number | undefined; went: boolean } | undefined>(undefined);

  useLayoutEffect(() => {
    const stage = element.current;
    if (!stage) return;
    const observer = new ResizeObserver(() => {
      size.value = { width: stage.clientWidth, height: stage.clientHeight };
    });
    observer.observe(stage);
    // A wheel listener of Preact's is passive, and the page would scroll or zoom with the picture.
    const wheel = (e: WheelEvent): void => {
      e.preventDefault();
      const at = local(e);
      if (e.ctrlKey || e.metaKey || e.deltaMode !== 0 || Math.abs(e.deltaY) >= 50) {
        const speed = e.ctrlKey ? 0.01 : 0.0016;
        own.value = zoomed(view.value, Math.exp(-e.deltaY * speed), at, picture, size.value);
      } else {
        own.value = panned(view.value, -e.deltaX, -e.deltaY, picture, size.value);
      }
    };
    stage.addEventListener("wheel", wheel, { passive: false });
    return () => {
      observer.disconnect();
      stage.removeEventListener("wheel", wheel);
    };
  }, [conversation.id]);

  useEffect(() => {
    own.value = undefined;
    drawn.value = undefined;
  }, [conversation.id]);

  useEffect(() => {
    const typing = (e: KeyboardEvent): boolean => (e.target as Element).closest("input, textarea, dialog, button") !== null;
    const down = (e: KeyboardEvent): void => {
      if ((e.target as Element).closest("input, textarea, dialog")) return;
      if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === "z") {
        e.preventDefault();
        if (e.shiftKey) redo();
        else undo();
      } else if ((e.ctrlKey || e.metaKey) && e.key.toLowerCase() === "y") {
        e.preventDefault();
        redo();
      } else if (e.key === " " && !typing(e)) {
        e.preventDefault();
        spaceHeld.value = true;
      } else if (e.key === "Escape") {
        cancel();
        selected.value = undefined;
      } else if ((e.key === "Delete" || e.key === "Backspace") && selected.value !== undefined && !typing(e)) {
        e.preventDefault();
        deleteRegion(selected.value);
      }
    };
    const up = (e: KeyboardEvent): void => {
      if (e.key === " ") spaceHeld.value = false;
    };
    addEventListener("keydown", down);
    addEventListener("keyup", up);
    return () => {
      removeEventListener("keydown", down);
      removeEventListener("keyup", up);
    };
  }, [conversation.id]);

  // A region chosen elsewhere must be in sight.
  useSignalEffect(() => {
    if (selected.value === undefined || own.peek() === undefined) return;
    const region = current.peek()?.regions.find((r) => r.number === selected.value);
    if (!region || gesture.current) return;
    const [x, y] = middle(region.shape);
    const at = view.peek();
    const stage = size.peek();
    const seen = x * at.scale + at.x > 0 && x * at.scale + at.x < stage.width && y * at.scale + at.y > 0 && y * at.scale + at.y < stage.height;
    if (!seen) own.value = { scale: at.scale, x: stage.width / 2 - x * at.scale, y: stage.height / 2 - y * at.scale };
  });

  function local(e: { clientX: number; clientY: number }): Point {
    const frame = element.current?.getBoundingClientRect();
    return [e.clientX - (frame?.left ?? 0), e.clientY - (frame?.top ?? 0)];
  }

  function cancel(): void {
    const running = gesture.current;
    if (running?.went && (running.what.kind === "move" || running.what.kind === "resize")) {
      undo();
    }
    gesture.current = undefined;
    drawn.value = undefined;
  }

  function down(e: PointerEvent): void {
    const target = e.target as HTMLElement;
    if (e.button > 1) return;
    const at = local(e);
    element.current?.setPointerCapture(e.pointerId);
    held.current.set(e.pointerId, at);
    if (held.current.size === 2) {
      cancel();
      return;
    }
    if (held.current.size > 2) return;
    (document.activeElement as HTMLElement | null)?.blur();
    const spot = toPicture(view.value, at);
    const handle = target.dataset["handle"] as Handle | undefined;
    const number = target.dataset["region"];
    const under =
      (number === undefined ? undefined : regions.find((r) => r.number === Number(number))) ??
      regionAt(regions, spot, REACH_PX / view.value.scale);
    const chosen = regions.find((r) => r.number === selected.value);
    let what: Gesture;
    if (e.button === 1 || panTool.value || spaceHeld.value) what = { kind: "pan" };
    else if (handle && chosen) what = { kind: "resize", from: spot, region: chosen, handle };
    else if (number !== undefined && under) what = { kind: "move", from: spot, region: under };
    else if (!e.shiftKey && under && (under === chosen || !isBox(under.shape))) what = { kind: "move", from: spot, region: under };
    else what = { kind: "draw", from: spot };
    gesture.current = { what, start: at, chosen: chosen?.number, went: false };
    e.preventDefault();
  }

  function move(e: PointerEvent): void {
    const before = held.current.get(e.pointerId);
    if (!before) return;
    const at = local(e);
    held.current.set(e.pointerId, at);
    if (held.current.size === 2) {
      const other = [...held.current].find(([id]) => id !== e.pointerId)?.[1];
      if (!other) return;
      const apart = (a: Point): number => Math.max(10, Math.hypot(a[0] - other[0], a[1] - other[1]));
      const centre: Point = [(at[0] + other[0]) / 2, (at[1] + other[1]) / 2];
      const next = zoomed(view.value, apart(at) / apart(before), centre, picture, size.value);
      own.value = panned(next, (at[0] - before[0]) / 2, (at[1] - before[1]) / 2, picture, size.value);
      return;
    }
    const running = gesture.current;
    if (!running) return;
    const { what, start } = running;
    if (!running.went) {
      if (Math.hypot(at[0] - start[0], at[1] - start[1]) < STILL_PX) return;
      running.went = true;
      if (what.kind === "move" || what.kind === "resize") {
        mark();
        selected.value = what.region.number;
      }
    }
    const spot = toPicture(view.value, at);
    switch (what.kind) {
      case "pan":
        own.value = panned(view.value, at[0] - before[0], at[1] - before[1], picture, size.value);
        break;
      case "draw":
        drawn.value = { box: boxBetween(what.from, spot, picture) };
        break;
      case "move":
        reshape(what.region.number, moved(what.region.shape, spot[0] - what.from[0], spot[1] - what.from[1], picture));
        break;
      case "resize":
        if (isBox(what.region.shape)) {
          const box = resized(what.region.shape.box, what.handle, spot[0] - what.from[0], spot[1] - what.from[1], picture);
          reshape(what.region.number, { box });
        }
        break;
    }
  }

  function up(e: PointerEvent): void {
    if (!held.current.delete(e.pointerId)) return;
    const running = gesture.current;
    gesture.current = undefined;
    const shape = drawn.value;
    drawn.value = undefined;
    if (!running || e.type === "pointercancel") return;
    const { what, went } = running;
    if (went) {
      if (what.kind === "draw" && shape) added(shape);
      else if (what.kind === "move" || what.kind === "resize") tell(what.region.number);
      return;
    }
    if (what.kind === "pan") return;
    const spot = toPicture(view.value, running.start);
    const under = what.kind === "draw" ? regionAt(regions, spot, REACH_PX / view.value.scale) : what.region;
    if (under && !e.shiftKey) {
      selected.value = running.chosen === under.number ? undefined : under.number;
    } else if (spot[0] >= 0 && spot[1] >= 0 && spot[0] < picture.width && spot[1] < picture.height) {
      added({ point: pointAt(spot, picture) });
    } else {
      selected.value = undefined;
    }
  }

  function added(shape: Shape): void {
    const number = addRegion(shape);
    say(`Region ${number} added, ${described(shape)}`);
  }

  function tell(number: number): void {
    const region = current.value?.regions.find((r) => r.number === number);
    if (region) say(`Region ${number}, ${described(region.shape)}`);
  }

  /** Regions by key: a box or point in the middle of what is seen, then moved with the arrows. */
  function addByKey(kind: "box" | "point"): void {
    const centre = toPicture(view.value, [size.value.width / 2, size.value.height / 2]);
    const reach = Math.min(picture.width, picture.height) / 6;
    const shape: Shape =
      kind === "point"
        ? { point: pointAt(centre, picture) }
        : { box: boxBetween([centre[0] - reach, centre[1] - reach], [centre[0] + reach, centre[1] + reach], picture) };
    const number = nextNumber(regions);
    added(shape);
    requestAnimationFrame(() => element.current?.querySelector<HTMLElement>(`[data-region="${number}"]`)?.focus());
  }

  function regionKey(e: KeyboardEvent, region: Region): void {
    const step = e.altKey ? 1 : Math.max(1, Math.round(Math.max(picture.width, picture.height) * KEY_STEP));
    const across = e.key === "ArrowLeft" ? -step : e.key === "ArrowRight" ? step : 0;
    const along = e.key === "ArrowUp" ? -step : e.key === "ArrowDown" ? step : 0;
    if (across !== 0 || along !== 0) {
      e.preventDefault();
      e.stopPropagation();
      if (!e.repeat) mark();
      const shape =
        e.shiftKey && isBox(region.shape)
          ? { box: resized(region.shape.box, "se", across, along, picture) }
          : moved(region.shape, across, along, picture);
      reshape(region.number, shape);
      selected.value = region.number;
      say(described(shape));
    } else if (e.key === "Delete" || e.key === "Backspace") {
      e.preventDefault();
      e.stopPropagation();
      deleteRegion(region.number);
      element.current?.focus();
    } else if (e.key === "Enter") {
      e.preventDefault();
      selected.value = region.number;
      mentionRegion(region.number);
    }
  }

  function stageKey(e: KeyboardEvent): void {
    if (e.ctrlKey || e.metaKey || e.altKey) return;
    const centre: Point = [size.value.width / 2, size.value.height / 2];
    const zoom = (factor: number): void => {
      own.value = zoomed(view.value, factor, centre, picture, size.value);
    };
    const actions: Record<string, () => void> = {
      "+": () => zoom(1.25),
      "=": () => zoom(1.25),
      "-": () => zoom(0.8),
      "0": fit,
      b: () => addByKey("box"),
      p: () => addByKey("point"),
    };
    const pans: Record<string, Point> = { ArrowLeft: [40, 0], ArrowRight: [-40, 0], ArrowUp: [0, 40], ArrowDown: [0, -40] };
    const action = actions[e.key];
    const pan = e.target === element.current ? pans[e.key] : undefined;
    if (action) action();
    else if (pan) own.value = panned(view.value, pan[0], pan[1], picture, size.value);
    else return;
    e.preventDefault();
  }

  function fit(): void {
    own.value = undefined;
  }

  const { scale, x, y } = view.value;
  const screen = (shape: Shape): number[] =>
    isBox(shape)
      ? shape.box.map((v, i) => v * scale + (i % 2 === 0 ? x : y))
      : [(shape.point[0] + 0.5) * scale + x, (shape.point[1] + 0.5) * scale + y];
  const chosen = regions.find((r) => r.number === selected.value);
  const spots = latestSpots(conversation);
  const shownSpots = spots.map((spot, i) => ({ spot, colour: spot.region === undefined ? spotColour(i) : colourOf(spot.region), letter: letterOf(i), name: nameOf(spot, i) }));
  const labels = latestWords(conversation);
  const drawnNumber = nextNumber(regions);
  const scene = shipped.value.find((s) => s.image === picture.scene);
  const loose = lit.value && lit.value.number === undefined ? lit.value : undefined;
  const centre: Point = [size.value.width / 2, size.value.height / 2];
  const panning = panTool.value || spaceHeld.value;

  return (
    <section class="stage-area" aria-label="Picture">
      <div
        ref={element}
        class={`stage ${panning ? "stage-pan" : ""}`}
        role="group"
        tabIndex={0}
        aria-label={`${picture.name}, ${picture.width} by ${picture.height} pixels, ${regions.length} ${regions.length === 1 ? "region" : "regions"}`}
        aria-describedby="stage-keys"
        onPointerDown={down}
        onPointerMove={move}
        onPointerUp={up}
        onPointerCancel={up}
        onKeyDown={stageKey}
      >
        <p id="stage-keys" class="only-heard">
          Press B to add a box and P to add a point. Arrow keys move a focused region, with Shift they resize it, Delete removes it, Enter puts
          it into the question. Plus and minus zoom, zero shows the whole picture.
        </p>
        {size.value.width > 0 && (
          <>
            <img
              class="picture"
              src={urlOf(picture)}
              alt={scene ? `Scene with ${scene.objects.map((o) => o.name).join(", ")}` : picture.name}
              draggable={false}
              style={{ left: `${x}px`, top: `${y}px`, width: `${picture.width * scale}px`, height: `${picture.height * scale}px` }}
            />
            <svg class="overlay" width={size.value.width} height={size.value.height} aria-hidden="true">
              {lit.value && <Spotlight at={screen(lit.value.shape)} frame={screen({ box: [0, 0, picture.width, picture.height] })} />}
              {shownSpots.map(({ spot, colour, letter }) => (
                <Outline key={letter} at={apart(screen(spot.shape))} class={`c${colour} outline-spot`} />
              ))}
              {regions.map((region) => (
                <Outline
                  key={region.number}
                  at={screen(region.shape)}
                  class={`c${colourOf(region.number)} ${region === chosen ? "outline-chosen" : ""} ${lit.value?.number === region.number ? "outline-lit" : ""}`}
                />
              ))}
              {drawn.value && <Outline at={screen(drawn.value)} class={`c${colourOf(drawnNumber)} outline-chosen`} />}
              {loose && <Outline at={screen(loose.shape)} class="c-lit outline-lit" />}
            </svg>
            {shownSpots.map(({ spot, colour, letter, name }) => (
              <span key={letter} class={`tag tag-spot c${colour}`} style={spotTagAt(screen(spot.shape), size.value)} aria-hidden="true">
                {spot.label || name}
              </span>
            ))}
            {regions.map((region) => {
              const words = labels.get(region.number);
              if (!words || (lit.value && lit.value.number !== region.number)) return null;
              const { left, top } = tagAt(screen(region.shape), size.value);
              return (
                <span key={`words ${region.number}`} class={`tag-words c${colourOf(region.number)}`} style={{ left, top }} aria-hidden="true">
                  {words}
                </span>
              );
            })}
            {regions.map((region) => (
              <button
                key={region.number}
                type="button"
                class={`tag c${colourOf(region.number)}`}
                data-region={region.number}
                style={tagAt(screen(region.shape), size.value)}
                aria-label={`Region ${region.number}, ${described(region.shape)}`}
                aria-pressed={region === chosen}
                onFocus={() => {
                  selected.value = region.number;
                }}
                onKeyDown={(e) => regionKey(e, region)}
              >
                {region.number}
              </button>
            ))}
            {chosen && isBox(chosen.shape) && <Handles at={screen(chosen.shape)} colour={colourOf(chosen.number)} />}
          </>
        )}
        {regions.length === 0 && !drawn.value && (
          <p class="stage-hint" aria-hidden="true">
            <strong>Drag</strong> for a box, <strong class="with-mouse">click</strong>
            <strong class="with-touch">tap</strong> for a point
          </p>
        )}
      </div>
      <div class="tools" role="toolbar" aria-label="Picture tools">
        <div class="tool-group">
          <IconButton icon="box" name="Add a box (B)" onClick={() => addByKey("box")} />
          <IconButton icon="point" name="Add a point (P)" onClick={() => addByKey("point")} />
          <IconButton
            icon="hand"
            name="Move the picture (hold Space)"
            pressed={panTool.value}
            onClick={() => {
              panTool.value = !panTool.value;
            }}
          />
        </div>
        <div class="tool-group">
          <IconButton icon="undo" name="Undo" disabled={!canUndo.value} onClick={undo} />
          <IconButton icon="redo" name="Redo" class="tool-redo" disabled={!canRedo.value} onClick={redo} />
        </div>
        {chosen ? (
          <div class="tool-group">
            <button type="button" class="quiet-button" onClick={() => mentionRegion(chosen.number)}>
              Use <span class={`mention c${colourOf(chosen.number)}`}>{chosen.number}</span> <span class="tool-long">in the question</span>
            </button>
            <IconButton icon="trash" name={`Delete region ${chosen.number}`} onClick={() => deleteRegion(chosen.number)} />
          </div>
        ) : (
          (scene || regions.length > 0) && (
            <div class="tool-group">
              {scene && (
                <button type="button" class="quiet-button" onClick={() => addRegions(scene.objects.map(({ box }) => ({ box })))}>
                  Box everything
                </button>
              )}
              {regions.length > 0 && (
                <button type="button" class="quiet-button" onClick={deleteRegions}>
                  Clear
                </button>
              )}
            </div>
          )
        )}
        <div class="tool-group tool-zoom">
          <IconButton icon="minus" name="Zoom out" onClick={() => (own.value = zoomed(view.value, 0.8, centre, picture, size.value))} />
          <button type="button" class="quiet-button zoom-figure" onClick={fit} title="Show the whole picture" aria-label={`Zoom is ${Math.round(scale * 100)} percent. Show the whole picture`}>
            {Math.round(scale * 100)} %
          </button>
          <IconButton icon="plus" name="Zoom in" onClick={() => (own.value = zoomed(view.value, 1.25, centre, picture, size.value))} />
        </div>
      </div>
    </section>
  );
}

const middle = (shape: Shape): Point =>
  isBox(shape) ? [(shape.box[0] + shape.box[2]) / 2, (shape.box[1] + shape.box[3]) / 2] : shape.point;
