"""Logits of decoders whose linear maps are packed as AWQ and GPTQ checkpoints pack them, by transformers on the numbers unpacked.

    python packed.py    # -> java/engine/src/test/resources/golden/packed_*.json

The packed words themselves come from the weight formula: any 32 bits are eight numbers, so nothing needs packing and nothing large is
committed. Word i of `NAME.qweight` and `NAME.qzeros` is the lower half of the formula's i-th z; `NAME.scales` is float16 of
0.15/sqrt(in) * (1 + v/2), v the formula's number in [-1, 1). A case may fix the words of qzeros. README.md describes what is written.
"""

import json
import math
import pathlib
import zlib

import numpy as np
import torch
from transformers import LlamaConfig, LlamaForCausalLM

import synth

OUT = pathlib.Path(__file__).parents[2] / "java/engine/src/test/resources/golden"
BASE = "language_model."
TEXT = dict(hidden_size=256, intermediate_size=384, num_hidden_layers=2, num_attention_heads=4, num_key_value_heads=2,
            head_dim=64, vocab_size=32000, rms_norm_eps=1e-5, rope_theta=10000.0, max_position_embeddings=512)
POSITIONS = 16
CASES = {
    "awq": (31, None, {"quant_method": "awq", "bits": 4, "group_size": 128, "zero_point": True, "version": "gemm"}),
    "gptq": (32, None, {"quant_method": "gptq", "bits": 4, "group_size": 128, "sym": False, "desc_act": False}),
    "gptq_sym": (33, 0x77777777, {"quant_method": "gptq", "bits": 4, "group_size": 128, "sym": True, "desc_act": False,
                                  "checkpoint_format": "gptq"}),
    "gptq_v2": (34, None, {"quant_method": "gptq", "bits": 4, "group_size": 128, "sym": False, "desc_act": False,
                           "checkpoint_format": "gptq_v2"}),
}


def maps() -> dict:
    """Every packed linear map's (outputs, inputs)."""
    d, f, kv = TEXT["hidden_size"], TEXT["intermediate_size"], TEXT["num_key_value_heads"] * TEXT["head_dim"]
    layer = {"self_attn.q_proj": (d, d), "self_attn.k_proj": (kv, d), "self_attn.v_proj": (kv, d), "self_attn.o_proj": (d, d),
             "mlp.gate_proj": (f, d), "mlp.up_proj": (f, d), "mlp.down_proj": (d, f)}
    return {f"{BASE}model.layers.{i}.{n}": s for i in range(TEXT["num_hidden_layers"]) for n, s in layer.items()}


def words(name: str, shape, seed: int) -> np.ndarray:
    return (synth.bits(name, int(np.prod(shape)), seed) & np.uint64(0xFFFFFFFF)).astype(np.uint32).reshape(shape)


def nibble(word: np.ndarray, k: int) -> np.ndarray:
    return (word >> np.uint32(4 * k)).astype(np.int64) & 15


def across(word: np.ndarray, places) -> np.ndarray:
    """[n, out/8] words of eight outputs -> [n, out]; the k-th nibble is output places[k] of its eight."""
    out = np.zeros((word.shape[0], word.shape[1] * 8), dtype=np.int64)
    for k, place in enumerate(places):
        out[:, place::8] = nibble(word, k)
    return out


def down(word: np.ndarray) -> np.ndarray:
    """[in/8, out] words of eight inputs -> [in, out]."""
    out = np.zeros((word.shape[0] * 8, word.shape[1]), dtype=np.int64)
    for k in range(8):
        out[k::8] = nibble(word, k)
    return out


def weight(name: str, out: int, into: int, seed: int, fixed, config: dict) -> np.ndarray:
    """The map as float32 [out, in]: scale * (q - zero), exact."""
    u = synth.uniform(name + ".scales", into // 128 * out, seed)
    scales = (np.float32(0.15 / math.sqrt(into)) * (np.float32(1) + np.float32(0.5) * u)).astype(np.float16)
    scales = scales.astype(np.float32).reshape(into // 128, out)
    zeros = words(name + ".qzeros", (into // 128, out // 8), seed)
    if fixed is not None:
        zeros = np.full_like(zeros, fixed)
    if config["quant_method"] == "awq":
        order = [0, 2, 4, 6, 1, 3, 5, 7]
        q, z = across(words(name + ".qweight", (into, out // 8), seed), order), across(zeros, order)
    else:
        q, z = down(words(name + ".qweight", (into // 8, out), seed)), across(zeros, range(8))
        if config.get("checkpoint_format", "gptq") == "gptq":  # stored less one, modulo 16
            z = (z + 1) % 16
    group = np.arange(into) // 128
    return np.ascontiguousarray((scales[group] * (q - z[group]).astype(np.float32)).T)


@torch.no_grad()
def make(case: str) -> None:
    seed, fixed, config = CASES[case]
    d, vocab = TEXT["hidden_size"], TEXT["vocab_size"]
    weights = {n + ".weight": weight(n, *s, seed, fixed, config) for n, s in maps().items()}
    sums = {n: zlib.crc32(w.astype("<f4").tobytes()) for n, w in weights.items()}
    for name, shape in {"model.embed_tokens": (vocab, d), "model.norm": (d,), "lm_head": (vocab, d)}.items():
        weights[f"{BASE}{name}.weight"] = synth.tensor(f"{BASE}{name}.weight", shape, seed)
    for i in range(TEXT["num_hidden_layers"]):
        for norm in ("input_layernorm", "post_attention_layernorm"):
            name = f"{BASE}model.layers.{i}.{norm}.weight"
            weights[name] = synth.tensor(name, (d,), seed)
    model = LlamaForCausalLM(LlamaConfig(**TEXT, tie_word_embeddings=False, attn_implementation="eager")).eval()
    model.load_state_dict({n.removeprefix(BASE): torch.from_numpy(w) for n, w in weights.items()}, strict=True)
    ids = [1] + [int(17 + 1993 * i % 31000) for i in range(POSITIONS - 1)]
    logits = model(input_ids=torch.tensor([ids])).logits[0]
    exact = model.double()(input_ids=torch.tensor([ids])).logits[0]
    magnitude, error = float(logits.abs().max()), float((exact - logits).abs().max())
    if error > 1e-5 * magnitude:
        raise SystemExit(f"{case}: float32 and float64 differ by {error:.2e}")
    columns = list(range(5, vocab, 1357))
    description = {"text": TEXT, "seed": seed, "packing": config["quant_method"], "qzeros": fixed, "quantization_config": config, "prompt_ids": ids,
                   "logit_columns": columns, "magnitude": magnitude, "oracle_error": error, "crc32": sums}
    lines = [f"  {json.dumps(k)}: {json.dumps(v)}" for k, v in description.items()]
    rows = ",\n".join("    " + json.dumps([float(f"{v:.9g}") for v in row]) for row in logits[:, columns].tolist())
    (OUT / f"packed_{case}.json").write_text("{\n" + ",\n".join(lines) + ',\n  "logits": [\n' + rows + "\n  ]\n}\n")
    print(f"{case}: largest logit {magnitude:.3f}, error {error:.1e}", flush=True)


if __name__ == "__main__":
    torch.set_num_threads(1)
    for case in CASES:
        make(case)
