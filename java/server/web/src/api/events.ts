/** One thing of a text/event-stream: the data of an event, or a comment line. */
type StreamEvent = { readonly data: string } | { readonly comment: string };

/**
 * Cuts a byte stream into events, however the bytes are split; WHATWG HTML, section 9.2.6. Fields other than data are not used by this server
 * and are skipped.
 */
export async function* events(body: ReadableStream<Uint8Array>): AsyncGenerator<StreamEvent> {
  const decoder = new TextDecoder();
  const reader = body.getReader();
  let rest = "";
  let data: string[] = [];
  try {
    for (;;) {
      const { done, value } = await reader.read();
      rest += done ? decoder.decode() : decoder.decode(value, { stream: true });
      // A carriage return at the very end may be the first half of a line end.
      const whole = !done && rest.endsWith("\r") ? rest.slice(0, -1) : rest;
      const lines = whole.split(/\r\n|\n|\r/);
      rest = (lines.pop() ?? "") + rest.slice(whole.length);
      for (const line of lines) {
        if (line === "") {
          if (data.length > 0) yield { data: data.join("\n") };
          data = [];
        } else if (line.startsWith(":")) {
          yield { comment: line.slice(1).trim() };
        } else if (line === "data" || line.startsWith("data:")) {
          data.push(line.slice(5).replace(/^ /, ""));
        }
      }
      if (done) return; // an event without its empty line is not complete and is dropped
    }
  } finally {
    reader.cancel().catch(() => {}); // closes the connection, which tells the server to stop
  }
}
