import { once } from "node:events";
import { rmSync } from "node:fs";
import { join } from "node:path";
import { api, getEndpointUrl, type Task, taskTerminalPath, taskWorkspaceApi, TerminalControl } from "@wharf/contract";
import { afterAll, beforeAll, expect, onTestFinished, test } from "vitest";
import { WebSocket } from "ws";
import { eventually } from "./support/eventually.ts";
import { createRepository } from "./support/repository.ts";
import { createScratchFolder, ServerHarness } from "./support/server-harness.ts";

/** Several people at the terminals of one task. */
let folder: string;
let wharf: ServerHarness;
let board_id: string;
let task: Task;

beforeAll(async () => {
  folder = createScratchFolder();
  wharf = new ServerHarness(folder, { WHARF_LOCAL_UNSAFE: "1" });
  await wharf.start();
  ({ id: board_id } = await wharf.client.call(api.createBoard, { body: { name: "shared" } }));
  const repository_url = createRepository(join(folder, "remote"));
  const body = { title: "A task", description: "demo: say hello", agent_type: "demo", repository_url };
  task = await wharf.client.call(api.createTask, { params: { board_id }, body });
  await wharf.turn(task, "demo: say hello");
}, 120_000);
afterAll(async () => {
  await wharf[Symbol.asyncDispose]();
  rmSync(folder, { recursive: true, force: true });
});

async function addPerson(username: string, role: "editor" | "viewer"): Promise<string> {
  await wharf.client.call(api.addMember, { body: { username, role: "member" } });
  await wharf.client.call(api.shareBoard, { params: { board_id, user: username }, body: { role } });
  return (await wharf.client.call(api.createAccessToken, { body: { name: "test", user: username } })).token;
}

/** A person at a terminal, with everything that the server sent. */
async function attach(token: string, terminal_id: string, query: Record<string, unknown> = {}) {
  const { url } = await wharf.client.locate();
  const path = getEndpointUrl(
    { method: "GET", path: taskTerminalPath, summary: "", response: "stream" },
    { params: { task_id: task.id, terminal_id }, query },
  );
  const socket = new WebSocket(`${url.replace("http", "ws")}${path}`, {
    headers: { authorization: `Bearer ${token}` },
  });
  onTestFinished(() => socket.terminate());
  const seen = { text: "", offset: 0, controls: [] as TerminalControl[] };
  socket.on("message", (data: Buffer, isBinary) => {
    if (isBinary) return void (seen.text += data.toString());
    const control = TerminalControl.parse(JSON.parse(data.toString()));
    seen.controls.push(control);
    if (control.type === "offset") seen.offset = control.offset;
  });
  const opened = await Promise.race([
    once(socket, "open").then(() => 101),
    once(socket, "unexpected-response").then(([, answer]) => Number(answer.statusCode)),
  ]);
  return {
    opened,
    seen,
    type: (text: string) => socket.send(Buffer.from(text)),
    send: (type: "take" | "release") => socket.send(JSON.stringify({ type })),
    leave: async () => {
      socket.close();
      await once(socket, "close");
    },
    getAttached: () => seen.controls.find((control) => control.type === "attached"),
    getTypists: () => seen.controls.flatMap((control) => (control.type === "typist" ? [control.user] : [])),
    getRefusals: () =>
      seen.controls.flatMap((control) => (control.type === "refused" ? [`${control.what} ${control.code}`] : [])),
  };
}

const runs = (person: { seen: { text: string } }, text: string) =>
  eventually(() => person.seen.text.includes(text), true);

// G-065
test(
  "people see the same terminal, one types, another takes over, and viewers only watch",
  { timeout: 120_000 },
  async () => {
    const tokens = [
      await addPerson("ada", "editor"),
      await addPerson("bob", "editor"),
      await addPerson("eve", "viewer"),
    ];
    const [adaToken = "", bobToken = "", eveToken = ""] = tokens;
    const ada = await attach(adaToken, "new", {
      command: 'stty -echo; echo ready; while read x; do echo "<$x>"; done',
    });
    await runs(ada, "ready");
    const terminal = ada.getAttached()?.terminal.terminal_id ?? "";
    const [bob, eve] = [await attach(bobToken, terminal), await attach(eveToken, terminal)];
    const all = [ada, bob, eve];
    for (const person of all) await runs(person, "ready");
    expect([bob, eve].map((person) => person.getAttached()?.can_type)).toEqual([true, false]);

    ada.type("one\r");
    for (const person of all) await runs(person, "<one>");
    for (const person of all) expect(person.getTypists()).toEqual(["ada"]);

    eve.type("evil\r");
    eve.send("take");
    eve.send("release");
    await eventually(
      eve.getRefusals,
      ["input", "take", "release"].map((what) => `${what} permission_missing`),
    );
    bob.type("evil\r");
    await eventually(bob.getRefusals, ["input keyboard_in_use"]);
    bob.send("take");
    bob.type("two\r");
    for (const person of all) await runs(person, "<two>");
    for (const person of all) expect(person.getTypists()).toEqual(["ada", "bob"]);
    for (const person of all) expect(person.seen.text).not.toContain("evil");
    const { entries } = await wharf.client.call(api.listAuditEntries, { query: { action: "takeTerminal" } });
    const { users } = await wharf.client.call(api.listMembers, {});
    const bobId = users.find(({ username }) => username === "bob")?.id;
    expect(entries.map(({ actor, details }) => [actor.id, details?.terminal])).toEqual([[bobId, terminal]]);

    // A person who may no longer type keeps watching and loses the keyboard.
    await wharf.client.call(api.shareBoard, { params: { board_id, user: "bob" }, body: { role: "viewer" } });
    await eventually(ada.getTypists, ["ada", "bob", null]);
    bob.type("evil\r");
    await eventually(() => bob.getRefusals().at(-1), "input permission_missing");
    ada.type("three\r");
    for (const person of all) await runs(person, "<three>");
    expect(ada.seen.text).not.toContain("evil");

    expect((await attach(eveToken, "new")).opened).toBe(403);
    expect((await attach(await addPerson("mallory", "viewer"), "new")).opened).toBe(403);
  },
);

// S-078
test("a person who returns gets what the terminal showed meanwhile, or all of it", { timeout: 60_000 }, async () => {
  const { client } = wharf;
  const params = { task_id: task.id };
  const token = await addPerson("grace", "editor");
  const command = 'stty -echo; while read x; do echo "<$x>"; done';
  const { terminal_id } = await client.call(taskWorkspaceApi.createTerminal, { params, body: { command } });
  const [first, second] = [await attach(token, terminal_id), await attach(token, terminal_id)];
  first.type("one\r");
  for (const person of [first, second]) await runs(person, "<one>");
  await eventually(() => second.seen.offset > 0, true);
  await second.leave();
  first.type("two\r");
  await runs(first, "<two>");
  const returned = await attach(token, terminal_id, { after: second.seen.offset });
  await runs(returned, "<two>");
  expect(returned.seen.text).not.toContain("<one>");
  const complete = await attach(token, terminal_id);
  await runs(complete, "<two>");
  expect(complete.seen.text).toContain("<one>");
  await client.call(taskWorkspaceApi.removeTerminal, { params: { ...params, terminal_id } });
});
