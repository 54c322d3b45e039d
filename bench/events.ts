/**
 * Measures events from a runner's journal to a subscriber: a real server, a real daemon, an agent
 * that prints JSON lines at a steady rate and then as fast as it can. An event's timestamp is the
 * time when the daemon received it, in whole milliseconds: up to one millisecond of each latency is
 * rounding. `node bench/events.ts [seconds]`
 */
import { spawn } from "node:child_process";
import { open, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { Task } from "@wharf/contract";
import { z } from "zod";
import { addPrintingAgent, isTurnEnd, createTask, promptTask } from "./support/agents.ts";
import { formatDigits, type Figure, formatMegabytes, formatMs, formatSpread, getSpread } from "./support/figures.ts";
import { unpackPublishedPackage } from "./support/package.ts";
import { measureCommits } from "./support/postgres.ts";
import { listChildren, readResidentBytes, readSharedBytes } from "./support/processes.ts";
import { presentFigures, getSize } from "./support/program.ts";
import { createScratchFolder } from "./support/scratch.ts";
import { Server } from "./support/server.ts";
import { type Seen, Subscriber } from "./support/subscriber.ts";

/** Prints `count` messages, `rate` per second or, without a rate, as fast as they are read. */
const script = `
const { count, rate } = JSON.parse(process.env.WHARF_PROMPT);
const line = (n) => JSON.stringify({ type: "progress", data: { n, message: "step " + n + " of the work is done" } }) + "\\n";
const began = performance.now();
let n = 0;
const print = () => {
  const due = rate ? Math.min(count, Math.floor(((performance.now() - began) * rate) / 1000)) : count;
  let more = true;
  while (more && n < due) more = process.stdout.write(line(++n));
  if (n >= count) return;
  if (more) setTimeout(print, 1);
  else process.stdout.once("drain", print);
};
print();
`;

const flood = 50_000; // messages
const floorCount = 500;

interface Setting {
  readonly server: Server;
  readonly task: Task;
  readonly subscriber: Subscriber;
}

async function measure(): Promise<Figure[]> {
  const seconds = getSize(10);
  await using folder = await createScratchFolder();
  const program = await unpackPublishedPackage(folder.path);
  await using server = new Server(folder.path, { program, environment: { WHARF_LOCAL_UNSAFE: "1" } });
  await server.start();
  await addPrintingAgent(server, { name: "printer", script });
  const task = await createTask(server, "printer", folder.path);
  using subscriber = await Subscriber.open(server, task.id);
  const setting = { server, task, subscriber };

  const firstWord = await measureFirstEvent(setting);
  await turn(setting, { count: 1_000, rate: 1_000 });
  const slow = getLatencies(await turn(setting, { count: 100 * seconds, rate: 100 }));
  const fast = getLatencies(await turn(setting, { count: 1_000 * seconds, rate: 1_000 }));
  const memory = await readMemory(server);
  const most = getRate(await turn(setting, { count: flood }));
  const alone = await measureRateAlone();
  const floor =
    (await measureSync(folder.path)) + getSpread(await measureCommits(await server.postgresSocket(), floorCount)).p50;

  const besides = { beside: `one fdatasync and one commit ${formatMs(floor)}` };
  return [
    {
      what: "prompt of a new task → the agent's first line, a new runner and clone included",
      wharf: formatMs(firstWord),
    },
    {
      what: "journal → subscriber at 100 events/s, p50 / p99",
      wharf: formatSpread(slow),
      ...besides,
      ratio: slow.p50 / floor,
    },
    {
      what: "journal → subscriber at 1,000 events/s, p50 / p99",
      wharf: formatSpread(fast),
      ...besides,
      ratio: fast.p50 / floor,
      hold: "10 / 50 ms",
    },
    {
      what: "events/s from an agent that prints as fast as it can",
      wharf: formatDigits(most),
      beside: `its lines read and parsed directly ${formatDigits(alone)}`,
      ratio: most / alone,
    },
    { what: "server, RSS after 1,000 events/s", wharf: formatMegabytes(memory.server) },
    { what: "daemon, RSS after 1,000 events/s", wharf: formatMegabytes(memory.daemon), hold: "80 MB" },
    { what: "PostgreSQL after 1,000 events/s, all its processes", wharf: formatMegabytes(memory.postgres) },
  ];
}

/**
 * Collects one turn's messages as they arrive, and checks that none is missing, duplicated or out
 * of order.
 */
async function turn({ server, task, subscriber }: Setting, work: { count: number; rate?: number }): Promise<Seen[]> {
  const id = await promptTask(server, task, JSON.stringify(work));
  const seen = (await subscriber.until((event) => isTurnEnd(event, id))).filter(
    ({ event }) => event.data.kind === "report",
  );
  const wrong = seen.findIndex(({ event }, i) => event.data.kind !== "report" || event.data["n"] !== i + 1);
  if (wrong !== -1 || seen.length !== work.count)
    throw new Error(`${seen.length} of ${work.count} messages came, the first wrong one at ${wrong}`);
  return seen;
}

async function measureFirstEvent({ server, task, subscriber }: Setting): Promise<number> {
  const began = performance.now();
  const id = await promptTask(server, task, JSON.stringify({ count: 1 }));
  await subscriber.until((event) => event.data.kind === "report");
  const took = performance.now() - began;
  await subscriber.until((event) => isTurnEnd(event, id));
  return took;
}

const getLatencies = (seen: readonly Seen[]) =>
  getSpread(seen.map(({ event, at }) => at - Date.parse(event.timestamp)));

const getRate = (seen: readonly Seen[]) =>
  (seen.length / ((seen.at(-1)?.at ?? 0) - Date.parse(seen[0]?.event.timestamp ?? ""))) * 1000;

/** Measures the same agent's lines, read by a program that does nothing else with them. */
async function measureRateAlone(): Promise<number> {
  const env = { ...process.env, WHARF_PROMPT: JSON.stringify({ count: flood }) };
  const child = spawn(process.execPath, ["-e", script], { env, stdio: ["ignore", "pipe", "inherit"] });
  let first: number | undefined;
  let lines = 0;
  for await (const line of createInterface({ input: child.stdout })) {
    first ??= performance.now();
    JSON.parse(line);
    lines += 1;
  }
  return (lines / (performance.now() - (first ?? 0))) * 1000;
}

/** Measures the minimum cost of a line on disk: a small write and an fdatasync, in ms. */
async function measureSync(folder: string): Promise<number> {
  await using file = await open(join(folder, "lines"), "a");
  const times: number[] = [];
  for (let n = 0; n < floorCount; n++) {
    const began = performance.now();
    await file.write("x".repeat(200));
    await file.datasync();
    times.push(performance.now() - began);
  }
  return getSpread(times).p50;
}

const RunnerRecord = z.object({ daemon: z.object({ pid: z.number() }) });

async function readMemory(server: Server): Promise<{ server: number; daemon: number; postgres: number }> {
  const runners = join(server.data, "runners");
  const [runner] = (await readdir(runners)).filter((name) => !name.startsWith("."));
  const { daemon } = RunnerRecord.parse(JSON.parse(await readFile(join(runners, runner ?? "", "run.json"), "utf8")));
  const postmaster = await server.postgres();
  return {
    server: readResidentBytes(server.pid),
    daemon: readResidentBytes(daemon.pid),
    postgres: readSharedBytes([postmaster, ...listChildren(postmaster)]),
  };
}

await presentFigures(measure);
