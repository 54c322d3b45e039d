import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Backend } from "../../backend.ts";
import { converse, expectsBubblewrap, Setting, spec, type Conversation } from "../fixtures/setting.ts";
import { isEnforced } from "./cgroup-settings.ts";
import { describeLimits } from "./confinement.ts";
import { findCgroups } from "./hierarchies.ts";

describe.skipIf(!expectsBubblewrap)("a limit that the server reports", () => {
  const runner = spec();
  let said = "";
  let setting: Setting;
  let backend: Backend;
  let inside: Conversation;

  beforeAll(async () => {
    setting = new Setting();
    const info = (facts: unknown) => {
      if (typeof facts === "object" && facts !== null && "limits" in facts) said = String(facts.limits);
    };
    backend = await setting.backend({ log: { info, warn: info } });
    await backend.create(runner);
    inside = await converse(backend, runner.id);
  });

  afterAll(async () => {
    inside[Symbol.dispose]();
    await setting[Symbol.asyncDispose]();
  });

  const isLimited = (name: string) => said.split("not limited")[0]?.includes(name) ?? false;

  const cgroupsOfDaemon = () => {
    const { daemon } = JSON.parse(readFileSync(join(setting.folder, runner.id, "run.json"), "utf8"));
    return findCgroups(daemon.pid);
  };

  test("is the limit that the kernel enforces on the daemon", () => {
    const names = { cpu: "CPU", memory: "memory", pids: "processes" } as const;
    for (const [controller, folder] of cgroupsOfDaemon()) {
      const held = isEnforced(folder, controller, runner.limits);
      // The sandbox may also limit processes without a cgroup.
      if (held || controller !== "pids") expect(isLimited(names[controller]), controller).toBe(held);
    }
  });

  test("stops a fork bomb", async ({ skip }) => {
    skip(!isLimited("processes"), said);
    const bomb =
      "my @p; while (@p < 400) { my $p = fork; last unless defined $p; if (!$p) { sleep 1000; exit } push @p, $p } print scalar @p; kill 9, @p";
    const { stdout } = await inside.run("perl", "-e", bomb);
    expect(Number(stdout)).toBeGreaterThan(20);
    expect(Number(stdout)).toBeLessThanOrEqual(runner.limits.processes);
  });

  test("ends the process that exceeds the memory limit and no other", async ({ skip }) => {
    skip(!isLimited("memory"), said);
    const twice = 2 * runner.limits.memoryBytes;
    const kills = async () => {
      const { stdout } = await inside.sh("cat /opt/wharf/cgroup/*");
      return Number(/^oom_kill (\d+)$/m.exec(stdout)?.[1]);
    };
    expect(await kills()).toBe(0);
    expect((await inside.run("perl", "-e", `my $x = "x" x ${twice}; print "got it"`)).stdout).toBe("");
    expect(await kills()).toBe(1);
    expect((await inside.run("echo", "still here")).stdout).toBe("still here\n");
  });

  test("ends with the runner and leaves no cgroup", async () => {
    const paths = [...cgroupsOfDaemon().values()].map(({ path }) => path).filter((path) => path.includes(runner.id));
    if (said.startsWith("limited: CPU") && !existsSync("/run/systemd/system")) expect(paths).not.toEqual([]);
    await backend.destroy(runner.id);
    for (const path of paths) expect(existsSync(path), path).toBe(false);
  });
});

test("the limits are described in one sentence", () => {
  expect(describeLimits(new Set(["cpu", "memory", "pids"]))).toBe(
    "limited: CPU, memory and processes; not limited: disk",
  );
  expect(describeLimits(new Set(["pids"]))).toBe("limited: processes; not limited: CPU, memory and disk");
  expect(describeLimits(new Set())).toBe("not limited: CPU, memory, processes and disk");
});
