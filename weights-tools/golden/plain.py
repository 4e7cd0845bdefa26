"""LLaVA's forward pass in float64, written out from the papers' formulas; shares no code with transformers.

It bounds the rounding error of the goldens, and would show a mistake in how the oracle was assembled.
"""

import math

import numpy as np
import torch


def layer_norm(x, w, b, eps):
    mean = x.mean(-1, keepdim=True)
    return (x - mean) / torch.sqrt(((x - mean) ** 2).mean(-1, keepdim=True) + eps) * w + b


def rms_norm(x, w, eps):
    return x / torch.sqrt((x * x).mean(-1, keepdim=True) + eps) * w


def attention(q, k, v, causal):
    """q [H,T,d], k and v [G,T,d] with H a multiple of G -> [T, H*d]."""
    group = q.shape[0] // k.shape[0]
    out = []
    for h in range(q.shape[0]):
        s = q[h] @ k[h // group].T / math.sqrt(q.shape[-1])
        if causal:
            s = s.masked_fill(torch.ones_like(s, dtype=torch.bool).triu(1), -math.inf)
        out.append(torch.softmax(s, -1) @ v[h // group])
    return torch.cat(out, -1)


def heads(x, d):
    return x.view(x.shape[0], -1, d).transpose(0, 1)


def rotate(x, theta):
    """Rotary embedding in the halves convention: channel i pairs with i + d/2."""
    d = x.shape[-1]
    angle = torch.arange(x.shape[1], dtype=torch.float64)[:, None] * theta ** (
        -torch.arange(0, d, 2, dtype=torch.float64) / d)
    a, b = x[..., :d // 2], x[..., d // 2:]
    return torch.cat([a * angle.cos() - b * angle.sin(), b * angle.cos() + a * angle.sin()], -1)


def vision(case, w, pixels):
    v = case["vision"]
    p, d, eps, base = v["patch_size"], v["hidden_size"], v["layer_norm_eps"], "vision_tower.vision_model."
    def lin(x, name):
        return x @ w(name + ".weight").T + w(name + ".bias")
    def norm(x, name):
        return layer_norm(x, w(name + ".weight"), w(name + ".bias"), eps)
    n = pixels.shape[-1] // p
    patches = pixels.reshape(3, n, p, n, p).permute(1, 3, 0, 2, 4).reshape(n * n, 3 * p * p)
    x = patches @ w(base + "embeddings.patch_embedding.weight").reshape(d, -1).T
    x = torch.cat([w(base + "embeddings.class_embedding")[None], x]) + w(base + "embeddings.position_embedding.weight")
    x = norm(x, base + "pre_layrnorm")
    for i in range(v["num_hidden_layers"] + 1 + v["feature_layer"]):
        layer = f"{base}encoder.layers.{i}."
        a = norm(x, layer + "layer_norm1")
        q, k, u = (heads(lin(a, f"{layer}self_attn.{c}_proj"), d // v["num_attention_heads"]) for c in "qkv")
        x = x + lin(attention(q, k, u, False), layer + "self_attn.out_proj")
        m = lin(norm(x, layer + "layer_norm2"), layer + "mlp.fc1")
        x = x + lin(m * torch.sigmoid(1.702 * m), layer + "mlp.fc2")
    return x[1:]


def project(case, w, x):
    y = x @ w("multi_modal_projector.linear_1.weight").T + w("multi_modal_projector.linear_1.bias")
    if case["projector"] == "mlp2x_gelu":
        y = y * 0.5 * (1 + torch.erf(y / math.sqrt(2)))
        y = y @ w("multi_modal_projector.linear_2.weight").T + w("multi_modal_projector.linear_2.bias")
    return y


def forward(case: dict, weights: dict, pixels: np.ndarray, ids: list) -> dict:
    """`ids` holds 0 at each image position. Returns vision, projected [images, patches, .] and logits [T, vocab]."""
    def w(name):
        return torch.from_numpy(weights[name]).double()
    t, base = case["text"], "language_model.model."
    d, eps = t["head_dim"], t["rms_norm_eps"]
    seen = [vision(case, w, torch.from_numpy(p).double()) for p in pixels]
    projected = [project(case, w, x) for x in seen]
    tokens = torch.tensor(ids)
    x = w(base + "embed_tokens.weight")[tokens]
    x[tokens == 0] = torch.cat(projected)
    for i in range(t["num_hidden_layers"]):
        layer = f"{base}layers.{i}."
        a = rms_norm(x, w(layer + "input_layernorm.weight"), eps)
        q, k, u = (heads(a @ w(f"{layer}self_attn.{c}_proj.weight").T, d) for c in "qkv")
        y = attention(rotate(q, t["rope_theta"]), rotate(k, t["rope_theta"]), u, True)
        x = x + y @ w(layer + "self_attn.o_proj.weight").T
        a = rms_norm(x, w(layer + "post_attention_layernorm.weight"), eps)
        g = a @ w(layer + "mlp.gate_proj.weight").T
        x = x + (g * torch.sigmoid(g) * (a @ w(layer + "mlp.up_proj.weight").T)) @ w(layer + "mlp.down_proj.weight").T
    logits = rms_norm(x, w(base + "norm.weight"), eps) @ w("language_model.lm_head.weight").T
    return {"vision": torch.stack(seen).numpy(), "projected": torch.stack(projected).numpy(), "logits": logits.numpy()}
