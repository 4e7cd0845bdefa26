"""The demo model: a CLIP vision tower, one linear projector and a LLaMA decoder, as small as they come.

Parameter names and arithmetic follow transformers' CLIPVisionModel and LlamaForCausalLM, so that export.py only renames
the outer prefixes. Radford et al. 2021 (CLIP), Touvron et al. 2023 (LLaMA), Zhao et al. 2023, arXiv:2307.09474 (ChatSpot).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import nn


@dataclass(frozen=True)
class Sizes:
    side: int = 112  # picture, stretched to side x side
    patch: int = 14
    vision_width: int = 256
    vision_heads: int = 4  # head size 64
    vision_ffn: int = 1024
    vision_layers: int = 6  # all of them run: vision_feature_layer -1, without post_layernorm
    width: int = 256
    heads: int = 2  # head size 128
    ffn: int = 704
    layers: int = 6

    @property
    def patches(self) -> int:
        return (self.side // self.patch) ** 2


def attend(q, k, v, bias=None):
    """softmax(q k^T / sqrt(d) + bias) v, written out: on a CPU in bfloat16, and with backward, 3 to 6 times as fast as
    scaled_dot_product_attention at these sizes."""
    scores = (q * q.shape[-1] ** -0.5) @ k.transpose(-1, -2)
    if bias is not None:
        scores = scores + bias.to(scores.dtype)
    return scores.softmax(-1).to(v.dtype) @ v


def hidden(t: int, before: int = 0):
    """[t, before + t]: 0 where token i may look (everything before, and itself), -10^4 elsewhere."""
    return torch.full((t, before + t), -1e4).triu(before + 1)


class ClipAttention(nn.Module):
    def __init__(self, d: int, heads: int):
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.out_proj = (nn.Linear(d, d) for _ in range(4))

    def forward(self, x):
        b, t, d = x.shape
        q, k, v = (f(x).view(b, t, self.heads, -1).transpose(1, 2) for f in (self.q_proj, self.k_proj, self.v_proj))
        return self.out_proj(attend(q, k, v).transpose(1, 2).reshape(b, t, d))


class ClipMlp(nn.Module):
    def __init__(self, d: int, ffn: int):
        super().__init__()
        self.fc1, self.fc2 = nn.Linear(d, ffn), nn.Linear(ffn, d)

    def forward(self, x):
        h = self.fc1(x)
        return self.fc2(h * torch.sigmoid(1.702 * h))  # quick_gelu


class ClipBlock(nn.Module):
    def __init__(self, d: int, heads: int, ffn: int):
        super().__init__()
        self.layer_norm1, self.layer_norm2 = nn.LayerNorm(d), nn.LayerNorm(d)
        self.self_attn, self.mlp = ClipAttention(d, heads), ClipMlp(d, ffn)

    def forward(self, x):
        x = x + self.self_attn(self.layer_norm1(x))
        return x + self.mlp(self.layer_norm2(x))


class Tower(nn.Module):
    """pixels [B, 3, S, S] -> patch features [B, P, D]; the CLS row takes part and is dropped at the end."""

    def __init__(self, z: Sizes):
        super().__init__()
        d = z.vision_width
        self.patch = z.patch
        self.class_embedding = nn.Parameter(torch.randn(d) * 0.02)
        self.patch_embedding = nn.Linear(3 * z.patch**2, d, bias=False)  # a convolution of stride = size, as a product
        self.position_embedding = nn.Parameter(torch.randn(1 + z.patches, d) * 0.02)
        self.pre_layrnorm = nn.LayerNorm(d)
        self.layers = nn.ModuleList(ClipBlock(d, z.vision_heads, z.vision_ffn) for _ in range(z.vision_layers))

    def forward(self, pixels):
        b, c, s, _ = pixels.shape
        n, p = s // self.patch, self.patch
        x = pixels.view(b, c, n, p, n, p).permute(0, 2, 4, 1, 3, 5).reshape(b, n * n, c * p * p)
        x = torch.cat([self.class_embedding.expand(b, 1, -1), self.patch_embedding(x)], 1) + self.position_embedding
        x = self.pre_layrnorm(x)
        for layer in self.layers:
            x = layer(x)
        return x[:, 1:]


class PatchHeads(nn.Module):
    """Training only: what each patch shows, linearly readable from its feature (so the projector can read it too)."""

    def __init__(self, z: Sizes, kinds: int, colours: int, glyphs: int):
        super().__init__()
        d, n = z.vision_width, z.side // z.patch
        self.kind, self.colour, self.glyph = nn.Linear(d, kinds), nn.Linear(d, colours), nn.Linear(d, glyphs)
        self.row, self.column = nn.Linear(d, n), nn.Linear(d, n)

    def loss(self, f, kind, colour, glyph):
        """f [B, P, D]; kind, colour [B, P] with -1 = skip; glyph [B, P, 36] 0/1. Returns loss, share of right patches."""
        b, p, _ = f.shape
        n = int(p**0.5)
        kinds = self.kind(f).flatten(0, 1).float()
        kind = kind.flatten()
        weight = torch.ones(kinds.shape[-1])
        weight[0] = 0.15  # background is most of a picture and easy
        loss = F.cross_entropy(kinds, kind, weight, ignore_index=-1)
        loss = loss + 0.3 * F.cross_entropy(self.colour(f).flatten(0, 1).float(), colour.flatten(), ignore_index=-1)
        letters = F.binary_cross_entropy_with_logits(
            self.glyph(f).float(), glyph.float(), pos_weight=torch.tensor(4.0), reduction="none"
        )
        has = glyph.any(-1)
        loss = loss + 0.3 * letters.sum(-1)[has].mean() + letters.sum(-1)[~has].mean() if has.any() else loss
        index = torch.arange(n)
        loss = loss + 0.1 * F.cross_entropy(self.row(f).flatten(0, 1).float(), index.repeat_interleave(n).repeat(b))
        loss = loss + 0.1 * F.cross_entropy(self.column(f).flatten(0, 1).float(), index.repeat(n).repeat(b))
        seen = kind > 0
        return loss, (kinds.argmax(-1) == kind)[seen].float().mean()


class RmsNorm(nn.Module):
    def __init__(self, d: int, eps: float = 1e-5):
        super().__init__()
        self.weight, self.eps = nn.Parameter(torch.ones(d)), eps

    def forward(self, x):
        return x * torch.rsqrt(x.square().mean(-1, keepdim=True) + self.eps) * self.weight


def q4_0(w: torch.Tensor) -> torch.Tensor:
    """w as ggml's Q4_0 stores it: blocks of 32 along a row, scale d = (value of largest magnitude) / -8 in half precision,
    codes min(15, floor(w/d + 8.5)) - 8."""
    blocks = w.view(-1, 32)
    extreme = blocks.gather(1, blocks.abs().argmax(1, keepdim=True))
    d = extreme / -8
    inverse = torch.where(d == 0, torch.zeros_like(d), 1 / d)
    codes = torch.clamp(torch.floor(blocks * inverse + 8.5), max=15) - 8
    return (codes * d.half().float()).view_as(w)


class Linear(nn.Linear):
    """No bias. With `Linear.int4` set, computes with the weights that Q4_0 would store (straight-through gradient)."""

    int4 = False

    def __init__(self, inside: int, outside: int):
        super().__init__(inside, outside, bias=False)

    def forward(self, x):
        w = self.weight
        if Linear.int4:
            w = w + (q4_0(w.detach()) - w.detach())
        return F.linear(x, w)


def rotary(positions, size: int):
    """cos, sin [T, size] of rotary angles t * 10000^(-2i/size); halves are paired (i, i + size/2)."""
    angles = positions[:, None].float() * 10000 ** (-torch.arange(0, size, 2).float() / size)
    angles = torch.cat([angles, angles], -1)
    return angles.cos(), angles.sin()


def rotate(x, cos, sin):
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat([-b, a], -1) * sin


class LlamaAttention(nn.Module):
    def __init__(self, d: int, heads: int):
        super().__init__()
        self.heads = heads
        self.q_proj, self.k_proj, self.v_proj, self.o_proj = (Linear(d, d) for _ in range(4))

    def qkv(self, x, cos, sin):
        q, k, v = (
            f(x).view(*x.shape[:-1], self.heads, -1).transpose(-3, -2) for f in (self.q_proj, self.k_proj, self.v_proj)
        )
        return rotate(q, cos, sin).to(v.dtype), rotate(k, cos, sin).to(v.dtype), v


class LlamaMlp(nn.Module):
    def __init__(self, d: int, ffn: int):
        super().__init__()
        self.gate_proj, self.up_proj, self.down_proj = Linear(d, ffn), Linear(d, ffn), Linear(ffn, d)

    def forward(self, x):
        return self.down_proj(F.silu(self.gate_proj(x)) * self.up_proj(x))


class LlamaBlock(nn.Module):
    def __init__(self, d: int, heads: int, ffn: int):
        super().__init__()
        self.input_layernorm, self.post_attention_layernorm = RmsNorm(d), RmsNorm(d)
        self.self_attn, self.mlp = LlamaAttention(d, heads), LlamaMlp(d, ffn)


class Decoder(nn.Module):
    """LLaMA over one shared prefix (the picture) and several independent continuations of it (conversations).

    prefix [B, P, D], blocks [B, N, L, D]: each block continues the prefix at position P and sees the prefix and itself,
    which is what N separate sequences would compute, without running the prefix N times.
    """

    def __init__(self, z: Sizes, vocabulary: int):
        super().__init__()
        self.embed_tokens = nn.Embedding(vocabulary, z.width)
        self.layers = nn.ModuleList(LlamaBlock(z.width, z.heads, z.ffn) for _ in range(z.layers))
        self.norm = RmsNorm(z.width)
        self.lm_head = Linear(z.width, vocabulary)
        self.head_size = z.width // z.heads
        nn.init.normal_(self.embed_tokens.weight, std=0.05)
        for block in self.layers:
            nn.init.normal_(block.self_attn.o_proj.weight, std=0.02 / z.layers**0.5)
            nn.init.normal_(block.mlp.down_proj.weight, std=0.02 / z.layers**0.5)

    def forward(self, prefix, blocks, watch=()):
        """Returns final states of the blocks, and for each layer in `watch` its (state after, queries, prefix keys)."""
        b, p, d = prefix.shape
        n, t = blocks.shape[1:3]
        cos_p, sin_p = rotary(torch.arange(p), self.head_size)
        cos_t, sin_t = rotary(torch.arange(p, p + t), self.head_size)
        mask = hidden(t, p)
        seen = {}
        for i, block in enumerate(self.layers):
            attention = block.self_attn
            qp, kp, vp = attention.qkv(block.input_layernorm(prefix), cos_p, sin_p)
            qt, kt, vt = attention.qkv(block.input_layernorm(blocks), cos_t, sin_t)
            if i + 1 < len(self.layers):
                out = attend(qp, kp, vp, hidden(p))
                prefix = prefix + attention.o_proj(out.transpose(1, 2).reshape(b, p, d))
                prefix = prefix + block.mlp(block.post_attention_layernorm(prefix))
            k = torch.cat([kp[:, None].expand(-1, n, -1, -1, -1), kt], 3).flatten(0, 1)
            v = torch.cat([vp[:, None].expand(-1, n, -1, -1, -1), vt], 3).flatten(0, 1)
            out = attend(qt.flatten(0, 1), k, v, mask)
            blocks = blocks + attention.o_proj(out.transpose(1, 2).reshape(b, n, t, d))
            blocks = blocks + block.mlp(block.post_attention_layernorm(blocks))
            if i in watch:
                seen[i] = blocks, qt, kp
        return self.norm(blocks), seen


BEFORE_IMAGE = 4  # <s> ▁USER : ▁
COORDINATE_LAYERS = (0, 1, 2)  # after these, states inside <box> … </box> must hold the coordinates
REGION_LAYER, ANSWER_LAYER = 3, 4  # where head 0 of </box> and names asked for, and of answer tokens, must look
BESIDE_LAYER = 5  # the same for what is beside a named thing: found in layer 3, told to the answer in 4, so one later


class Assistant(nn.Module):
    """Tower, projector and decoder, with the training losses."""

    def __init__(self, z: Sizes, vocabulary: int, before: list[int]):
        super().__init__()
        self.tower = Tower(z)
        self.projector = nn.Linear(z.vision_width, z.width)
        self.decoder = Decoder(z, vocabulary)
        self.register_buffer("before", torch.tensor(before), persistent=False)

    def prefix(self, features):
        """[B, P, Dv] -> the embedded `<s>USER: <image>`, [B, 4 + P, D]."""
        start = self.decoder.embed_tokens(self.before).expand(features.shape[0], -1, -1)
        return torch.cat([start, self.projector(features).to(start.dtype)], 1)


class PointingHeads(nn.Module):
    """Training only. Two helpers without which pointing is learnt late: the coordinates just read must be linearly
    readable from the states, and attention (head 0 of a layer) must fall on the patches that the text is about."""

    def __init__(self, z: Sizes):
        super().__init__()
        self.coordinates = nn.ModuleList(nn.Linear(z.width, 4) for _ in COORDINATE_LAYERS)

    def coordinate_loss(self, seen, at, value):
        """at [B, N, L] 1..4: this token ends number 1..4; 5: `</box>`. value [B, N, L, 4] with nan = not yet said."""
        where = at > 0
        target = value[where]
        known = ~target.isnan()
        last = (at[where] < 5)[:, None] & (torch.arange(1, 5) != at[where][:, None])  # a comma answers for its own number
        loss = 0.0
        for layer, head in zip(COORDINATE_LAYERS, self.coordinates):
            guess = head(seen[layer][0][where]).float()
            use = known & ~last
            if layer == 0:
                use = use & (at[where] < 5)[:, None]
            loss = loss + F.smooth_l1_loss(guess[use], target[use], beta=0.05)
        return loss

    def look_loss(self, seen, layer, where, patches):
        """-log of the share of attention over the prefix that falls on `patches` [M, P]; also how often the peak does."""
        _, q, kp = seen[layer]
        if not where.any():
            return torch.zeros(()), torch.tensor(float("nan"))
        b = where.nonzero()[:, 0]
        q = q.permute(0, 1, 3, 2, 4)[where][:, 0].float()  # head 0 [M, Dh]
        k = kp[:, 0].float()  # [B, P, Dh]
        parts = [q[b == i] @ k[i].T for i in range(k.shape[0])]  # `where` is sorted by picture
        scores = torch.cat(parts) * q.shape[-1] ** -0.5
        on_image = scores[:, BEFORE_IMAGE:]
        inside = on_image.masked_fill(~patches, float("-inf")).logsumexp(-1)
        hit = patches.gather(1, on_image.argmax(-1, keepdim=True)).float().mean()
        return (scores.logsumexp(-1) - inside).mean(), hit
