/**
 * Measures the pages in Chromium: the board's first load, a board of 5,000 tasks while it is
 * scrolled, and the page of a task whose agent prints 1,000 events a second beside a terminal that
 * prints 10 MB/s. `node bench/pages.ts [seconds] [file for Chromium's trace of the last part]`
 */
import pg from "pg";
import { z } from "zod";
import { getConnectionOptions } from "../packages/server/src/store/embedded/postmaster.ts";
import { seedGrowth } from "../test/support/growth/seed.ts";
import { addPrintingAgent, createTask, promptTask } from "./support/agents.ts";
import { type Figure, formatDigits, formatMegabytes, formatMs, getSpread } from "./support/figures.ts";
import { unpackPublishedPackage } from "./support/package.ts";
import { MeasuredPage } from "./support/page.ts";
import { getSize, logProgress, presentFigures } from "./support/program.ts";
import { createScratchFolder } from "./support/scratch.ts";
import { Server } from "./support/server.ts";

const rate = 1_000; // events a second
const loads = 5;

/** Prints a message for each event of an agent that works at this rate. */
const printer = `
const { count, rate } = JSON.parse(process.env.WHARF_PROMPT);
const began = performance.now();
let n = 0;
const timer = setInterval(() => {
  const due = Math.min(count, Math.floor(((performance.now() - began) * rate) / 1000));
  let text = "";
  while (n < due) text += JSON.stringify({ type: "progress", data: { n: ++n, message: "step " + n + " is done" } }) + "\\n";
  process.stdout.write(text);
  if (n >= count) clearInterval(timer);
}, 5);
`;

/** Prints 10 MB/s of lines. */
const terminalFlood = `node -e 'const line="0123456789 the output of a build ".repeat(3)+"\\r\\n"; const piece=line.repeat(1000); setInterval(()=>process.stdout.write(piece),piece.length/10000)'`;

async function measure(): Promise<Figure[]> {
  const seconds = getSize(60);
  await using folder = await createScratchFolder();
  const program = await unpackPublishedPackage(folder.path);
  const environment = { WHARF_LOCAL_UNSAFE: "1" };
  await using server = new Server(folder.path, { program, environment });
  await server.start();
  await using measured = await MeasuredPage.open(server, environment);
  if (!measured) {
    logProgress("no Chromium: `npm run test-services chromium` installs it");
    return [];
  }
  return [
    ...(await measureLoads(measured)),
    ...(await measureBoard(server, measured)),
    ...(await measureStream({ server, folder: folder.path, seconds }, measured)),
  ];
}

async function measureLoads(measured: MeasuredPage): Promise<Figure[]> {
  logProgress(`the board, loaded ${loads} times`);
  const { page } = measured;
  const times: number[] = [];
  for (let n = 0; n < loads; n++) {
    await page.reload();
    times.push(await measured.waitUntilUsable());
  }
  return [
    {
      what: "board: scripts of the first load, compressed",
      wharf: formatKilobytes(await measured.readScriptBytes()),
      hold: "250 kB",
    },
    { what: "board: navigation → usable, p50", wharf: formatMs(getSpread(times).p50), hold: "1 s" },
  ];
}

