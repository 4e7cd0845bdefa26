"""Writes the trained model as a directory that transformers loads as LlavaForConditionalGeneration, and checks it.

The projector is one linear map. transformers has no such class of projector, so it is stored as
linear_2(act(linear_1(x))) with act = "linear" (the identity), linear_1 = the trained map, linear_2 = the identity matrix
with zero bias: exactly the same function.
"""

from __future__ import annotations

import argparse
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file

import scenes
from data import Writer, stretched
from model import Assistant, Sizes
from train import pixels

CHAT_TEMPLATE = (
    "{% for message in messages %}{% if message['role'] == 'user' %}USER: "
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] if part['type'] == 'image' %}<image>\n{% endfor %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}{% endif %} "
    "{% else %}ASSISTANT: "
    "{% if message['content'] is string %}{{ message['content'] }}{% else %}"
    "{% for part in message['content'] if part['type'] == 'text' %}{{ part['text'] }}{% endfor %}{% endif %}</s>"
    "{% endif %}{% endfor %}{% if add_generation_prompt %}ASSISTANT:{% endif %}"
)


def load(folder: Path, key: str = "ema") -> Assistant:
    """The model of a checkpoint: its running average, or with key "model" the last step."""
    z, writer = Sizes(), Writer(folder, Sizes())
    model = Assistant(z, writer.fast.get_vocab_size(), writer.fast.encode("USER: ").ids)
    state = torch.load(folder / "answer.pt", weights_only=False)[key]
    model.load_state_dict({k[len("model.") :]: v for k, v in state.items() if k.startswith("model.")})
    return model.eval()


def tensors(model: Assistant, z: Sizes) -> dict[str, torch.Tensor]:
    out = {}
    for name, value in model.tower.state_dict().items():
        name = name.replace("layers.", "encoder.layers.")
        name = name.replace("class_embedding", "embeddings.class_embedding")
        name = name.replace("position_embedding", "embeddings.position_embedding.weight")
        if name == "patch_embedding.weight":
            name, value = "embeddings.patch_embedding.weight", value.view(-1, 3, z.patch, z.patch)
        out[f"vision_tower.vision_model.{name}"] = value
    for part in ("weight", "bias"):  # never read at feature layer -1, but CLIP has it
        out[f"vision_tower.vision_model.post_layernorm.{part}"] = torch.full((z.vision_width,), float(part == "weight"))
    out["multi_modal_projector.linear_1.weight"] = model.projector.weight
    out["multi_modal_projector.linear_1.bias"] = model.projector.bias
    out["multi_modal_projector.linear_2.weight"] = torch.eye(z.width)
    out["multi_modal_projector.linear_2.bias"] = torch.zeros(z.width)
    for name, value in model.decoder.state_dict().items():
        out["language_model." + (name if name.startswith("lm_head") else f"model.{name}")] = value
    return {k: v.detach().to(torch.bfloat16).contiguous().clone() for k, v in out.items()}


