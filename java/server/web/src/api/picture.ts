import type { Picture } from "../state/conversation.ts";

/** Longer sides are scaled down to this: no model looks closer, and the request stays small. */
const LONGEST_SIDE = 2048;
const MOST_BYTES = 6 << 20;

/** A picture that the browser cannot read. */
export class NoPicture extends Error {}

/**
 * Reads a picture as the server can take it: PNG and JPEG go as they are; anything else the browser can show is written as PNG or JPEG, and so
 * are pictures that are too large or turned by a note in their EXIF part, which decoders treat differently.
 */
export async function readPicture(file: Blob, name: string, scene?: string): Promise<Picture> {
  let bitmap: ImageBitmap;
  try {
    bitmap = await createImageBitmap(file);
  } catch {
    throw new NoPicture(`${name} is not a picture that this browser can read`);
  }
  try {
    const { width, height } = bitmap;
    const shrink = Math.min(1, LONGEST_SIDE / Math.max(width, height));
    const type = file.type === "image/png" ? "image/png" : "image/jpeg";
    const origin = scene === undefined ? {} : { scene };
    if (shrink === 1 && file.size <= MOST_BYTES && (await goesAsItIs(file))) {
      return { name, type, bytes: file, width, height, ...origin };
    }
    const size = { width: Math.max(1, Math.round(width * shrink)), height: Math.max(1, Math.round(height * shrink)) };
    const canvas = new OffscreenCanvas(size.width, size.height);
    const context = canvas.getContext("2d");
    if (!context) throw new NoPicture("This browser cannot scale pictures");
    context.fillStyle = "white"; // where the picture is transparent
    context.fillRect(0, 0, size.width, size.height);
    context.imageSmoothingQuality = "high";
    context.drawImage(bitmap, 0, 0, size.width, size.height);
    const large = size.width * size.height > 1 << 20;
    const written = large || type === "image/jpeg" ? ("image/jpeg" as const) : ("image/png" as const);
    const bytes = await canvas.convertToBlob({ type: written, quality: 0.93 });
    const ending = written === "image/png" ? ".png" : ".jpg";
    return { name: name.replace(/\.\w+$/, "") + ending, type: written, bytes, ...size, ...origin };
  } finally {
    bitmap.close();
  }
}

async function goesAsItIs(file: Blob): Promise<boolean> {
  const head = new Uint8Array(await file.slice(0, 1 << 16).arrayBuffer());
  const starts = (...bytes: number[]): boolean => bytes.every((byte, i) => head[i] === byte);
  if (starts(0x89, 0x50, 0x4e, 0x47)) return file.type === "image/png";
  // The whole of the EXIF marker lies in the first segments, well inside the first 64 KiB.
  return starts(0xff, 0xd8, 0xff) && file.type === "image/jpeg" && !new TextDecoder("latin1").decode(head).includes("Exif\0\0");
}

/** The picture as a data: URL, as requests carry it. */
export function dataUrl(picture: Picture): Promise<string> {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => {
      const url = String(reader.result);
      resolve(`data:${picture.type}${url.slice(url.indexOf(";"))}`);
    };
    reader.onerror = () => reject(new NoPicture(`${picture.name} can no longer be read`));
    reader.readAsDataURL(picture.bytes);
  });
}

/** The first picture among what was dropped or pasted. */
export function pictureIn(transfer: DataTransfer | null): File | undefined {
  return Array.from(transfer?.files ?? []).find((file) => file.type.startsWith("image/"));
}
