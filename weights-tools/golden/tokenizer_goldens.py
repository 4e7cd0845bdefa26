"""Makes the tokenizer goldens with sentencepiece and Hugging Face tokenizers.

    npm pack llama-tokenizer-js && tar xzf llama-tokenizer-js-*.tgz
    python weights-tools/golden/tokenizer_goldens.py package/llama-tokenizer.js

Writes, under java/model/src:
  main/resources/dev/fovea/model/text/llama/tokenizer.model   the 32,000 LLaMA pieces as a SentencePiece file
  test/resources/dev/fovea/model/text/sentencepiece.bin       ids of 10,000 strings, as hashes, the first 500 in full
  test/resources/dev/fovea/model/text/tokenizers.bin          ids of 3,000 strings with added tokens, under five configurations
  test/resources/dev/fovea/model/text/decode.bin              hashes of the texts of 2,000 id sequences
  test/resources/dev/fovea/model/text/small/                  a vocabulary trained here, as sentencepiece and transformers write it,
                                                              and ids of 1,000 strings by each

The strings are not stored: `strings` below and TestStrings.java draw the same ones from splitmix64.
"""

import base64
import io
import json
import re
import struct
import sys
from pathlib import Path

import sentencepiece
import tokenizers
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers

ROOT = Path(__file__).resolve().parents[2]
MAIN = ROOT / "java/model/src/main/resources/dev/fovea/model/text/llama"
TEST = ROOT / "java/model/src/test/resources/dev/fovea/model/text"
MASK = (1 << 64) - 1


# ---- the strings (keep equal to TestStrings.java) ----


class SplitMix:
    """Steele, Lea, Flood 2014, as java.util.SplittableRandom mixes."""

    def __init__(self, seed):
        self.state = seed & MASK

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def below(self, n):
        return (self.next() >> 1) % n


RANGES = [
    (0x20, 0x7E), (0x20, 0x7E), (0xA0, 0x17F), (0x370, 0x3FF), (0x400, 0x4FF), (0x590, 0x5FF), (0x600, 0x6FF),
    (0x900, 0x97F), (0xE00, 0xE7F), (0x1100, 0x11FF), (0x2000, 0x206F), (0x2190, 0x21FF), (0x2580, 0x259F),
    (0x3040, 0x30FF), (0x4E00, 0x9FFF), (0xAC00, 0xD7A3), (0xFE00, 0xFE0F), (0x1F300, 0x1F64F), (0x1F900, 0x1F9FF),
    (0x20000, 0x2A6DF), (0x300, 0x36F), (0x1F1E6, 0x1F1FF),
]  # fmt: skip
SPACES = [0x20, 0x20, 0x20, 0x09, 0x0A, 0x0D, 0x0B, 0x0C, 0xA0, 0x3000, 0x2003, 0x85]
WORDS = (
    "the picture shows a small dog on red grass What is in this region box point Please describe USER: ASSISTANT: "
    "Assistant Human ### 0.12, 0.34, [0.5, 0.25] 123 4567890 don't can't it's http://example.org/a?b=c&d=e "
    "int main(void) {return 0;} übergröße café naïve привет мир 你好 世界 これは 한국어 مرحبا שלום नमस्ते"
).split(" ")
MARKS = ["</s>", "<s>", "<unk>", "<image>", "<box>", "</box>", "<im_start>", "<im_end>", "<pad>", "<0x0A>", "[INST]"]


