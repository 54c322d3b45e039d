import { api, runnerApi } from "@wharf/contract";

export const routes = { ...api, ...runnerApi };

/** Routes whose body names a task or a board, by the name of that field. */
export const namingFields: Partial<Record<keyof typeof routes, "task_id" | "board_id">> = {
  triggerTask: "task_id",
  setTemplate: "board_id",
};

/** The bodies of routes that need one. */
export const bodies: Partial<Record<keyof typeof routes, unknown>> = {
  createBoard: { name: "another" },
  updateBoard: { name: "renamed" },
  createTask: { title: "another", description: "another" },
  updateTask: { title: "renamed" },
  setTaskState: { state: "CANCELLED" },
  promptTask: { text: "demo: say hello" },
  createComment: { text: "a comment" },
  updateComment: { text: "another comment" },
  setTemplate: { name: "another", fields: { description: "another" } },
  triggerTask: {},
  testAgentType: { prompt: "demo: say hello" },
  createAgentType: { name: "built-twice", command: ["demo"] },
  allowHost: { entry: "example.com" },
  setBudget: { amount_usd: 1000 },
  setRunLimit: { max_runs: 1000 },
  createOrganization: { name: "Another", slug: "another" },
  addMember: { username: "another" },
  setMemberRole: { role: "member" },
  shareBoard: { role: "viewer" },
  createAccessToken: { name: "another" },
  login: { email: "nowhere@example.com", password: "wrong" },
  refreshLogin: { refresh_token: "wrong" },
  logout: { refresh_token: "wrong" },
  finishDeviceLogin: { device_code: "wrong" },
  decideDeviceLogin: { user_code: "BCDF-GHJK", decision: "refuse" },
  useLoginLink: { token: "wrong" },
  setPassword: { token: "wrong", password: "correct horse battery" },
  acceptInvitation: { token: "wrong", password: "correct horse battery" },
  joinOrganization: { token: "wrong" },
  changePassword: { current_password: "wrong", new_password: "short" },
  createInvitation: { email: "another@example.com" },
  execRunner: { command: "true" },
  execRunnerOnce: { command: "true" },
  writeRunnerCommand: { data: "x" },
  killRunnerCommand: {},
};
/** The queries of routes that need one. */
export const queries: Partial<Record<keyof typeof routes, Record<string, string>>> = {
  listRepositoryBranches: { url: "/not/a/repository" },
  listRunnerFiles: { path: "." },
  statRunnerFile: { path: "." },
  downloadRunnerFile: { path: "x" },
  uploadRunnerFile: { path: "x" },
  packRunnerFolder: { path: "." },
  unpackRunnerFolder: { path: "." },
};
/** The parameters of paths that name nothing of the server. */
export const otherParams = {
  turn_id: crypto.randomUUID(),
  depends_on_id: crypto.randomUUID(),
  permission_id: "none",
  template_id: crypto.randomUUID(),
  comment_id: crypto.randomUUID(),
  type_id: "demo",
  allowed_host_id: crypto.randomUUID(),
  budget_id: crypto.randomUUID(),
  token_id: crypto.randomUUID(),
  session_id: crypto.randomUUID(),
  link_id: crypto.randomUUID(),
  identity_id: crypto.randomUUID(),
  passkey_id: crypto.randomUUID(),
  invitation_id: crypto.randomUUID(),
  command_id: crypto.randomUUID(),
  terminal_id: crypto.randomUUID(),
  user: "missing",
};
