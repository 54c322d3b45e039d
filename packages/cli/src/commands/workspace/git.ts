import { TurnChoice } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, toJsonLine, type RegisterCommand } from "../../cli.ts";
import { createUsageError } from "../../failure.ts";
import { addExamples, createWorkspaceArgument } from "../../help/examples.ts";
import { createIntegerSchema } from "../../input/option-values.ts";
import { formatDiffStat, formatPatch } from "../../render/diff.ts";
import { formatBranches, formatCommit, formatLog, formatStatus } from "../../render/git.ts";
import { formatCount } from "../../render/numbers.ts";
import { toSingleLine } from "../../render/safe-text.ts";
import { flushOutput, writeBytes } from "../../runner/output.ts";
import { turnOption } from "../turn-option.ts";
import { inWorkspace, type WorkspaceAction } from "./action.ts";

const DiffOptions = z.object({
  base: z.string().optional(),
  head: z.string().optional(),
  path: z.string().optional(),
  sinceStart: z.boolean().default(false),
  turn: TurnChoice.optional(),
  stat: z.boolean().default(false),
});
const LogOptions = z.object({
  path: z.string().optional(),
  limit: createIntegerSchema({ min: 1, max: 1_000 }),
  skip: createIntegerSchema({ min: 0 }),
});
const ShowOptions = z.object({ path: z.string().optional(), stat: z.boolean().default(false) });
const CommitOptions = z.object({ message: z.string().optional() });
const CheckoutOptions = z.object({ discard: z.boolean().default(false) });
const RestoreOptions = z.object({
  from: z.string().optional(),
  all: z.boolean().default(false),
  untracked: z.boolean().default(false),
});
const BranchesOptions = z.object({ limit: createIntegerSchema({ min: 1, max: 1_000 }) });

/** Adds the commands that use git in the workspace of a task. */
export function addGitCommands(group: Command, register: RegisterCommand): void {
  addComparisonCommands(group, register);
  const commit = group
    .command("commit")
    .summary("Commit all changes")
    .description("Commit all changes to the task's branch in your name, and deliver them")
    .addArgument(createWorkspaceArgument())
    .option("-m, --message <text>", "message (default: one that names the changed files)");
  const commitLines = ['wharf workspace commit 1f2e3d4c -m "Fix the typo"'];
  register(addExamples(commit, commitLines), CommitOptions, inWorkspace(commitChanges));
  const push = group
    .command("push")
    .summary("Deliver the task's branch")
    .description("Deliver the newest commit of the task's branch to the remote, also one made with the program `git`")
    .addArgument(createWorkspaceArgument());
  register(addExamples(push, ["wharf workspace push 1f2e3d4c"]), z.object({}), inWorkspace(pushBranch));
  const checkout = group
    .command("checkout")
    .summary("Check out a branch or a commit")
    .description("Check out a branch or a commit. `restore --from` brings back only some files.")
    .addArgument(createWorkspaceArgument())
    .argument("<revision>", "commit or branch")
    .option("--discard", "lose the changes that are not committed");
  const checkoutLines = ["wharf workspace checkout 1f2e3d4c main --discard"];
  register(addExamples(checkout, checkoutLines), CheckoutOptions, inWorkspace(checkoutRevision));
  const restore = group
    .command("restore")
    .description("Discard changes: return files to their state in a commit")
    .addArgument(createWorkspaceArgument())
    .argument("[paths...]", "files and folders, relative to the workspace")
    .option("--all", "restore the whole workspace")
    .option("--from <revision>", "commit or branch to restore from (default: the newest commit)")
    .option("--untracked", "also delete files that git does not track; ignored files stay");
  const restoreLines = ["wharf workspace restore 1f2e3d4c src/main.ts", "wharf workspace restore 1f2e3d4c --all"];
  register(addExamples(restore, restoreLines), RestoreOptions, inWorkspace(restoreFiles));
}

