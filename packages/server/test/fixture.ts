import { randomUUID } from "node:crypto";
import type { PoolConfig } from "pg";
import { pino } from "pino";
import { ensureOwner, type Owner, type Scope } from "../src/access/index.ts";
import { AuditLog } from "../src/audit/index.ts";
import { Log } from "../src/events/index.ts";
import { RunCommands } from "../src/runs/index.ts";
import { type Database, type DatabaseConnections, openDatabase } from "../src/store/index.ts";
import { type TaskRow, Tasks } from "../src/tasks/index.ts";
import { testDatabase } from "./database.ts";

export interface Fixture extends AsyncDisposable {
  readonly db: Database;
  readonly pool: DatabaseConnections["pool"];
  /** For a second server on the same database. */
  readonly connection: PoolConfig;
  readonly log: Log;
  readonly tasks: Tasks;
  readonly commands: RunCommands;
  /** The owner, with the scope of a request that reads tasks. */
  readonly owner: Owner & Scope;
  readonly audit: AuditLog;
  newTask(fields?: { title?: string; priority?: number }): Promise<TaskRow>;
  prompt(task: TaskRow, text?: string): ReturnType<RunCommands["prompt"]>;
}

const ownerRights = { role: "admin", is_operator: true, needs: "task:read" } as const;

/** Creates a database for a test with an owner and a board, and the modules that use it. */
export async function fixture(): Promise<Fixture> {
  const database = await testDatabase();
  const { db, pool, close } = openDatabase({ ...database.connection, max: 8 }, () => undefined);
  const log = new Log(db);
  const tasks = new Tasks(db, log);
  const owner = { ...(await ensureOwner(db)), ...ownerRights };
  const commands = new RunCommands(log, () => undefined);
  const audit = new AuditLog({ db, serverId: "one", logger: pino({ level: "silent" }), redact: (text) => text });
  return {
    audit,
    db,
    pool,
    connection: database.connection,
    log,
    tasks,
    commands,
    owner,
    newTask: ({ title = "a task", priority = 0 } = {}) =>
      tasks.create(owner.user_id, owner.default_board_id, {
        title,
        description: "do it",
        priority,
        repository_url: "/srv/repository",
      }),
    prompt: (task, text = "go on") =>
      commands.prompt(task.id, { text, by: owner.user_id, agent_type: "demo", turn_id: randomUUID() }),
    async [Symbol.asyncDispose]() {
      await audit[Symbol.asyncDispose]();
      await close();
      await database[Symbol.asyncDispose]();
    },
  };
}
