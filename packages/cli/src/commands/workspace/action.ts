import type { Cli, CommandLineInput } from "../../cli.ts";
import { Interrupts } from "../../interrupts.ts";
import { findWorkspace, type Workspace } from "../../workspace/workspace.ts";

/** What a command does in a workspace; `args` are those after the workspace. */
export type WorkspaceAction<O> = (cli: Cli, workspace: Workspace, input: CommandLineInput<O>) => Promise<number | void>;

/** Creates the action of a command whose first argument is a workspace. */
export const inWorkspace =
  <O>(act: WorkspaceAction<O>) =>
  async (cli: Cli, { args, options }: CommandLineInput<O>): Promise<number | void> => {
    const [id = "", ...rest] = args;
    using interrupts = new Interrupts();
    const workspace = await findWorkspace(cli.client, id, interrupts.signal);
    return await act(cli, workspace, { args: rest, options });
  };