async function measureBoard(server: Server, measured: MeasuredPage): Promise<Figure[]> {
  logProgress("a board of 5,000 tasks");
  const pool = new pg.Pool({ ...getConnectionOptions(await server.postgresSocket()), max: 1 });
  const { boardId } = await seedGrowth(pool, { events: 1_000, tasks: 5_000, runners: 10 }, "/srv/repository");
  // The seed leaves the owner no room for the keys of their next requests.
  await pool.query("delete from idempotency_keys");
  await pool.end();
  const { page } = measured;
  await page.goto(new URL(`/boards/${boardId}?view=list`, page.url()).href);
  await page.getByRole("link", { name: /\d/ }).first().waitFor();
  await measured.startAgain();
  await page.mouse.move(640, 500);
  const frames = page.evaluate(`new Promise((resolve) => {
    const gaps = [];
    const begin = performance.now();
    const next = (last) => requestAnimationFrame((now) => {
      gaps.push(now - last);
      if (now - begin < 5000) next(now); else resolve(gaps);
    });
    next(begin);
  })`);
  for (let n = 0; n < 80; n++) {
    await page.mouse.wheel(0, 1_200);
    await page.waitForTimeout(50);
  }
  const { p50, p99 } = getSpread(z.array(z.number()).parse(await frames));
  const { longTasks } = await measured.readNotes();
  return [
    {
      what: `board of 5,000 tasks, scrolled: time of a frame, p50 / p99`,
      wharf: `${formatMs(p50)} / ${formatMs(p99)}`,
      hold: "smooth: 16.7 ms of p50",
    },
    { what: "the longest task of its main thread", wharf: formatLongest(longTasks), hold: "50 ms" },
  ];
}

interface Stream {
  readonly server: Server;
  readonly folder: string;
  readonly seconds: number;
}

async function measureStream({ server, folder, seconds }: Stream, measured: MeasuredPage): Promise<Figure[]> {
  logProgress(`a task with ${rate} events a second for ${seconds} s, then with a terminal`);
  await addPrintingAgent(server, { name: "printer", script: printer });
  const task = await createTask(server, "printer", folder);
  const { page } = measured;
  await page.goto(new URL(`/tasks/${task.id}?pane=activity`, page.url()).href);
  await page.getByRole("heading", { level: 1 }).waitFor();
  await promptTask(server, task, JSON.stringify({ count: rate * seconds, rate }));
  await page.waitForTimeout(seconds * 250);
  await measured.startAgain();
  const early = await measured.measureHeap();
  await measured.startAgain();
  await page.getByText(/^Done after/).waitFor({ timeout: seconds * 10_000 });
  const { longTasks } = await measured.readNotes();
  const late = await measured.measureHeap();

  const pane = page.getByRole("region", { name: "Terminal", exact: true });
  await page.goto(new URL(`/tasks/${task.id}?pane=terminal`, page.url()).href);
  await pane.getByRole("button", { name: "New terminal" }).click();
  await pane.getByText("Type to take the keyboard.").waitFor();
  await pane.getByRole("textbox", { name: "Terminal input" }).pressSequentially(`${terminalFlood}\n`);
  await pane.locator(".xterm-rows").getByText("the output of a build").first().waitFor();
  const trace = process.argv[3];
  if (trace !== undefined) await measured.startTrace(trace);
  await promptTask(server, task, JSON.stringify({ count: rate * 20, rate }));
  await measured.startAgain();
  await page.waitForTimeout(20_000);
  const both = await measured.readNotes();
  if (trace !== undefined) await measured.stopTrace();
  const name = `task page, ${rate.toLocaleString("en-US")} events/s`;
  return [
    { what: `${name}: the longest task of its main thread`, wharf: formatLongest(longTasks), hold: "50 ms" },
    {
      what: `${name}: tasks over 50 ms, a second`,
      wharf: formatDigits(longTasks.length / (seconds * 0.75)),
      hold: "0",
    },
    {
      what: `${name}: memory after ${((rate * seconds) / 1_000).toFixed(0)},000 events`,
      wharf: formatMegabytes(late),
      beside: `after a quarter of them ${formatMegabytes(early)}`,
      ratio: late / early,
      hold: "flat",
    },
    {
      what: `${name}, and a terminal with 10 MB/s: the longest task of its main thread`,
      wharf: formatLongest(both.longTasks),
      hold: "50 ms",
    },
    { what: "tasks over 50 ms, a second", wharf: formatDigits(both.longTasks.length / 20), hold: "0" },
  ];
}

const formatKilobytes = (bytes: number): string => `${Math.round(bytes / 1_000)} kB`;
const formatLongest = (longTasks: readonly number[]): string =>
  longTasks.length === 0 ? "under 50 ms" : formatMs(Math.max(...longTasks));

await presentFigures(measure);
