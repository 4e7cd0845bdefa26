"""Synthetic scenes: emoji pictures, coloured shapes and printed words on cluttered backgrounds.

A scene is a pure function of its seed (and size), so a data set is a range of seeds:

    training     0 <= seed < 10**12
    evaluation   EVAL_SEED <= seed < EVAL_SEED + 1000
    samples      SAMPLE_SEED <= seed

Pictures come from the npm package `emoji-datasource-google` (Noto Emoji; `fetch.sh` puts them into emoji/), letters from
Debian's `fonts-dejavu-core`; see NOTICE.
"""

from __future__ import annotations

import colorsys
import random
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

EVAL_SEED = 10**12
SAMPLE_SEED = 2 * 10**12

EMOJI_FOLDER = Path(__file__).parent / "emoji"
TEXT_FONTS = [
    f"/usr/share/fonts/truetype/dejavu/{name}.ttf"
    for name in ("DejaVuSans-Bold", "DejaVuSansCondensed-Bold", "DejaVuSerif-Bold", "DejaVuSansMono-Bold")
]

# name -> character; the name is what the model says
EMOJI = dict(
    dog="🐶", cat="🐱", tiger="🐯", panda="🐼", pig="🐷", frog="🐸", monkey="🐵", rabbit="🐰", fox="🦊", cow="🐮",
    penguin="🐧", owl="🦉", turtle="🐢", fish="🐟", whale="🐳", octopus="🐙", crab="🦀", butterfly="🦋", bee="🐝",
    ladybug="🐞", elephant="🐘", unicorn="🦄",
    apple="🍎", pear="🍐", lemon="🍋", banana="🍌", watermelon="🍉", grapes="🍇", strawberry="🍓", pineapple="🍍",
    carrot="🥕", corn="🌽", mushroom="🍄", bread="🍞", pizza="🍕", burger="🍔", cake="🎂", donut="🍩", coffee="☕",
    car="🚗", bus="🚌", bicycle="🚲", rocket="🚀", airplane="✈", boat="⛵", house="🏠", tree="🌳", cactus="🌵",
    sunflower="🌻", rose="🌹", moon="🌙", snowman="⛄", umbrella="☂", key="🔑", lock="🔒", bell="🔔", clock="⏰",
    book="📖", camera="📷", phone="☎", guitar="🎸", ball="⚽", balloon="🎈", gift="🎁", crown="👑", hat="🎩",
    shoe="👟", glasses="👓", scissors="✂", pencil="✏", robot="🤖", ghost="👻", skull="💀", pumpkin="🎃", anchor="⚓",
)  # fmt: skip
SHAPES = ["circle", "square", "triangle"]
COLOURS = dict(
    red=(215, 35, 40), orange=(245, 135, 20), yellow=(248, 215, 35), green=(40, 155, 60), blue=(35, 85, 210),
    purple=(130, 50, 170), pink=(250, 150, 195), black=(15, 15, 15), white=(250, 250, 250),
)  # fmt: skip
WORDS = """
STOP EXIT OPEN SALE TAXI BUS CAFE HOTEL BANK PARK ZOO FIRE HELP YES NO GO LEFT RIGHT UP DOWN HOT COLD SUN MOON STAR
LOVE HOME SHOP FOOD MILK TEA FISH PIZZA BREAD CAKE WATER JUICE MUSIC DANCE GAME PLAY WIN LUCKY JOY HAPPY SMILE HELLO BYE
NORTH SOUTH EAST WEST KING QUEEN BOOK NEWS FREE NEW OLD BIG FAST SLOW DANGER PUSH PULL KEEP OUT JAVA CODE DATA TREE RIVER
LAKE ROAD TOWN CITY BEACH SNOW RAIN WIND
""".split()
NUMBERS = [str(n) for n in range(100)]

KINDS = list(EMOJI) + SHAPES + WORDS + NUMBERS  # what a patch can show; class 0 is background
KIND_ID = {k: i + 1 for i, k in enumerate(KINDS)}
COLOUR_ID = {c: i + 1 for i, c in enumerate(COLOURS)}
GLYPHS = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"