def string(seed, index, pieces):
    r = SplitMix((seed * 1_000_003 + index) & MASK)
    out = []

    def scalar(lo, hi):
        return chr(lo + r.below(hi - lo + 1))

    def part(kind):
        if kind == 0:
            n = 1 + r.below(12)
            out.append(" ".join(WORDS[r.below(len(WORDS))] for _ in range(n)))
        elif kind == 1:
            out.extend(scalar(0x20, 0x7E) for _ in range(r.below(60)))
        elif kind == 2:
            for _ in range(r.below(30)):
                c = r.below(0x110000 - 0x800)
                out.append(chr(c if c < 0xD800 else c + 0x800))
        elif kind == 3:
            for _ in range(1 + r.below(6)):
                out.append(scalar(0x1F300, 0x1F64F))
                if r.below(3) == 0:
                    out.append(scalar(0x1F3FB, 0x1F3FF))
                if r.below(3) == 0:
                    out.append("\u200d")
                if r.below(4) == 0:
                    out.append("\ufe0f")
        elif kind == 4:
            out.extend(scalar(0, 0x1F) if r.below(8) else scalar(0x7F, 0x9F) for _ in range(r.below(20)))
        elif kind == 5:
            c = scalar(*RANGES[r.below(len(RANGES))])
            out.append(c * (1 + r.below(200)))
        elif kind == 6:
            out.extend(chr(SPACES[r.below(len(SPACES))]) for _ in range(r.below(40)))
        elif kind == 7:
            for _ in range(1 + r.below(5)):
                lo, hi = RANGES[r.below(len(RANGES))]
                out.extend(scalar(lo, hi) for _ in range(1 + r.below(10)))
                if r.below(2) == 0:
                    out.append(" ")
        elif kind == 8:
            n = 1 + r.below(6)
            out.append(", ".join("0." + str(r.below(1000)) for _ in range(n)))
        elif kind == 9:
            for _ in range(1 + r.below(5)):
                out.append(MARKS[r.below(len(MARKS))])
                if r.below(2) == 0:
                    out.append(chr(SPACES[r.below(len(SPACES))]))
                if r.below(2) == 0:
                    out.append(WORDS[r.below(len(WORDS))])
        elif kind == 10:
            # whole pieces side by side: the densest merging there is
            for _ in range(1 + r.below(20)):
                out.append(pieces[259 + r.below(len(pieces) - 259)].replace("\u2581", " "))
        else:
            c, d = scalar(0x61, 0x7A), scalar(0x61, 0x7A)
            out.append((c + d * r.below(4)) * r.below(50))

    for _ in range(1 + r.below(3)):
        part(r.below(12))
    return "".join(out)


# ---- files ----


def varint(value):
    value &= MASK
    out = bytearray()
    while value >= 0x80:
        out.append(value & 0x7F | 0x80)
        value >>= 7
    out.append(value)
    return bytes(out)


def fnv(data, h=0xCBF29CE484222325):
    for b in data:
        h = ((h ^ b) * 0x100000001B3) & MASK
    return h


def ids_hash(ids):
    return fnv(b"".join(varint(i) for i in ids))


def golden(strings, encodings, full):
    """Magic-free: u32 count, u32 encodings, u32 full; per string u64 text hash, per encoding u64 hash of the ids;
    then for the first `full` strings, per encoding, varint count and varint ids. Little-endian."""
    out = bytearray(struct.pack("<III", len(strings), len(encodings[0]), full))
    for text, row in zip(strings, encodings):
        out += struct.pack("<Q", fnv(text.encode("utf-8")))
        for ids in row:
            out += struct.pack("<Q", ids_hash(ids))
    for row in encodings[:full]:
        for ids in row:
            out += varint(len(ids)) + b"".join(varint(i) for i in ids)
    return bytes(out)


# ---- LLaMA's vocabulary ----


def llama(source):
    text = Path(source).read_text(encoding="utf-8")
    vocab = base64.b64decode(re.search(r'llama_vocab_base64\s*=\s*"([^"]+)"', text).group(1)).decode("utf-8").split("\n")
    packed = base64.b64decode(re.search(r'llama_merges_binary\s*=\s*"([^"]+)"', text).group(1))
    pairs = struct.unpack(f"<{len(packed) // 2}H", packed)
    merges = [(vocab[pairs[i]], vocab[pairs[i + 1]]) for i in range(0, len(pairs), 2)]
    assert len(vocab) == 32000 and len(merges) == 61249
    return vocab, merges


def score(vocab, i):
    """LLaMA's own: minus the order of training, but runs of spaces merge only when nothing else is left to.
    The published merges have them last too, which `main` checks."""
    if i < 259:
        return 0.0
    return -1e9 if len(vocab[i]) > 1 and not vocab[i].strip("\u2581") else float(-(i - 259))