/** Adds the commands that change nothing. */
function addComparisonCommands(group: Command, register: RegisterCommand): void {
  const status = group
    .command("status")
    .description("Show the branch and the files that are not committed")
    .addArgument(createWorkspaceArgument());
  register(addExamples(status, ["wharf workspace status 1f2e3d4c"]), z.object({}), inWorkspace(showStatus));
  const diff = group
    .command("diff")
    .summary("Show changes")
    .description("Show the changes that are not committed. When piped, the output is a plain patch for `git apply`.")
    .addArgument(createWorkspaceArgument())
    .option("--since-start", "show all changes since the start of the task's work")
    .option(...turnOption)
    .option("--base <revision>", "commit or branch to compare with (default: the newest commit)")
    .option("--head <revision>", "commit or branch to compare (default: the files as they are now)")
    .option("--path <path>", "only changes of this file or folder")
    .option("--stat", "show only the number of changed lines in each file");
  const diffLines = ["wharf workspace diff 1f2e3d4c --since-start --stat", "wharf workspace diff 1f2e3d4c --turn last"];
  register(addExamples(diff, diffLines), DiffOptions, inWorkspace(showDiff));
  const log = group
    .command("log")
    .description("List commits, newest first")
    .addArgument(createWorkspaceArgument())
    .argument("[revision]", "commit or branch to start from (default: the newest commit)")
    .option("--path <path>", "only commits that change this file or folder")
    .option("-l, --limit <n>", "maximum number of commits", "30")
    .option("--skip <n>", "number of commits to skip", "0");
  register(addExamples(log, ["wharf workspace log 1f2e3d4c --path src"]), LogOptions, inWorkspace(showLog));
  const show = group
    .command("show")
    .description("Show a commit with its changes")
    .addArgument(createWorkspaceArgument())
    .argument("<revision>", "commit or branch")
    .option("--path <path>", "only changes of this file or folder")
    .option("--stat", "show only the number of changed lines in each file");
  register(addExamples(show, ["wharf workspace show 1f2e3d4c main --stat"]), ShowOptions, inWorkspace(showCommit));
  const branches = group
    .command("branches")
    .description("List the branches of the workspace and of its remote, the newest commit first")
    .addArgument(createWorkspaceArgument())
    .option("-l, --limit <n>", "maximum number of branches", "100");
  register(addExamples(branches, ["wharf workspace branches 1f2e3d4c"]), BranchesOptions, inWorkspace(listBranches));
}

const showStatus: WorkspaceAction<unknown> = async ({ settings, terminal }, workspace) => {
  const status = await workspace.call(workspace.routes.gitStatus, {});
  terminal.out(settings.json ? toJsonLine(status) : formatStatus(status, terminal.style));
};

const showDiff: WorkspaceAction<z.infer<typeof DiffOptions>> = async (cli, workspace, { options }) => {
  const { settings, terminal } = cli;
  const { base, head, path, sinceStart, turn, stat } = options;
  if ([sinceStart, turn !== undefined, (base ?? head) !== undefined].filter(Boolean).length > 1)
    throw createUsageError("give either --since-start, or --turn, or --base and --head");
  const part = { ...(path !== undefined && { path }), ...(stat && { stat: "true" }) };
  const revisions = {
    ...(turn !== undefined && { turn }),
    ...(base !== undefined && { base }),
    ...(head !== undefined && { head }),
  };
  const diff = sinceStart
    ? await workspace.call(workspace.routes.gitDiffAgainstBase, { query: part })
    : await workspace.call(workspace.routes.gitDiff, { query: { ...part, ...revisions } });
  if (settings.json) return terminal.out(toJsonLine(diff));
  await printChanges(cli, diff, stat);
};

const showLog: WorkspaceAction<z.infer<typeof LogOptions>> = async (cli, workspace, { args, options }) => {
  const { settings, terminal, look } = cli;
  const { path, limit, skip } = options;
  const [revision] = args;
  const query = { limit, skip, ...(path !== undefined && { path }), ...(revision !== undefined && { revision }) };
  const log = await workspace.call(workspace.routes.gitLog, { query });
  if (settings.json) return terminal.out(toJsonLine(log));
  if (log.commits.length === 0) return terminal.err("There are no commits.\n");
  terminal.out(formatLog(log.commits, look));
  if (log.more) terminal.err("There are more commits; --limit and --skip show them.\n");
};

