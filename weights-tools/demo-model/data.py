"""Turns seeds into training batches, in one process beside the trainer."""

from __future__ import annotations

import random
import re
from pathlib import Path

import numpy as np
import torch
from PIL import Image

import questions
import scenes
import tokenizer
from model import Sizes

BLOCK_SHAPES = [(4, 64), (4, 64), (4, 64), (2, 128)]  # conversations x tokens of a batch: short ones, and some long ones


def stretched(image: Image.Image, side: int) -> np.ndarray:
    """ChatSpot's image mode `resize`: Pillow's bicubic to side x side, whatever the shape."""
    return np.asarray(image.resize((side, side), Image.Resampling.BICUBIC))


class Writer:
    """Writes turns as tokens, with what each token should be trained for."""

    def __init__(self, folder: Path, z: Sizes):
        self.fast, self.n = tokenizer.load(folder), z.side // z.patch
        self.box, self.end_box, self.comma = (self.fast.token_to_id(t) for t in ("<box>", "</box>", ","))

    def ids(self, text: str, after: str = "</s>") -> list[int]:
        """Ids of text that follows an added token."""
        return self.fast.encode(after + text, add_special_tokens=False).ids[1:]

    def patches(self, size, box) -> np.ndarray:
        """The patches a pixel box covers by a third, or the one under its middle, or under a point."""
        n, (w, h) = self.n, size
        x1, y1, x2, y2 = box if len(box) == 4 else box * 2
        edge = np.arange(n)
        covered = [np.clip(np.minimum(edge + 1, b * n / s) - np.maximum(edge, a * n / s), 0, 1) for a, b, s in ((y1, y2, h), (x1, x2, w))]
        out = np.outer(*covered) >= 0.34
        out[min(n - 1, max(0, int((y1 + y2) / 2 * n / h))), min(n - 1, max(0, int((x1 + x2) / 2 * n / w)))] = True
        return out.reshape(-1)

    def turn(self, scene: scenes.Scene, turn: questions.Turn, first: bool):
        """ids, target [T] (the next token is part of the answer), at [T], value [T, 4], look {position: patches}."""
        size = scene.image.size
        start = f"\n{questions.prompt(turn, size)} ASSISTANT:" if first else f"USER: {questions.prompt(turn, size)} ASSISTANT:"
        question, answer = self.ids(start, "<image>" if first else "</s>"), self.ids(f" {turn.answer}</s>")
        ids = question + answer
        target = [False] * (len(question) - 1) + [True] * len(answer) + [False]
        at, value, look = [0] * len(ids), np.full((len(ids), 4), np.nan, np.float32), {}
        if turn.region:
            end = question.index(self.end_box)
            shares = [float(questions.number(v, size[i % 2])) for i, v in enumerate(turn.region)]
            commas = [i for i in range(question.index(self.box), end) if question[i] == self.comma]
            for k, i in enumerate(commas):
                at[i], value[i, k] = k + 1, shares[k]
            at[end] = 5
            value[end, : len(shares)] = shares
            look[end] = self.patches(size, turn.region)
            if turn.look:
                look[end] = look[end] | self.patches(size, turn.look[0].box)
        if turn.about:  # the last token of the name
            upto = start[: re.search(rf"\b{turn.about.name}\b", start).end()]
            look[len(self.ids(upto, "<image>" if first else "</s>")) - 1] = self.patches(size, turn.about.box)
        spans = [(0, len(answer) - 1)]
        if turn.task == "caption":
            spans, said = [], " "
            for t in turn.look:
                begin = turn.answer.lower().index(questions.noun(t).lower(), len(said) - 1)
                said = " " + turn.answer[: begin + len(questions.noun(t))]
                spans.append((len(self.ids((" " + turn.answer[:begin]).rstrip())), len(self.ids(said))))
        for (a, b), t in zip(spans, turn.look):
            for i in range(a, b):
                look[len(question) - 1 + i] = self.patches(size, t.box)
        return ids, target, at, value, look

    def blocks(self, scene: scenes.Scene, rng: random.Random, shape: tuple[int, int]):
        """Fills N conversations of at most L tokens with turns; returns arrays for the batch.

        `mark` is 0 outside answers, else 16 x (number of the turn in its row, from 1) + task; it says what to predict *next*.
        """
        n, length = shape
        tokens, mark = np.full((n, length), 2, np.int64), np.zeros((n, length), np.int64)
        at, value = np.zeros((n, length), np.int64), np.full((n, length, 4), np.nan, np.float32)
        look = np.zeros((n, length, self.n**2), bool)
        ready = iter(())
        for row in range(n):
            used = count = 0
            while True:
                turn = next(ready, None)
                if turn is None:
                    ready = iter(questions.training_turns(scene, rng, 8))
                    continue
                ids, t, a, v, l = self.turn(scene, turn, used == 0)
                if used + len(ids) > length:
                    break
                part = slice(used, used + len(ids))
                count += 1
                tokens[row, part], at[row, part], value[row, part] = ids, a, v
                mark[row, part] = np.array(t) * (16 * count + questions.TASKS.index(turn.task))
                for i, patches in l.items():
                    look[row, used + i] = patches
                used += len(ids)
        return tokens, mark, at, value, look


def batch_of_step(step: int, reuse: int, keep: int) -> int:
    """The batch that a step learns from: each comes once fresh, then `reuse` - 1 steps draw from it and the `keep` before it."""
    newest, again = divmod(step, reuse)
    return random.Random(step).randint(max(0, newest - keep), newest) if again else newest


class Batches(torch.utils.data.IterableDataset):
    """The batches of the steps first … last - 1; with `folder` (of the tokenizer) also questions. Batch i holds the scenes of the
    seeds i * size … (i + 1) * size - 1."""

    def __init__(self, first: int, last: int, size: int, folder: Path | None, reuse: int, text: float, keep: int):
        self.first, self.last, self.size, self.folder = first, last, size, folder
        self.reuse, self.text, self.keep = reuse, text, keep

    def __iter__(self):
        torch.set_num_threads(1)
        z = Sizes()
        writer = Writer(self.folder, z) if self.folder else None
        made = {}
        for step in range(self.first, self.last):
            index = batch_of_step(step, self.reuse, self.keep)
            arrays = made.get(index) or self.arrays(index, z, writer)
            if self.reuse > 1:
                made[index] = arrays
                made.pop(step // self.reuse - self.keep - 1, None)
            yield {k: torch.from_numpy(v) for k, v in arrays.items()}

    def arrays(self, index: int, z: Sizes, writer: Writer | None) -> dict[str, np.ndarray]:
        seed = index * self.size
        made = [scenes.make_scene(seed + i, text=self.text) for i in range(self.size)]
        labels = [scenes.patch_labels(s, z.side, z.patch) for s in made]
        arrays = dict(image=[stretched(s.image, z.side) for s in made])
        arrays.update(zip(("kind", "colour", "glyph"), zip(*labels)))
        if writer:
            rng = random.Random(seed)
            shape = rng.choice(BLOCK_SHAPES)
            rows = zip(*(writer.blocks(s, rng, shape) for s in made))
            arrays.update(zip(("tokens", "mark", "at", "value", "look"), rows))
        return {k: np.stack(v) for k, v in arrays.items()}


def stream(first: int, last: int, size: int, folder: Path | None, reuse: int = 1, text: float = 0.24, keep: int = 200):
    """The batches of the steps first … last - 1, made in one process beside the caller."""
    batches = Batches(first, last, size, folder, reuse, text, keep)
    return torch.utils.data.DataLoader(batches, batch_size=None, num_workers=1, prefetch_factor=4)
