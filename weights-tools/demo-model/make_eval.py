"""Writes the held-out evaluation set: eval/demo-eval.zip, 1,000 scenes of seeds that training never uses.

    images/0000.jpg …   the scenes, longest side 160 pixels
    questions.jsonl     one question a line: image, task, question, box or point (pixels of the image), answer, reply
    scenes.jsonl        one scene a line: image, width, height, objects [{name, box}]

`answer` lists accepted words: a reply is right when it holds one of them as a whole word in that case (task caption: all of
them); a first word is compared with a small first letter too ("Grapes." holds "grapes"). `reply` is the full expected text.
"""

from __future__ import annotations

import io
import json
import random
import sys
import zipfile
from pathlib import Path

from PIL import Image

import questions
import scenes

COUNT, SIDE = 1000, 160


def evaluation_turns(scene: scenes.Scene, rng: random.Random) -> list[questions.Turn]:
    """One question of each task that the scene allows; boxes are exact."""
    pictures = [t for t in scene.things if t.sort != "text"]
    texts = [t for t in scene.things if t.sort == "text"]
    coloured = [t for t in scene.things if t.colour]
    turns = []
    if pictures:
        turns.append(questions.name_turn(scene, rng.choice(pictures), rng, point=False, exact=True))
        turns.append(questions.name_turn(scene, rng.choice(pictures), rng, point=True))
        turns.append(questions.presence_turn(scene, rng, True))
    turns.append(questions.presence_turn(scene, rng, False))
    if texts:
        turns.append(questions.read_turn(scene, rng.choice(texts), rng, exact=True))
    if coloured:
        turns.append(questions.colour_turn(scene, rng.choice(coloured), rng, exact=True))
    if len(scene.things) > 1:
        turns.append(questions.side_turn(scene, rng.choice(scene.things), rng))
    turns.append(questions.caption_turn(scene, rng))
    return turns


def main(path: Path):
    path.parent.mkdir(parents=True, exist_ok=True)
    asked, described = [], []
    with zipfile.ZipFile(path, "w") as archive:

        def put(name: str, data: bytes, how=zipfile.ZIP_STORED):
            archive.writestr(zipfile.ZipInfo(name, (2024, 1, 1, 0, 0, 0)), data, how)

        for i in range(COUNT):
            scene, name = scenes.make_scene(scenes.EVAL_SEED + i), f"images/{i:04d}.jpg"
            w, h = scene.image.size
            k = SIDE / max(w, h)
            small = scene.image.resize((round(w * k), round(h * k)), Image.Resampling.LANCZOS)
            jpeg = io.BytesIO()
            small.save(jpeg, "JPEG", quality=90, subsampling=0)
            put(name, jpeg.getvalue())

            def scaled(region):
                return [round(v * small.size[j % 2] / (w, h)[j % 2], 2) for j, v in enumerate(region)]

            for turn in evaluation_turns(scene, random.Random(scene.seed)):
                line = dict(image=name, task=turn.task, question=turn.question)
                if turn.region:
                    line["box" if len(turn.region) == 4 else "point"] = scaled(turn.region)
                asked.append(line | dict(answer=turn.accept, reply=turn.answer))
            objects = [dict(name=t.name, box=scaled(t.box)) for t in scene.things]
            described.append(dict(image=name, width=small.width, height=small.height, objects=objects))
        for file, lines in ("questions.jsonl", asked), ("scenes.jsonl", described):
            text = "".join(json.dumps(line) + "\n" for line in lines)
            put(file, text.encode(), zipfile.ZIP_DEFLATED)
    print(f"{path}: {COUNT} scenes, {len(asked)} questions, {path.stat().st_size / 1e6:.1f} MB")


if __name__ == "__main__":
    main(Path(sys.argv[1] if len(sys.argv) > 1 else Path(__file__).parent / "eval/demo-eval.zip"))
