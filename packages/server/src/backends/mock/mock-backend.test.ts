import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { daemonApi, execApi } from "@wharf/contract";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { eventually } from "../../../../../test/support/eventually.ts";
import { noTraces, findTraces } from "../../../../../test/support/processes.ts";
import { dial, giveTurn, isOver, openMock, spec, readUntil } from "./fixtures/bench.ts";
import type { Fault, MockBackend } from "./index.ts";

let mock: Awaited<ReturnType<typeof openMock>>;
let backend: MockBackend;
beforeEach(async () => {
  mock = await openMock();
  backend = mock.backend;
});
afterEach(() => mock[Symbol.asyncDispose]());

async function createRunner() {
  const runner = spec();
  await backend.create(runner);
  return runner;
}

/** The turn may break the wire before the answer to its prompt has arrived. */
const mayBeLost = (error: unknown) => expect(error).toMatchObject({ code: "runner_unavailable" });

test("a runner is the real daemon and reports that nothing confines it", async () => {
  const runner = await createRunner();
  using line = await dial(backend, runner.id);
  expect(await line.client.call(daemonApi.health, {})).toMatchObject({ runner_id: runner.id, isolation: "unsafe" });
  expect(backend.can.isolation).toBe("unsafe");
  const { stdout } = await line.client.call(execApi.execOnce, { body: { command: "git --version" } });
  expect(stdout).toMatch(/^git version/);
});

describe("a fault", () => {
  test("kills the daemon once during a turn, which is interrupted and keeps its key in use", async () => {
    const runner = await createRunner();
    using first = await dial(backend, runner.id);
    const turn = "demo: say one\ndemo: hang";
    await giveTurn(first.client, "t", turn);
    backend.setFaults(runner.id, [{ kind: "die", at_byte: 0 }]);
    await first.closed;
    await eventually(() => Array.fromAsync(backend.list()), [{ id: runner.id, state: "stopped" }]);
    await expect(backend.dial(runner.id)).rejects.toMatchObject({ code: "runner_unavailable" });
    await backend.create(runner);
    using second = await dial(backend, runner.id, 2);
    const records = await readUntil(second.client, isOver);
    expect(records.at(-1)?.data).toMatchObject({ kind: "turn", turn_id: "t", status: "interrupted" });
    const params = { turn_id: "t" };
    await expect(second.client.call(daemonApi.turn, { params })).resolves.toMatchObject({ state: "INTERRUPTED" });
  });

  test("can be requested in a prompt, so that the agent kills its daemon", async () => {
    const runner = await createRunner();
    using line = await dial(backend, runner.id);
    await giveTurn(line.client, "t", "demo: say one\ndemo: die\ndemo: say two").catch(mayBeLost);
    await line.closed;
    await eventually(() => Array.fromAsync(backend.list()), [{ id: runner.id, state: "stopped" }]);
  });

  test("partitions the runner while its agent continues to work", async () => {
    const runner = await createRunner();
    using first = await dial(backend, runner.id);
    backend.setFaults(runner.id, [{ kind: "partition", at_byte: 2_000, for_ms: 150 }]);
    const turn = "demo: flood 100\ndemo: say done";
    await giveTurn(first.client, "t", turn).catch(mayBeLost);
    const following = readUntil(first.client, isOver).catch(mayBeLost);
    await first.closed;
    const began = performance.now();
    using second = await dial(backend, runner.id, 2);
    expect(performance.now() - began).toBeGreaterThan(100);
    await following;
    const records = await readUntil(second.client, isOver);
    expect(records.map(({ seq }) => seq)).toEqual(records.map((_, i) => i + 1));
    expect(records.at(-1)?.data).toMatchObject({ status: "ended" });
    expect(JSON.stringify(records)).toContain("flood 100");
  });

  test("silences the wire until the server detects it, and the next wire works", async () => {
    const runner = await createRunner();
    using first = await dial(backend, runner.id);
    backend.setFaults(runner.id, [{ kind: "silence", at_byte: 5 }]);
    expect(await first.closed).toMatchObject({ reason: expect.stringContaining("silent") });
    using second = await dial(backend, runner.id, 2);
    await expect(second.client.call(daemonApi.health, {})).resolves.toMatchObject({ runner_id: runner.id });
  });

  test.each(["create", "start", "dial", "stop", "destroy"] as const)(
    "makes the next '%s' fail, and the one after it succeeds",
    async (operation) => {
      const runner = await createRunner();
      const faults: Fault[] = [{ kind: "fail", operation }];
      backend.setFaults(runner.id, faults);
      const attempts = {
        create: () => backend.create(runner),
        start: () => backend.start(runner),
        dial: async () => void (await backend.dial(runner.id)).destroy(),
        stop: () => backend.stop(runner.id),
        destroy: () => backend.destroy(runner.id),
      };
      await expect(attempts[operation]()).rejects.toThrow(`a simulated failure of ${operation}`);
      await attempts[operation]();
    },
  );
});

describe("nothing is left", () => {
  const findRemains = (id: string) => ({ ...findTraces(id), folder: existsSync(join(backend.folder, id)) });
  const nothing = { ...noTraces, folder: false };
  const background = "setsid sleep 1000 > /dev/null 2>&1 &";

  async function busyRunner() {
    const runner = await createRunner();
    using line = await dial(backend, runner.id);
    await line.client.call(execApi.execOnce, { body: { command: background } });
    await giveTurn(line.client, "t", "demo: hang");
    expect(findTraces(runner.id).processes.length).toBeGreaterThan(1);
    return runner;
  }

  test("of a runner's processes when it is stopped", async () => {
    const { id } = await busyRunner();
    await backend.stop(id);
    await eventually(() => findTraces(id), noTraces);
  });

  test("of a runner that is destroyed", async () => {
    const { id } = await busyRunner();
    await backend.destroy(id);
    await eventually(() => findRemains(id), nothing);
  });

  // S-013
  test("of anything when the backend is closed, even twice", async () => {
    const { id } = await busyRunner();
    await Promise.all([backend.close(), backend.close()]);
    expect(existsSync(backend.folder)).toBe(false);
    await eventually(() => findRemains(id), nothing);
    await eventually(() => findTraces(backend.folder), noTraces);
  });

  test("of anything when the server is killed", async () => {
    const server = spawn(process.execPath, [join(import.meta.dirname, "fixtures/server.ts")], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [folder] = (await once(server.stdout, "data")).map((chunk) => String(chunk).trim());
    expect(findTraces(folder!).processes.length).toBeGreaterThan(1);
    expect(existsSync(folder!)).toBe(true);
    server.kill("SIGKILL");
    await text(server.stdout);
    await eventually(() => ({ ...findTraces(folder!), folder: existsSync(folder!) }), { ...noTraces, folder: false });
  });
});
