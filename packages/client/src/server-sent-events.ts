export interface ServerSentEvent {
  readonly id?: string;
  readonly data: string;
}

/** Yields the events in the lines of a `text/event-stream`, without one that has no end. */
export async function* parseServerSentEvents(
  lines: AsyncIterable<string>,
): AsyncGenerator<ServerSentEvent, void, undefined> {
  let id: string | undefined;
  let data: string[] = [];
  for await (const line of lines) {
    if (line === "") {
      if (data.length > 0) yield { ...(id !== undefined && { id }), data: data.join("\n") };
      data = [];
      continue;
    }
    const [, field = "", value = ""] = /^([^:]*):? ?(.*)$/.exec(line) ?? [];
    if (field === "id") id = value;
    if (field === "data") data.push(value);
  }
}
