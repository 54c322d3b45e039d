/**
 * Keeps a number of streams open, each of which begins the next request when its answer has ended,
 * and prints what it measured. It runs outside, and as an agent inside a runner: it must not import
 * anything else than Node.
 */
import { Agent, request } from "node:http";

/** The settings, as JSON in WHARF_PROMPT. */
export interface LoadSettings {
  /** The environment has the rest of the address if this is only a path. */
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly streams: number;
  /** Pieces of an answer, and the time between two of them. */
  readonly pieces: number;
  readonly intervalMs: number;
  readonly warmUpMs: number;
  readonly durationMs: number;
}

/** Times in ms, without the time that the model's server itself took. */
export interface LoadResult {
  /** From the request until the answer begins. */
  readonly first: number[];
  /** From the request until the answer's end. */
  readonly whole: number[];
  readonly requestsPerSecond: number;
  /** All requests, also those before and after the measured time. */
  readonly requests: number;
  readonly failures: readonly string[];
}

const settings = JSON.parse(process.env["WHARF_PROMPT"] ?? "") as LoadSettings;
const agent = new Agent({ keepAlive: true });
const url = settings.url.startsWith("/") ? `${process.env["WHARF_GATEWAY"]}${settings.url}` : settings.url;
const headers = {
  "content-type": "application/json",
  authorization: `Bearer ${process.env["WHARF_TOKEN"]}`,
  ...settings.headers,
};
const body = JSON.stringify({
  model: "gpt-5",
  stream: true,
  stream_options: { include_usage: true },
  max_completion_tokens: 4_000,
  user: `${settings.pieces}x${settings.intervalMs}`,
  messages: [{ role: "user", content: "w".repeat(16_000) }],
});

interface Answer {
  readonly first: number;
  readonly whole: number;
}

function ask(): Promise<Answer> {
  const { promise, resolve, reject } = Promise.withResolvers<Answer>();
  const startedAt = performance.now();
  const call = request(url, { method: "POST", agent, headers }, (answer) => {
    let first: number | undefined;
    let content = "";
    answer.setEncoding("latin1");
    answer.on("data", (chunk: string) => {
      first ??= performance.now() - startedAt;
      content += chunk;
    });
    answer.on("end", () => {
      const whole = performance.now() - startedAt;
      const times = Array.from(content.matchAll(/took_(\d+)_us/g), ([, us]) => Number(us) / 1000);
      const isWhole = content.endsWith("data: [DONE]\n\n") && times.length === settings.pieces + 1;
      if (answer.statusCode !== 200 || !isWhole)
        reject(new Error(`${answer.statusCode}: ${times.length} events, ${content.slice(0, 300)}`));
      else resolve({ first: (first ?? 0) - (times[0] ?? 0), whole: whole - (times.at(-1) ?? 0) });
    });
    answer.on("error", reject);
  });
  call.on("error", reject);
  call.end(body);
  return promise;
}

const { promise: over, resolve: finish } = Promise.withResolvers<void>();
const answers: Answer[] = [];
let requests = 0;
const failures: string[] = [];
const beganAt = performance.now();
const isMeasured = () => performance.now() - beganAt > settings.warmUpMs;
const isOver = () => performance.now() - beganAt > settings.warmUpMs + settings.durationMs;

async function runStream(): Promise<void> {
  while (!isOver() && failures.length === 0) {
    const answer = await ask();
    requests++;
    if (isMeasured() && !isOver()) answers.push(answer);
  }
}

/** The streams begin one after the other, so that they do not all end at the same time. */
const spreadMs = Math.min(settings.warmUpMs, settings.pieces * settings.intervalMs);
let open = settings.streams;
for (let stream = 0; stream < settings.streams; stream++)
  setTimeout(
    () => {
      void runStream()
        .catch((error: unknown) => failures.push(String(error)))
        .finally(() => --open === 0 && finish());
    },
    (spreadMs * stream) / settings.streams,
  );
await over;
agent.destroy();
const data: LoadResult = {
  first: answers.map(({ first }) => Math.round(first * 1000) / 1000),
  whole: answers.map(({ whole }) => Math.round(whole * 1000) / 1000),
  requestsPerSecond: answers.length / (settings.durationMs / 1000),
  requests,
  failures: failures.slice(0, 3),
};
process.stdout.write(`${JSON.stringify({ type: "result", data })}\n`);
