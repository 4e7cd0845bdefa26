"""Writes the picture goldens of java/model: small files of every format, and what Pillow makes of them.

    python weights-tools/golden/image_goldens.py java/model/src/test/resources/dev/fovea/model/image

Made with Pillow 12.3.0. The Java tests read `goldens.json`; nothing here runs in a build.
"""

import hashlib
import json
import pathlib
import random
import struct
import sys
import zlib

import numpy as np
from PIL import Image

OUT = pathlib.Path(sys.argv[1])
MEAN = (122, 116, 104)
WRITER = 12  # where a WebPPicture of 64-bit machines holds its writer, in words of 8 bytes


def pattern(w, h):
    """The test picture: cheap to write in any language, no two neighbours alike."""
    y, x = np.mgrid[0:h, 0:w].astype(np.int64)
    return np.stack([(37 * x + 11 * y) % 256, (91 * x + 53 * y) % 256, (17 * x * y + 29) % 256], -1).astype(np.uint8)


def smooth(w, h):
    """Soft colours with one hard edge, as photographs have: what JPEG and lossy WebP are made for."""
    y, x = np.mgrid[0:h, 0:w].astype(np.float64)
    r = 128 + 100 * np.sin(x / 9) * np.cos(y / 13)
    g = 255 * x / w
    b = 255 * y / h
    a = np.stack([r, g, b], -1)
    a[h // 3 : h // 2, w // 4 : w // 2] = (230, 30, 40)
    return a.clip(0, 255).astype(np.uint8)


def digest(im):
    return hashlib.sha256(np.asarray(im.convert("RGB")).tobytes()).hexdigest()


def square(im, mode, s):
    w, h = im.size
    if mode == "RESIZE":
        return im.resize((s, s), Image.BICUBIC)
    if mode in ("PAD", "PAD_TOP_LEFT"):
        side = max(w, h)
        sheet = Image.new("RGB", (side, side), MEAN)
        at = ((side - w) // 2, (side - h) // 2) if mode == "PAD" else (0, 0)
        sheet.paste(im, at)
        return sheet.resize((s, s), Image.BICUBIC)
    short, long = min(w, h), max(w, h)
    new_long = int(s * long / short)
    im = im.resize((s, new_long) if w <= h else (new_long, s), Image.BICUBIC)
    left, top = (im.width - s) // 2, (im.height - s) // 2
    return im.crop((left, top, left + s, top + s))


def resizes():
    rng = random.Random(20230718)
    sizes = [(1, 1, 1, 1), (1, 1, 9, 4), (1, 50, 7, 3), (50, 1, 3, 7), (2, 3, 300, 1), (3000, 2, 5, 5), (2, 3000, 5, 64),
             (1, 1, 336, 336), (640, 427, 224, 224), (7, 5, 4, 3), (7, 5, 9, 6), (16, 16, 16, 16), (100, 100, 50, 100)]
    sizes += [tuple(rng.choice([rng.randint(1, 12), rng.randint(1, 400)]) for _ in range(4)) for _ in range(150)]
    for w, h, nw, nh in sizes:
        yield dict(from_=[w, h], to=[nw, nh], sha256=digest(Image.fromarray(pattern(w, h)).resize((nw, nh), Image.BICUBIC)))


def squares():
    for mode in ("RESIZE", "PAD", "PAD_TOP_LEFT", "CROP"):
        for w, h, s in [(640, 427, 224), (640, 427, 336), (427, 640, 224), (50, 51, 112), (300, 7, 56), (7, 300, 56), (1, 90, 28),
                        (1, 1, 14), (336, 336, 336), (1001, 333, 112)]:
            im = square(Image.fromarray(pattern(w, h)), mode, s)
            yield dict(mode=mode, from_=[w, h], size=s, sha256=digest(im), sums=[int(v) for v in np.asarray(im).sum((0, 1))])


def png(color, depth, rows, palette=b"", extra=b""):
    """A PNG written by hand, for the kinds Pillow does not write."""
    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
    h = len(rows)
    bits = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}[color] * depth
    w = len(rows[0]) * 8 // bits
    out = b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", struct.pack(">IIBBBBB", w, h, depth, color, 0, 0, 0)) + extra
    if palette:
        out += chunk(b"PLTE", palette)
    return out + chunk(b"IDAT", zlib.compress(b"".join(b"\0" + r for r in rows))) + chunk(b"IEND", b"")


def lossy(name, a, quality, **config):
    """A VP8 file of the kinds that Pillow does not write, by the libwebp inside Pillow (its ABI 2.10)."""
    import ctypes as c
    import glob
    lib = c.CDLL(glob.glob(str(pathlib.Path(Image.__file__).parents[1] / "pillow.libs" / "libwebp-*"))[0])
    fields = ("segments sns_strength filter_strength filter_sharpness filter_type autofilter alpha_compression alpha_filtering "
              "alpha_quality pass show_compressed preprocessing partitions").split()
    settings = (c.c_int * 64)()
    assert lib.WebPConfigInitInternal(settings, 0, c.c_float(quality), 0x0210)
    for key, value in config.items():
        settings[6 + fields.index(key)] = value
    assert lib.WebPValidateConfig(settings)
    picture, h, w = (c.c_uint64 * 64)(), *a.shape[:2]
    assert lib.WebPPictureInitInternal(picture, 0x0210)
    picture[1] = w | h << 32
    assert lib.WebPPictureImportRGB(picture, np.ascontiguousarray(a).ctypes.data_as(c.c_void_p), 3 * w)
    memory = (c.c_uint64 * 4)()
    lib.WebPMemoryWriterInit(memory)
    picture[WRITER] = c.cast(lib.WebPMemoryWrite, c.c_void_p).value
    picture[WRITER + 1] = c.addressof(memory)
    assert lib.WebPEncode(settings, picture)
    (OUT / name).write_bytes(c.string_at(memory[0], memory[1]))


def files():
    p = Image.fromarray(pattern(23, 17))
    alpha = p.copy()
    alpha.putalpha(Image.fromarray((np.indices((17, 23)).sum(0) * 9 % 256).astype(np.uint8)))
    grey = p.convert("L")
    pal = p.quantize(19)
    rng = np.random.default_rng(7)
    raw = lambda n: rng.integers(0, 256, n, dtype=np.uint8).tobytes()
    raw_picture = lambda w, h: np.random.default_rng(8).integers(0, 256, (h, w, 3), dtype=np.uint8)
    save = lambda name, im, **kw: im.save(OUT / name, **kw)
    save("rgb.png", p)
    save("rgba.png", alpha)
    save("grey.png", grey)
    save("grey-alpha.png", alpha.convert("LA"))
    save("palette.png", pal, transparency=3)
    save("bits1.png", grey.convert("1"))
    for depth in (1, 2, 4):
        (OUT / f"grey{depth}.png").write_bytes(png(0, depth, [raw(3 * depth) for _ in range(9)]))
        (OUT / f"palette{depth}.png").write_bytes(png(3, depth, [raw(3 * depth) for _ in range(9)], raw(3 << depth)))
    (OUT / "rgb16.png").write_bytes(png(2, 16, [raw(6 * 11) for _ in range(9)]))
    (OUT / "rgba16.png").write_bytes(png(6, 16, [raw(8 * 11) for _ in range(9)]))
    (OUT / "grey-alpha16.png").write_bytes(png(4, 16, [raw(4 * 11) for _ in range(9)]))
    (OUT / "grey16.png").write_bytes(png(0, 16, [raw(2 * 11) for _ in range(9)]))
    gama = b"\0\0\0\4gAMA" + struct.pack(">I", 45455)
    gama += struct.pack(">I", zlib.crc32(gama[4:]))
    (OUT / "gamma.png").write_bytes(png(2, 8, [raw(3 * 11) for _ in range(9)], extra=gama))
    save("bits1.bmp", grey.convert("1"))
    save("grey.bmp", grey)
    save("palette.bmp", pal)
    save("rgb.bmp", p)
    save("rgba.bmp", alpha)
    row = lambda bits: (11 * bits + 31) // 32 * 4
    head = lambda bits, comp, data, extra=b"", h=9: (
        b"BM" + struct.pack("<IHHI", 54 + len(extra) + len(data), 0, 0, 54 + len(extra))
        + struct.pack("<IiiHHIIiiII", 40, 11, h, 1, bits, comp, len(data), 0, 0, 0, 0) + extra + data)
    (OUT / "bits16.bmp").write_bytes(head(16, 0, raw(row(16) * 9)))
    (OUT / "bits565.bmp").write_bytes(head(16, 3, raw(row(16) * 9), struct.pack("<III", 0xF800, 0x7E0, 0x1F)))
    (OUT / "top-down.bmp").write_bytes(head(24, 0, raw(row(24) * 9), h=-9))
    (OUT / "bits32.bmp").write_bytes(head(32, 0, raw(row(32) * 9)))
    save("still.gif", pal)
    save("interlaced.gif", pal, interlace=1)
    save("transparent.gif", pal, transparency=3)
    save("grey.gif", grey)
    frames = [pal, p.rotate(90).resize((23, 17)).quantize(19)]
    frames[0].save(OUT / "animated.gif", save_all=True, append_images=frames[1:], duration=50, loop=0)
    still = bytearray((OUT / "still.gif").read_bytes())
    still[6:10] = struct.pack("<HH", 40, 30)
    at = still.index(b",\0\0\0\0")
    still[at + 1 : at + 5] = struct.pack("<HH", 5, 9)
    (OUT / "offset.gif").write_bytes(still)
    still[at + 1 : at + 5] = struct.pack("<HH", 25, 20)
    (OUT / "outside.gif").write_bytes(still)
    save("lossless.webp", p, lossless=True, exact=True)
    save("lossless-alpha.webp", alpha, lossless=True, exact=True)
    save("lossless-smooth.webp", Image.fromarray(smooth(90, 60)), lossless=True, exact=True)
    save("lossless-palette.webp", pal.convert("RGB"), lossless=True, exact=True)
    save("animated.webp", p, save_all=True, append_images=[p.rotate(180)], lossless=True, exact=True, duration=50)
    photo = Image.fromarray(smooth(90, 61))
    save("lossy.webp", photo, quality=85)
    photo_alpha = photo.copy()
    photo_alpha.putalpha(200)
    save("lossy-alpha.webp", photo_alpha, quality=85)
    for w, h, quality in [(1, 1, 75), (2, 3, 75), (17, 40, 0), (33, 16, 50), (64, 49, 100)]:
        save(f"lossy-{w}x{h}.webp", Image.fromarray(smooth(w, h)), quality=quality)
    save("lossy-noise.webp", Image.fromarray(raw_picture(35, 34)), quality=30)
    lossy("lossy-simple.webp", smooth(90, 61), 20, filter_type=0, filter_strength=100)
    lossy("lossy-sharp.webp", smooth(90, 61), 20, filter_type=1, filter_strength=100, filter_sharpness=6)
    lossy("lossy-unfiltered.webp", smooth(61, 90), 40, filter_strength=0)
    lossy("lossy-partitions.webp", smooth(61, 90), 70, partitions=3, segments=4, sns_strength=100)
    save("baseline.jpg", photo, quality=90)
    save("sub444.jpg", photo, quality=95, subsampling=0)
    save("sub422.jpg", photo, quality=90, subsampling=1)
    save("progressive.jpg", photo, quality=90, progressive=True)
    save("grey.jpg", photo.convert("L"), quality=90)
    save("cmyk.jpg", photo.convert("CMYK"), quality=92)
    save("rgb.jpg", photo, quality=92, keep_rgb=True)
    exif = Image.Exif()
    for o in range(1, 9):
        exif[0x0112] = o
        save(f"orientation{o}.png", p.crop((0, 0, 5, 3)), exif=exif)
    exif[0x0112] = 6
    save("orientation6.jpg", photo, quality=90, exif=exif)
    save("orientation6.webp", p, lossless=True, exact=True, exif=exif)


def decoded():
    exact, close = [], []
    for path in sorted(OUT.iterdir()):
        if path.suffix not in (".png", ".bmp", ".gif", ".webp", ".jpg"):
            continue
        with Image.open(path) as im:
            rgb = im.convert("RGB")
            entry = dict(file=path.name, size=list(rgb.size))
            if path.suffix == ".jpg":
                # Compared pixel by pixel, so the truth travels as a PNG of the raw rows.
                truth = OUT / "truth" / (path.name + ".png")
                truth.parent.mkdir(exist_ok=True)
                rgb.save(truth)
                close.append(entry)
            elif path.name == "grey16.png":
                continue  # Pillow clips at 255; the Java reader keeps the high byte, on purpose
            else:
                exact.append(entry | dict(sha256=digest(rgb)))
    return exact, close


def upright():
    from PIL import ImageOps
    for path in sorted(OUT.glob("orientation*")):
        if path.suffix != ".jpg":
            with Image.open(path) as im:
                turned = ImageOps.exif_transpose(im)
                yield dict(file=path.name, size=list(turned.size), sha256=digest(turned))


OUT.mkdir(parents=True, exist_ok=True)
files()
exact, close = decoded()
golden = dict(pillow=Image.__version__, exact=exact, close=close, upright=list(upright()), resizes=list(resizes()),
              squares=list(squares()))
text = json.dumps(golden, indent=0).replace('"from_"', '"from"')
(OUT / "goldens.json").write_text(text + "\n")
