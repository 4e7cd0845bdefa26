"""Trains the demo model in two stages, each of a given number of scenes. Resumable at any moment: what a step learns from is a
function of its number alone, so that neither the machine's load nor a restart changes the run.

    tower   the vision tower alone, from what each patch shows (kind, colour, letters)
    answer  tower + projector + decoder, from questions and answers; the patch loss stays

Optimiser: Muon (Jordan 2024) for the matrices inside blocks, AdamW for the rest. The rate is constant and falls linearly
to zero in the last fifth (unless held). A running average of the weights (EMA) is kept, to be exported before the end.
"""

from __future__ import annotations

import argparse
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


class Trainer:
    """What both stages share: optimisers, length and rate, EMA, checkpoints, log."""

    def __init__(self, args, module):
        self.args, self.module, self.path = args, module, Path(args.out) / f"{args.stage}.pt"
        self.ema, self.optims = Ema(module), optimisers(module, args.rate)
        self.step, self.used, self.mean = 0, 0.0, {}
        self.steps = math.ceil(args.scenes / args.batch) * args.reuse
        if self.path.exists():
            state = torch.load(self.path, weights_only=False)
            module.load_state_dict(state["model"])
            self.ema.shadow = state["ema"]
            for o, s in zip(self.optims, state["optims"]):
                o.load_state_dict(s)
            self.step, self.used, self.mean = state["step"], state["used"], state["mean"]
        self.saved = self.last = time.time()

    def batches(self, folder: Path | None):
        """The batches that are left of the stage."""
        if self.step < self.steps:
            yield from stream(self.step, self.steps, self.args.batch, folder, self.args.reuse, self.args.text)

    def factor(self) -> float:
        """The step's share of the full rate: up over 100 steps; down over the last fifth, unless held."""
        fall = 1.0 if self.args.hold else min(1.0, (1 - self.step / self.steps) / 0.2)
        return min(1.0, (self.step + 1) / 100) * fall

    def update(self, loss, figures: dict):
        """One optimiser step."""
        factor = self.factor()
        for o in self.optims:
            for group in o.param_groups:
                group["lr"] = self.args.rate * factor
            o.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(self.module.parameters(), 1.0)
        for o in self.optims:
            o.step()
        self.step += 1
        self.ema.update(self.step)
        for k, v in figures.items():
            if not math.isnan(v):
                self.mean[k] = 0.98 * self.mean.get(k, v) + 0.02 * v
        now = time.time()
        self.used, self.last = self.used + now - self.last, now
        if self.step % 20 == 0:
            text = " ".join(f"{k} {v:.3f}" for k, v in self.mean.items())
            scenes_seen = self.step // self.args.reuse * self.args.batch
            print(f"step {self.step} of {self.steps} scenes {scenes_seen} minutes {self.used / 60:.1f} "
                  f"rate {self.args.rate * factor:.1e} {text}", flush=True)  # fmt: skip
        if self.step == self.steps or now - self.saved > CHECKPOINT_SECONDS:
            self.save()

    def save(self):
        state = dict(model=self.module.state_dict(), ema=self.ema.shadow, optims=[o.state_dict() for o in self.optims],
                     step=self.step, used=self.used, mean=self.mean)  # fmt: skip
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
    for batch in trainer.batches(None):
        with torch.autocast("cpu", torch.bfloat16):
            loss, right = both[1].loss(both[0](pixels(batch["image"])), batch["kind"], batch["colour"], batch["glyph"])
        trainer.update(loss, dict(loss=loss.item(), right=right.item()))


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
    for batch in trainer.batches(folder):
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
        trainer.update(loss, figures | exact(mark, logits.argmax(-1) == answers))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("stage", choices=["tower", "answer"])
    parser.add_argument("--out", default="build", help="folder of checkpoints and tokenizer")
    parser.add_argument("--scenes", type=int, required=True, help="length of the stage, from its start")
    parser.add_argument("--hold", action="store_true", help="keep the rate to the end: a longer run of this stage follows")
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
