import { spawn } from "node:child_process";
import { once } from "node:events";
import { expect, test } from "vitest";
import {
  listProcesses,
  getProcessIdentity,
  isAlive,
  isOfThisBoot,
  listProcessesByPs,
  signalProcess,
  waitForExit,
  getProcessTrees,
} from "./processes.ts";

test("a process is identified by its pid and its start time, so a reused pid is another process", async () => {
  const child = spawn("sleep", ["1000"], { stdio: "ignore" });
  const exited = once(child, "exit");
  const identity = await getProcessIdentity(child.pid ?? 0);
  if (identity === undefined) expect.unreachable();
  expect(await isAlive(identity)).toBe(true);
  const another = { pid: identity.pid, born: `${identity.born}1` };
  expect(await isAlive(another)).toBe(false);
  await signalProcess(another, "SIGKILL");
  expect(await waitForExit(identity, 50)).toBe(false);
  await signalProcess(identity, "SIGKILL");
  expect(await waitForExit(identity, 5000)).toBe(true);
  await exited;
});

test("a process that was recorded before the machine's last boot is recognized", async () => {
  const self = await getProcessIdentity(process.pid);
  expect(self && isOfThisBoot(self)).toBe(true);
  expect(
    isOfThisBoot({ pid: process.pid, born: `00000000-0000-0000-0000-000000000000:${self?.born.split(":")[1]}` }),
  ).toBe(false);
});

test("descendants of all generations are found", async () => {
  const child = spawn("sh", ["-c", "sleep 1000 & wait"], { stdio: "ignore", detached: true });
  const exited = once(child, "exit");
  const treeOfChild = async () => {
    const processes = await listProcesses();
    const roots = processes.filter((one) => one.pid === child.pid);
    return getProcessTrees(roots, processes);
  };
  await expect.poll(async () => (await treeOfChild()).length).toBe(2);
  expect((await treeOfChild()).every((one) => one.session === child.pid)).toBe(true);
  process.kill(-(child.pid ?? expect.unreachable()), "SIGKILL");
  await exited;
});

test("ps gives the same answers for machines without /proc", async () => {
  const self = (await listProcesses()).find((one) => one.pid === process.pid);
  const [byPs] = await listProcessesByPs(["-p", String(process.pid)]);
  expect(byPs).toMatchObject({ pid: process.pid, parent: self?.parent, dead: false });
  expect(Math.abs((byPs?.cpuSeconds ?? 0) - (self?.cpuSeconds ?? 0))).toBeLessThan(3);
  expect(Date.parse(byPs?.born ?? "")).toBeGreaterThan(Date.now() - 3_600_000);
  expect(await listProcessesByPs(["-p", "99999999"])).toEqual([]);
});
