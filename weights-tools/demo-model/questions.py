"""Questions about a scene, in ChatSpot's referring format, and their answers.

A Turn's question holds the text alone; `region` (pixels; 4 numbers a box, 2 a point) is appended by `prompt()` as
`<box>0.12, 0.34, 0.56, 0.78</box>`: two decimals, rounded half up, relative to width and height (image mode `resize`).
"""

from __future__ import annotations

import random
from dataclasses import dataclass, field
from decimal import ROUND_HALF_UP, Decimal

from scenes import COLOURS, EMOJI, SHAPES, Scene, Thing, WORDS

TASKS = ["name", "point", "read", "colour", "presence", "side", "caption", "where", "count", "ground", "read_all"]
TASK_WEIGHTS = [0.14, 0.17, 0.15, 0.07, 0.18, 0.13, 0.08, 0.03, 0.01, 0.02, 0.02]
COUNTS = ["No", "One", "Two", "Three", "Four", "Five"]
PLURAL = {"grapes", "glasses", "scissors"}
MASS = {"corn", "bread", "coffee"}

NAME_BOX = ["What is this?", "What is in this region?", "What is the object in this region?", "Name this.",
            "What do you see here?", "What is in the box?", "What can you see in this box?"]  # fmt: skip
NAME_POINT = ["What is this?", "What is at this point?", "What am I pointing at?", "What is here?", "Name this.",
              "What is the object at this point?"]  # fmt: skip
READ = ["What does this say?", "Read this.", "What is written here?", "Read the text in this region.",
        "What word is this?", "What is the text here?"]  # fmt: skip
READ_ALL = ["What does the sign say?", "What is written in the image?", "Read the text in the image."]
COLOUR = ["What colour is this?", "What color is this?", "Which colour is this?", "What is the colour of this?"]
PRESENCE = ["Is there {} in the image?", "Is there {} in the picture?", "Do you see {}?", "Can you see {}?"]
WHERE = ["Where is {}?"]
CAPTION = ["Describe the image.", "Describe the picture in one sentence.", "What is in the image?",
           "What do you see in the picture?", "What is in this picture?", "Describe the whole image."]  # fmt: skip
COUNT = ["How many objects are there?", "How many things are in the image?"]
SIDES = {
    "left": ["What is to the left of {}?", "What is left of {}?"],
    "right": ["What is to the right of {}?", "What is right of {}?"],
    "above": ["What is above {}?"],
    "below": ["What is below {}?"],
}


@dataclass
class Turn:
    task: str
    question: str
    answer: str
    region: tuple | None = None
    accept: list[str] = field(default_factory=list)  # an answer is right when it contains one of these words
    look: list[Thing] = field(default_factory=list)  # what the answer is about, in the order it is said
    about: Thing | None = None  # the thing that the question names


def number(value: float, extent: float) -> str:
    """A coordinate as text: clamped to [0, 1], two decimals, half up."""
    share = Decimal(min(1.0, max(0.0, value / extent)))
    return str(share.quantize(Decimal("0.01"), ROUND_HALF_UP))


def prompt(turn: Turn, size: tuple[int, int]) -> str:
    """The question as the model reads it."""
    if turn.region is None:
        return turn.question
    return f"{turn.question} <box>{', '.join(number(v, size[i % 2]) for i, v in enumerate(turn.region))}</box>"


def noun(t: Thing, colour: bool = True) -> str:
    """The thing with its article: `a dog`, `an apple`, `grapes`, `a red circle`, `the word "STOP"`, `the number 42`."""
    if t.sort == "text":
        return f'the word "{t.name}"' if t.name.isalpha() else f"the number {t.name}"
    return named(t.name, f"{t.colour} " if colour and t.sort == "shape" else "")


def named(name: str, adjective: str = "") -> str:
    if name in PLURAL or name in MASS:
        return ("some " if name in MASS else "") + name
    words = adjective + name
    return ("an " if words[0] in "aeio" or words.startswith("umb") else "a ") + words


