/**
 * Measures warm runners: from the request for a runner to a first command's result, warm and cold
 * alternating on the same server, and as many at once as the pool holds. `node bench/pool.ts [size
 * of the burst]`; `WHARF_BENCH_BACKEND` names another backend.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { api, runnerApi } from "@wharf/contract";
import { buildKit } from "../scripts/build.ts";
import { type Figure, formatSpread, type Spread, getSpread } from "./support/figures.ts";
import { presentFigures, getSize, logProgress } from "./support/program.ts";
import { createScratchFolder } from "./support/scratch.ts";
import { Server } from "./support/server.ts";

const rounds = 20;
/** The refill after a claim and the clean-up of a removed runner end within this time. */
const settleMs = 500;
const waitMs = 300_000;

async function untilWaiting({ client }: Server, n: number): Promise<void> {
  const deadline = performance.now() + waitMs;
  for (;;) {
    const { pool = [] } = await client.call(api.serverInfo, {});
    if (pool[0]?.ready === n) return;
    if (performance.now() > deadline) throw new Error(`only ${pool[0]?.ready ?? 0} of ${n} runners are ready`);
    await sleep(100);
  }
}

/**
 * Measures the time from nothing to a command's result, and the time for the runner alone, in ms. A
 * runner with an id from the caller is never warm.
 */
async function first({ client }: Server, { warm }: { warm: boolean }) {
  const began = performance.now();
  const wish = warm ? { request_id: crypto.randomUUID() } : { id: crypto.randomUUID() };
  const { id, state } = await client.call(runnerApi.createRunner, { query: { wait: "true" }, body: wish });
  const created = performance.now() - began;
  if (state !== "READY") throw new Error(`the runner is ${state}`);
  const params = { runner_id: id };
  const result = await client.call(runnerApi.execRunnerOnce, { params, body: { command: "echo here" } });
  const total = performance.now() - began;
  if (result.stdout !== "here\n") throw new Error(`the command said '${result.stdout}'`);
  return { created, total, remove: () => client.call(runnerApi.deleteRunner, { params }) };
}

interface Taken {
  readonly cold: Spread;
  readonly warm: Spread;
  readonly claim: Spread;
  readonly burst: Spread;
}

async function measureServer(environment: Record<string, string>, burstSize: number): Promise<Taken> {
  await using folder = await createScratchFolder();
  await using server = new Server(folder.path, { environment: { ...environment, WHARF_POOL: "small=2" } });
  await server.start();
  const cold: number[] = [];
  const warm: number[] = [];
  const claims: number[] = [];
  for (let round = 0; round < rounds; round++) {
    for (const isWarm of [true, false]) {
      await untilWaiting(server, 2);
      await sleep(settleMs);
      const { created, total, remove } = await first(server, { warm: isWarm });
      (isWarm ? warm : cold).push(total);
      if (isWarm) claims.push(created);
      await remove();
    }
  }
  await server.stop(true);
  await using full = new Server(folder.path, {
    environment: { ...environment, WHARF_POOL: `small=${burstSize}` },
  });
  await full.start();
  await untilWaiting(full, burstSize);
  await sleep(settleMs);
  const all = await Promise.all(Array.from({ length: burstSize }, () => first(full, { warm: true })));
  const burst = getSpread(all.map(({ total }) => total));
  for (const { remove } of all) await remove();
  return { cold: getSpread(cold), warm: getSpread(warm), claim: getSpread(claims), burst };
}

async function measure(): Promise<Figure[]> {
  const burstSize = getSize(100);
  await buildKit();
  const backend = process.env["WHARF_BENCH_BACKEND"] ?? "local";
  const passed = Object.entries(process.env).filter(([name]) =>
    /^(DOCKER_|KUBECONFIG|WHARF_(RUNNER_IMAGE|KUBERNETES_))/.test(name),
  );
  logProgress(`${burstSize} runners at once on ${backend}, after ${rounds} one by one`);
  const environment = {
    ...Object.fromEntries(passed.map(([name, value]) => [name, value ?? ""])),
    WHARF_BACKEND: backend,
  };
  const { cold, warm, claim, burst } = await measureServer(environment, burstSize);
  return [
    {
      what: `create → first command's result over REST, warm (${backend}), p50 / p99`,
      wharf: formatSpread(warm),
      beside: `cold ${formatSpread(cold)}`,
      ratio: warm.p50 / cold.p50,
      hold: "40 ms",
    },
    { what: `of it the claim (${backend}), p50 / p99`, wharf: formatSpread(claim), hold: "50 ms" },
    {
      what: `${burstSize} at once from a pool of ${burstSize} (${backend}), p50 / p99`,
      wharf: formatSpread(burst),
      beside: `cold, one alone ${formatSpread(cold)}`,
      ratio: burst.p99 / cold.p50,
      hold: "p99 490 ms",
    },
  ];
}

await presentFigures(measure);
