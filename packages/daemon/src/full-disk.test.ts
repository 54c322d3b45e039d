import { execFileSync, spawnSync } from "node:child_process";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, statfsSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { daemonApi } from "@wharf/contract";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  createAgentStart,
  DaemonBench,
  endDaemon,
  isTurn,
  readRecords,
  createPrompt,
  readUntil,
} from "./fixtures/daemon-bench.ts";
import { toCheckedLine } from "./std/checked-line.ts";

const canMount =
  process.getuid?.() === 0 && process.platform === "linux" && spawnSync("unshare", ["--mount", "true"]).status === 0;

const pageBytes = 4_096;

/** Adds a meaningless step to a turn log, so that the next step needs another page of the disk. */
function fillLastPage(path: string): void {
  const formatLine = (id: string) => toCheckedLine(JSON.stringify({ step: "done", turn_id: id }));
  const left = pageBytes - ((statSync(path).size + formatLine("").length) % pageBytes);
  appendFileSync(path, formatLine("x".repeat(left)));
}

/** The kernel releases the disk a moment after the last process that used it has exited. */
async function unmount(disk: string): Promise<void> {
  for (const until = Date.now() + 20_000; ; await sleep(50)) {
    const { status, stderr } = spawnSync("umount", [disk], { encoding: "utf8" });
    if (status === 0) return;
    if (Date.now() > until) throw new Error(stderr);
  }
}

describe.runIf(canMount)("a daemon killed in a turn and restarted without a free byte (needs root on Linux)", () => {
  let disk: string;
  let bench: DaemonBench;

  beforeEach(() => {
    disk = mkdtempSync(join(tmpdir(), "wharf-full-"));
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=16m", "tmpfs", disk]);
    bench = new DaemonBench(disk);
  });

  afterEach(async () => {
    killAgent();
    await bench[Symbol.asyncDispose]();
    await unmount(disk);
    rmSync(disk, { recursive: true });
  });

  /**
   * A daemon that is killed right after its agent's first output may not have recorded the agent's
   * pid.
   */
  function killAgent(): void {
    try {
      process.kill(Number(readFileSync(join(bench.workspace, "pid"), "utf8")), "SIGKILL");
    } catch {
      // The restarted daemon has already stopped the agent.
    }
  }

  /** Leaves an open turn behind, on a disk that the test then fills. */
  async function dieInTurn({ withReserve }: { withReserve: boolean }) {
    const daemon = bench.startDaemon();
    const server = await bench.serve({ epoch: 1 });
    const client = await server.client();
    await client.call(daemonApi.startAgent, createAgentStart("echo $$ > pid; echo begun; exec sleep 300"));
    await client.call(daemonApi.prompt, createPrompt("turn-1"));
    await readUntil(client, ({ data }) => data.kind === "message");
    server.cut();
    await endDaemon(daemon, "SIGKILL");
    if (!withReserve) rmSync(join(bench.state, "reserve"));
    fillLastPage(join(bench.state, "turns.log"));
    const ballast = join(bench.workspace, "ballast");
    expect(() => {
      for (;;) appendFileSync(ballast, Buffer.alloc(64 * 1024));
    }).toThrow(/ENOSPC/);
    expect(statfsSync(disk).bavail).toBe(0);
    bench.startDaemon();
    return await server.client();
  }

  test("reports the full disk, and settles the turn after a command through it has freed space", async () => {
    const client = await dieInTurn({ withReserve: false });
    expect(await client.call(daemonApi.health, {})).toMatchObject({ disk_full: true, agent: { status: "none" } });
    expect(await client.call(daemonApi.turn, { params: { turn_id: "turn-1" } })).toMatchObject({ state: "RUNNING" });
    await expect(client.call(daemonApi.startAgent, createAgentStart("echo again"))).rejects.toMatchObject({
      code: "disk_full",
    });
    const freed = await client.call(daemonApi.execOnce, { body: { command: "rm ballast" } });
    expect(freed).toMatchObject({ exit_code: 0 });
    await readUntil(client, isTurn("interrupted"));
    expect(await client.call(daemonApi.health, {})).not.toHaveProperty("disk_full");
    await client.call(daemonApi.startAgent, createAgentStart("echo again"));
    await client.call(daemonApi.prompt, createPrompt("turn-2"));
    await readUntil(client, isTurn("ended"));
  });

  test("settles the turn at once if it has its reserve", async () => {
    const client = await dieInTurn({ withReserve: true });
    await readUntil(client, isTurn("interrupted"));
    expect((await readRecords(client)).filter(isTurn("interrupted"))).toHaveLength(1);
  });
});
