"""A small LLaMA-style tokenizer: SentencePiece BPE with byte fallback, plus <image>, <box>, </box> as added tokens.

`tokenizer.model` is what SentencePiece writes; `tokenizer.json` states the same BPE for the `tokenizers` library
(merges recovered from the scores, as transformers' LLaMA converter does). legacy = false: a space is put before the
first piece of a text only, never after an added token.
"""

from __future__ import annotations

import io
import json
import random
from pathlib import Path

import sentencepiece
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, processors

import questions
import scenes

PIECES = 1000
ADDED = ["<image>", "<box>", "</box>"]
SPACE = "\u2581"


def corpus(count: int = 3000):
    """Question and answer texts of many scenes, and every name with every article."""
    rng = random.Random(0)
    for seed in range(count):
        scene = scenes.make_scene(5 * 10**11 + seed)
        for turn in questions.training_turns(scene, rng, 12):
            yield f"USER: {turn.question} ASSISTANT: {turn.answer}"
    names = [scenes.Thing("emoji", n, (0, 0, 1, 1)) for n in scenes.EMOJI]
    for name in [questions.noun(t) for t in names] * 20:
        yield questions.sentence(name)
        yield f"the {name.split()[-1]}, {name} and {name}?"
    for word in scenes.WORDS * 60:
        yield word
        yield f'the word "{word}"'
    for line in "0.12, 0.34, 0.56, 0.78", "Hello. Who are you? Please tell me what you see.":
        yield line


def build(folder: Path):
    model = io.BytesIO()
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=corpus(), model_writer=model, vocab_size=PIECES, model_type="bpe", byte_fallback=True,
        unk_id=0, bos_id=1, eos_id=2, pad_id=-1, normalization_rule_name="identity", remove_extra_whitespaces=False,
        split_digits=True, add_dummy_prefix=True, allow_whitespace_only_pieces=True, character_coverage=1.0,
        num_threads=1, minloglevel=1,
    )  # fmt: skip
    (folder / "tokenizer.model").write_bytes(model.getvalue())
    pieces = sentencepiece.SentencePieceProcessor(model_proto=model.getvalue())
    vocab = {pieces.id_to_piece(i): i for i in range(pieces.get_piece_size())}
    merges = []
    for piece, i in vocab.items():
        if i >= 259:  # every way to make the piece of two others, earlier pieces first
            merges += [(i, vocab[piece[:k]], vocab[piece[k:]], piece[:k], piece[k:])
                       for k in range(1, len(piece)) if piece[:k] in vocab and piece[k:] in vocab]  # fmt: skip
    merges.sort()
    bpe = models.BPE(vocab, [(a, b) for *_, a, b in merges], unk_token="<unk>", fuse_unk=True, byte_fallback=True)
    fast = Tokenizer(bpe)
    fast.pre_tokenizer = pre_tokenizers.Metaspace(replacement=SPACE, prepend_scheme="first", split=False)
    fast.decoder = decoders.Sequence(
        [decoders.Replace(SPACE, " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    fast.add_special_tokens([AddedToken(t, normalized=False, special=True) for t in ["<unk>", "<s>", "</s>", *ADDED]])
    fast.post_processor = processors.TemplateProcessing(
        single="<s> $A", pair="<s> $A <s> $B", special_tokens=[("<s>", fast.token_to_id("<s>"))]
    )
    fast.save(str(folder / "tokenizer.json"))
    check(pieces, fast)


def check(pieces, fast):
    """Both files give the same ids on texts without added tokens, known and unknown."""
    texts = list(corpus(50)) + ["Grüße, 世界! x = 42;  two  spaces", "zebra QUICK brown\nfox"]
    for text in texts:
        a, b = pieces.encode(text), fast.encode(text, add_special_tokens=False).ids
        assert a == b, (text, a, b)


def load(folder: Path) -> Tokenizer:
    return Tokenizer.from_file(str(folder / "tokenizer.json"))


if __name__ == "__main__":
    import sys

    out = Path(sys.argv[1])
    out.mkdir(parents=True, exist_ok=True)
    build(out)
    t = load(out)
    print(t.get_vocab_size(), json.dumps(t.encode("USER: <image>\nWhat is this? <box>0.12, 0.34, 0.56, 0.78</box> ASSISTANT: A dog.</s>USER: Read this. ASSISTANT: STOP</s>").tokens, ensure_ascii=False))
