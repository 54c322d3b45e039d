import { Transform, type TransformCallback } from "node:stream";
import { execApi, ExecRequest, type OutputEncoding, portStreams, RemoteError } from "@wharf/contract";
import type { RawRequest, RawResponse, WireClient } from "@wharf/contract/wire";
import { z } from "zod";
import type { FindContext, RunnerNames } from "../../gateway/index.ts";
import { type KnownSecrets, SecretFilter } from "../../redaction/index.ts";
import { toError } from "../../std/errors.ts";
import { OutputRedactor } from "./output-redactor.ts";

/** Removes known secrets from everything that runners send to the server. */
export interface RunnerRedaction {
  readonly secrets: KnownSecrets;
  /** Called when a runner sent a known secret, with the secret's name. */
  readonly onRedacted: (context: RunnerNames, use: { secret: string; where: "events" | "answers" }) => void;
}

/** No daemon sends a longer line. */
const maxLineBytes = 2 * 1024 * 1024;
const newline = 0x0a;
const maxHeldMs = 20;

/**
 * Wraps the client of a runner: answers, lines of streams and raw bytes arrive without the server's
 * secrets. Nothing else reads from a runner, so this is the only place that has to.
 */
export function createRedactedClient(
  client: WireClient,
  { secrets, onRedacted }: RunnerRedaction,
  findContext: FindContext,
): WireClient {
  const reportMatch = (secret: string, where: "events" | "answers") => {
    findContext().then(
      (context) => context && onRedacted(context, { secret, where }),
      () => undefined,
    );
  };
  const redactBody = (answer: RawResponse, raw: RawRequest): RawResponse => {
    const onMatch = ({ name }: { name: string }) => reportMatch(name, "answers");
    const isLines = answer.headers["content-type"]?.startsWith("application/x-ndjson") === true;
    const filter = isLines
      ? new LineFilter(new OutputRedactor({ secrets, onMatch, encoding: getOutputEncoding(raw) }))
      : new SecretFilter({ getMatcher: () => secrets.matcher, onMatch, maxHeldMs: getMaxHeldMs(raw) });
    const { body } = answer;
    body.once("error", (error) => filter.destroy(error));
    // An answer that breaks off closes without an end.
    body.once("close", () => {
      if (!body.readableEnded) filter.destroy(new Error("the runner broke off its answer"));
    });
    filter.once("close", () => body.destroy());
    return { ...answer, body: body.pipe(filter) };
  };
  const redactError = (thrown: unknown): unknown => {
    if (!(thrown instanceof RemoteError)) return thrown;
    const problem = thrown.toProblem();
    const redacted = secrets.redactJson(problem, ({ name }) => reportMatch(name, "answers"));
    return redacted === problem ? thrown : RemoteError.fromRunner(redacted);
  };
  return {
    async call(endpoint, input, options) {
      const answer = await client.call(endpoint, input, options).catch((error: unknown) => {
        throw redactError(error);
      });
      return secrets.redactJson(answer, ({ name }) => reportMatch(name, "answers"));
    },
    async *stream(endpoint, input, options) {
      try {
        for await (const line of client.stream(endpoint, input, options))
          yield secrets.redactJson(line, ({ name }) => reportMatch(name, "events"));
      } catch (error) {
        throw redactError(error);
      }
    },
    async request(raw) {
      return redactBody(await client.request(raw), raw);
    },
  };
}

/** A connection to a port may pause at any byte, and its other end waits for that byte. */
const getMaxHeldMs = ({ path }: RawRequest): number | undefined =>
  path.startsWith(`${portStreams.connect.path}?`) ? maxHeldMs : undefined;

/** Returns the encoding in which the caller of a command wants its output. */
function getOutputEncoding({ path, body }: RawRequest): OutputEncoding {
  const isRead = typeof body === "string" || body instanceof Uint8Array;
  if (path !== execApi.exec.path || !isRead) return "utf8";
  const command: unknown = JSON.parse(Buffer.from(body).toString());
  return z.object({ encoding: ExecRequest.shape.encoding }).parse(command).encoding;
}

/** Redacts lines of JSON, so that each line remains JSON. */
class LineFilter extends Transform {
  readonly #redactor: OutputRedactor;
  #pieces: Buffer[] = [];
  #length = 0;
  #timer: NodeJS.Timeout | undefined;

  constructor(redactor: OutputRedactor) {
    super();
    this.#redactor = redactor;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    try {
      let start = 0;
      for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
        this.#addPiece(chunk.subarray(start, end));
        this.#endLine();
        start = end + 1;
      }
      this.#addPiece(chunk.subarray(start));
      this.#setTimer();
      callback();
    } catch (error) {
      callback(toError(error));
    }
  }

  override _flush(callback: TransformCallback): void {
    clearTimeout(this.#timer);
    try {
      if (this.#length > 0) this.#endLine();
      this.#pushLines(this.#redactor.end());
      callback();
    } catch (error) {
      callback(toError(error));
    }
  }

  override _destroy(error: Error | null, callback: (error?: Error | null) => void): void {
    clearTimeout(this.#timer);
    callback(error);
  }

  #addPiece(piece: Buffer): void {
    this.#length += piece.length;
    if (this.#length > maxLineBytes) throw new Error("the runner sent a line that is too long");
    if (piece.length > 0) this.#pieces.push(Buffer.from(piece));
  }

  #endLine(): void {
    const line = Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#length = 0;
    // An empty line shows that the runner is alive.
    if (line.length === 0) this.push("\n");
    else this.#pushLines(this.#redactor.add(line.toString()));
  }

  #pushLines(lines: readonly string[]): void {
    for (const line of lines) this.push(`${line}\n`);
  }

  /** Passes lines on that wait for too long. */
  #setTimer(): void {
    clearTimeout(this.#timer);
    const remainingMs = this.#redactor.getRemainingWaitMs();
    if (remainingMs !== undefined)
      this.#timer = setTimeout(() => this.#pushLines(this.#redactor.release()), remainingMs + 1);
  }
}
