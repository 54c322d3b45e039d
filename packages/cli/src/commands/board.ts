import { api, type Board, BoardInput, BoardRole, BoardSort, PeopleSort } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, type RegisterCommand, toJsonLine } from "../cli.ts";
import { addExamples, createBoardArgument, createUserArgument } from "../help/examples.ts";
import { createChoiceOption } from "../input/option-values.ts";
import { formatAge } from "../render/numbers.ts";
import { toSingleLine } from "../render/safe-text.ts";
import { formatTable, maxCellLength } from "../render/table.ts";
import { readList } from "../server/lists.ts";
import { findBoard } from "../tasks/find-board.ts";
import { toShortId } from "../tasks/tasks.ts";
import { addListOptions, addSortOption, ListOptions, mentionMore } from "./list-options.ts";

const CreateOptions = z.object({ description: BoardInput.shape.description.unwrap().optional() });
const ShareOptions = z.object({ role: BoardRole.default("viewer") });
const BoardListOptions = ListOptions.extend({ sort: BoardSort.optional() });
const MemberListOptions = ListOptions.extend({ sort: PeopleSort.optional() });
const None = z.object({});

export function addBoard(program: Command, register: RegisterCommand): void {
  const group = program
    .command("board")
    .summary("Manage boards and share them")
    .description(
      "Manage boards and share them. Other people see a board and its tasks only when it is shared with them.",
    );
  addExamples(group, ["wharf board ls", "wharf board share Website ada --role editor"]);
  const ls = group.command("ls").description("List the boards that you see, oldest first unless --sort says otherwise");
  addListOptions(addSortOption(ls, BoardSort.options), "boards");
  register(addExamples(ls, ["wharf board ls", "wharf board ls --sort name --all"]), BoardListOptions, listBoards);
  const create = group
    .command("create")
    .description("Create a board and print its id")
    .argument("<name>", "name of the board")
    .option("--description <text>", "description of the board");
  register(addExamples(create, ["wharf board create Website"]), CreateOptions, createBoard);
  const rename = group
    .command("rename")
    .description("Rename a board")
    .addArgument(createBoardArgument())
    .argument("<name>", "new name");
  register(addExamples(rename, ['wharf board rename Website "Web shop"']), None, renameBoard);
  const rm = group
    .command("rm")
    .summary("Delete a board")
    .description("Delete a board and all its tasks, with their logs and runners. Pushed branches are kept.")
    .addArgument(createBoardArgument());
  register(addExamples(rm, ["wharf board rm Website"]), None, removeBoard);
  addSharingCommands(group, register);
}

/** Adds the commands for the people of a board. */
function addSharingCommands(group: Command, register: RegisterCommand): void {
  const members = group
    .command("members")
    .summary("List the people of a board")
    .description("List the people with whom a board is shared. Admins of the organization see every board.")
    .addArgument(createBoardArgument());
  addListOptions(addSortOption(members, PeopleSort.options), "people");
  register(addExamples(members, ["wharf board members Website"]), MemberListOptions, listMembers);
  const share = group
    .command("share")
    .summary("Share a board with a user")
    .description(
      "Share a board with a user, or change their role on it. Viewers read it, editors work on its tasks, and owners also share and delete it.",
    )
    .addArgument(createBoardArgument())
    .addArgument(createUserArgument())
    .addOption(createChoiceOption("--role <role>", "role on the board (default: viewer)", BoardRole.options));
  register(addExamples(share, ["wharf board share Website ada --role editor"]), ShareOptions, shareBoard);
  const unshare = group
    .command("unshare")
    .summary("Stop sharing a board with a user")
    .description("Stop sharing a board with a user. Their open streams of its tasks are closed.")
    .addArgument(createBoardArgument())
    .addArgument(createUserArgument());
  register(addExamples(unshare, ["wharf board unshare Website ada"]), None, unshareBoard);
}

