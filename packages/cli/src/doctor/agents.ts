import { api, RemoteError } from "@wharf/contract";
import type { Client } from "../server/client.ts";
import { readAllRows } from "../server/lists.ts";
import { type Check, getProgramPath, type DoctorContext } from "./check.ts";

/**
 * Maps the agents that come with Wharf to their programs, and to the npm packages that contain
 * them.
 */
const packages: Readonly<Record<string, { readonly program: string; readonly package: string }>> = {
  gemini: { program: "gemini", package: "@google/gemini-cli" },
  claude: { program: "claude-agent-acp", package: "@agentclientprotocol/claude-agent-acp" },
  codex: { program: "codex-acp", package: "@agentclientprotocol/codex-acp" },
  opencode: { program: "opencode", package: "opencode-ai" },
  qwen: { program: "qwen", package: "@qwen-code/qwen-code" },
  auggie: { program: "auggie", package: "@augmentcode/auggie" },
};

export async function checkAgents({ settings, client }: DoctorContext): Promise<Check> {
  const name = "agents";
  const listed = await readAllRows(client, api.listAgentTypes, {}, { timeoutMs: 5_000 }).catch(() => undefined);
  const path = settings.environment.PATH;
  const availableAgents = listed
    ? listed.filter(({ available }) => available).map((type) => type.name)
    : [
        "demo",
        "wharf",
        ...Object.entries(packages).flatMap(([agent, { program }]) =>
          getProgramPath(program, path) === undefined ? [] : [agent],
        ),
      ];
  const missingAgents = Object.entries(packages).filter(
    ([, { program }]) => getProgramPath(program, path) === undefined,
  );
  const text = `${availableAgents.join(", ")}${listed ? "" : " (a running server may know more)"}`;
  if (missingAgents.length === 0) return { name, status: "ok", text };
  const next = `To add others: ${missingAgents.map(([agent, { package: packageName }]) => `\`npm install -g ${packageName}\` (${agent})`).join(", ")}.`;
  return { name, status: availableAgents.length > 0 ? "ok" : "warn", text, next };
}

/** Checks the data folder's server and reports its own description. */
export async function checkServer({ client, settings }: DoctorContext): Promise<Check> {
  const name = "server";
  try {
    const { version } = await client.call(api.health, {}, { timeoutMs: 5_000 });
    const { url } = await client.locate();
    const problem = await findProblem(client);
    if (problem) return { name, status: "fail", text: `${version} at ${url}: ${problem.text}`, next: problem.next };
    const info = await client.call(api.serverInfo, {}, { timeoutMs: 5_000 });
    const limits = info.limits === undefined ? "" : ` (${info.limits})`;
    const process = info.pid === undefined ? "" : `, process ${info.pid}`;
    const text = `${version} at ${url}${process}, isolation ${info.isolation}${limits}`;
    if (info.isolation !== "unsafe") return { name, status: "ok", text };
    return {
      name,
      status: "warn",
      text: `${text} (${info.isolation_reason ?? "no sandbox can be created"})`,
      next: "Fix the cause and restart the server.",
    };
  } catch (error) {
    if (settings.url === undefined) return { name, status: "ok", text: "none is running; `wharf up` starts one" };
    return {
      name,
      status: "fail",
      text: error instanceof Error ? error.message : String(error),
      next: "Check --url and WHARF_TOKEN.",
    };
  }
}

/** Operators get the errors themselves; everyone else gets what the server says about itself. */
async function findProblem(client: Client): Promise<{ text: string; next: string } | undefined> {
  const health = await client.call(api.serverHealth, {}, { timeoutMs: 5_000 }).catch(() => undefined);
  const failed = health?.parts.filter(({ status }) => status === "failed") ?? [];
  if (failed.length > 0) {
    const texts = failed.map(({ problem = "", reason }) => (reason === undefined ? problem : `${problem} (${reason})`));
    return { text: texts.join(" "), next: failed.flatMap(({ next }) => next ?? []).join(" ") };
  }
  const refusal = await client.call(api.ready, {}, { timeoutMs: 5_000 }).catch((error: unknown) => error);
  return refusal instanceof RemoteError && refusal.code === "not_ready"
    ? { text: refusal.message, next: refusal.next }
    : undefined;
}