def ranked_merges(vocab):
    """The cuts of every piece, in the order of the scores."""
    ids = {p: i for i, p in enumerate(vocab)}
    merges = []
    for i in sorted(range(259, len(vocab)), key=lambda i: (-score(vocab, i), i)):
        p = vocab[i]
        cuts = [(p[:k], p[k:]) for k in range(1, len(p)) if p[:k] in ids and p[k:] in ids]
        merges += sorted(cuts, key=lambda c: (ids[c[0]], ids[c[1]]))
    return merges


def model_file(vocab):
    def field(number, wire, payload):
        return varint(number << 3 | wire) + payload

    def message(number, payload):
        return field(number, 2, varint(len(payload)) + payload)

    out = bytearray()
    for i, p in enumerate(vocab):
        kind = 2 if i == 0 else 3 if i < 3 else 6 if i < 259 else 1
        body = message(1, p.encode("utf-8")) + field(2, 5, struct.pack("<f", score(vocab, i)))
        if kind != 1:
            body += field(3, 0, varint(kind))
        out += message(1, body)
    trainer = b"".join(field(n, 0, varint(v)) for n, v in [(3, 2), (4, len(vocab)), (35, 1), (40, 0), (41, 1), (42, 2), (43, -1)])
    out += message(2, trainer)
    out += message(3, message(1, b"identity") + field(3, 0, varint(1)) + field(4, 0, varint(0)) + field(5, 0, varint(1)))
    return bytes(out)


SPEC = {
    "Hello world": [15043, 3186],
    "这是什么？": [29871, 30810, 30392, 231, 190, 131, 31882, 30882],
    "\nWhat is this?": [29871, 13, 5618, 338, 445, 29973],
    "###": [835],
}

ADDED = [
    AddedToken("<image>", special=True, normalized=False),
    AddedToken("<pad>", special=True, normalized=False),
    AddedToken("<box>", special=False, normalized=False),
    AddedToken("</box>", special=False, normalized=True),
    AddedToken("<im_start>", special=True, normalized=False, rstrip=True),
    AddedToken("<im_end>", special=True, normalized=False, lstrip=True),
    AddedToken("picture", special=False, normalized=True, single_word=True),
]