def the(t: Thing) -> str:
    return noun(t) if t.sort == "text" else f"the {t.name}"


def sentence(text: str) -> str:
    return text[0].upper() + text[1:] + "."


def listed(nouns: list[str]) -> str:
    return nouns[0] if len(nouns) == 1 else ", ".join(nouns[:-1]) + " and " + nouns[-1]


def centre(t: Thing) -> tuple[float, float]:
    return (t.box[0] + t.box[2]) / 2, (t.box[1] + t.box[3]) / 2


def place(t: Thing, size) -> str:
    x, y = centre(t)
    column = "left" if x < size[0] / 3 else "right" if x > size[0] * 2 / 3 else ""
    row = "top" if y < size[1] / 3 else "bottom" if y > size[1] * 2 / 3 else ""
    return f"at the {row} {column}".rstrip().replace("  ", " ") if row or column else "in the middle"


def neighbour(scene: Scene, t: Thing, side: str) -> Thing | None:
    """The nearest thing whose centre lies in the quarter plane on that side (|across| <= |along|, in shares of the sides)."""
    w, h = scene.image.size
    x0, y0 = centre(t)
    best = None
    for other in scene.things:
        if other is t:
            continue
        x, y = centre(other)
        dx, dy = (x - x0) / w, (y - y0) / h
        along, across = {"left": (-dx, dy), "right": (dx, dy), "above": (-dy, dx), "below": (dy, dx)}[side]
        if along > 0 and abs(across) <= along:
            distance = along**2 + across**2
            if best is None or distance < best[0]:
                best = (distance, other)
    return best and best[1]


def ink_point(t: Thing, rng: random.Random) -> tuple[float, float]:
    """A point on the thing's ink, in the middle 80 % of its box."""
    h, w = t.alpha.shape
    for _ in range(50):
        x, y = rng.uniform(0.1, 0.9) * w, rng.uniform(0.1, 0.9) * h
        if t.alpha[int(y), int(x)] > 128:
            break
    return round(t.box[0] + x, 1), round(t.box[1] + y, 1)


def loose(box, rng: random.Random) -> tuple:
    """A box as a hand draws it: each side off by up to a tenth of the size."""
    w, h = box[2] - box[0], box[3] - box[1]
    return tuple(v + rng.uniform(-0.1, 0.1) * (w, h)[i % 2] for i, v in enumerate(box))


def clear_point(scene: Scene, rng: random.Random):
    """A point on the background, at least 5 % of the sides away from every box."""
    w, h = scene.image.size
    for _ in range(20):
        x, y = rng.uniform(0.04, 0.96) * w, rng.uniform(0.04, 0.96) * h
        if all(x < t.box[0] - w / 20 or x > t.box[2] + w / 20 or y < t.box[1] - h / 20 or y > t.box[3] + h / 20
               for t in scene.things):  # fmt: skip
            return round(x, 1), round(y, 1)
    return None


def name_turn(scene: Scene, t: Thing, rng: random.Random, point: bool, exact: bool = False) -> Turn:
    region = ink_point(t, rng) if point else t.box if exact or rng.random() < 0.5 else loose(t.box, rng)
    question = rng.choice(NAME_POINT if point else NAME_BOX)
    return Turn("point" if point else "name", question, sentence(noun(t)), region, [t.name], [t])


def read_turn(scene: Scene, t: Thing, rng: random.Random, exact: bool = False) -> Turn:
    region = t.box if exact else ink_point(t, rng) if rng.random() < 0.25 else loose(t.box, rng) if rng.random() < 0.5 else t.box
    return Turn("read", rng.choice(READ), t.name, region, [t.name], [t])