def write_json(path: Path, value):
    path.write_text(json.dumps(value, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def export(model: Assistant, source: Path, out: Path):
    z, fast = Sizes(), Writer(source, Sizes()).fast
    out.mkdir(parents=True, exist_ok=True)
    save_file(tensors(model, z), out / "model.safetensors", metadata={"format": "pt"})
    (out / "model.safetensors").chmod(0o644)
    image = fast.token_to_id("<image>")
    vision = dict(
        model_type="clip_vision_model", hidden_size=z.vision_width, intermediate_size=z.vision_ffn, image_size=z.side,
        patch_size=z.patch, num_hidden_layers=z.vision_layers, num_attention_heads=z.vision_heads, projection_dim=z.vision_width,
        hidden_act="quick_gelu", layer_norm_eps=1e-5,
    )  # fmt: skip
    text = dict(
        model_type="llama", architectures=["LlamaForCausalLM"], hidden_size=z.width, intermediate_size=z.ffn,
        num_hidden_layers=z.layers, num_attention_heads=z.heads, num_key_value_heads=z.heads, head_dim=z.width // z.heads,
        hidden_act="silu", rms_norm_eps=1e-5, rope_theta=10000.0, max_position_embeddings=1024, vocab_size=fast.get_vocab_size(),
        tie_word_embeddings=False, bos_token_id=1, eos_token_id=2,
    )  # fmt: skip
    write_json(out / "config.json", dict(
        architectures=["LlavaForConditionalGeneration"], model_type="llava", torch_dtype="bfloat16", vision_config=vision,
        text_config=text, image_token_index=image, projector_hidden_act="linear", multimodal_projector_bias=True,
        vision_feature_layer=-1, vision_feature_select_strategy="default", image_seq_length=z.patches, tie_word_embeddings=False,
    ))  # fmt: skip
    write_json(out / "generation_config.json", dict(bos_token_id=1, eos_token_id=2, pad_token_id=2, do_sample=False, max_new_tokens=64))
    special = dict(bos_token="<s>", eos_token="</s>", unk_token="<unk>", pad_token="</s>",
                   additional_special_tokens=["<image>", "<box>", "</box>"])  # fmt: skip
    write_json(out / "special_tokens_map.json", special)
    added = {str(fast.token_to_id(t)): dict(content=t, lstrip=False, normalized=False, rstrip=False, single_word=False, special=True)
             for t in ["<unk>", "<s>", "</s>", "<image>", "<box>", "</box>"]}  # fmt: skip
    write_json(out / "tokenizer_config.json", special | dict(
        tokenizer_class="LlamaTokenizer", legacy=False, add_bos_token=True, add_eos_token=False, added_tokens_decoder=added,
        image_token="<image>", model_max_length=1024, padding_side="left", processor_class="LlavaProcessor",
        clean_up_tokenization_spaces=False, chat_template=CHAT_TEMPLATE,
    ))  # fmt: skip
    write_json(out / "preprocessor_config.json", dict(
        image_processor_type="CLIPImageProcessor", processor_class="LlavaProcessor", do_convert_rgb=True, do_resize=True,
        size=dict(height=z.side, width=z.side), resample=3, do_center_crop=False, crop_size=dict(height=z.side, width=z.side),
        do_rescale=True, rescale_factor=1 / 255, do_normalize=True, image_mean=[0.48145466, 0.4578275, 0.40821073],
        image_std=[0.26862954, 0.26130258, 0.27577711],
    ))  # fmt: skip
    write_json(out / "processor_config.json", dict(
        processor_class="LlavaProcessor", patch_size=z.patch, image_token="<image>", num_additional_image_tokens=1,
        vision_feature_select_strategy="default",
    ))  # fmt: skip
    (out / "chat_template.jinja").write_text(CHAT_TEMPLATE, encoding="utf-8")
    write_json(out / "fovea.json", dict(template="hf_llava", regions="chatspot", image_mode="resize"))
    for name in "tokenizer.model", "tokenizer.json":
        shutil.copy(source / name, out / name)


@torch.no_grad()
def verify(model: Assistant, source: Path, out: Path):
    """transformers, reading the directory in float32, and our own code give the same logits and tokens."""
    from transformers import AutoProcessor, LlavaForConditionalGeneration

    z, writer = Sizes(), Writer(source, Sizes())
    for p in model.parameters():
        p.copy_(p.to(torch.bfloat16))
    theirs, info = LlavaForConditionalGeneration.from_pretrained(out, dtype=torch.float32, output_loading_info=True)
    assert not info["missing_keys"] and not info["unexpected_keys"], info
    scene = scenes.make_scene(scenes.SAMPLE_SEED)
    picture = pixels(torch.from_numpy(stretched(scene.image, z.side).copy())[None])
    question = "\nWhat is this? <box>0.12, 0.34, 0.56, 0.78</box> ASSISTANT:"
    ids = writer.ids(question, "<image>")
    states, _ = model.decoder(model.prefix(model.tower(picture)), model.decoder.embed_tokens(torch.tensor([[ids]])))
    ours = model.decoder.lm_head(states)[0, 0, -1]
    processor = AutoProcessor.from_pretrained(out)
    inputs = processor(images=scene.image, text="USER: <image>" + question, return_tensors="pt")
    assert inputs["input_ids"][0, -len(ids) :].tolist() == ids
    gap = (inputs["pixel_values"] - picture).abs().max().item()
    logits = theirs.eval()(**inputs).logits[0, -1]
    difference = (logits - ours).abs().max().item()
    print(f"transformers against our code: pixels differ by {gap:.1e}, logits by {difference:.1e} of {ours.abs().max():.1f}")
    assert difference < 2e-2
    answer = theirs.generate(**inputs, max_new_tokens=8, do_sample=False)
    print("answer:", processor.decode(answer[0, inputs["input_ids"].shape[1] :], skip_special_tokens=True))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, help="folder with answer.pt and the tokenizer")
    parser.add_argument("out", type=Path)
    parser.add_argument("--last", action="store_true", help="the last step instead of the running average")
    args = parser.parse_args()
    torch.set_num_threads(1)
    assistant = load(args.source, "model" if args.last else "ema")
    export(assistant, args.source, args.out)
    verify(assistant, args.source, args.out)
