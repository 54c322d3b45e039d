import type { ExecEvent, ExecResult, OutputEncoding } from "@wharf/contract";

const LIMIT = 1024 * 1024; // bytes of each output that are answered

/** The whole of a command. Of an output that is too long its end is kept. */
export async function resultOf(
  events: AsyncIterable<ExecEvent>,
  about: { command_id: string; encoding: OutputEncoding },
): Promise<ExecResult> {
  const began = performance.now();
  const ends = { stdout: new End(), stderr: new End() };
  let exit: Omit<Extract<ExecEvent, { type: "exit" }>, "type"> = { exit_code: null, signal: null, timed_out: false };
  for await (const event of events) {
    if (event.type === "exit") exit = event;
    else if (event.type !== "gap") ends[event.type].push(Buffer.from(event.data, about.encoding));
  }
  const { stdout, stderr } = ends;
  const { exit_code, signal, timed_out, out_of_memory } = exit;
  return {
    command_id: about.command_id,
    stdout: stdout.text(about.encoding),
    stderr: stderr.text(about.encoding),
    stdout_truncated: stdout.truncated,
    stderr_truncated: stderr.truncated,
    exit_code,
    signal,
    timed_out,
    ...(out_of_memory && { out_of_memory }),
    duration_ms: Math.round(performance.now() - began),
  };
}

class End {
  #pieces: Buffer[] = [];
  #bytes = 0;
  truncated = false;

  push(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    // Joined now and then only, so that many small pieces cost no more than few large ones.
    if (this.#bytes > 2 * LIMIT) this.#cut();
  }

  text(encoding: OutputEncoding): string {
    const all = this.#cut();
    if (encoding === "base64" || !this.truncated) return all.toString(encoding);
    let from = 0;
    while (from < 3 && ((all[from] ?? 0) & 0xc0) === 0x80) from += 1;
    return all.toString("utf8", from);
  }

  #cut(): Buffer {
    const all = Buffer.concat(this.#pieces);
    this.truncated ||= all.length > LIMIT;
    const kept = all.length > LIMIT ? Buffer.from(all.subarray(all.length - LIMIT)) : all;
    this.#pieces = [kept];
    this.#bytes = kept.length;
    return kept;
  }
}
