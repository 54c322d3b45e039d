import { spawn } from "node:child_process";
import { randomUUID } from "node:crypto";
import { once } from "node:events";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { sql } from "drizzle-orm";
import { expect, test } from "vitest";
import { fixture } from "../../../test/fixture.ts";
import { schema } from "../../store/index.ts";

const kills = 10;
const clients = 60;
const answersPerLife = 1_000;

interface ModelCount {
  readonly output: number;
  /** More than an answer of this size can have. */
  readonly isLie: boolean;
  hasEnded: boolean;
}

/** A model's server that knows what it has done. */
async function startModel() {
  const counts = new Map<string, ModelCount[]>();
  const server = createServer((req, res) => {
    const id = String(req.headers["x-wharf-request-id"]);
    const answer = async () => {
      await text(req);
      const isLie = Math.random() < 0.02;
      const output = isLie ? 1_000_000 : 1 + Math.floor(Math.random() * 50);
      const count: ModelCount = { output, isLie, hasEnded: false };
      counts.set(id, [...(counts.get(id) ?? []), count]);
      res.writeHead(200, { "content-type": "text/event-stream" });
      const send = (data: object) => res.write(`data: ${JSON.stringify(data)}\n\n`);
      for (const content of ["one ", "two ", "three"]) {
        send({ choices: [{ index: 0, delta: { content } }] });
        await sleep(Math.random() * 15);
      }
      send({
        choices: [],
        usage: { prompt_tokens: 10, completion_tokens: count.output, total_tokens: 10 + count.output },
      });
      res.end("data: [DONE]\n\n");
      count.hasEnded = true;
    };
    void answer().catch(() => res.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the server has no port");
  return {
    url: `http://127.0.0.1:${address.port}`,
    counts,
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}

async function startGatewayProcess(...args: string[]) {
  const program = join(import.meta.dirname, "fixtures/gateway-process.ts");
  const child = spawn(process.execPath, [program, ...args], { stdio: ["ignore", "pipe", "inherit"] });
  const [port] = (await once(createInterface(child.stdout), "line")) as [string];
  const kill = async () => {
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  };
  return { port: Number(port), kill };
}

/** Returns whether the last event of the answer arrived. */
function ask(port: number, id: string): Promise<boolean> {
  const body = JSON.stringify({ model: "m", stream: true, stream_options: { include_usage: true }, messages: [] });
  const headers = { authorization: "Bearer run-token", "x-wharf-request-id": id, "content-type": "application/json" };
  const path = "/models/main/v1/chat/completions";
  return new Promise((resolve) => {
    let answer = "";
    const isComplete = () => answer.endsWith("data: [DONE]\n\n");
    const req = request({ port, path, method: "POST", headers, agent: false }, (res) => {
      res.on("data", (chunk: Buffer) => (answer += chunk.toString()));
      res.on("error", () => resolve(isComplete())).on("close", () => resolve(isComplete()));
    });
    req.on("error", () => resolve(isComplete()));
    req.end(body);
  });
}

test(`the ledger agrees with the provider after ${kills} kills under load`, { timeout: 600_000 }, async () => {
  await using f = await fixture();
  await using model = await startModel();
  const folder = await mkdtemp(join(tmpdir(), "wharf-ledger-"));
  const { rows } = await f.db.execute<{ host: string; database: string; user: string }>(sql`
    select split_part(current_setting('unix_socket_directories'), ',', 1) as host, current_database() as database,
      current_user::text as user`);
  const args = [JSON.stringify(rows[0]), folder, model.url, randomUUID()];
  const completed = new Set<string>();
  for (let life = 0; life < kills; life++) {
    const gateway = await startGatewayProcess(...args);
    const enough = Promise.withResolvers<void>();
    let answers = 0;
    let isKilled = false;
    const runClient = async () => {
      while (!isKilled) {
        const id = randomUUID();
        if (!(await ask(gateway.port, id))) continue;
        completed.add(id);
        if (++answers >= answersPerLife) enough.resolve();
      }
    };
    const running = Array.from({ length: clients }, runClient);
    await enough.promise;
    await gateway.kill();
    isKilled = true;
    await Promise.all(running);
  }
  // The next process settles what the last one left behind before it serves requests.
  await (await startGatewayProcess(...args)).kill();
  await rm(folder, { recursive: true });

  const ledger = await f.db.select().from(schema.model_requests);
  const byId = new Map(ledger.map((row) => [row.request_id, row]));
  expect(byId.size).toBe(ledger.length);
  expect(await f.db.select().from(schema.model_reservations)).toEqual([]);
  expect([...model.counts.keys()].filter((id) => !byId.has(id))).toEqual([]);
  const cut = ledger.filter(({ status }) => status === 0);
  const ended = ledger.filter(({ status }) => status !== 0);
  const differing = ended.filter(
    ({ request_id, status, input_tokens, output_tokens, cost, estimated, implausible }) => {
      const [count, ...others] = model.counts.get(request_id) ?? [];
      const isSame = count?.hasEnded && output_tokens === count.output && cost === count.output && input_tokens === 10;
      const isFlagged = estimated && implausible !== null;
      const isExact = !estimated && implausible === null;
      return status !== 200 || others.length > 0 || !isSame || !(count.isLie ? isFlagged : isExact);
    },
  );
  expect(differing).toEqual([]);
  expect([...completed].filter((id) => byId.get(id)?.status !== 200)).toEqual([]);
  expect(completed.size).toBeGreaterThanOrEqual(kills * answersPerLife);
  expect(cut.length).toBeGreaterThan(0);
  const unreserved = cut.filter(
    (row) =>
      !row.estimated ||
      row.output_tokens !== row.reserved_output_tokens ||
      row.input_tokens !== row.reserved_input_tokens,
  );
  expect(unreserved).toEqual([]);

  const hours = await f.db.select().from(schema.usage_hours);
  const sum = (values: readonly number[]) => values.reduce((total, value) => total + value, 0);
  expect(sum(hours.map(({ requests }) => requests))).toBe(ledger.length);
  const lies = ended.filter(({ implausible }) => implausible !== null);
  expect(lies.length).toBeGreaterThan(0);
  expect(sum(hours.map(({ implausible_requests }) => implausible_requests))).toBe(lies.length);
  expect(sum(hours.map(({ estimated_requests }) => estimated_requests))).toBe(cut.length + lies.length);
  expect(sum(hours.map(({ cost }) => cost))).toBe(sum(ledger.map(({ cost }) => cost ?? 0)));
});
