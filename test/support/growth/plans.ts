import pg from "pg";
import { z } from "zod";

/**
 * Tables that a statement may read completely: their few rows do not grow with the use of a server.
 */
const smallTables: ReadonlySet<string> = new Set([
  "organizations",
  "users",
  // Those of users, at a few login providers.
  "identities",
  // At most twenty passkeys of each user.
  "passkeys",
  "boards",
  "installation",
  "leaderships",
  "orphans",
  "servers",
  "agent_types",
  // At most 1,000 templates in each organization.
  "task_templates",
  // One row for each limit that a person sets, and one while the queue is paused.
  "run_limits",
  "queue_pauses",
  // One row for each user of an organization.
  "slot_times",
  // The ends of the audit log's chain, in one row.
  "audit_chain",
  // The last position of the events of boards, in one row.
  "published_position",
  // Requests to models that have not ended.
  "model_reservations",
  "__drizzle_migrations",
]);
/**
 * Limit on the rows that one statement may read. A page has at most 1,000 rows, and a count stops
 * at 10,000.
 */
const maxRows = 12_000;

/** PostgreSQL's description of one step of a plan, with its actual figures. */
const Node = z.object({
  "Node Type": z.string(),
  "Relation Name": z.string().optional(),
  "Actual Rows": z.number().default(0),
  "Actual Loops": z.number().default(1),
  "Rows Removed by Filter": z.number().default(0),
  "Rows Removed by Index Recheck": z.number().default(0),
  get Plans() {
    return z.array(Node).optional();
  },
});
type Node = z.infer<typeof Node>;
const Notice = z.object({ message: z.string() });
const Explained = z.object({ "Query Text": z.string(), Plan: Node });

/**
 * Database settings with which each statement reports its plan, including those of foreign keys.
 */
const settings = {
  session_preload_libraries: "auto_explain",
  "auto_explain.log_min_duration": "0",
  "auto_explain.log_analyze": "on",
  "auto_explain.log_timing": "off",
  "auto_explain.log_format": "json",
  "auto_explain.log_level": "notice",
  "auto_explain.log_nested_statements": "on",
};

export async function explainAll(pool: Pick<pg.Pool, "query">, database: string): Promise<void> {
  for (const [name, value] of Object.entries(settings))
    await pool.query(`alter database "${database}" set ${name} = '${value}'`);
}

export interface Complaint {
  readonly statement: string;
  readonly why: string;
}

/** Reads the plans of all further statements that this process issues. */
export class PlanWatch implements Disposable {
  /** Statements that differ only in their values, or in the number of values, count as the same. */
  readonly #plans = new Map<string, string | undefined>();
  readonly #emit = pg.Client.prototype.emit;

  constructor() {
    const { prototype } = pg.Client;
    const emit = this.#emit;
    const read = (message: string) => this.#read(message);
    prototype.emit = function (this: pg.Client, name: string | symbol, ...values: unknown[]): boolean {
      if (name === "notice") read(Notice.parse(values[0]).message);
      return emit.call(this, name, ...values);
    };
  }

  [Symbol.dispose](): void {
    pg.Client.prototype.emit = this.#emit;
  }

  /** Number of different statements. */
  get count(): number {
    return this.#plans.size;
  }

  has(words: RegExp): boolean {
    return [...this.#plans.keys()].some((statement) => words.test(statement));
  }

  /**
   * Lists the statements that read a large table completely, or read more of it than a page or a
   * bounded count needs.
   */
  get complaints(): Complaint[] {
    return [...this.#plans].flatMap(([statement, why]) => (why === undefined ? [] : [{ statement, why }]));
  }

  #read(message: string): void {
    const begin = message.indexOf("{");
    if (!message.startsWith("duration:") || begin < 0) return;
    const { "Query Text": text, Plan: plan } = Explained.parse(JSON.parse(message.slice(begin)));
    const statement = text.replaceAll(/\$\d+/g, "?").replaceAll(/\(\?(, \?)*\)/g, "(?)");
    const why = judge(plan);
    if (why !== undefined || !this.#plans.has(statement)) this.#plans.set(statement, why);
  }
}

function judge(node: Node): string | undefined {
  const table = node["Relation Name"];
  const loops = node["Actual Loops"];
  const removed = node["Rows Removed by Filter"] + node["Rows Removed by Index Recheck"];
  const rows = (node["Actual Rows"] + removed) * loops;
  if (table && node["Node Type"] === "Seq Scan" && !smallTables.has(table) && loops > 0) return `reads all of ${table}`;
  if (table && rows > maxRows) return `looks at ${rows} rows of ${table}`;
  return node.Plans?.map(judge).find((why) => why !== undefined);
}
