"""What this GPU can do at most, so that every figure beside it can be read as a share: JSON lines on standard output.

    python3 ceilings.py [--quick]

read      GB/s of a sum over 4 GB of float32 (each byte read once, nothing written): the ceiling of decoding
copy      GB/s of a copy, bytes read and written both counted
gemm      TFLOP/s of bf16 matrix products on random data (zeros run faster and mean nothing), by shape
node      microseconds a kernel of a captured graph costs beside its work: a graph of one-element kernels over their number
launch    microseconds an eager launch costs

Medians of repeated runs, timed by device events.
"""

import argparse
import json
import statistics

import torch


def timed(run, repeats):
    """Median milliseconds of one run, after two that do not count."""
    for _ in range(2):
        run()
    times = []
    for _ in range(repeats):
        start, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        start.record()
        run()
        end.record()
        end.synchronize()
        times.append(start.elapsed_time(end))
    return statistics.median(times)


def say(name, value, unit, **more):
    print(json.dumps({"ceiling": name, "value": round(value, 3), "unit": unit, **more}), flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a tenth of the memory, two shapes")
    args = parser.parse_args()
    device = torch.device("cuda")
    properties = torch.cuda.get_device_properties(device)
    print(json.dumps({
        "device": properties.name, "multiprocessors": properties.multi_processor_count,
        "memory": properties.total_memory, "torch": torch.__version__, "cuda": torch.version.cuda,
    }), flush=True)

    n = (100 if args.quick else 1000) << 20
    x = torch.randn(n, device=device)
    say("read", 4 * n / timed(lambda: x.sum(), 20) / 1e6, "GB/s", bytes=4 * n)
    y = torch.empty_like(x)
    say("copy", 8 * n / timed(lambda: y.copy_(x), 20) / 1e6, "GB/s", bytes=8 * n)
    del x, y

    # M x K by K x N: square; Vicuna-7B's gate and up at a full batch and at a picture's prompt; CLIP ViT-L/14's first map.
    shapes = [(8192, 8192, 8192), (4096, 4096, 14336), (2048, 4096, 22016), (640, 4096, 22016), (640, 4096, 4096),
              (577, 1024, 4096), (64 * 577, 1024, 4096)]
    for m, k, columns in shapes[2:4] if args.quick else shapes:
        a = torch.randn(m, k, device=device, dtype=torch.bfloat16)
        b = torch.randn(k, columns, device=device, dtype=torch.bfloat16)
        ms = timed(lambda: a @ b, 20)
        say("gemm", 2 * m * k * columns / ms / 1e9, "TFLOP/s", shape=[m, k, columns])

    one = torch.zeros(1, device=device)
    nodes = 1000
    graph = torch.cuda.CUDAGraph()
    one.add_(1)
    torch.cuda.synchronize()
    with torch.cuda.graph(graph):
        for _ in range(nodes):
            one.add_(1)
    say("node", timed(graph.replay, 20) * 1000 / nodes, "us", nodes=nodes)

    def eager():
        for _ in range(nodes):
            one.add_(1)

    say("launch", timed(eager, 10) * 1000 / nodes, "us")


if __name__ == "__main__":
    main()
