import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
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
  const changes: string[] = [];
  using monitor = new HealthMonitor({
    dataFolder: folder,
    pingDatabase: () => ping(),
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

describe.runIf(canMount)("on a separate disk (needs root on Linux to mount one)", () => {
  beforeEach(() => void execFileSync("mount", ["-t", "tmpfs", "-o", "size=1m", "tmpfs", folder]));
  afterEach(() => void execFileSync("umount", [folder]));

  test("a data folder that becomes read-only or full is reported until it takes files again", async () => {
    using monitor = new HealthMonitor({ dataFolder: folder, pingDatabase: async () => undefined, intervalMs: 1e6 });
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
