/** What the operations of a tag are about. */
export const tags = {
  agents: "Runs of tasks. The API calls a run an agent.",
  "agent-types": "The coding agents that runs use, and how they start.",
  "allowed-hosts": "The hosts that runners may reach.",
  audit: "What people and programs did and were refused.",
  auth: "Logins of programs.",
  boards: "Boards of tasks, and the people with whom they are shared.",
  budgets: "What models may cost.",
  "denied-hosts": "The hosts that runners asked for in vain.",
  health: "Whether the server works.",
  invitations: "Invitations of people to the organization.",
  me: "Your own account and logins.",
  orchestrator: "The queue of runs, and its pause.",
  organizations: "Organizations, which own boards and runners.",
  "run-limits": "How many turns may run at the same time.",
  runners: "Runners, and the commands, files and terminals in them.",
  server: "The server itself.",
  tasks: "Tasks, their prompts, logs and workspaces.",
  tokens: "Access tokens.",
  usage: "What runs and runners used.",
  users: "The people and programs of the organization.",
  whoami: "Who sends a request.",
} as const;

const names: ReadonlySet<string> = new Set(Object.keys(tags));

/** Returns the tag of a path: its last part that is the name of one, outside of workspaces. */
export function getTag(path: string): string {
  if (path === "/ready") return "health";
  const [owner = ""] = path.split("/workspace");
  const parts = owner.split("/").map((part) => part.split(".")[0] ?? "");
  return parts.findLast((part) => names.has(part)) ?? parts[3] ?? "";
}
