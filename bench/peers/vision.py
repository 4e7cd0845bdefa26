"""CLIP tower and projector of an mmproj file in PyTorch or ONNX Runtime, for `./fovea bench --vs`.

    python3 vision.py pytorch|onnxruntime MMPROJ.gguf [--threads N] [--dtype bf16|f32]

Prints `ready WHAT`, then for each line on standard input the nanoseconds that one picture took. If something is missing, one line says
what and how to get it. ONNX Runtime computes in f32: its CPU provider has no bfloat16.
"""

import argparse
import os
import sys
import tempfile
import time


def need(module, install):
    try:
        return __import__(module)
    except ImportError:
        print(f"the Python package {module} is missing. Get it: {sys.executable} -m pip install {install}", flush=True)
        sys.exit(1)


def build(torch, gguf, path):
    reader = gguf.GGUFReader(path)
    from gguf.quants import dequantize

    tensors = {t.name: torch.from_numpy(dequantize(t.data, t.tensor_type).copy()) for t in reader.tensors}
    number = lambda key: reader.get_field("clip.vision." + key).contents()
    size, patch, width = number("image_size"), number("patch_size"), number("embedding_length")
    heads, eps = number("attention.head_count"), number("attention.layer_norm_epsilon")
    blocks = 1 + max(int(n.split(".")[2]) for n in tensors if n.startswith("v.blk."))
    F = torch.nn.functional

    class Tower(torch.nn.Module):
        def __init__(self):
            super().__init__()
            for name, t in tensors.items():
                self.register_buffer(name.replace(".", "_"), t)

        def get(self, name):
            return getattr(self, name.replace(".", "_"))

        def linear(self, x, name):
            return F.linear(x, self.get(name + ".weight"), self.get(name + ".bias"))

        def norm(self, x, name):
            return F.layer_norm(x, (width,), self.get(name + ".weight"), self.get(name + ".bias"), eps)

        def forward(self, pixels):
            kernel = self.get("v.patch_embd.weight").reshape(width, 3, patch, patch)
            x = F.conv2d(pixels, kernel, stride=patch).flatten(2).transpose(1, 2)
            x = torch.cat([self.get("v.class_embd").reshape(1, 1, width), x], 1)
            x = self.norm(x + self.get("v.position_embd.weight"), "v.pre_ln")
            rows = x.shape[1]
            for i in range(blocks):
                at = f"v.blk.{i}."
                y = self.norm(x, at + "ln1")
                q, k, v = (
                    self.linear(y, at + name).reshape(1, rows, heads, width // heads).transpose(1, 2)
                    for name in ("attn_q", "attn_k", "attn_v")
                )
                y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(1, rows, width)
                x = x + self.linear(y, at + "attn_out")
                y = self.norm(x, at + "ln2")
                up, down = ("ffn_up", "ffn_down")
                # Older files call the first map of the block's feed-forward part the second.
                if self.get(at + up + ".weight").shape[1] != width:
                    up, down = down, up
                y = self.linear(y, at + up)
                x = x + self.linear(y * torch.sigmoid(1.702 * y), at + down)
            x = x[:, 1:]
            x = self.linear(x, "mm.0") if "mm.0.weight" in tensors else x
            return self.linear(F.gelu(x), "mm.2") if "mm.2.weight" in tensors else x

    return Tower().eval(), size


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("runtime", choices=["pytorch", "onnxruntime"])
    parser.add_argument("mmproj")
    parser.add_argument("--threads", type=int, default=0)
    parser.add_argument("--dtype", choices=["bf16", "f32"])
    args = parser.parse_args()
    torch = need("torch", "torch --index-url https://download.pytorch.org/whl/cpu")
    gguf = need("gguf", "gguf")
    if args.threads:
        torch.set_num_threads(args.threads)
    with torch.inference_mode():
        tower, size = build(torch, gguf, args.mmproj)
        pixels = torch.randn(1, 3, size, size, generator=torch.Generator().manual_seed(1))
        if args.runtime == "pytorch":
            dtype = torch.float32 if args.dtype == "f32" else torch.bfloat16
            tower, pixels = tower.to(dtype), pixels.to(dtype)
            run, about = lambda: tower(pixels), f"PyTorch {torch.__version__}, {args.dtype or 'bf16'}"
        else:
            runtime = need("onnxruntime", "onnxruntime")
            need("onnx", "onnx")
            file = os.path.join(tempfile.mkdtemp(), "tower.onnx")
            torch.onnx.export(tower.float(), (pixels,), file, input_names=["pixels"], dynamo=False)
            options = runtime.SessionOptions()
            options.intra_op_num_threads = args.threads
            session = runtime.InferenceSession(file, options, providers=["CPUExecutionProvider"])
            array = pixels.numpy()
            run, about = lambda: session.run(None, {"pixels": array}), f"ONNX Runtime {runtime.__version__}, f32"
        run()
        print("ready " + about, flush=True)
        for _ in sys.stdin:
            start = time.perf_counter_ns()
            run()
            print(time.perf_counter_ns() - start, flush=True)


main()
