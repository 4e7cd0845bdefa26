/** The parts of the server's JSON that the page reads and writes. Names are those of OpenAI's API; regions and annotations are Fovea's. */
export type WireRegion = { id: string; box: readonly number[] } | { id: string; point: readonly number[] };

type ImagePart = {
  type: "image_url";
  image_url: { url: string };
  regions?: WireRegion[];
  region_units?: "pixel";
};

type TextPart = { type: "text"; text: string };

export type Message = { role: "user"; content: (ImagePart | TextPart)[] } | { role: "assistant"; content: string };

export type ChatRequest = {
  model: string;
  messages: Message[];
  temperature: number;
  max_tokens: number;
  seed?: number;
  stream: true;
  stream_options: { include_usage: true };
};

/** A spot named in the answer, from character `start_index` up to `end_index` of it. */
export type Annotation = {
  type?: string;
  label?: string | null;
  /** Id of the region of the request that it lies on. */
  region?: string;
  box?: readonly number[];
  point?: readonly number[];
  start_index?: number;
  end_index?: number;
};

type Usage = { prompt_tokens?: number; completion_tokens?: number };

type Timings = {
  prompt_ms?: number;
  predicted_n?: number;
  predicted_per_second?: number;
  queue_ms?: number;
  image_encode_ms?: number;
};

export type ErrorBody = { message?: string; type?: string; param?: string | null; code?: string | number | null };

export type Chunk = {
  choices?: {
    delta?: { role?: string; content?: string | null; annotations?: Annotation[] };
    finish_reason?: string | null;
    annotations?: Annotation[];
  }[];
  usage?: Usage | null;
  timings?: Timings;
  annotations?: Annotation[];
  error?: ErrorBody;
};

export type Props = {
  model: string;
  backend: string;
  image_mode: string;
  context: number;
  preset: string;
  version: string;
};

export type Scene = { image: string; objects: { name: string; box: [number, number, number, number] }[] };
