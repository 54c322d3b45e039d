import { Transform, type TransformCallback } from "node:stream";
import { RemoteError } from "@wharf/contract";
import type { RawResponse, WireClient } from "@wharf/contract/wire";
import type { FindContext, RunnerNames } from "../../gateway/index.ts";
import { type KnownSecrets, SecretFilter } from "../../redaction/index.ts";

/** Removes known secrets from everything that runners send to the server. */
export interface RunnerRedaction {
  readonly secrets: KnownSecrets;
  /** Called when a runner sent a known secret, with the secret's name. */
  readonly onRedacted: (context: RunnerNames, use: { secret: string; where: "events" | "answers" }) => void;
}

/** No daemon sends a longer line. */
const maxLineBytes = 2 * 1024 * 1024;
const newline = 0x0a;

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
  const redactBody = (answer: RawResponse): RawResponse => {
    const onMatch = ({ name }: { name: string }) => reportMatch(name, "answers");
    const isLines = answer.headers["content-type"]?.startsWith("application/x-ndjson") === true;
    const filter = isLines
      ? new LineFilter((value) => secrets.redactJson(value, onMatch))
      : new SecretFilter({ getMatcher: () => secrets.matcher, onMatch });
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
      return redactBody(await client.request(raw));
    },
  };
}

/** Redacts each line of JSON by itself, so that the line remains JSON. */
class LineFilter extends Transform {
  readonly #redact: (value: unknown) => unknown;
  #pieces: Buffer[] = [];
  #length = 0;

  constructor(redact: (value: unknown) => unknown) {
    super();
    this.#redact = redact;
  }

  override _transform(chunk: Buffer, _encoding: BufferEncoding, callback: TransformCallback): void {
    try {
      let start = 0;
      for (let end = chunk.indexOf(newline); end >= 0; end = chunk.indexOf(newline, start)) {
        this.#addPiece(chunk.subarray(start, end));
        this.#pushLine("\n");
        start = end + 1;
      }
      this.#addPiece(chunk.subarray(start));
      callback();
    } catch (error) {
      callback(error instanceof Error ? error : new Error(String(error)));
    }
  }

  override _flush(callback: TransformCallback): void {
    try {
      this.#pushLine("");
      callback();
    } catch (error) {
      callback(error instanceof Error ? error : new Error(String(error)));
    }
  }

  #addPiece(piece: Buffer): void {
    this.#length += piece.length;
    if (this.#length > maxLineBytes) throw new Error("the runner sent a line that is too long");
    if (piece.length > 0) this.#pieces.push(Buffer.from(piece));
  }

  #pushLine(end: string): void {
    const line = Buffer.concat(this.#pieces);
    this.#pieces = [];
    this.#length = 0;
    // An empty line shows that the runner is alive.
    const value: unknown = line.length > 0 ? JSON.parse(line.toString()) : undefined;
    const redacted = value === undefined ? value : this.#redact(value);
    this.push(redacted === value ? Buffer.concat([line, Buffer.from(end)]) : `${JSON.stringify(redacted)}${end}`);
  }
}
