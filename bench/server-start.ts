/**
 * Measures how long `wharf up` takes from the start of its process until it answers, on existing
 * data, and its memory then, beside PostgreSQL alone on the same data and Node alone. `node
 * bench/server-start.ts [rounds]`
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { api } from "@wharf/contract";
import { type Figure, getMedian, formatMegabytes, formatMs } from "./support/figures.ts";
import { unpackPublishedPackage } from "./support/package.ts";
import { startPostgres } from "./support/postgres.ts";
import { listChildren, readResidentBytes, readSharedBytes, measureProcess } from "./support/processes.ts";
import { presentFigures, getSize } from "./support/program.ts";
import { createScratchFolder } from "./support/scratch.ts";
import { Server, sources } from "./support/server.ts";

const tasks = 200;
/** The time until memory needed only for the start is released. */
const settle = 5_000; // ms

interface Measured {
  readonly name: string;
  readonly starts: number[];
  readonly afterKill: number[];
  readonly serverBytes: number;
  readonly postgresBytes: number;
  readonly postgresProcesses: number;
}

async function measure(): Promise<Figure[]> {
  const rounds = getSize(7);
  await using folder = await createScratchFolder();
  const published = await unpackPublishedPackage(folder.path);
  await createTasks(folder.path);
  const bare = await measureBare(folder.path, rounds);
  const programs = [
    { name: "sources", file: sources },
    { name: "published package", file: published },
  ];
  const measured: Measured[] = [];
  for (const program of programs) measured.push(await measureProgram(folder.path, program, rounds));

  const floor = bare.node + bare.postgres;
  const besideStart = `Node alone and PostgreSQL alone ${formatMs(floor)}`;
  return [
    ...measured.flatMap(({ name, starts, afterKill }) => [
      {
        what: `server start → answers, ${name}, p50`,
        wharf: formatMs(getMedian(starts)),
        beside: besideStart,
        ratio: getMedian(starts) / floor,
        hold: "1 s",
      },
      {
        what: `the same after \`kill -9\`, ${name}, p50`,
        wharf: formatMs(getMedian(afterKill)),
        beside: besideStart,
        ratio: getMedian(afterKill) / floor,
        hold: "1 s",
      },
    ]),
    ...measured.map(({ name, serverBytes }) => ({
      what: `server, RSS idle, ${name}`,
      wharf: formatMegabytes(serverBytes),
      beside: `Node alone ${formatMegabytes(bare.nodeBytes)}`,
      ratio: serverBytes / bare.nodeBytes,
      hold: "150 MB",
    })),
    ...measured.slice(-1).map(({ postgresBytes, postgresProcesses }) => ({
      what: `its PostgreSQL, idle, ${postgresProcesses} processes`,
      wharf: formatMegabytes(postgresBytes),
      beside: `PostgreSQL alone ${formatMegabytes(bare.postgresBytes)}`,
      ratio: postgresBytes / bare.postgresBytes,
    })),
  ];
}

/** Creates the existing data. */
async function createTasks(folder: string): Promise<void> {
  await using server = new Server(folder);
  await server.start();
  const { default_board_id } = await server.client.call(api.serverInfo, {});
  const body = { title: "A task", description: "as told" };
  for (let n = 0; n < tasks; n++)
    await server.client.call(api.createTask, { params: { board_id: default_board_id! }, body });
}

async function measureBare(folder: string, rounds: number) {
  const node: number[] = [];
  const postgres: number[] = [];
  let postgresBytes = 0;
  for (let round = 0; round < rounds; round++) {
    node.push(await measureProcess(process.execPath, ["-e", "0"]));
    await using bare = await startPostgres(join(folder, "data"), join(folder, "socket"));
    postgres.push(bare.startMs);
    if (round < rounds - 1) continue;
    await sleep(settle);
    postgresBytes = readSharedBytes([bare.pid, ...listChildren(bare.pid)]);
  }
  return { node: getMedian(node), postgres: getMedian(postgres), postgresBytes, nodeBytes: await measureIdleNode() };
}

async function measureIdleNode(): Promise<number> {
  const child = spawn(process.execPath, ["-e", "setInterval(() => 0, 1000)"], { stdio: "ignore" });
  await sleep(1_000);
  const bytes = readResidentBytes(child.pid ?? 0);
  child.kill();
  return bytes;
}

async function measureProgram(
  folder: string,
  program: { name: string; file: string },
  rounds: number,
): Promise<Measured> {
  await using server = new Server(folder, { program: program.file });
  const starts: number[] = [];
  const afterKill: number[] = [];
  for (let round = 0; round < rounds; round++) {
    starts.push(await server.start());
    await server.kill();
    afterKill.push(await server.start());
    if (round < rounds - 1) await server.stop();
  }
  await sleep(settle);
  const postmaster = await server.postgres();
  const postgres = [postmaster, ...listChildren(postmaster)];
  return {
    name: program.name,
    starts,
    afterKill,
    serverBytes: readResidentBytes(server.pid),
    postgresBytes: readSharedBytes(postgres),
    postgresProcesses: postgres.length,
  };
}

await presentFigures(measure);
