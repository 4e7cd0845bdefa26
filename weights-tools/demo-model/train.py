"""Trains the demo model in two stages, each of a given length in minutes (or until a clock time), resumable at any moment.

    tower   the vision tower alone, from what each patch shows (kind, colour, letters)
    answer  tower + projector + decoder, from questions and answers; the patch loss stays

Optimiser: Muon (Jordan 2024) for the matrices inside blocks, AdamW for the rest. The rate is constant and falls linearly
to zero in the last fifth. A running average of the weights (EMA) is kept, to be exported before the end.
"""

from __future__ import annotations

import argparse
import datetime
import math
import os
import time
from pathlib import Path

import torch
import torch.nn.functional as F

import questions
import scenes
from data import Writer, stream
from model import (
    ANSWER_LAYER, BESIDE_LAYER, COORDINATE_LAYERS, REGION_LAYER, Assistant, Linear, PatchHeads, PointingHeads, Sizes, Tower,
)  # fmt: skip

CHECKPOINT_SECONDS = 180


def optimisers(module, rate: float):
    matrices, rest = [], []
    for name, p in module.named_parameters():
        (matrices if "layers." in name and p.ndim == 2 else rest).append(p)
    muon = torch.optim.Muon(matrices, lr=rate, weight_decay=0.02, momentum=0.95, adjust_lr_fn="match_rms_adamw")
    adam = torch.optim.AdamW(rest, lr=rate, betas=(0.9, 0.98), weight_decay=0.0)
    return [muon, adam]


class Ema:
    """Running average of the weights, updated every `every` steps."""

    def __init__(self, module, decay: float = 0.95, every: int = 8):
        self.module, self.decay, self.every = module, decay, every
        self.shadow = {k: v.detach().clone() for k, v in module.state_dict().items()}

    @torch.no_grad()
    def update(self, step: int):
        if step % self.every == 0:
            decay = min(self.decay, (1 + step / self.every) / (10 + step / self.every))
            for k, v in self.module.state_dict().items():
                self.shadow[k].lerp_(v, 1 - decay)


class Clock:
    """Share of the stage's time that has passed, and the learning rate that belongs to it."""

    def __init__(self, minutes: float | None, until: str | None, used: float):
        now = datetime.datetime.now()
        if until:
            end = datetime.datetime.combine(now.date(), datetime.time.fromisoformat(until))
            minutes = used / 60 + (end - now).total_seconds() / 60
        self.total, self.used, self.last = minutes * 60, used, time.time()

    def share(self) -> float:
        now = time.time()
        self.used, self.last = self.used + now - self.last, now
        return self.used / self.total

    def factor(self, step: int) -> float:
        return min(1.0, (step + 1) / 100) * min(1.0, max(0.0, (1 - self.share()) / 0.2))


class Trainer:
    """What both stages share: optimisers, clock, EMA, checkpoints, log."""

    def __init__(self, args, module):
        self.args, self.module, self.path = args, module, Path(args.out) / f"{args.stage}.pt"
        self.ema, self.optims = Ema(module), optimisers(module, args.rate)
        self.step, self.seen, used, self.mean = 0, 0, 0.0, {}
        if self.path.exists():
            state = torch.load(self.path, weights_only=False)
            module.load_state_dict(state["model"])
            self.ema.shadow = state["ema"]
            for o, s in zip(self.optims, state["optims"]):
                o.load_state_dict(s)
            self.step, self.seen, used = state["step"], state["seen"], state["used"]
        self.clock, self.saved = Clock(args.minutes, args.until, used), time.time()

    def update(self, loss, last: int, figures: dict):
        """One optimiser step; returns False when the stage is over."""
        factor = self.clock.factor(self.step)
        for o in self.optims:
            for group in o.param_groups:
                group["lr"] = self.args.rate * factor
            o.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.module.parameters(), 1.0)
        for o in self.optims:
            o.step()
        self.step, self.seen = self.step + 1, max(self.seen, last)
        self.ema.update(self.step)
        for k, v in figures.items():
            if not math.isnan(v):
                self.mean[k] = 0.98 * self.mean.get(k, v) + 0.02 * v
        if self.step % 20 == 0:
            text = " ".join(f"{k} {v:.3f}" for k, v in self.mean.items())
            print(f"step {self.step} scenes {self.seen} minutes {self.clock.used / 60:.1f} rate {self.args.rate * factor:.1e} {text}",
                  flush=True)  # fmt: skip
        over = self.clock.share() >= 1
        if over or time.time() - self.saved > CHECKPOINT_SECONDS:
            self.save()
        return not over

    def save(self):
        state = dict(model=self.module.state_dict(), ema=self.ema.shadow, optims=[o.state_dict() for o in self.optims],
                     step=self.step, seen=self.seen, used=self.clock.used)  # fmt: skip
        torch.save(state, self.path.with_suffix(".tmp"))
        os.replace(self.path.with_suffix(".tmp"), self.path)
        self.saved = time.time()


