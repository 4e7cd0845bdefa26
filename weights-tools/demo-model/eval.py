"""Measures a checkpoint on eval/demo-eval.zip: greedy answers, share right by task, in bfloat16 and with Q4_0 weights."""

from __future__ import annotations

import argparse
import io
import json
import time
import zipfile
from collections import defaultdict
from pathlib import Path

import torch
from PIL import Image

import export
import questions
from data import Writer, stretched
from model import Linear, Sizes
from train import pixels

END = 2


def prompt_ids(writer: Writer, line: dict, size) -> list[int]:
    turn = questions.Turn(line["task"], line["question"], "", region=line.get("box") or line.get("point"))
    return writer.ids(f"\n{questions.prompt(turn, size)} ASSISTANT:", "<image>")


@torch.no_grad()
def answer(model, prefix, prompts: list[list[int]], limit: int) -> list[list[int]]:
    """Greedy continuations of several prompts after one picture each: prefix [B, P, D], one prompt a picture."""
    ids = [list(p) for p in prompts]
    open_ = list(range(len(ids)))
    for _ in range(limit):
        longest = max(len(ids[i]) for i in open_)
        tokens = torch.tensor([[ids[i] + [END] * (longest - len(ids[i]))] for i in open_])
        states, _ = model.decoder(prefix[open_], model.decoder.embed_tokens(tokens))
        last = torch.tensor([len(ids[i]) - 1 for i in open_])
        best = model.decoder.lm_head(states[torch.arange(len(open_)), 0, last]).float().argmax(-1).tolist()
        for i, token in zip(open_, best):
            ids[i].append(token)
        open_ = [i for i in open_ if ids[i][-1] != END]
        if not open_:
            break
    return [a[len(p) :] for a, p in zip(ids, prompts)]


def measure(model, writer: Writer, archive: zipfile.ZipFile, scenes: int, tasks=None):
    """Share right by task, and the first wrong answers."""
    lines = [json.loads(line) for line in archive.read("questions.jsonl").decode().splitlines()]
    names = sorted({line["image"] for line in lines})[:scenes]
    pictures = {n: Image.open(io.BytesIO(archive.read(n))).convert("RGB") for n in names}
    groups = defaultdict(list)
    for line in lines:
        if line["image"] in pictures and (tasks is None or line["task"] in tasks):
            groups[line["task"]].append(line)
    right, wrong = {}, []
    features = {}
    for at in range(0, len(names), 50):
        part = names[at : at + 50]
        images = torch.stack([torch.from_numpy(stretched(pictures[n], Sizes().side).copy()) for n in part])
        with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
            features.update(zip(part, model.tower(pixels(images))))
    for task, group in groups.items():
        hits = 0
        for at in range(0, len(group), 50):
            part = group[at : at + 50]
            with torch.no_grad(), torch.autocast("cpu", torch.bfloat16):
                prefix = model.prefix(torch.stack([features[line["image"]] for line in part]))
                prompts = [prompt_ids(writer, line, pictures[line["image"]].size) for line in part]
                replies = answer(model, prefix, prompts, 40 if task == "caption" else 12)
            for line, reply in zip(part, replies):
                text = writer.fast.decode(reply, skip_special_tokens=True).strip()
                ok = questions.right(task, line["answer"], text)
                hits += ok
                if not ok:
                    wrong.append(dict(task=task, image=line["image"], expected=line["reply"], said=text))
        right[task] = round(hits / len(group), 4)
    return right, {t: len(g) for t, g in groups.items()}, wrong


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path, help="folder with answer.pt and the tokenizer")
    parser.add_argument("--data", type=Path, default=Path(__file__).parent / "eval/demo-eval.zip")
    parser.add_argument("--scenes", type=int, default=1000)
    parser.add_argument("--figures", type=Path, help="write the figures here as JSON")
    parser.add_argument("--last", action="store_true", help="the last step instead of the running average")
    parser.add_argument("--modes", nargs="+", default=["bf16", "int4"])
    parser.add_argument("--show", type=int, default=0, help="print so many wrong answers")
    args = parser.parse_args()
    torch.set_num_threads(1)
    net = export.load(args.source, "model" if args.last else "ema")
    with torch.no_grad():
        for p in net.parameters():
            p.copy_(p.to(torch.bfloat16))
    out, start = {}, time.time()
    with zipfile.ZipFile(args.data) as data:
        for mode in args.modes:
            Linear.int4 = mode == "int4"
            out[mode], count, mistakes = measure(net, Writer(args.source, Sizes()), data, args.scenes)
            print(mode, json.dumps(out[mode]), flush=True)
            for m in mistakes[: args.show]:
                print("   ", json.dumps(m))
    out["questions"], out["scenes"] = count, args.scenes
    print(f"{time.time() - start:.0f} s")
    if args.figures:
        args.figures.write_text(json.dumps(out, indent=2) + "\n")
