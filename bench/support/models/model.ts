/**
 * A stand-in for a model's server, in a separate process, which prints its port. The field `user`
 * of a request says how it answers: `<pieces>x<interval in ms>`, where 0 is as fast as it can. The
 * answer says how long the server itself took, so that only the way to it and back is measured.
 */
import { createServer, type ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
import { setImmediate as yieldOnce, setTimeout as sleep } from "node:timers/promises";
import { z } from "zod";

const model = "gpt-5";
const words = "some words of an answer, ".repeat(4);

const Settings = z
  .object({ user: z.string().regex(/^\d+x\d+$/) })
  .transform(({ user }) => user.split("x").map(Number))
  .pipe(z.tuple([z.number(), z.number()]));

/** `system_fingerprint` carries the time that the server took so far, in microseconds. */
function createEvent(startedAt: number, rest: object): string {
  const tookUs = Math.round((performance.now() - startedAt) * 1000);
  const event = { id: "chatcmpl-1", object: "chat.completion.chunk", created: 0, model, ...rest };
  return `data: ${JSON.stringify({ ...event, system_fingerprint: `took_${tookUs}_us` })}\n\n`;
}

async function answer(body: string, { startedAt, response }: { startedAt: number; response: ServerResponse }) {
  const [pieces, intervalMs] = Settings.parse(JSON.parse(body));
  response.writeHead(200, { "content-type": "text/event-stream" });
  for (let piece = 0; piece < pieces; piece++) {
    await (intervalMs > 0 ? sleep(intervalMs) : yieldOnce());
    if (response.destroyed) return;
    const choices = [{ index: 0, delta: { content: words }, finish_reason: null }];
    response.write(createEvent(startedAt, { choices, usage: null }));
  }
  const usage = { prompt_tokens: 4_000, completion_tokens: 25 * pieces, total_tokens: 4_000 + 25 * pieces };
  response.end(`${createEvent(startedAt, { choices: [], usage })}data: [DONE]\n\n`);
}

const server = createServer((request, response) => {
  void text(request)
    .then((body) => answer(body, { startedAt: performance.now(), response }))
    .catch(() => response.destroy());
});
server.listen(0, "127.0.0.1", () => {
  const address = server.address();
  process.stdout.write(`${typeof address === "object" ? address?.port : ""}\n`);
});
