import { pino } from "pino";
import { AccessTokens, AccessWatch, Authenticator, Members, Organizations } from "../src/access/index.ts";
import { AgentTypes } from "../src/agent-types/index.ts";
import { ClientAddresses, createApi } from "../src/api/index.ts";
import { AuditReader } from "../src/audit/index.ts";
import { Queue, RunQueries } from "../src/runs/index.ts";
import { Wakeup } from "../src/store/index.ts";
import { Assignees, BoardMembers, Boards, Comments, Search, TaskDependencies, Templates } from "../src/tasks/index.ts";
import type { Fixture } from "./fixture.ts";
import { createTestLogins } from "./logins.ts";

type Modules = Parameters<typeof createApi>[0]["modules"];

export const token = "a-token";

export interface ServedApi extends AsyncDisposable {
  readonly port: number;
  readonly url: string;
}

export interface ServeOptions extends Partial<
  Pick<Parameters<typeof createApi>[0], "clientAddresses" | "requestLimits">
> {
  readonly corsOrigins?: readonly string[];
}

export const createClientAddresses = (trustedProxies: readonly string[] = []): ClientAddresses =>
  new ClientAddresses({ trustedProxies, forwardingKey: "the same on all servers" });

/**
 * Serves the API over a fixture's database. Modules with further dependencies are absent unless the
 * test provides them.
 */
export async function serveApi(
  f: Fixture,
  more: Partial<Modules> = {},
  {
    clientAddresses = createClientAddresses(),
    // Tests of other things send requests as fast as they can.
    requestLimits = { perUser: 0, perAddress: 0 },
    corsOrigins = [],
  }: ServeOptions = {},
): Promise<ServedApi> {
  const logins = createTestLogins(f);
  const boards = new Boards(f.db);
  const ignoreChange = () => undefined;
  const modules: Partial<Modules> = {
    ...logins.modules,
    boards,
    boardMembers: new BoardMembers(f.db, boards, ignoreChange),
    organizations: new Organizations(f.db),
    members: new Members(f.db, ignoreChange),
    accessTokens: new AccessTokens(f.db, ignoreChange),
    tasks: f.tasks,
    dependencies: new TaskDependencies(f.db, { tasks: f.tasks, log: f.log, onChange: ignoreChange }),
    templates: new Templates(f.db, boards),
    comments: new Comments(f.db, f.log),
    assignees: new Assignees(f.db, f.log),
    search: new Search(f.db, (text) => text),
    commands: f.commands,
    queries: new RunQueries(f.db),
    queue: new Queue(f.db, { maxRuns: 8, scope: "server" }),
    agentTypes: new AgentTypes(f.db, {
      routes: {},
      images: { prefix: "", tag: "latest" },
      findMissingReason: async () => undefined,
    }),
    log: f.log,
    audit: f.audit,
    auditReader: new AuditReader(f.db),
    pool: { getLevels: () => [] },
    scheduler: { active: 0, started: new Date(), heartbeat: new Date() } as Modules["scheduler"],
    health: { report: { status: "ok", problems: [] }, parts: [], isReady: true },
    server: {
      version: "0",
      started_at: new Date(),
      data_folder: "/",
      default_board_id: f.owner.default_board_id,
      backend: "none",
      isolation: "none",
    },
    ...more,
  };
  const authenticator = new Authenticator({
    db: f.db,
    ownerToken: token,
    owner: f.owner,
    sessionCredentials: logins.sessionCredentials,
    streamTickets: logins.modules.streamTickets,
  });
  const undocumented: string[] = [];
  const app = await createApi({
    logger: pino(
      { level: "error" },
      {
        write: (line: string) => {
          if (line.includes("OpenAPI document does not list")) undocumented.push(line);
        },
      },
    ),
    guard: { host: "127.0.0.1", allowedHosts: ["Wharf.Example.com"], corsOrigins },
    requestLimits,
    authenticator,
    clientAddresses,
    acceptsQueryTokens: false,
    accessWatch: new AccessWatch({ authenticator, wakeup: new Wakeup() }),
    modules: modules as Modules,
  });
  const url = await app.listen({ host: "127.0.0.1", port: 0 });
  return {
    url,
    port: Number(new URL(url).port),
    async [Symbol.asyncDispose]() {
      await app.close();
      if (undocumented.length > 0) throw new Error(`add these errors to the contract:\n${undocumented.join("")}`);
    },
  };
}
