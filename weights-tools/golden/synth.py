"""Tiny LLaVA checkpoints defined by a formula instead of a file.

Every weight is a pure function of (tensor name, element index, seed), so that the same checkpoint can be made in
any language and nothing large is committed. Names are the ones transformers wrote up to 4.51
(`language_model.model.layers.0.self_attn.q_proj.weight`), whatever layout is written in the end.
"""

import numpy as np

GOLDEN = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1


def fnv1a64(text: str) -> int:
    h = 0xCBF29CE484222325
    for b in text.encode("utf-8"):
        h = ((h ^ b) * 0x100000001B3) & MASK
    return h


def bits(name: str, count: int, seed: int) -> np.ndarray:
    """`count` words of splitmix64 keyed by name and seed."""
    key = fnv1a64(name) ^ ((seed * GOLDEN) & MASK)
    with np.errstate(over="ignore"):
        z = np.arange(1, count + 1, dtype=np.uint64) * np.uint64(GOLDEN) + np.uint64(key)
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))


def uniform(name: str, count: int, seed: int) -> np.ndarray:
    """`count` values 2u-1 in [-1, 1), each exact in float32: the upper 24 bits of each word."""
    k = (bits(name, count, seed) >> np.uint64(40)).astype(np.float64)
    return (2.0 * k * 2.0**-24 - 1.0).astype(np.float32)


def is_norm(name: str) -> bool:
    return "norm" in name.rsplit(".", 2)[-2]


def tensor(name: str, shape, seed: int, dtype: str = "f32") -> np.ndarray:
    """The tensor `name` as float32 values, rounded to nearest even through `dtype` (f32, f16 or bf16)."""
    u = uniform(name, int(np.prod(shape)), seed)
    leaf = name.rsplit(".", 2)
    if is_norm(name) and leaf[-1] == "weight":
        w = (np.float32(1) + np.float32(0.1) * u).astype(np.float32)
    else:
        if "embed_tokens" in name or "class_embedding" in name or "position_embedding" in name:
            scale = np.float32(0.5)
        elif leaf[-1] == "bias":
            scale = np.float32(0.1)
        else:
            scale = np.float32(1.2 / np.sqrt(float(np.prod(shape[1:]))))
        w = (u * scale).astype(np.float32)
    return round_to(w, dtype).reshape(shape)


def round_to(w: np.ndarray, dtype: str) -> np.ndarray:
    if dtype == "f32":
        return w
    if dtype == "f16":
        return w.astype(np.float16).astype(np.float32)
    if dtype == "bf16":
        bits = w.view(np.uint32).astype(np.uint64)
        bits = (bits + 0x7FFF + ((bits >> np.uint64(16)) & np.uint64(1))) & np.uint64(0xFFFF0000)
        return bits.astype(np.uint32).view(np.float32)
    raise ValueError(dtype)


def shapes(c: dict) -> dict:
    """Old-style tensor name -> shape, in row-major order, of the checkpoint that `c` (a case's config) describes."""
    v, t = c["vision"], c["text"]
    d, f, p = v["hidden_size"], v["intermediate_size"], v["patch_size"]
    h, m, kv = t["hidden_size"], t["intermediate_size"], t["num_key_value_heads"] * t["head_dim"]
    q = t["num_attention_heads"] * t["head_dim"]
    s = {}
    base = "vision_tower.vision_model."
    s[base + "embeddings.class_embedding"] = (d,)
    s[base + "embeddings.patch_embedding.weight"] = (d, 3, p, p)
    s[base + "embeddings.position_embedding.weight"] = ((v["image_size"] // p) ** 2 + 1, d)
    norm(s, base + "pre_layrnorm", d)
    for i in range(v["num_hidden_layers"]):
        layer = f"{base}encoder.layers.{i}."
        for n in ("q_proj", "k_proj", "v_proj", "out_proj"):
            linear(s, layer + "self_attn." + n, d, d)
        norm(s, layer + "layer_norm1", d)
        norm(s, layer + "layer_norm2", d)
        linear(s, layer + "mlp.fc1", f, d)
        linear(s, layer + "mlp.fc2", d, f)
    norm(s, base + "post_layernorm", d)
    linear(s, "multi_modal_projector.linear_1", h, d)
    if c["projector"] == "mlp2x_gelu":
        linear(s, "multi_modal_projector.linear_2", h, h)
    base = "language_model.model."
    s[base + "embed_tokens.weight"] = (t["vocab_size"], h)
    for i in range(t["num_hidden_layers"]):
        layer = f"{base}layers.{i}."
        s[layer + "self_attn.q_proj.weight"] = (q, h)
        s[layer + "self_attn.k_proj.weight"] = (kv, h)
        s[layer + "self_attn.v_proj.weight"] = (kv, h)
        s[layer + "self_attn.o_proj.weight"] = (h, q)
        s[layer + "mlp.gate_proj.weight"] = (m, h)
        s[layer + "mlp.up_proj.weight"] = (m, h)
        s[layer + "mlp.down_proj.weight"] = (h, m)
        s[layer + "input_layernorm.weight"] = (h,)
        s[layer + "post_attention_layernorm.weight"] = (h,)
    s[base + "norm.weight"] = (h,)
    s["language_model.lm_head.weight"] = (t["vocab_size"], h)
    return s


def norm(s: dict, name: str, width: int) -> None:
    s[name + ".weight"] = (width,)
    s[name + ".bias"] = (width,)


def linear(s: dict, name: str, rows: int, cols: int) -> None:
    s[name + ".weight"] = (rows, cols)
    s[name + ".bias"] = (rows,)


def checkpoint(c: dict) -> dict:
    return {n: tensor(n, s, c["seed"], c["dtype"]) for n, s in shapes(c).items()}


def new_name(old: str) -> str:
    """The name transformers 5 keeps in memory for an old-style name."""
    if old.startswith("language_model.model."):
        return "model.language_model." + old[len("language_model.model."):]
    if old.startswith("vision_tower.vision_model."):
        return "model.vision_tower." + old[len("vision_tower.vision_model."):]
    if old.startswith("multi_modal_projector."):
        return "model." + old
    return old.removeprefix("language_model.")


def image(which: int) -> np.ndarray:
    """Test picture 1 (640x427) or 2 (300x400) as uint8 [height, width, 3]."""
    w, h = ((640, 427), (300, 400))[which - 1]
    x, y = np.meshgrid(np.arange(w, dtype=np.int64), np.arange(h, dtype=np.int64))
    if which == 1:
        rgb = (37 * x + 11 * y, 91 * x + 53 * y, 17 * x * y + 29)
    else:
        rgb = (13 * x + 7 * y + 50, x * y, 5 * x + 3 * y * y)
    return (np.stack(rgb, axis=-1) % 256).astype(np.uint8)
