/**
 * Measures how many tasks a server reads and creates per second, over the network, and how much
 * processor time one request takes. `node bench/requests.ts [seconds]`.
 */
import { readFile } from "node:fs/promises";
import { Agent, request } from "node:http";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { api } from "@wharf/contract";
import { type Figure, formatDigits, formatMs, formatSpread, getSpread } from "./support/figures.ts";
import { unpackPublishedPackage } from "./support/package.ts";
import { readFamilyProcessorMs, readProcessorMs } from "./support/processes.ts";
import { getSize, presentFigures } from "./support/program.ts";
import { createScratchFolder } from "./support/scratch.ts";
import { Server } from "./support/server.ts";

const connections = 16;

interface Call {
  readonly method: "GET" | "POST";
  readonly path: string;
  readonly body?: string;
}

/** Sends requests over a fixed number of open connections, each as soon as the last is answered. */
class Load implements Disposable {
  readonly #agent = new Agent({ keepAlive: true, maxSockets: connections });
  readonly #url: string;
  readonly #token: string;

  constructor(url: string, token: string) {
    this.#url = url;
    this.#token = token;
  }

  /** Returns the duration of every request, in ms. */
  async run(seconds: number, next: () => Call): Promise<number[]> {
    const times: number[] = [];
    const end = performance.now() + seconds * 1_000;
    const work = async () => {
      while (performance.now() < end) {
        const began = performance.now();
        await this.#send(next());
        times.push(performance.now() - began);
      }
    };
    await Promise.all(Array.from({ length: connections }, work));
    return times;
  }

  #send({ method, path, body }: Call): Promise<void> {
    return new Promise((resolve, reject) => {
      const headers = {
        authorization: `Bearer ${this.#token}`,
        ...(body !== undefined && { "content-type": "application/json", "content-length": Buffer.byteLength(body) }),
      };
      const sent = request(`${this.#url}${path}`, { method, agent: this.#agent, headers }, (answer) => {
        const status = answer.statusCode ?? 0;
        const isGood = status >= 200 && status < 300;
        const received = text(answer);
        void received.then(
          (answered) => (isGood ? resolve() : reject(new Error(`${path} answered ${status}: ${answered}`))),
          reject,
        );
      });
      sent.on("error", reject);
      sent.end(body);
    });
  }

  [Symbol.dispose](): void {
    this.#agent.destroy();
  }
}

async function measure(): Promise<Figure[]> {
  const seconds = getSize(10);
  await using scratch = await createScratchFolder();
  const program = await unpackPublishedPackage(scratch.path);
  await using server = new Server(scratch.path, {
    program,
    environment: { WHARF_LOCAL_UNSAFE: "1", WHARF_MAX_REQUESTS_PER_ADDRESS: "0" },
  });
  await server.start();
  const token = (await readFile(join(server.data, "owner-token"), "utf8")).trim();
  const { url } = JSON.parse(await readFile(join(server.data, "server.json"), "utf8")) as { url: string };
  const { default_board_id: boardId } = await server.client.call(api.serverInfo, {});
  using load = new Load(url, token);
  let created = 0;
  const create = (): Call => ({
    method: "POST",
    path: `/api/v1/boards/${boardId}/tasks`,
    body: JSON.stringify({
      title: `Task ${++created}`,
      description: "as told",
      repository_url: "/srv/repository",
      agent_type: "demo",
    }),
  });
  await load.run(2, create);
  const { tasks } = await server.client.call(api.listTasks, { query: { limit: 100 } });
  let n = 0;
  const read = (): Call => ({ method: "GET", path: `/api/v1/tasks/${tasks[n++ % tasks.length]?.id}` });
  await load.run(2, read);

  const figures: Figure[] = [];
  const kinds = [
    { what: "read a task", next: read, rate: 2_000 },
    { what: "create a task", next: create, rate: 500 },
  ];
  for (const { what, next, rate } of kinds) {
    const database = await server.postgres();
    const before = { server: readProcessorMs([server.pid]), database: readFamilyProcessorMs(database) };
    const began = performance.now();
    const times = await load.run(seconds, next);
    const perSecond = times.length / ((performance.now() - began) / 1_000);
    const serverMs = (readProcessorMs([server.pid]) - before.server) / times.length;
    const databaseMs = (readFamilyProcessorMs(database) - before.database) / times.length;
    figures.push(
      { what: `requests: ${what}, per second`, wharf: formatDigits(perSecond), hold: formatDigits(rate) },
      { what: `requests: ${what}, p50 / p99`, wharf: formatSpread(getSpread(times)), hold: "100 ms of p99" },
      {
        what: `requests: ${what}, processor time of the server / of PostgreSQL`,
        wharf: `${formatMs(serverMs)} / ${formatMs(databaseMs)}`,
      },
    );
  }
  return figures;
}

await presentFigures(measure);