@dataclass
class Thing:
    """One object: `box` is x1, y1, x2, y2 in pixels of the scene; `letters` are the (glyph, box) of printed text."""

    sort: str  # "emoji", "shape" or "text"
    name: str
    box: tuple[float, float, float, float]
    colour: str | None = None  # of shapes, and of text that stands on no plate
    letters: list = field(default_factory=list)
    alpha: np.ndarray | None = None  # where inside its box the object has ink


@dataclass
class Scene:
    seed: int
    image: Image.Image
    things: list[Thing]


@lru_cache(maxsize=None)
def emoji_sprite(name: str) -> Image.Image:
    """The emoji as RGBA, cut to its ink and enlarged three times, which is as large as any scene wants it: the package's
    pictures are 64 x 64."""
    code = f"{ord(EMOJI[name]):04x}"
    file = EMOJI_FOLDER / f"{code}.png"
    if not file.exists():  # an old character that is a picture only with the selector behind it
        file = EMOJI_FOLDER / f"{code}-fe0f.png"
    if not file.exists():
        raise FileNotFoundError(f"{file}: no picture of {name}; run fetch.sh")
    art = Image.open(file).convert("RGBA")
    art = art.crop(art.getchannel("A").point(lambda a: 255 * (a > 40)).getbbox())
    return art.resize((3 * art.width, 3 * art.height), Image.Resampling.LANCZOS)


