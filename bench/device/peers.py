"""What PyTorch and transformers do with the same shapes on this GPU: JSON lines on standard output. Random weights.

    python3 peers.py [--only decode|int4|vision] [--device cpu --tiny to see that it runs]

decode    Vicuna-7B in bf16, static cache, one compiled step in a graph: tokens/s by batch and context
int4      the same step with PyTorch's own int4 product (groups of 128) in every linear map
vision    CLIP ViT-L/14 in bf16, compiled: pictures/s at 224 and 336 pixels
"""

import argparse
import json
import statistics
import time

import torch
from torch import nn
from transformers import CLIPVisionConfig, CLIPVisionModel, LlamaConfig, LlamaForCausalLM, StaticCache

TINY = {"hidden_size": 256, "intermediate_size": 512, "num_hidden_layers": 2, "num_attention_heads": 2}
VICUNA = {"hidden_size": 4096, "intermediate_size": 11008, "num_hidden_layers": 32, "num_attention_heads": 32}
GROUP = 128


def wait(device):
    if device.type == "cuda":
        torch.cuda.synchronize()


def median_seconds(run, device, repeats):
    times = []
    for i in range(repeats + 3):
        wait(device)
        start = time.perf_counter()
        run()
        wait(device)
        if i >= 3:
            times.append(time.perf_counter() - start)
    return statistics.median(times)


def say(peer, **fields):
    print(json.dumps({"peer": peer, "torch": torch.__version__, **fields}), flush=True)


class Int4Linear(nn.Module):
    """x wT by torch.ops.aten._weight_int4pack_mm."""

    def __init__(self, linear):
        super().__init__()
        w = linear.weight.data.float()
        rows, columns = w.shape
        groups = w.reshape(rows, columns // GROUP, GROUP)
        low, high = groups.amin(2), groups.amax(2)
        scale = ((high - low) / 15).clamp(min=1e-6)
        q = ((groups - low[..., None]) / scale[..., None]).round().clamp(0, 15).to(torch.int32).reshape(rows, columns)
        # Two weights a byte, the even column in the upper half; zero is the value that 8 stands for.
        packed = (q[:, ::2] << 4 | q[:, 1::2]).to(torch.uint8)
        self.register_buffer("weight", torch.ops.aten._convert_weight_to_int4pack(packed, 8))
        zero = low + 8 * scale
        self.register_buffer("scales", torch.stack([scale, zero], 2).transpose(0, 1).contiguous().bfloat16())
        self.rows = rows

    def forward(self, x):
        y = torch.ops.aten._weight_int4pack_mm(x.reshape(-1, x.shape[-1]), self.weight, GROUP, self.scales)
        return y.reshape(*x.shape[:-1], self.rows)


def replace_linears(module):
    for name, child in module.named_children():
        if isinstance(child, nn.Linear):
            setattr(module, name, Int4Linear(child))
        else:
            replace_linears(child)


def decode(peer, device, tiny, int4):
    config = LlamaConfig(vocab_size=32000, max_position_embeddings=4096, **(TINY if tiny else VICUNA))
    with torch.device(device):
        torch.set_default_dtype(torch.bfloat16)
        model = LlamaForCausalLM(config).eval()
        torch.set_default_dtype(torch.float32)
    if int4:
        replace_linears(model)
    for batch, context in [(1, 16)] if tiny else [(1, 700), (1, 2048), (8, 700), (64, 700)]:
        cache = StaticCache(config=config, max_cache_len=context + 64)
        ids = torch.zeros(batch, 1, dtype=torch.long, device=device)
        position = torch.full((1,), context, device=device)

        @torch.no_grad()
        def step():
            out = model(ids, past_key_values=cache, cache_position=position, position_ids=position[None].expand(batch, 1),
                        use_cache=True)
            return out.logits[:, -1].argmax(-1)

        run = step if tiny else torch.compile(step, mode="reduce-overhead")
        seconds = median_seconds(run, device, 5 if tiny else 50)
        say(peer, batch=batch, context=context, tokens_per_second=round(batch / seconds, 1), step_ms=round(seconds * 1e3, 3))


def vision(device, tiny):
    for side in (224, 336):
        sizes = {"hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 2} if tiny else {
            "hidden_size": 1024, "intermediate_size": 4096, "num_hidden_layers": 24, "num_attention_heads": 16}
        model = CLIPVisionModel(CLIPVisionConfig(image_size=side, patch_size=14, **sizes)).to(device, torch.bfloat16).eval()
        run = model if tiny else torch.compile(model, mode="max-autotune-no-cudagraphs")
        for batch in (1,) if tiny else (1, 64):
            pixels = torch.randn(batch, 3, side, side, device=device, dtype=torch.bfloat16)
            with torch.no_grad():
                seconds = median_seconds(lambda: run(pixels), device, 3 if tiny else 20)
            say("vision", side=side, batch=batch, pictures_per_second=round(batch / seconds, 1))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", choices=["decode", "int4", "vision"])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--tiny", action="store_true", help="small shapes, nothing compiled: to see that it runs")
    args = parser.parse_args()
    device = torch.device(args.device)
    runs = {
        "decode": lambda: decode("transformers bf16", device, args.tiny, False),
        "int4": lambda: decode("PyTorch int4", device, args.tiny, True),
        "vision": lambda: vision(device, args.tiny),
    }
    for name, run in runs.items():
        if args.only in (None, name):
            try:
                run()
            except Exception as e:  # one peer that cannot run must not cost the others' figures
                say(name, failed=f"{type(e).__name__}: {e}"[:300])


if __name__ == "__main__":
    main()
