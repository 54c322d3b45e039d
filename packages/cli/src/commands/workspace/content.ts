import { open } from "node:fs/promises";
import { resolve } from "node:path";
import type { Readable } from "node:stream";
import { FileWritten } from "@wharf/contract";
import type { Command } from "commander";
import { z } from "zod";
import { type Cli, type CommandLineInput, toJsonLine, type RegisterCommand } from "../../cli.ts";
import { createUsageError } from "../../failure.ts";
import { addExamples, createWorkspaceArgument } from "../../help/examples.ts";
import { createIntegerSchema } from "../../input/option-values.ts";
import { formatCount, formatSize } from "../../render/numbers.ts";
import { toSafeText, toSingleLine } from "../../render/safe-text.ts";
import { flushOutput, writeBytes } from "../../runner/output.ts";
import { readPieces } from "../../runner/request.ts";
import { inWorkspace, type WorkspaceAction } from "./action.ts";

const byteCount = createIntegerSchema({ min: 0 }).optional();
const LineRange = z
  .string()
  .regex(/^[1-9]\d{0,8}(?:-(?:[1-9]\d{0,8})?)?$/, "a line or a range of lines, such as 10-20")
  .transform((text) => {
    const [start, end = start] = text.split("-");
    return { start_line: Number(start), ...(end !== "" && { end_line: Number(end) }) };
  });
const CatOptions = z.object({ lines: LineRange.optional(), offset: byteCount, length: byteCount });
const WriteOptions = z.object({
  file: z.string().optional(),
  ifMatch: z.string().optional(),
  new: z.boolean().default(false),
});
type WriteOptions = z.infer<typeof WriteOptions>;
const ReplaceOptions = z.object({
  old: z.string().min(1).optional(),
  new: z.string().optional(),
  all: z.boolean().default(false),
  ifMatch: z.string().optional(),
});

export const ifMatchFlags = "--if-match <etag>";
export const ifMatchHelp = "refuse if the file is another version (`cat --json` shows its etag)";

/** Adds the commands that read and change the content of files. */
export function addContentCommands(group: Command, register: RegisterCommand): void {
  const cat = group
    .command("cat")
    .summary("Print a file")
    .description("Print a file, or a range of its lines or bytes. When piped, its bytes are unchanged.")
    .addArgument(createWorkspaceArgument())
    .argument("<path>", "file, relative to the workspace")
    .option("--lines <from-to>", "only these lines, counted from 1: 10, 10-20 or 10-")
    .option("--offset <bytes>", "only the bytes from this offset on")
    .option("--length <bytes>", "number of bytes");
  const catLines = ["wharf workspace cat 1f2e3d4c src/main.ts", "wharf workspace cat 1f2e3d4c log --lines 10-20"];
  register(addExamples(cat, catLines), CatOptions, inWorkspace(printFile));
  const write = group
    .command("write")
    .summary("Write a file from stdin")
    .description("Write a whole file from stdin, or from a local file. Missing folders are created.")
    .addArgument(createWorkspaceArgument())
    .argument("<path>", "file, relative to the workspace")
    .option("-f, --file <path>", "read the content from a local file")
    .option(ifMatchFlags, ifMatchHelp)
    .option("--new", "refuse if the file exists");
  const writeLines = [
    "wharf workspace write 1f2e3d4c notes.md --file notes.md",
    "wharf workspace write 1f2e3d4c .env.test --new",
  ];
  register(addExamples(write, writeLines), WriteOptions, writeFile);
  const replace = group
    .command("replace")
    .summary("Replace a text in a file")
    .description("Replace a text in a file. A text that occurs more than once is refused without --all.")
    .addArgument(createWorkspaceArgument())
    .argument("<path>", "file, relative to the workspace")
    .option("--old <text>", "text to replace")
    .option("--new <text>", "text to put in its place")
    .option("--all", "replace every occurrence")
    .option(ifMatchFlags, ifMatchHelp);
  const replaceLines = ["wharf workspace replace 1f2e3d4c config.json --old 4000 --new 4001"];
  register(addExamples(replace, replaceLines), ReplaceOptions, inWorkspace(replaceText));
}