def fast(vocab, merges, normalizer, pre):
    ids = {p: i for i, p in enumerate(vocab)}
    t = Tokenizer(models.BPE(vocab=ids, merges=merges, fuse_unk=True, byte_fallback=True, unk_token="<unk>"))
    if normalizer:
        t.normalizer = normalizer
    if pre:
        t.pre_tokenizer = pre
    t.decoder = decoders.Sequence(
        [decoders.Replace("\u2581", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(content=" ", left=1)]
    )
    t.add_special_tokens([AddedToken(c, special=True, normalized=False) for c in ("<unk>", "<s>", "</s>")])
    for token in ADDED:
        (t.add_special_tokens if token.special else t.add_tokens)([token])
    return t


def id_sequence(seed, index):
    """Mostly bytes, so that UTF-8 breaks in every way; no id 0, which sentencepiece spells out and a stream of text must not."""
    r = SplitMix((seed * 1_000_003 + index) & MASK)
    return [3 + r.below(256) if r.below(4) else 1 + r.below(31_999) for _ in range(r.below(60))]


def small(vocab):
    """What sentencepiece's trainer and transformers write, fields unknown to this project included."""
    target = TEST / "small"
    target.mkdir(exist_ok=True)
    corpus = ["".join(c for c in string(3, i, vocab) if " " <= c < "\u0180")[:400] for i in range(3_000)]
    rows = {}
    for name, squeeze in (("kept", False), ("squeezed", True)):
        out = io.BytesIO()
        sentencepiece.SentencePieceTrainer.train(
            sentence_iterator=iter(corpus), model_writer=out, model_type="bpe", vocab_size=700, character_coverage=0.98,
            byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=squeeze, split_digits=True,
            user_defined_symbols=["<box>", "</box>"], pad_id=3, minloglevel=2,
        )  # fmt: skip
        (target / f"{name}.model").write_bytes(out.getvalue())
        sp = sentencepiece.SentencePieceProcessor(model_proto=out.getvalue())
        rows[name] = sp
    # transformers reads the same vocabulary; its merges are the cuts of the pieces, best score first
    sp = rows["kept"]
    pieces = [sp.id_to_piece(i) for i in range(sp.get_piece_size())]
    ids = {p: i for i, p in enumerate(pieces)}
    merges = []
    normal = [i for i, p in enumerate(pieces) if not (sp.is_byte(i) or sp.is_control(i) or sp.is_unknown(i) or p in ("<box>", "</box>"))]
    for i in sorted(normal, key=lambda i: (-sp.get_score(i), i)):
        p = pieces[i]
        cuts = [(p[:k], p[k:]) for k in range(1, len(p)) if ids.get(p[:k]) in normal and ids.get(p[k:]) in normal]
        merges += sorted(cuts, key=lambda c: (ids[c[0]], ids[c[1]]))
    fasts = []
    for name, legacy in (("legacy", True), ("new", False)):
        t = transformers.LlamaTokenizer(vocab=ids, merges=merges, legacy=legacy, pad_token="<pad>")
        t.add_tokens([AddedToken("<image>", special=True, normalized=False), AddedToken("<box>", normalized=False)])
        t.save_pretrained(target / name)
        # Read back by what the file says: LlamaTokenizer's own constructor forgets `legacy`, which it does not save.
        fasts.append(Tokenizer.from_file(str(target / name / "tokenizer.json")))
    strings = [string(4, i, vocab) for i in range(1_000)]
    encodings = [
        [rows["kept"].encode(s), rows["squeezed"].encode(s), *(t.encode(s, add_special_tokens=False).ids for t in fasts)]
        for s in strings
    ]
    (target / "small.bin").write_bytes(golden(strings, encodings, 50))


def main():
    vocab, merges = llama(sys.argv[1])
    derived = ranked_merges(vocab)
    words = len([1 for a, b in merges if (a + b).strip("\u2581")])
    assert merges[:words] == derived[:words] and set(merges) == set(derived), "published merges and scores disagree"
    MAIN.mkdir(parents=True, exist_ok=True)
    TEST.mkdir(parents=True, exist_ok=True)
    model = model_file(vocab)
    (MAIN / "tokenizer.model").write_bytes(model)
    sp = sentencepiece.SentencePieceProcessor(model_proto=model)
    for text, ids in SPEC.items():
        assert sp.encode(text) == ids, (text, sp.encode(text))
    strings = [string(1, i, vocab) for i in range(10_000)]
    published = Tokenizer(models.BPE(vocab={p: i for i, p in enumerate(vocab)}, merges=merges, fuse_unk=True, byte_fallback=True, unk_token="<unk>"))
    published.normalizer = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    for s in strings:
        assert sp.encode(s) == published.encode(s, add_special_tokens=False).ids, s
    (TEST / "sentencepiece.bin").write_bytes(golden(strings, [[sp.encode(s)] for s in strings], 500))

    texts = [sp.decode(id_sequence(1, i)) for i in range(2_000)]
    (TEST / "decode.bin").write_bytes(golden(texts, [[id_sequence(1, i)] for i in range(2_000)], 0))
    small(vocab)

    legacy = normalizers.Sequence([normalizers.Prepend("\u2581"), normalizers.Replace(" ", "\u2581")])
    meta = pre_tokenizers.Metaspace
    configurations = [
        fast(vocab, merges, legacy, None),
        fast(vocab, merges, None, meta("\u2581", "first", split=False)),
        fast(vocab, merges, None, meta("\u2581", "always", split=False)),
        fast(vocab, merges, None, meta("\u2581", "never", split=False)),
        fast(vocab, merges, None, meta("\u2581", "always", split=True)),
    ]
    strings = [string(2, i, vocab) for i in range(3_000)]
    rows = [[t.encode(s, add_special_tokens=False).ids for t in configurations] for s in strings]
    (TEST / "tokenizers.bin").write_bytes(golden(strings, rows, 100))
    print(f"sentencepiece {sentencepiece.__version__}, tokenizers {tokenizers.__version__}, transformers {transformers.__version__}")
    print(json.dumps({"model": len(model), **{p.name: p.stat().st_size for p in TEST.glob("*.bin")}}))


if __name__ == "__main__":
    main()
