import { randomUUID } from "node:crypto";
import { daemonApi, execApi, type ExecEvent } from "@wharf/contract";
import { afterEach, beforeEach, expect, test } from "vitest";
import { dial, type Line, ran, spec } from "../fixtures.ts";
import { MockBackend } from "../index.ts";

let backend: MockBackend;
let line: Line;
beforeEach(async () => {
  backend = new MockBackend();
  const made = spec();
  await backend.create(made);
  line = await dial(backend, made.id);
});
afterEach(async () => {
  line[Symbol.dispose]();
  await backend.close();
});

// S-013, R-010
test("a command in the foreground is given input by its id, each piece once, and ended by the signal it is sent", async () => {
  const command_id = randomUUID();
  const params = { command_id };
  const body = { command: "cat; cat; echo end", command_id, stdin: "one ", stdin_open: true };
  const events: ExecEvent[] = [];
  const reading = (async () => {
    for await (const event of line.client.stream(daemonApi.exec, { body })) events.push(event as ExecEvent);
  })();
  await expect.poll(() => events.length).toBeGreaterThan(0);
  const give = (data: string, more: object = {}) =>
    line.client.call(execApi.writeCommand, { params, body: { data, ...more } });
  expect(await give("two ")).toEqual({ offset: 8 });
  expect(await give("two three", { offset: 4, end: true })).toEqual({ offset: 13 });
  await reading;
  expect(events.map((event) => ("data" in event ? event.data : event.type)).join("")).toBe(
    "one two three" + "end\nexit",
  );
  await expect(give("late")).rejects.toMatchObject({ code: "not_found" });

  const killed = ran(line.client, "sleep 60", { command_id });
  await expect.poll(() => line.client.call(execApi.command, { params }).catch(() => undefined)).toBeDefined();
  await expect(ran(line.client, "true", { command_id })).rejects.toMatchObject({ code: "conflict" });
  await line.client.call(execApi.killCommand, { params, body: { signal: "SIGINT" } });
  expect((await killed).exit).toMatchObject({ exit_code: null, signal: "SIGINT", timed_out: false });
});

test("whatever a command prints, the server keeps no more of it than it says", async () => {
  const result = await line.client.call(execApi.execOnce, { body: { command: "seq 1 600000" } });
  expect(result).toMatchObject({ exit_code: 0, stdout_truncated: true });
  expect(result.stdout).toHaveLength(1024 * 1024);
  expect(result.stdout.endsWith("600000\n")).toBe(true);

  for (const command of ["yes > full", "yes | tee full"]) {
    const { exit, stderr } = await ran(line.client, command, { timeout_s: 20 });
    expect([exit, stderr]).toMatchObject([{ timed_out: false }, expect.stringContaining("No space")]);
  }

  const { command_id } = await line.client.call(execApi.startCommand, { body: { command: "seq 1 3000000" } });
  const params = { command_id };
  const info = () => line.client.call(execApi.command, { params });
  await expect.poll(async () => (await info()).state, { timeout: 20_000 }).toBe("exited");
  const { output } = await info();
  expect(output?.first).toBeGreaterThan(0);
  expect((output?.end ?? 0) - (output?.first ?? 0)).toBeLessThanOrEqual(8 * 1024 * 1024);
  const lines = line.client.stream(execApi.followCommand, { params, query: { after: 0 } });
  expect((await lines.next()).value).toEqual({ type: "gap", from: 0, to: output?.first });
  await lines.return();
});