const printFile: WorkspaceAction<z.infer<typeof CatOptions>> = async (cli, workspace, { args, options }) => {
  const { settings, terminal } = cli;
  const [path = ""] = args;
  const { lines, offset, length } = options;
  if (settings.json || lines || (offset ?? length) !== undefined) {
    if (lines && (offset ?? length) !== undefined)
      throw createUsageError("give a range of lines or of bytes, not both");
    const range = {
      ...lines,
      ...(offset !== undefined && { offset }),
      ...(length !== undefined && { length }),
    };
    const read = await workspace.call(workspace.routes.readFile, { body: { path, ...range } });
    if (settings.json) return terminal.out(toJsonLine(read));
    return printBytes(cli, Buffer.from(read.content, read.encoding));
  }
  const answer = await workspace.stream(workspace.routes.download, { query: { path } });
  const decoder = new TextDecoder();
  for await (const piece of readPieces(answer, workspace.signal)) {
    if (terminal.isTty) terminal.out(toSafeText(decoder.decode(piece, { stream: true })));
    else await writeBytes(process.stdout, piece);
  }
  await flushOutput();
};

/** Prints bytes: cleaned for a person's terminal, and otherwise unchanged. */
async function printBytes({ terminal }: Cli, bytes: Buffer): Promise<void> {
  if (terminal.isTty) return terminal.out(toSafeText(bytes.toString()));
  await writeBytes(process.stdout, bytes);
  await flushOutput();
}

/** Opens the content first: nothing is requested for a file that cannot be read. */
async function writeFile(cli: Cli, input: CommandLineInput<WriteOptions>): Promise<number | void> {
  const content = await openInput(cli, input.options.file);
  try {
    return await inWorkspace(createWriteAction(content))(cli, input);
  } finally {
    content.destroy();
  }
}

const createWriteAction =
  (content: Readable): WorkspaceAction<WriteOptions> =>
  async (cli, workspace, { args, options }) => {
    const { settings, terminal } = cli;
    const query = { path: args[0] ?? "", ...(options.new && { overwrite: "false" }) };
    const answer = await workspace.stream(
      workspace.routes.upload,
      { query },
      {
        upload: content,
        ...(options.ifMatch !== undefined && { headers: { "if-match": options.ifMatch } }),
      },
    );
    const written = FileWritten.parse(await answer.json());
    if (settings.json) return terminal.out(toJsonLine(written));
    const size = formatSize(written.size_bytes);
    terminal.err(`${written.created ? "Created" : "Wrote"} ${toSingleLine(written.path, 300)}, ${size}\n`);
  };

/** Opens a local file, or stdin. */
export async function openInput({ stdin, folder }: Cli, file: string | undefined): Promise<Readable> {
  if (file !== undefined && file !== "-") {
    const handle = await open(resolve(folder, file)).catch((error: unknown) => {
      const code = error instanceof Error && "code" in error ? String(error.code) : String(error);
      throw createUsageError(`--file: expected a readable file, got '${toSingleLine(file, 200)}' (${code})`);
    });
    return handle.createReadStream();
  }
  if ("isTTY" in stdin && stdin.isTTY === true)
    throw createUsageError("expected the content on stdin, got a terminal; pipe it in or use --file <path>");
  return stdin;
}

const replaceText: WorkspaceAction<z.infer<typeof ReplaceOptions>> = async (cli, workspace, { args, options }) => {
  const { settings, terminal } = cli;
  if (!options.old || options.new === undefined) throw createUsageError("give the texts with --old and --new");
  const body = {
    path: args[0] ?? "",
    search: options.old,
    replace: options.new,
    must_match_once: !options.all,
    ...(options.ifMatch !== undefined && { if_match: options.ifMatch }),
  };
  const replaced = await workspace.call(workspace.routes.replaceText, { body });
  if (settings.json) return terminal.out(toJsonLine(replaced));
  terminal.err(`Replaced ${formatCount(replaced.replaced, "occurrence")} in ${toSingleLine(replaced.path, 300)}\n`);
};
