"""Prompts of the golden cases as LLaMA token ids, built from the ids of their pieces; -200 stands for an image.

The pieces were tokenized with the original LLaMA vocabulary. Text pieces that follow an image, or `</s>`, start the way
LLaVA tokenizes them: each piece on its own (a dummy space first), its BOS dropped.
"""

IMAGE = -200
# "A chat between a curious user and an artificial intelligence assistant. The assistant gives helpful, detailed, and
# polite answers to the user's questions." with BOS.
SYSTEM = [1, 319, 13563, 1546, 263, 12758, 1404, 322, 385, 23116, 21082, 20255, 29889, 450, 20255, 4076, 8444, 29892,
          13173, 29892, 322, 1248, 568, 6089, 304, 278, 1404, 29915, 29879, 5155, 29889]
USER = [3148, 1001, 29901]  # " USER:" (and "USER:" at the start of a piece)
USER_TIGHT = [11889, 29901]  # "USER:" right after </s> when the tokenizer is not legacy
ASSISTANT = [319, 1799, 9047, 13566, 29901]  # " ASSISTANT:"
SPACE = [29871]  # " " with nothing after it, and the dummy space before a newline
NEWLINE = [29871, 13]  # "\n" as the start of a piece
WHAT = [1724, 338, 445, 29973]  # " What is this?"
WHAT_TIGHT = [5618, 338, 445, 29973]  # "What is this?" after a newline
GIVEN = [11221, 385, 1967, 29871]  # " Given an image "
ANSWER = [15043, 3186, 2]  # " Hello world</s>"
DIGITS = [29900, 29896, 29906, 29941, 29946, 29945, 29953, 29955, 29947, 29929]


def box(text: str) -> list:
    """Ids of " <box>0.12, 0.34, 0.56, 0.78</box>" for the four numbers in `text`."""
    ids = [529, 1884, 29958]  # " <box>"
    for k, number in enumerate(text.split(", ")):
        if k:
            ids += [29892, 29871]  # ", "
        for ch in number:
            ids.append(29889 if ch == "." else DIGITS[int(ch)])
    return ids + [829, 1884, 29958]  # "</box>"


def prompt(case: dict) -> list:
    kind, images, region = case["prompt"], len(case["images"]), box(case["box"])
    again = USER if case["legacy"] else USER_TIGHT
    pictures = []
    for _ in range(images):
        pictures += [IMAGE] + NEWLINE  # "<image>\n", once per picture
    if kind == "vicuna_v1":
        return SYSTEM + USER + SPACE + pictures + WHAT_TIGHT + region + ASSISTANT
    if kind == "vicuna_turns":  # a first turn about the pictures, a second one about a region
        first = SYSTEM + USER + SPACE + pictures + WHAT_TIGHT + ASSISTANT + ANSWER
        return first + again + WHAT + region + ASSISTANT
    if kind == "hf_turns":
        first = [1] + USER + SPACE + pictures + WHAT_TIGHT + ASSISTANT + ANSWER
        return first + again + WHAT + region + ASSISTANT
    if kind == "start_end":  # <im_start> and <im_end> around the picture
        newline = NEWLINE if case["legacy"] else [13]  # <im_end> is a special token: legacy puts a dummy space after it
        return SYSTEM + USER + SPACE + [32001, IMAGE, 32002] + newline + WHAT_TIGHT + region + ASSISTANT
    if kind == "chatspot":
        return SYSTEM + USER + GIVEN + [IMAGE, 869] + WHAT + region + ASSISTANT
    raise ValueError(kind)
