import type { Cli, CommandLineInput } from "../../cli.ts";
import { Interrupts } from "../../interrupts.ts";
import { findWorkspace, type Workspace } from "../../workspace/workspace.ts";

/** What a command does in a workspace; `args` are those after the workspace. */
export type WorkspaceAction<O> = (cli: Cli, workspace: Workspace, input: CommandLineInput<O>) => Promise<number | void>;

/** A runner takes seconds to start: people see what they wait for. */
export function showStart({ settings, terminal }: Cli, { info: { state, is_open } }: Workspace): void {
  const mustStart = is_open && (state === "STOPPED" || state === "CREATING");
  if (mustStart && !settings.json) terminal.err("The runner of this workspace is not running yet: waiting for it …\n");
}

/** Creates the action of a command whose first argument is a workspace. */
export const inWorkspace =
  <O>(act: WorkspaceAction<O>) =>
  async (cli: Cli, { args, options }: CommandLineInput<O>): Promise<number | void> => {
    const [id = "", ...rest] = args;
    using interrupts = new Interrupts();
    const workspace = await findWorkspace(cli.client, id, interrupts.signal);
    showStart(cli, workspace);
    return await act(cli, workspace, { args: rest, options });
  };
