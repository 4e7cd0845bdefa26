import { useRef } from "preact/hooks";
import { openPicture, openScene } from "../state/app.ts";
import { shipped } from "../state/server.ts";
import { Icon } from "./icons.tsx";

/** Nothing is open: a place for a picture, and the scenes that come with Fovea. */
export function Welcome() {
  return (
    <div class="welcome">
      <div class="welcome-inner">
        <div class="hero">
          <h1>
            Point at a picture.
            <br />
            Ask about that spot.
          </h1>
          <p>The model runs on this server. Pictures and questions go nowhere else.</p>
          <ChoosePicture class="primary-button" />
          <p class="hero-hint with-mouse">or drop a picture anywhere, or paste one</p>
        </div>
        {shipped.value.length > 0 && (
          <section class="scenes" aria-labelledby="scenes-title">
            <h2 id="scenes-title">Or start with a scene</h2>
            <ul>
              {shipped.value.map((scene) => (
                <li key={scene.image}>
                  <button type="button" class="scene" onClick={() => void openScene(scene)}>
                    <img src={`samples/${scene.image}`} alt={`Scene with ${scene.objects.map((o) => o.name).join(", ")}`} loading="lazy" width={480} height={360} />
                  </button>
                </li>
              ))}
            </ul>
          </section>
        )}
      </div>
    </div>
  );
}

function ChoosePicture({ class: name }: { class: string }) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      <button type="button" class={name} onClick={() => input.current?.click()}>
        <Icon name="upload" />
        Choose a picture
      </button>
      <input
        ref={input}
        type="file"
        accept="image/*"
        hidden
        aria-label="Picture file"
        onChange={(e) => {
          const file = e.currentTarget.files?.[0];
          e.currentTarget.value = "";
          if (file) void openPicture(file, file.name);
        }}
      />
    </>
  );
}
