import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WharfError } from "@wharf/contract";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  createDatabaseCheck,
  createEngineCheck,
  createFolderCheck,
  createGatewayCheck,
  createSchemaCheck,
} from "./health-checks.ts";
import { HealthMonitor } from "./health-monitor.ts";

let folder: string;
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), "wharf-health-"));
});
afterEach(() => rmSync(folder, { recursive: true, force: true }));

const ok = { status: "ok", problems: [] };
const canMount =
  process.getuid?.() === 0 && process.platform === "linux" && spawnSync("unshare", ["--mount", "true"]).status === 0;

test("a database that fails or does not respond is reported, and so is its recovery", async () => {
  const waiting = Promise.withResolvers<void>();
  const pings = [async () => undefined, () => Promise.reject(new Error("away")), () => waiting.promise];
  let ping: () => Promise<unknown> = async () => undefined;
  const missing = 0;
  const changes: string[] = [];
  using monitor = new HealthMonitor({
    checks: [createFolderCheck(folder), createDatabaseCheck(() => ping()), createSchemaCheck(async () => missing)],
    onChange: ({ status }) => changes.push(status),
    intervalMs: 1_000_000,
    patienceMs: 2_000, // the check of the folder uses a real disk
  });
  for (const next of pings) {
    ping = next;
    const report = await monitor.check();
    expect(report).toEqual(
      next === pings[0] ? ok : { status: "degraded", problems: ["The database does not respond."] },
    );
    expect(monitor.report).toEqual(report);
  }
  // The hanging ping is the only one until it ends.
  ping = () => Promise.reject(new Error("a second ping"));
  expect(await monitor.check()).toMatchObject({ status: "degraded" });
  waiting.resolve();
  await waiting.promise;
  ping = async () => undefined;
  await monitor.check();
  expect(await monitor.check()).toEqual(ok);
  expect(changes).toEqual(["degraded", "ok"]);
  expect(readdirSync(folder)).toEqual([]);
});

test("the server is ready when all parts have been checked and work, and says which does not", async () => {
  let missing = 0;
  let isEngineAway = true;
  let ledger: () => Promise<unknown> = async () => undefined;
  using monitor = new HealthMonitor({
    checks: [
      createDatabaseCheck(async () => undefined),
      createSchemaCheck(async () => missing),
      createGatewayCheck(() => ledger()),
      createEngineCheck({
        name: "docker",
        ping: async () => {
          if (isEngineAway) throw new WharfError("engine_missing", { engine: "Docker", address: "/secret/path" });
        },
      }),
    ],
    intervalMs: 1e6,
  });
  expect([monitor.isReady, monitor.report]).toEqual([false, ok]);
  await monitor.check();
  expect(monitor.isReady).toBe(false);
  expect(monitor.parts.at(-1)).toMatchObject({
    name: "engine",
    status: "failed",
    problem: "The engine of the backend 'docker' does not respond.",
    reason: expect.stringContaining("/secret/path"),
  });
  expect(JSON.stringify(monitor.report)).not.toContain("/secret/path");
  isEngineAway = false;
  missing = 1;
  ledger = () => Promise.reject(new Error("no connection"));
  expect((await monitor.check()).problems).toEqual([
    "The database has an older schema than this server.",
    expect.stringMatching(/^The gateway cannot record/),
  ]);
  missing = 0;
  ledger = async () => undefined;
  await monitor.check();
  expect([monitor.isReady, monitor.report]).toEqual([true, ok]);
});

describe.runIf(canMount)("on a separate disk (needs root on Linux to mount one)", () => {
  beforeEach(() => void execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]));
  afterEach(() => void execFileSync("umount", [folder]));

  test("a data folder that becomes read-only or full is reported until it takes files again", async () => {
    using monitor = new HealthMonitor({ checks: [createFolderCheck(folder)], intervalMs: 1e6 });
    expect(await monitor.check()).toEqual(ok);
    execFileSync("mount", ["-o", "remount,ro", folder]);
    expect(await monitor.check()).toEqual({ status: "degraded", problems: ["The data folder is read-only."] });
    execFileSync("mount", ["-o", "remount,rw", folder]);
    const { bavail, bsize } = statfsSync(folder);
    writeFileSync(join(folder, "ballast"), Buffer.alloc(bavail * bsize));
    expect(await monitor.check()).toEqual({ status: "degraded", problems: ["The data folder's disk is full."] });
    rmSync(join(folder, "ballast"));
    expect(await monitor.check()).toEqual(ok);
  });
});
