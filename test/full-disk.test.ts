import { execFileSync, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { appendFileSync, mkdirSync, rmSync, statfsSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { type Event, RemoteError, type Task, WharfError } from "@wharf/contract";
import pg from "pg";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { noTraces, findTraces } from "./support/processes.ts";
import { createRepository } from "./support/repository.ts";
import { isPushed, createScratchFolder, getAgentText, ServerHarness } from "./support/server-harness.ts";

/**
 * A data folder on a disk that fills up while an agent works: no task fails, everyone sees why it
 * waits, and once there is space the turn ends with its complete text.
 */
const canMount =
  process.getuid?.() === 0 && process.platform === "linux" && spawnSync("unshare", ["--mount", "true"]).status === 0;
const steps = Array.from({ length: 24 }, (_, i) => `step ${i + 1}`);
const clear = { disk_full: /No space is left/, database_unavailable: /database does not answer/ };

describe.runIf(canMount)("on a disk that becomes full (needs root on Linux, to mount one)", () => {
  let folder: string;
  let disk: string;
  let remote: string;
  let wharf: ServerHarness;

  beforeAll(async () => {
    folder = createScratchFolder();
    disk = join(folder, "disk");
    mkdirSync(disk);
    execFileSync("mount", ["-t", "tmpfs", "-o", "size=160m,mode=755", "tmpfs", disk]);
    remote = createRepository(join(folder, "remote"));
    wharf = new ServerHarness(disk);
    await wharf.start();
  });

  afterAll(async () => {
    await wharf[Symbol.asyncDispose]();
    await unmountDisk(disk);
    rmSync(folder, { recursive: true, force: true });
  });

  const ballastFile = () => join(disk, "ballast");
  const left = () => {
    const { bavail, bsize } = statfsSync(disk);
    return bavail * bsize;
  };
  /** Other processes write in the meantime, so the last part may not fit. */
  const fill = (leave: number) => {
    try {
      appendFileSync(ballastFile(), Buffer.alloc(Math.max(0, left() - leave)));
    } catch (error) {
      if (!(error instanceof Error && "code" in error && error.code === "ENOSPC")) throw error;
    }
  };
  const free = () => rmSync(ballastFile(), { force: true });

  /** Starts a task whose agent runs a turn with a step every half second. */
  async function atWork(): Promise<Task> {
    const task = await wharf.createTask({ repository_url: remote });
    const said = steps.flatMap((step) => [`demo: say ${step}`, "demo: sleep 500ms"]);
    await wharf.prompt(task, [...said, "demo: write done.txt it is", "demo: say done"].join("\n"));
    await wharf.until(task.id, ({ data }) => data.kind === "message" && data.role === "agent");
    return task;
  }

  async function expectGoodEnd(task: Task): Promise<Event[]> {
    const events = await wharf.until(task.id, isPushed);
    expect(getAgentText(events)).toBe([...steps, "wrote done.txt", "done", ""].join("\n"));
    expect(events.map(({ seq }) => seq)).toEqual(events.map((_, i) => i + 1));
    expect(events.filter(({ data }) => data.kind === "failure")).toEqual([]);
    expect(events.at(-1)?.data).toMatchObject({ status: "pushed" });
    expect(await wharf.task(task.id)).toMatchObject({ state: "REVIEW" });
    return events;
  }

  /** Collects the errors that a person gets for requests that need space. */
  async function refusals(
    work: () => Promise<unknown>,
    time: number,
  ): Promise<{ code: string; message: string; next: string }[]> {
    const told: (RemoteError | WharfError)[] = [];
    for (const until = Date.now() + time; Date.now() < until;) {
      const error = await work().catch((thrown: unknown) => thrown);
      if (error instanceof RemoteError || error instanceof WharfError) {
        told.push(error);
        await sleep(200);
      }
    }
    return told;
  }

  function expectClearErrors(told: readonly { code: string; message: string; next: string }[]): void {
    expect(told.length).toBeGreaterThan(0);
    for (const { code, message, next } of told) {
      expect(Object.keys(clear)).toContain(code);
      expect(message).toMatch(clear[code as keyof typeof clear]);
      expect(next).toMatch(/./);
    }
  }

  const largeTask = () =>
    wharf.createTask({ repository_url: remote, description: randomBytes(130_000).toString("base64") });

  test("a turn waits for space, and requests that need space are refused with the reason", async () => {
    const task = await atWork();
    fill(0);
    expect(left()).toBe(0);
    expectClearErrors(await refusals(largeTask, 3_000));
    expect(await wharf.task(task.id)).toMatchObject({ state: "IN_PROGRESS" });
    free();
    await expectGoodEnd(task);
  });

  test("a turn loses nothing if the agent has space and the database has none", async () => {
    const task = await atWork();
    fill(3_000_000);
    const told = await refusals(largeTask, 4_000);
    expectClearErrors(told);
    expect(told.some(({ code }) => code === "disk_full")).toBe(true);
    free();
    await expectGoodEnd(task);
  });

  test("the database returns after its own log was full, and the turn continues", async () => {
    const task = await atWork();
    fill(6_000_000);
    await exhaustLog();
    expectClearErrors(await refusals(largeTask, 1_500));
    free();
    await expectGoodEnd(task);
    const other = await wharf.createTask({ repository_url: remote });
    expect(getAgentText(await wharf.turn(other, "demo: say as if nothing had been"))).toBe("as if nothing had been\n");
  });

  test.each([
    ["of the running server", async () => undefined],
    ["after the server was killed", () => wharf.kill()],
  ])("`down` %s leaves nothing running, and the next server works", async (_, before) => {
    await atWork();
    fill(6_000_000);
    await exhaustLog();
    fill(0);
    await before();
    fill(0);
    const { code, stderr } = await wharf.cli("down");
    expect(findTraces(wharf.data), `exit code ${code}: ${stderr}`).toEqual(noTraces);
    free();
    await wharf.start();
    const other = await wharf.createTask({ repository_url: remote });
    expect(getAgentText(await wharf.turn(other, "demo: say there again"))).toBe("there again\n");
  });

  /** Writes to the write-ahead log, and to no table, until the database stops. */
  async function exhaustLog(): Promise<void> {
    const db = new pg.Client({ host: join(wharf.data, "postgres", "socket"), user: "wharf", database: "postgres" });
    db.on("error", () => undefined);
    await db.connect();
    for (;;) {
      const isDown = await db.query("select pg_logical_emit_message(true, 'fill', repeat('x', 1000000))").then(
        () => false,
        () => true,
      );
      if (isDown) break;
    }
    await db.end().catch(() => undefined);
  }
});

/**
 * The kernel removes a sandbox's mounts a moment after its last process has ended; until then the
 * disk is busy.
 */
async function unmountDisk(disk: string): Promise<void> {
  for (const until = Date.now() + 10_000; ; await sleep(100)) {
    const { status, stderr } = spawnSync("umount", [disk], { encoding: "utf8" });
    if (status === 0) return;
    if (Date.now() > until) throw new Error(stderr);
  }
}
