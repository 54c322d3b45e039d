import type { ExecEvent, ExecResult, OutputEncoding } from "@wharf/contract";

// Longer output is cut to this many bytes, for stdout and stderr each.
const maxResultBytes = 1024 * 1024;

/**
 * Collects a command's events into one result. The result keeps only the end of an output that is
 * too long.
 */
export async function toExecResult(
  events: AsyncIterable<ExecEvent>,
  about: { command_id: string; encoding: OutputEncoding },
): Promise<ExecResult> {
  const startedAt = performance.now();
  const tails = { stdout: new OutputTail(), stderr: new OutputTail() };
  let exit: Omit<Extract<ExecEvent, { type: "exit" }>, "type"> = { exit_code: null, signal: null, timed_out: false };
  for await (const event of events) {
    if (event.type === "exit") exit = event;
    else if (event.type !== "gap") tails[event.type].push(Buffer.from(event.data, about.encoding));
  }
  const { stdout, stderr } = tails;
  const { exit_code, signal, timed_out, out_of_memory } = exit;
  return {
    command_id: about.command_id,
    stdout: stdout.getText(about.encoding),
    stderr: stderr.getText(about.encoding),
    stdout_truncated: stdout.truncated,
    stderr_truncated: stderr.truncated,
    exit_code,
    signal,
    timed_out,
    ...(out_of_memory && { out_of_memory }),
    duration_ms: Math.round(performance.now() - startedAt),
  };
}

class OutputTail {
  #pieces: Buffer[] = [];
  #bytes = 0;
  truncated = false;

  push(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#bytes += piece.length;
    // Join the pieces only occasionally, so that many small pieces cost no more than a few large
    // ones.
    if (this.#bytes > 2 * maxResultBytes) this.#trim();
  }

  getText(encoding: OutputEncoding): string {
    const all = this.#trim();
    if (encoding === "base64" || !this.truncated) return all.toString(encoding);
    let start = 0;
    while (start < 3 && ((all[start] ?? 0) & 0xc0) === 0x80) start += 1;
    return all.toString("utf8", start);
  }

  #trim(): Buffer {
    const all = Buffer.concat(this.#pieces);
    this.truncated ||= all.length > maxResultBytes;
    const tail = all.length > maxResultBytes ? Buffer.from(all.subarray(all.length - maxResultBytes)) : all;
    this.#pieces = [tail];
    this.#bytes = tail.length;
    return tail;
  }
}