async function listBoards(
  { client, settings, terminal, look }: Cli,
  { options: { sort, ...page } }: CommandLineInput<z.infer<typeof BoardListOptions>>,
): Promise<void> {
  const answer = await readList(client, api.listBoards, { query: { ...(sort && { sort }) } }, page);
  if (settings.json) return terminal.out(toJsonLine(answer));
  if (answer.boards.length === 0)
    return terminal.err("No board is shared with you. Create one with `wharf board create <name>`.\n");
  const rows = answer.boards.map((board) => [
    toShortId(board.id),
    board.role,
    formatAge(board.created_at),
    toSingleLine(board.name, maxCellLength),
  ]);
  terminal.out(formatTable(["BOARD", "YOUR ROLE", "CREATED", "NAME"], rows, look));
  mentionMore({ terminal }, answer);
}

async function createBoard(
  { client, settings, terminal }: Cli,
  { args, options }: CommandLineInput<z.infer<typeof CreateOptions>>,
): Promise<void> {
  const body = { name: args[0] ?? "", description: options.description };
  const board = await client.call(api.createBoard, { body });
  if (settings.json) return terminal.out(toJsonLine(board));
  terminal.out(`${toShortId(board.id)}\n`);
  terminal.err(`Share it with \`wharf board share ${toShortId(board.id)} <user>\`.\n`);
}

async function renameBoard({ client, settings, terminal }: Cli, { args }: CommandLineInput<object>): Promise<void> {
  const [board = "", name = ""] = args;
  const { id } = await findBoard(client, board);
  const renamed = await client.call(api.updateBoard, { params: { board_id: id }, body: { name } });
  terminal.out(settings.json ? toJsonLine(renamed) : `The board is ${formatName(renamed)} now.\n`);
}

async function removeBoard({ client, settings, terminal }: Cli, { args }: CommandLineInput<object>): Promise<void> {
  const board = await findBoard(client, args[0] ?? "");
  await client.call(api.deleteBoard, { params: { board_id: board.id } });
  terminal.out(settings.json ? toJsonLine({ deleted: board }) : `Deleted the board ${formatName(board)}.\n`);
}

async function listMembers(
  { client, settings, terminal, look }: Cli,
  { args, options: { sort, ...page } }: CommandLineInput<z.infer<typeof MemberListOptions>>,
): Promise<void> {
  const { id } = await findBoard(client, args[0] ?? "");
  const input = { params: { board_id: id }, query: { ...(sort && { sort }) } };
  const answer = await readList(client, api.listBoardMembers, input, page);
  if (settings.json) return terminal.out(toJsonLine(answer));
  const rows = answer.members.map(({ username, role }) => [toSingleLine(username), role]);
  terminal.out(formatTable(["USER", "ROLE"], rows, look));
  mentionMore({ terminal }, answer);
}

async function shareBoard(
  { client, settings, terminal }: Cli,
  { args, options }: CommandLineInput<z.infer<typeof ShareOptions>>,
): Promise<void> {
  const board = await findBoard(client, args[0] ?? "");
  const params = { board_id: board.id, user: args[1] ?? "" };
  const member = await client.call(api.shareBoard, { params, body: { role: options.role } });
  if (settings.json) return terminal.out(toJsonLine(member));
  terminal.out(
    `'${toSingleLine(member.username)}' has the role ${member.role} on the board ${formatName(board)} now.\n`,
  );
}

async function unshareBoard({ client, settings, terminal }: Cli, { args }: CommandLineInput<object>): Promise<void> {
  const board = await findBoard(client, args[0] ?? "");
  const user = args[1] ?? "";
  await client.call(api.unshareBoard, { params: { board_id: board.id, user } });
  terminal.out(
    settings.json
      ? toJsonLine({ board: board.id, removed: user })
      : `The board ${formatName(board)} is no longer shared with '${toSingleLine(user)}'.\n`,
  );
}

const formatName = ({ name }: Pick<Board, "name">): string => `'${toSingleLine(name, maxCellLength)}'`;
