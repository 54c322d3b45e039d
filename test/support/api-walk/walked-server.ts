import { rmSync } from "node:fs";
import { join } from "node:path";
import { type AccessTokenInput, api, type OrganizationRole, runnerApi } from "@wharf/contract";
import { Client } from "../../../packages/cli/src/server/client.ts";
import { createRepository } from "../repository.ts";
import { createScratchFolder, ServerHarness } from "../server-harness.ts";
import { KnownIds } from "./known-ids.ts";

export interface WalkedServer extends AsyncDisposable {
  readonly url: string;
  /** The data folder. */
  readonly data: string;
  /** Tokens of people with different rights; one has none, and one is not valid. */
  readonly tokens: readonly (string | undefined)[];
  readonly ids: KnownIds;
  /** The end of what the server has printed. */
  readonly output: string;
  /** Removes a runner that the walk created: each one is several processes. */
  removeRunner(id: string): Promise<void>;
}

/** Starts a server with people, a board, a task whose agent has worked, and a runner. */
export async function startWalkedServer(): Promise<WalkedServer> {
  const folder = createScratchFolder();
  const repository_url = createRepository(join(folder, "repository"));
  const wharf = new ServerHarness(folder, { AGENT_MODE: "mock" });
  await wharf.start();
  const { url, token } = await wharf.client.locate();
  const { client } = wharf;

  const createToken = async (user: string, more: Partial<AccessTokenInput> = {}) =>
    (await client.call(api.createAccessToken, { body: { name: "walk", user, ...more } })).token;
  const addUser = async (username: string, role: OrganizationRole) => {
    await client.call(api.addMember, { body: { username, role } });
    return createToken(username);
  };
  const [admin, editor, viewer] = [
    await addUser("admin", "admin"),
    await addUser("editor", "member"),
    await addUser("viewer", "viewer"),
  ];
  const narrow = await createToken("admin", { permissions: ["task:read"] });
  await client.call(api.createOrganization, { body: { name: "Other", slug: "other" } });
  const inOther = new Client(async () => ({ url, ...(token !== undefined && { token }), organization: "other" }));
  await inOther.call(api.addMember, { body: { username: "foreign", role: "admin" } });
  const foreign = await inOther.call(api.createAccessToken, { body: { name: "walk", user: "foreign" } });

  const board = await client.call(api.createBoard, { body: { name: "walk" } });
  for (const [user, role] of [
    ["editor", "editor"],
    ["viewer", "viewer"],
  ] as const)
    await client.call(api.shareBoard, { params: { board_id: board.id, user }, body: { role } });
  const task = await client.call(api.createTask, {
    params: { board_id: board.id },
    body: {
      title: "walk",
      description: "demo: write a.txt hello",
      agent_type: "demo",
      repository_url,
      permission_policy: "allow-all",
    },
  });
  await wharf.turn(task, "demo: write a.txt hello");
  const { agents } = await client.call(api.listTaskAgents, { params: { task_id: task.id } });
  const { turns } = await client.call(api.listTaskTurns, { params: { task_id: task.id } });
  const runner = await client.call(runnerApi.createRunner, { query: { wait: "true" }, body: { name: "walk" } });
  // Prompts of the walk wait in the queue: each run would be a clone and several processes.
  await client.call(api.pauseQueue, {});

  const lasting = {
    board_id: board.id,
    task_id: task.id,
    agent_id: agents[0]?.id ?? "",
    runner_id: runner.id,
    turn_id: turns[0]?.id ?? "",
    type_id: "demo",
    user: "editor",
    permission_id: "none",
  };
  return {
    url,
    data: wharf.data,
    tokens: [
      token,
      token,
      token,
      admin,
      admin,
      editor,
      editor,
      viewer,
      narrow,
      foreign.token,
      "wharf_pat_wrong",
      undefined,
    ],
    ids: new KnownIds(lasting),
    get output() {
      return wharf.output;
    },
    async removeRunner(id) {
      await client.call(runnerApi.deleteRunner, { params: { runner_id: id } });
    },
    async [Symbol.asyncDispose]() {
      await wharf[Symbol.asyncDispose]();
      rmSync(folder, { recursive: true, force: true });
    },
  };
}
