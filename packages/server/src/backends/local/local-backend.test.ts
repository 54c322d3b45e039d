import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { setTimeout as sleep } from "node:timers/promises";
import { describe, expect, test } from "vitest";
import { converse, expectsBubblewrap, processesNaming, Setting, sightings, spec } from "./fixtures/setting.ts";

const Recorded = (setting: Setting, id: string): { root: { pid: number }; daemon: { pid: number } } =>
  JSON.parse(readFileSync(join(setting.folder, id, "run.json"), "utf8"));

/**
 * Starts another server process on the same folder and kills it some time after it has printed the
 * word, before it can clean up.
 */
async function killedServer(setting: Setting, id: string, when: { word: string; afterMs: number }): Promise<void> {
  const script = join(import.meta.dirname, "fixtures", "server.ts");
  const server = spawn(process.execPath, [script, setting.folder, setting.kit, id, "/usr/bin:/bin"], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const exited = once(server, "exit");
  const lines = createInterface({ input: server.stdout });
  for (let line = ""; line !== when.word;) line = String((await once(lines, "line"))[0]);
  await sleep(when.afterMs);
  server.kill("SIGKILL");
  await exited;
}

describe.skipIf(!expectsBubblewrap)("a runner on this machine", () => {
  test("answers on its wire once it is created, and is a sandbox", async () => {
    await using setting = new Setting();
    const backend = await setting.backend();
    const runner = spec();
    await backend.create(runner);
    const wire = await backend.dial(runner.id, AbortSignal.timeout(5000));
    wire.destroy();
    expect(backend.isolationReason).toBeUndefined();
    expect(backend.can.isolation).toBe("sandbox");
    expect(await sightings(backend)).toEqual([{ id: runner.id, state: "running" }]);
  });

  test("whose start is cut off at any moment leaves no process", async () => {
    await using setting = new Setting();
    const backend = await setting.backend();
    for (let ms = 0; ms < 40; ms += 2) {
      const runner = spec();
      const isCreated = await backend.create(runner, AbortSignal.timeout(ms)).then(
        () => true,
        () => false,
      );
      if (isCreated) await backend.destroy(runner.id);
      expect(processesNaming(runner.id), `after ${ms} ms`).toEqual([]);
    }
  });

  test("whose launch was never recorded counts as running until it is stopped", async () => {
    await using setting = new Setting();
    const backend = await setting.backend();
    const runner = spec();
    await backend.create(runner);
    await backend.stop(runner.id);
    expect(await sightings(backend)).toEqual([{ id: runner.id, state: "stopped" }]);
    writeFileSync(join(setting.folder, runner.id, "launching"), "");
    expect(await sightings(backend)).toEqual([{ id: runner.id, state: "running" }]);
    await backend.stop(runner.id);
    expect(await sightings(backend)).toEqual([{ id: runner.id, state: "stopped" }]);
  });

  test("gets its key only on standard input, and its paths reveal nothing about the host", async () => {
    await using setting = new Setting();
    const backend = await setting.backend({ stopGraceMs: 20_000, gitTimeoutMs: 600_000 });
    const runner = spec({ wireKey: "5ec2e7".repeat(8) });
    await backend.create(runner);
    const wire = await backend.dial(runner.id, AbortSignal.timeout(5000));
    const [line] = await once(wire, "data");
    wire.destroy();
    expect(JSON.parse(String(line)).config).toEqual({
      runner_id: runner.id,
      wire_key: runner.wireKey,
      wire: { by: "connect", path: "/run/wharf/wire.sock" },
      workspace: "/workspace",
      home: "/home/wharf",
      state: "/var/lib/wharf",
      relay_port: 4100,
      isolation: "sandbox",
      serves_names: expect.any(Boolean),
      registries: [],
      stop_grace_ms: 20_000,
      git_timeout_ms: 600_000,
    });
    expect(processesNaming(runner.wireKey)).toEqual([]);
  });

  test("outlives the server that created it, and the next server reaches it", async () => {
    await using setting = new Setting();
    const runner = spec();
    await killedServer(setting, runner.id, { word: "made", afterMs: 0 });
    const { daemon } = Recorded(setting, runner.id);
    const backend = await setting.backend();
    expect(await sightings(backend)).toEqual([{ id: runner.id, state: "running" }]);
    await backend.create(runner);
    expect(Recorded(setting, runner.id).daemon).toEqual(daemon);
    using conversation = await converse(backend, runner.id);
    expect((await conversation.run("echo", "still here")).stdout).toBe("still here\n");
  });

  test("is found without a record, as after a server that died before it wrote one", async () => {
    await using setting = new Setting();
    const first = await setting.backend();
    const runner = spec();
    await first.create(runner);
    const before = Recorded(setting, runner.id);
    await first.close();
    writeFileSync(join(setting.folder, runner.id, "launching"), "");
    writeFileSync(join(setting.folder, runner.id, "run.json"), '{"isolation":"sandbox","root":{"pi');
    const second = await setting.backend();
    expect(await sightings(second)).toEqual([{ id: runner.id, state: "running" }]);
    {
      using conversation = await converse(second, runner.id);
      expect((await conversation.run("echo", "found")).stdout).toBe("found\n");
    }
    // The daemon may lack its configuration, so the backend does not keep it.
    await second.create(runner);
    const after = Recorded(setting, runner.id);
    expect(processesNaming(join(setting.folder, runner.id, "state"))).not.toContain(before.root.pid);
    expect(processesNaming(join(setting.folder, runner.id, "state"))).toContain(after.root.pid);
  });

  test("leaves no unknown sandbox and no second daemon when the server is killed during its creation", async () => {
    await using setting = new Setting();
    const backend = await setting.backend();
    const rounds = [1, 8, 15, 25, 40].map(async (afterMs) => {
      const runner = spec();
      await killedServer(setting, runner.id, { word: "creating", afterMs });
      await backend.create(runner);
      using conversation = await converse(backend, runner.id);
      expect((await conversation.run("echo", "here")).stdout).toBe("here\n");
      // Only the daemon carries the id in its environment.
      expect(processesNaming(`WHARF_RUNNER_ID=${runner.id}`)).toEqual([Recorded(setting, runner.id).daemon.pid]);
      await backend.destroy(runner.id);
      expect(processesNaming(join(setting.folder, runner.id))).toEqual([]);
    });
    // Wait for all rounds, so that none still runs when the folder is removed.
    expect((await Promise.allSettled(rounds)).filter((round) => round.status === "rejected")).toEqual([]);
  });

  test("is created once, however many callers request it", async () => {
    await using setting = new Setting();
    const backend = await setting.backend();
    const runner = spec();
    await Promise.all([backend.create(runner), backend.create(runner), backend.start(runner).catch(() => undefined)]);
    const { daemon } = Recorded(setting, runner.id);
    await backend.create(runner);
    await backend.start(runner);
    expect(Recorded(setting, runner.id).daemon).toEqual(daemon);
    expect(processesNaming(join(setting.folder, runner.id, "state"))).toHaveLength(2);
  });

  test("can be started again after its sandbox was killed", async () => {
    await using setting = new Setting();
    const backend = await setting.backend();
    const runner = spec();
    await backend.create(runner);
    const before = Recorded(setting, runner.id);
    process.kill(before.root.pid, "SIGKILL");
    await expect.poll(() => sightings(backend)).toEqual([{ id: runner.id, state: "stopped" }]);
    await expect(backend.dial(runner.id)).rejects.toMatchObject({ code: "runner_unavailable" });
    await backend.start(runner);
    expect(Recorded(setting, runner.id).daemon).not.toEqual(before.daemon);
    using conversation = await converse(backend, runner.id);
    expect((await conversation.run("echo", "again")).stdout).toBe("again\n");
  });

  test("has the processes of its dead daemon ended before another daemon starts on its state", async () => {
    await using setting = new Setting();
    const backend = await setting.backend();
    const runner = spec();
    await backend.create(runner);
    const before = Recorded(setting, runner.id);
    {
      using conversation = await converse(backend, runner.id);
      await conversation.sh("setsid sleep 1000 >/dev/null 2>&1 &");
    }
    process.kill(before.daemon.pid, "SIGKILL");
    await expect.poll(() => sightings(backend)).toEqual([{ id: runner.id, state: "stopped" }]);
    expect(processesNaming(join(setting.folder, runner.id, "state"))).toContain(before.root.pid);
    await backend.start(runner);
    expect(processesNaming(join(setting.folder, runner.id, "state"))).not.toContain(before.root.pid);
    using conversation = await converse(backend, runner.id);
    expect((await conversation.sh("grep -l sleep /proc/[0-9]*/comm")).stdout).toBe("");
  });

  test("keeps its disk over a stop, which first lets its daemon flush and then ends its processes", async () => {
    await using setting = new Setting();
    const backend = await setting.backend();
    const runner = spec();
    await backend.create(runner);
    {
      using conversation = await converse(backend, runner.id);
      await conversation.sh(
        "echo kept > /workspace/file; mkdir /workspace/locked; chmod 0 /workspace; setsid sleep 1000 >/dev/null 2>&1 &",
      );
    }
    await backend.stop(runner.id);
    await backend.stop(runner.id);
    expect(await sightings(backend)).toEqual([{ id: runner.id, state: "stopped" }]);
    expect(readFileSync(join(setting.folder, runner.id, "state", "flushed"), "utf8")).toBe("yes");
    expect(processesNaming(runner.id)).toEqual([]);
    await backend.start(runner);
    using conversation = await converse(backend, runner.id);
    expect((await conversation.sh("cat /workspace/file")).stdout).toBe("kept\n");
  });

  test("leaves nothing when it is destroyed, regardless of what it did to its files", async () => {
    await using setting = new Setting();
    const outside = join(setting.base, "outside");
    writeFileSync(outside, "mine");
    const backend = await setting.backend();
    const runner = spec();
    await backend.create(runner);
    {
      using conversation = await converse(backend, runner.id);
      const answer = await conversation.sh(
        `cd /workspace && ln -s ${setting.base} link && ln -s / root && mkdir -p shut/in && touch shut/in/file && chmod 0 shut/in shut &&
         node -e 'for (let i = 0; i < 3000; i++) { fs.mkdirSync("d"); process.chdir("d") }' && mkfifo pipe && chmod 0 /home/wharf && echo done`,
      );
      expect(answer.stdout).toBe("done\n");
    }
    await backend.destroy(runner.id);
    await backend.destroy(runner.id);
    expect(readdirSync(setting.folder).filter((name) => name !== ".etc")).toEqual([]);
    expect(readFileSync(outside, "utf8")).toBe("mine");
    expect(processesNaming(runner.id)).toEqual([]);
    expect(readFileSync("/proc/self/mountinfo", "utf8")).not.toContain(runner.id);
    expect(readdirSync("/proc/self/fd").length).toBeLessThan(200);
    expect(await sightings(backend)).toEqual([]);
  });

  test("fails a dial with its daemon's last output when the daemon does not start", async () => {
    await using setting = new Setting();
    writeFileSync(join(setting.kit, "lib", "wharf-daemon.mjs"), 'throw new Error("no journal here")');
    const backend = await setting.backend();
    const runner = spec();
    await backend.create(runner);
    await expect(backend.dial(runner.id)).rejects.toThrow(/no journal here/);
  });

  test("keeps its daemon's output up to a limit, including the newest", async () => {
    await using setting = new Setting();
    const flood = `
      for (let i = 0; i < 30; i++) process.stderr.write("x".repeat(2 ** 20));
      process.stderr.write("the end of it", () => process.exit(1));
    `;
    writeFileSync(join(setting.kit, "lib", "wharf-daemon.mjs"), flood);
    const backend = await setting.backend();
    const runner = spec();
    await backend.create(runner);
    await expect(backend.dial(runner.id)).rejects.toThrow(/the end of it/);
    const log = join(setting.folder, runner.id, "log");
    const sizes = readdirSync(log).map((name) => statSync(join(log, name)).size);
    expect(sizes.reduce((sum, size) => sum + size)).toBeLessThan(21 * 2 ** 20);
  });

  test("is refused under a name that leads to another folder, and is unknown before its creation", async () => {
    await using setting = new Setting();
    const backend = await setting.backend();
    for (const id of ["..", "../x", "a/b", "", ".probe", "x".repeat(65)]) {
      await expect(backend.create(spec({ id })), id).rejects.toMatchObject({ code: "bad_request" });
      await expect(backend.destroy(id), id).rejects.toMatchObject({ code: "bad_request" });
    }
    await expect(backend.dial("none")).rejects.toMatchObject({ code: "runner_lost" });
    await expect(backend.stop("none")).rejects.toMatchObject({ code: "runner_lost" });
    await expect(backend.getUsage("none")).rejects.toMatchObject({ code: "runner_lost" });
    await expect(backend.start(spec({ id: "none" }))).rejects.toMatchObject({ code: "runner_lost" });
    await backend.destroy("none");
    expect(await sightings(backend)).toEqual([]);
  });

  test("stops waiting for a wire when the signal aborts or the runner is destroyed", async () => {
    await using setting = new Setting();
    writeFileSync(join(setting.kit, "lib", "wharf-daemon.mjs"), "setInterval(() => undefined, 1000)");
    const backend = await setting.backend();
    const runner = spec();
    await backend.create(runner);
    await expect(backend.dial(runner.id, AbortSignal.timeout(50))).rejects.toMatchObject({ name: "TimeoutError" });
    const dialled = backend.dial(runner.id).catch((error: unknown) => error);
    await backend.destroy(runner.id);
    expect(await dialled).toMatchObject({ code: "runner_lost" });
  });

  test("measures processor time that never falls, even when processes end or the runner restarts", async () => {
    await using setting = new Setting();
    const backend = await setting.backend();
    const runner = spec();
    await backend.create(runner);
    const idle = await backend.getUsage(runner.id);
    {
      using conversation = await converse(backend, runner.id);
      // Run the loop in a grandchild, so that only a waiting parent knows its time.
      await conversation.sh("sh -c 'sh -c \"i=0; while [ \\$i -lt 300000 ]; do i=\\$((i+1)); done\"; true'");
    }
    await expect
      .poll(async () => (await backend.getUsage(runner.id)).cpuSeconds)
      .toBeGreaterThan(idle.cpuSeconds + 0.1);
    const busy = await backend.getUsage(runner.id);
    expect(busy.memoryBytes).toBeGreaterThan(20e6);
    expect(busy.memoryPeakBytes).toBeGreaterThanOrEqual(busy.memoryBytes);
    await backend.stop(runner.id);
    const stopped = await backend.getUsage(runner.id);
    expect(stopped.cpuSeconds).toBeGreaterThanOrEqual(busy.cpuSeconds);
    expect(stopped.memoryBytes).toBe(0);
    expect(stopped).not.toHaveProperty("launch");
    await backend.start(runner);
    const again = await backend.getUsage(runner.id);
    expect(again.cpuSeconds).toBeGreaterThanOrEqual(stopped.cpuSeconds);
    expect(again.launch?.id).not.toBe(busy.launch?.id);
    expect(again.launch?.cpuSeconds).toBeLessThan(busy.cpuSeconds);
    expect(busy.launch?.cpuSeconds).toBe(busy.cpuSeconds);
    expect(busy.launch?.runningSeconds).toBeGreaterThan(again.launch!.runningSeconds);
  });

  test("is reached in a folder whose path is longer than a socket's address", async () => {
    await using setting = new Setting(`${"deep/".repeat(30)}runners`);
    const backend = await setting.backend();
    const runner = spec();
    await backend.create(runner);
    using conversation = await converse(backend, runner.id);
    expect((await conversation.run("echo", "far")).stdout).toBe("far\n");
  });
});