def colour_turn(scene: Scene, t: Thing, rng: random.Random, exact: bool = False) -> Turn:
    if not exact and t.sort == "shape" and rng.random() < 0.3 and sum(o.name == t.name for o in scene.things) == 1:
        return Turn("colour", f"What colour is the {t.name}?", sentence(t.colour), None, [t.colour], [t], t)
    region = t.box if exact else ink_point(t, rng) if t.sort == "shape" and rng.random() < 0.3 else t.box
    return Turn("colour", rng.choice(COLOUR), sentence(t.colour), region, [t.colour], [t])


def presence_turn(scene: Scene, rng: random.Random, yes: bool) -> Turn | None:
    here = [t for t in scene.things if t.sort != "text"]
    if yes:
        if not here:
            return None
        t = rng.choice(here)
        return Turn("presence", presence(t.name, rng), "Yes.", None, ["Yes"], [t], t)
    absent = [n for n in list(EMOJI) + SHAPES if all(n != t.name for t in scene.things)]
    return Turn("presence", presence(rng.choice(absent), rng), "No.", None, ["No"])


def presence(name: str, rng: random.Random) -> str:
    question = rng.choice(PRESENCE).format(named(name))
    return question.replace("Is there", "Are there") if name in PLURAL else question


def side_turn(scene: Scene, t: Thing, rng: random.Random) -> Turn:
    side = rng.choice(list(SIDES))
    for _ in range(2):  # prefer a side on which there is something
        if neighbour(scene, t, side) is None:
            side = rng.choice(list(SIDES))
    other = neighbour(scene, t, side)
    question = rng.choice(SIDES[side]).format(the(t))
    if other is None:
        return Turn("side", question, "Nothing.", None, ["nothing"], about=t)
    return Turn("side", question, sentence(noun(other)), None, [other.name], [other], t)


def caption_turn(scene: Scene, rng: random.Random) -> Turn:
    order = sorted(scene.things, key=lambda t: centre(t)[0])
    return Turn("caption", rng.choice(CAPTION), sentence(listed([noun(t) for t in order])), None, [t.name for t in order], order)


def training_turns(scene: Scene, rng: random.Random, count: int) -> list[Turn]:
    """A mixed list of questions, most of them about regions."""
    texts = [t for t in scene.things if t.sort == "text"]
    coloured = [t for t in scene.things if t.colour]
    turns = []
    while len(turns) < count:
        task = rng.choices(TASKS, TASK_WEIGHTS)[0]
        t = rng.choice(scene.things)
        turn = None
        if task in ("name", "point"):
            turn = name_turn(scene, t, rng, task == "point")
        elif task == "read" and texts:
            turn = read_turn(scene, rng.choice(texts), rng)
        elif task == "colour" and coloured:
            turn = colour_turn(scene, rng.choice(coloured), rng)
        elif task == "presence":
            turn = presence_turn(scene, rng, rng.random() < 0.5)
        elif task == "side":
            turn = side_turn(scene, t, rng)
        elif task == "caption":
            turn = caption_turn(scene, rng)
        elif task == "where":
            turn = Turn("where", rng.choice(WHERE).format(the(t)), sentence(place(t, scene.image.size)), None, [], [t], t)
        elif task == "count":
            turn = Turn("count", rng.choice(COUNT), COUNTS[len(scene.things)] + ".", None, [], [])
        elif task == "ground" and (point := clear_point(scene, rng)):
            turn = Turn("ground", rng.choice(NAME_POINT), "Just the background.", point, ["background"], [])
        elif task == "read_all" and len(texts) == 1:
            turn = Turn("read_all", rng.choice(READ_ALL), texts[0].name, None, [texts[0].name], texts)
        if turn:
            turns.append(turn)
    return turns


def right(task: str, accept: list[str], answer: str) -> bool:
    """The measure: the answer holds an accepted word, as a whole word and in its case; a caption must hold all of them."""
    words = "".join(c if c.isalnum() else " " for c in answer).split()
    words += [w.lower() for w in words[:1] if not w.isupper()]  # "Grapes." holds "grapes"
    return (all if task == "caption" else any)(a in words for a in accept)
