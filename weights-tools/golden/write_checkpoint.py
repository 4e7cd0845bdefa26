"""Writes a golden case's tiny checkpoint as a directory that can be loaded by hand.

    python write_checkpoint.py llava15 /tmp/tiny                # transformers <= 4.51 tensor names
    python write_checkpoint.py llava15 /tmp/tiny --names new    # the names transformers 5 keeps in memory
    python write_checkpoint.py llava15 /tmp/tiny --names saved  # whatever this transformers' save_pretrained writes
    python write_checkpoint.py llava1_startend /tmp/tiny --names llava  # original LLaVA: config and names

No tokenizer is written. transformers has no linear projector, so those cases need `--names llava`.
"""

import argparse
import json
import pathlib

import torch
from safetensors.torch import save_file

import make_goldens
import synth

DTYPES = {"f32": torch.float32, "f16": torch.float16, "bf16": torch.bfloat16}
TORCH_NAMES = {"f32": "float32", "f16": "float16", "bf16": "bfloat16"}


def llava_name(old: str, projector: str) -> str:
    if old.startswith("vision_tower."):
        return "model.vision_tower." + old
    if old.startswith("multi_modal_projector."):
        _, which, kind = old.split(".")
        return f"model.mm_projector.{kind}" if projector == "linear" else \
            f"model.mm_projector.{0 if which == 'linear_1' else 2}.{kind}"
    return old.removeprefix("language_model.")


def llava_config(case: dict) -> dict:
    t, v = case["text"], case["vision"]
    return dict(
        {k: n for k, n in t.items() if k != "head_dim"}, model_type="llava_llama", architectures=["LlavaLlamaForCausalLM"],
        hidden_act="silu", tie_word_embeddings=False, bos_token_id=1, eos_token_id=2, torch_dtype=TORCH_NAMES[case["dtype"]],
        mm_hidden_size=v["hidden_size"], mm_vision_tower="vision", mm_vision_select_layer=v["feature_layer"],
        mm_vision_select_feature="patch", mm_projector_type=case["projector"], use_mm_proj=True,
        mm_use_im_start_end=case["prompt"] == "start_end", mm_use_im_patch_token=False,
        image_aspect_ratio="pad" if case["mode"] == "pad" else "square")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("case")
    parser.add_argument("directory", type=pathlib.Path)
    parser.add_argument("--names", choices=("old", "new", "saved", "llava"), default="old")
    args = parser.parse_args()
    case = make_goldens.load_cases()[args.case]
    if case["projector"] == "linear" and args.names != "llava":
        parser.error("a linear projector exists only in the original layout: --names llava")
    weights = {n: torch.from_numpy(w).to(DTYPES[case["dtype"]]) for n, w in synth.checkpoint(case).items()}
    args.directory.mkdir(parents=True, exist_ok=True)
    config = make_goldens.config(case)
    config.architectures = ["LlavaForConditionalGeneration"]
    config.dtype = config.text_config.dtype = config.vision_config.dtype = DTYPES[case["dtype"]]
    if args.names == "saved":
        make_goldens.build(case, synth.checkpoint(case)).to(DTYPES[case["dtype"]]).save_pretrained(args.directory)
        return
    if args.names == "llava":
        (args.directory / "config.json").write_text(json.dumps(llava_config(case), indent=2) + "\n")
        config.vision_config.save_pretrained(args.directory / "vision")
        names = {n: llava_name(n, case["projector"]) for n in weights}
    else:
        # Id 0 stands for the image inside make_goldens alone; a directory names <image> where the vocabulary has it.
        config.image_token_id = 32000 if case["text"]["vocab_size"] > 32000 else 0
        config.save_pretrained(args.directory)
        names = {n: n if args.names == "old" else synth.new_name(n) for n in weights}
    save_file({names[n]: w for n, w in weights.items()}, args.directory / "model.safetensors", metadata={"format": "pt"})
    size = case["vision"]["image_size"]
    (args.directory / "preprocessor_config.json").write_text(json.dumps({
        "image_processor_type": "CLIPImageProcessor", "do_convert_rgb": True, "do_resize": True, "resample": 3,
        "size": {"shortest_edge": size}, "do_center_crop": True, "crop_size": {"height": size, "width": size},
        "do_rescale": True, "rescale_factor": 1 / 255, "do_normalize": True,
        "image_mean": make_goldens.MEAN.tolist(), "image_std": make_goldens.STD.tolist()}, indent=2) + "\n")


if __name__ == "__main__":
    main()
