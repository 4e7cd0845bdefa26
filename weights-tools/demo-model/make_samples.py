"""Writes samples/: larger scenes of the same generator, and samples/scenes.json with what is where."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import scenes

SIZE = (480, 360)
CHOSEN = [11, 55, 61, 63, 82, 105, 126, 13, 29, 31]  # offsets from SAMPLE_SEED, picked by eye

if __name__ == "__main__":
    out = Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parents[2] / "samples")
    out.mkdir(parents=True, exist_ok=True)
    index = []
    for number, offset in enumerate(CHOSEN, 1):
        scene = scenes.make_scene(scenes.SAMPLE_SEED + offset, SIZE, count=4)
        name = f"scene-{number:02d}.png"
        scene.image.save(out / name, optimize=True)
        index.append(dict(image=name, objects=[dict(name=t.name, box=list(t.box)) for t in scene.things]))
    (out / "scenes.json").write_text(json.dumps(index, indent=2) + "\n")