def pixels(images: torch.Tensor) -> torch.Tensor:
    """uint8 [B, S, S, 3] -> normalised [B, 3, S, S], with CLIP's mean and deviation."""
    mean = torch.tensor([0.48145466, 0.4578275, 0.40821073])
    deviation = torch.tensor([0.26862954, 0.26130258, 0.27577711])
    return ((images.float() / 255 - mean) / deviation).permute(0, 3, 1, 2).contiguous()


def patch_heads(z: Sizes) -> PatchHeads:
    return PatchHeads(z, len(scenes.KINDS) + 1, len(scenes.COLOURS) + 1, len(scenes.GLYPHS))


def train_tower(args, z: Sizes):
    both = torch.nn.ModuleList([Tower(z), patch_heads(z)])
    trainer = Trainer(args, both)
    for batch in stream(trainer.seen, args.batch, None, args.reuse, args.text):
        with torch.autocast("cpu", torch.bfloat16):
            loss, right = both[1].loss(both[0](pixels(batch["image"])), batch["kind"], batch["colour"], batch["glyph"])
        if not trainer.update(loss, batch["last"], dict(loss=loss.item(), right=right.item())):
            return


def exact(mark, ok) -> dict:
    """Share of turns whose answer is right in every token (given the right tokens before), by task."""
    rows = torch.arange(mark.shape[0] * mark.shape[1]).view(*mark.shape[:2], 1).expand_as(mark)
    code = (rows * 1024 + mark)[mark > 0]
    turns, index = code.unique(return_inverse=True)
    good = torch.ones(len(turns)).scatter_reduce(0, index, ok.float(), "amin")
    return {task: good[turns % 16 == i].mean().item() for i, task in enumerate(questions.TASKS)}


def train_answer(args, z: Sizes):
    folder = Path(args.out)
    writer = Writer(folder, z)
    model = Assistant(z, writer.fast.get_vocab_size(), writer.fast.encode("USER: ").ids)
    everything = torch.nn.ModuleDict(dict(model=model, patch=patch_heads(z), point=PointingHeads(z)))
    if not (folder / "answer.pt").exists():
        state = torch.load(folder / "tower.pt", weights_only=False)["model"]
        model.tower.load_state_dict({k[2:]: v for k, v in state.items() if k.startswith("0.")})
        everything["patch"].load_state_dict({k[2:]: v for k, v in state.items() if k.startswith("1.")})
    trainer = Trainer(args, everything)
    watch = {*COORDINATE_LAYERS, REGION_LAYER, ANSWER_LAYER, BESIDE_LAYER}
    for batch in stream(trainer.seen, args.batch, folder, args.reuse, args.text):
        tokens, mark, at, look = batch["tokens"], batch["mark"], batch["at"], batch["look"]
        Linear.int4 = args.int4
        with torch.autocast("cpu", torch.bfloat16):
            features = model.tower(pixels(batch["image"]))
            patch_loss, patch = everything["patch"].loss(features, batch["kind"], batch["colour"], batch["glyph"])
            embedded = model.decoder.embed_tokens(tokens)
            states, seen = model.decoder(model.prefix(features), embedded, watch)
            logits = model.decoder.lm_head(states[mark > 0]).float()
        answers = tokens.roll(-1, 2)[mark > 0]
        answer_loss = F.cross_entropy(logits, answers)
        point = everything["point"]
        coordinates = point.coordinate_loss(seen, at, batch["value"])
        aimed = look.any(-1)
        beside = mark % 16 == questions.TASKS.index("side")
        (region_look, region_hit), (answer_look, answer_hit), (beside_look, beside_hit) = (
            point.look_loss(seen, layer, where, look[where])
            for layer, where in (
                (REGION_LAYER, aimed & (mark == 0)),
                (ANSWER_LAYER, aimed & (mark > 0) & ~beside),
                (BESIDE_LAYER, aimed & (mark > 0) & beside),
            )
        )
        loss = answer_loss + args.patch_weight * patch_loss + 2 * coordinates + 0.2 * region_look + 0.1 * (answer_look + beside_look)
        figures = dict(loss=answer_loss.item(), patch=patch.item(), coord=coordinates.item(),
                       region=region_hit.item(), look=answer_hit.item(), beside=beside_hit.item())  # fmt: skip
        if not trainer.update(loss, batch["last"], figures | exact(mark, logits.argmax(-1) == answers)):
            return


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=["tower", "answer"])
    parser.add_argument("--out", default="build", help="folder of checkpoints and tokenizer")
    parser.add_argument("--minutes", type=float, help="length of the stage")
    parser.add_argument("--until", help="clock time HH:MM instead of --minutes")
    parser.add_argument("--rate", type=float, default=2e-3)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--reuse", type=int, default=2, help="times each scene is used")
    parser.add_argument("--text", type=float, default=0.24, help="share of printed words among the objects")
    parser.add_argument("--patch-weight", type=float, default=0.5, help="weight of the patch loss in stage answer")
    parser.add_argument("--int4", action="store_true", help="train the decoder through Q4_0 rounding")
    args = parser.parse_args()
    torch.set_num_threads(2)
    torch.manual_seed(1)
    Path(args.out).mkdir(parents=True, exist_ok=True)
    (train_tower if args.stage == "tower" else train_answer)(args, Sizes())


if __name__ == "__main__":
    main()