@lru_cache(maxsize=512)
def text_font(index: int, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(TEXT_FONTS[index], size)


def _distance(a, b) -> float:
    """A cheap perceptual distance of two RGB colours (weights of luma, then chroma)."""
    dr, dg, db = (a[i] - b[i] for i in range(3))
    return (2 * dr * dr + 4 * dg * dg + 3 * db * db) ** 0.5


def _soft_colour(rng: random.Random) -> tuple[int, int, int]:
    """A background colour: any hue, little saturation, so that named colours stand out."""
    h, s, v = rng.random(), rng.uniform(0.0, 0.55), rng.uniform(0.25, 1.0)
    return tuple(int(255 * c) for c in colorsys.hsv_to_rgb(h, s, v))


def _background(rng: random.Random, w: int, h: int):
    """Flat, gradient, stripes, checks or noise in two near colours, then small strokes and dots. Returns image, mean."""
    a = np.array(_soft_colour(rng), np.float32)
    b = a + np.array([rng.uniform(-50, 50) for _ in range(3)], np.float32)
    style = rng.choice(["flat", "gradient", "stripes", "checks", "noise"])
    x, y = np.arange(w, dtype=np.float32)[None, :], np.arange(h, dtype=np.float32)[:, None]
    if style == "flat":
        t = np.zeros((h, w), np.float32)
    elif style == "gradient":
        dx, dy = rng.uniform(-1, 1), rng.uniform(-1, 1)
        t = 0.5 + 0.5 * (dx * (2 * x / w - 1) + dy * (2 * y / h - 1)) / (abs(dx) + abs(dy) + 1e-6)
    elif style == "stripes":
        period, dx, dy = rng.uniform(12, 50), rng.uniform(-1, 1), rng.uniform(-1, 1)
        t = (((dx * x + dy * y) / period) % 1.0 < 0.5).astype(np.float32)
    elif style == "checks":
        period = rng.uniform(12, 40)
        t = ((x // period + y // period) % 2).astype(np.float32)
    else:
        t = np.random.default_rng(rng.getrandbits(32)).random((h // 4 + 1, w // 4 + 1), np.float32)
        t = t.repeat(4, 0).repeat(4, 1)[:h, :w]
    pixels = a + t[..., None] * (b - a)
    image = Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))
    draw = ImageDraw.Draw(image)
    unit = (w * h) ** 0.5
    for _ in range(rng.randint(0, 12)):
        cx, cy, r = rng.uniform(0, w), rng.uniform(0, h), unit * rng.uniform(0.005, 0.025)
        ink = _soft_colour(rng) if rng.random() < 0.5 else rng.choice(list(COLOURS.values()))
        if rng.random() < 0.5:
            draw.ellipse((cx - r, cy - r, cx + r, cy + r), fill=ink)
        else:
            ex, ey = cx + unit * rng.uniform(-0.12, 0.12), cy + unit * rng.uniform(-0.12, 0.12)
            draw.line((cx, cy, ex, ey), fill=ink, width=max(1, int(r * 0.6)))
    return image, (a + b) / 2, (a, b)


def _sprite(rng: random.Random, sort: str, name: str, w: int, h: int, grounds) -> tuple[Image.Image, Thing]:
    """Draws one object on transparent ground; the Thing's box still starts at (0, 0)."""
    if sort == "text":
        return _text_sprite(rng, name, w, h, grounds)
    size = rng.uniform(0.26, 0.45) * (w * h) ** 0.5
    colour = None
    if sort == "emoji":
        art = emoji_sprite(name)
        if rng.random() < 0.5:
            art = art.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        if rng.random() < 0.4:
            art = art.rotate(rng.uniform(-15, 15), Image.Resampling.BILINEAR, expand=True)
        k = size / max(art.size)
        art = art.resize((max(8, round(art.width * k)), max(8, round(art.height * k))), Image.Resampling.BILINEAR)
    else:
        fits = [c for c, rgb in COLOURS.items() if min(_distance(rgb, g) for g in grounds) > 230]
        colour = rng.choice(fits or ["red"])
        n = 4 * round(size * rng.uniform(0.75, 1.0) / 2)
        art = Image.new("RGBA", (n, n), COLOURS[colour] + (0,))
        draw = ImageDraw.Draw(art)
        ink = COLOURS[colour] + (255,)
        if name == "circle":
            draw.ellipse((0, 0, n - 1, n - 1), fill=ink)
        elif name == "square":
            draw.rectangle((0, 0, n - 1, n - 1), fill=ink)
        else:
            draw.polygon(((n / 2, 0), (n - 1, n - 1), (0, n - 1)), fill=ink)
        art = art.resize((n // 2, n // 2), Image.Resampling.BILINEAR)
    art = art.crop(art.getchannel("A").point(lambda a: 255 * (a > 40)).getbbox())
    alpha = np.asarray(art.getchannel("A"))
    return art, Thing(sort, name, (0, 0, art.width, art.height), colour, alpha=alpha)


def _text_sprite(rng: random.Random, word: str, w: int, h: int, grounds) -> tuple[Image.Image, Thing]:
    """A printed word, on a plate or straight on the background; capitals are at least 12/112 of the height."""
    index = rng.randrange(len(TEXT_FONTS))
    size = int(rng.uniform(12, 22) / 112 * h / 0.73)
    size = max(size, int(0.10 * w))
    font = text_font(index, size)
    while font.getlength(word) > 0.72 * w and size > 8:
        size -= 1
        font = text_font(index, size)
    left, top, right, bottom = font.getbbox(word)
    pad = max(2, int(size * rng.uniform(0.08, 0.3)))
    plate = rng.random() < 0.5
    if plate:
        ground_name = rng.choice(list(COLOURS))
        ground = COLOURS[ground_name]
        grounds = [ground]
    fits = [c for c, rgb in COLOURS.items() if min(_distance(rgb, g) for g in grounds) > 330]
    colour = rng.choice(fits or (["black"] if sum(grounds[0]) > 380 else ["white"]))
    art = Image.new("RGBA", (right - left + 2 * pad, bottom - top + 2 * pad), COLOURS[colour] + (0,))
    draw = ImageDraw.Draw(art)
    if plate:
        draw.rounded_rectangle((0, 0, art.width - 1, art.height - 1), pad // 2, fill=ground + (255,))
    draw.text((pad - left, pad - top), word, font=font, fill=COLOURS[colour] + (255,))
    letters, x = [], pad - left
    for i, glyph in enumerate(word):
        end = pad - left + font.getlength(word[: i + 1])
        letters.append((glyph, (x, pad, end, art.height - pad)))
        x = end
    alpha = np.full((art.height, art.width), 255, np.uint8)  # a word is hit anywhere in its box
    box = (0, 0, art.width, art.height)
    return art, Thing("text", word, box, None if plate else colour, letters, alpha)


def make_scene(seed: int, size: tuple[int, int] | None = None, count: int | None = None, text: float = 0.24) -> Scene:
    """The scene of a seed: 2 to 4 objects of different names that do not overlap; `text` is the share of printed words."""
    rng = random.Random(seed)
    if size is None:
        w = rng.randint(160, 320)
        h = min(320, max(160, int(w * rng.uniform(0.68, 1.45))))
    else:
        w, h = size
    image, _, grounds = _background(rng, w, h)
    things: list[Thing] = []
    for _ in range(count or rng.choice([2, 3, 3, 4])):
        sort = rng.choices(["emoji", "shape", "text"], [0.816 * (1 - text), 0.184 * (1 - text), text])[0]
        for _ in range(3):
            name = rng.choice(
                list(EMOJI) if sort == "emoji" else SHAPES if sort == "shape" else WORDS if rng.random() < 0.75 else NUMBERS
            )
            if all(t.name != name for t in things):
                break
        else:
            continue
        art, thing = _sprite(rng, sort, name, w, h, grounds)
        for attempt in range(24):
            if attempt % 8 == 7 and sort != "text":  # does not fit: a little smaller, at least 0.24 of the side
                k = max(0.85, 0.24 * (w * h) ** 0.5 / max(art.size))
                if k < 1:
                    art = art.resize((int(art.width * k), int(art.height * k)), Image.Resampling.BILINEAR)
                    thing.alpha = np.asarray(art.getchannel("A"))
            if art.width >= w or art.height >= h:
                continue
            x, y = rng.randint(0, w - art.width), rng.randint(0, h - art.height)
            box = (x, y, x + art.width, y + art.height)
            if all(box[0] >= t.box[2] or box[2] <= t.box[0] or box[1] >= t.box[3] or box[3] <= t.box[1] for t in things):
                image.paste(art, (x, y), art)
                thing.box = box
                thing.letters = [(g, (a + x, b + y, c + x, d + y)) for g, (a, b, c, d) in thing.letters]
                things.append(thing)
                break
    return Scene(seed, image, things) if things else make_scene(seed + 10**9, size, count, text)


def patch_labels(scene: Scene, side: int, patch: int):
    """What each patch of the stretched picture shows: kind [P], colour [P] (0 none, -1 do not care), glyphs [P, 36].

    A patch belongs to the object that covers at least a third of it; less than a tenth is background; in between is -1.
    """
    n = side // patch
    w, h = scene.image.size
    kind = np.zeros((n, n), np.int64)
    colour = np.zeros((n, n), np.int64)
    glyph = np.zeros((n, n, len(GLYPHS)), bool)
    edge_x, edge_y = np.arange(n + 1) * (w / n), np.arange(n + 1) * (h / n)
    for t in scene.things:
        x1, y1, x2, y2 = t.box
        cover_x = np.clip(np.minimum(edge_x[1:], x2) - np.maximum(edge_x[:-1], x1), 0, None) * n / w
        cover_y = np.clip(np.minimum(edge_y[1:], y2) - np.maximum(edge_y[:-1], y1), 0, None) * n / h
        cover = cover_y[:, None] * cover_x[None, :]
        kind[(cover > 0.1) & (kind == 0)] = -1
        colour[(cover > 0.1) & (colour == 0)] = -1
        kind[cover >= 0.34] = KIND_ID[t.name]
        colour[cover >= 0.34] = COLOUR_ID[t.colour] if t.colour else 0
        for g, (a, b, c, d) in t.letters:
            row0, row1 = int((b * 0.7 + d * 0.3) * n / h), int((b * 0.3 + d * 0.7) * n / h)
            column = min(n - 1, int((a + c) / 2 * n / w))
            glyph[row0 : row1 + 1, column, GLYPHS.index(g)] = True
    return kind.reshape(-1), colour.reshape(-1), glyph.reshape(n * n, -1)


if __name__ == "__main__":
    import sys
    import time

    start = time.time()
    sheet = Image.new("RGB", (8 * 230, 4 * 230), "white")
    for i in range(32):
        picture = make_scene(EVAL_SEED + i).image
        picture.thumbnail((224, 224))
        sheet.paste(picture, (i % 8 * 230, i // 8 * 230))
    sheet.save(sys.argv[1] if len(sys.argv) > 1 else "scenes.png")
    print(f"{len(KINDS)} kinds; {(time.time() - start) / 32 * 1000:.1f} ms a scene")