const showCommit: WorkspaceAction<z.infer<typeof ShowOptions>> = async (cli, workspace, { args, options }) => {
  const { settings, terminal } = cli;
  const { path, stat } = options;
  const query = { revision: args[0] ?? "", ...(path !== undefined && { path }), ...(stat && { stat: "true" }) };
  const shown = await workspace.call(workspace.routes.gitShow, { query });
  if (settings.json) return terminal.out(toJsonLine(shown));
  terminal.out(formatCommit(shown.commit, terminal.style));
  await printChanges(cli, shown, stat);
};

interface Changes {
  readonly files: readonly { readonly path: string; readonly additions: number; readonly deletions: number }[];
  readonly patch: string;
  readonly truncated: boolean;
}

/** Prints a patch or its figures. */
async function printChanges({ terminal }: Cli, { files, patch, truncated }: Changes, stat: boolean): Promise<void> {
  if (stat) return terminal.out(`${formatDiffStat(files, terminal.style)}\n`);
  if (terminal.isTty) terminal.out(formatPatch(patch, terminal.style));
  else {
    // Piped output has to stay byte for byte what git can apply.
    await writeBytes(process.stdout, Buffer.from(patch));
    await flushOutput();
  }
  if (truncated) terminal.err("The patch is too large to show completely; --path shows a part of it.\n");
}

const commitChanges: WorkspaceAction<z.infer<typeof CommitOptions>> = async (cli, workspace, { options }) => {
  const { settings, terminal } = cli;
  const body = options.message === undefined ? {} : { message: options.message };
  const { commit } = await workspace.call(workspace.routes.gitCommit, { body });
  if (settings.json) return terminal.out(toJsonLine({ commit }));
  if (!commit) return terminal.err("Nothing was changed.\n");
  terminal.out(`${commit.sha.slice(0, 10)} ${toSingleLine(commit.message)}\n`);
};

const pushBranch: WorkspaceAction<unknown> = async ({ settings, terminal }, workspace) => {
  const push = await workspace.call(workspace.routes.gitPush, {});
  if (settings.json) return terminal.out(toJsonLine(push));
  const commit = `${push.sha.slice(0, 10)} ${toSingleLine(push.branch)}`;
  const next = `on its way: \`wharf task logs ${workspace.id.slice(0, 8)}\` shows the result`;
  terminal.out(`${commit} is ${push.status === "pushed" ? "on the remote" : next}\n`);
};

const checkoutRevision: WorkspaceAction<z.infer<typeof CheckoutOptions>> = async (
  { settings, terminal },
  workspace,
  { args, options },
) => {
  const body = { revision: args[0] ?? "", discard: options.discard };
  const done = await workspace.call(workspace.routes.gitCheckout, { body });
  if (settings.json) return terminal.out(toJsonLine(done));
  terminal.out(`${done.head.slice(0, 10)} ${done.branch === undefined ? "(no branch)" : toSingleLine(done.branch)}\n`);
};

const restoreFiles: WorkspaceAction<z.infer<typeof RestoreOptions>> = async (cli, workspace, { args, options }) => {
  const { settings, terminal } = cli;
  const { from, all, untracked } = options;
  if (all === args.length > 0) throw createUsageError("name files and folders to restore, or restore --all");
  const body = { untracked, ...(!all && { paths: [...args] }), ...(from !== undefined && { from }) };
  const done = await workspace.call(workspace.routes.gitRestore, { body });
  if (settings.json) return terminal.out(toJsonLine(done));
  for (const path of done.restored) terminal.out(`restored ${toSingleLine(path, Number.POSITIVE_INFINITY)}\n`);
  for (const path of done.deleted) terminal.out(`deleted  ${toSingleLine(path, Number.POSITIVE_INFINITY)}\n`);
  if (done.restored.length + done.deleted.length === 0) terminal.err("Nothing was changed.\n");
  else if (done.truncated) terminal.err(`… and more than these ${formatCount(done.restored.length, "file")}\n`);
};

const listBranches: WorkspaceAction<z.infer<typeof BranchesOptions>> = async (cli, workspace, { options }) => {
  const { settings, terminal, look } = cli;
  const listed = await workspace.call(workspace.routes.gitBranches, { query: { limit: options.limit } });
  if (settings.json) return terminal.out(toJsonLine(listed));
  terminal.out(formatBranches(listed.branches, look));
  if (listed.more) terminal.err("There are more branches; --limit shows them.\n");
};
