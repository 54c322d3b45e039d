import { setTimeout as sleep } from "node:timers/promises";
import { WharfError } from "@wharf/contract";
import { type MemoryFiles, workspacePath } from "../memory-files.ts";

/** What a simulated program is given. Output that nobody wants any more is told by `false`. */
export interface ProgramContext {
  readonly args: readonly string[];
  readonly input: AsyncIterable<Buffer>;
  readonly out: (bytes: Buffer) => Promise<boolean>;
  readonly err: (bytes: Buffer) => Promise<boolean>;
  readonly shell: ShellState;
  readonly signal: AbortSignal;
}

export interface ShellState {
  readonly files: MemoryFiles;
  readonly environment: Record<string, string>;
  cwd: string;
  status: number;
  /** Set when the shell is to end. */
  ended?: { readonly code: number | null; readonly signal: string | null };
}

type Program = (context: ProgramContext) => Promise<number>;

export const shellPid = 4242;
const block = Buffer.alloc(64 * 1024);
const say = ({ out }: ProgramContext, text: string) => out(Buffer.from(text)).then(() => 0);
const signals: Readonly<Record<string, string>> = {
  "9": "SIGKILL",
  "15": "SIGTERM",
  "2": "SIGINT",
  "1": "SIGHUP",
};

async function* sources({ args, input, shell }: ProgramContext, names = args): AsyncGenerator<Buffer> {
  if (names.length === 0) return yield* input;
  for (const name of names) {
    if (name === "/dev/zero") for (;;) yield block;
    if (name === "-") yield* input;
    else if (name !== "/dev/null") yield shell.files.read(shell.files.resolve(name, shell.cwd)).bytes;
  }
}

async function collected(source: AsyncIterable<Buffer>, files: MemoryFiles): Promise<Buffer> {
  const pieces: Buffer[] = [];
  let bytes = 0;
  for await (const piece of source) {
    files.requireRoom((bytes += piece.length), "the output");
    pieces.push(piece);
  }
  return Buffer.concat(pieces);
}

const unescaped = (text: string): string =>
  text.replace(/\\(n|t|r|\\|0|[0-7]{3}|x[0-9a-fA-F]{2})/g, (_, code: string) => {
    const simple = { n: "\n", t: "\t", r: "\r", "\\": "\\", "0": "\0" }[code];
    if (simple !== undefined) return simple;
    return String.fromCharCode(code.startsWith("x") ? Number.parseInt(code.slice(1), 16) : Number.parseInt(code, 8));
  });

function formatted(format: string, args: readonly string[]): string {
  const left = [...args];
  let text = "";
  do {
    text += unescaped(format).replace(/%[sd%]/g, (what) => (what === "%%" ? "%" : (left.shift() ?? "")));
  } while (left.length > 0 && /%[sd]/.test(format));
  return text;
}

async function head(context: ProgramContext): Promise<number> {
  const [flag, amount = "10", ...names] = context.args;
  if (flag !== "-c" && flag !== "-n") throw new WharfError("unsupported", { what: `head ${flag ?? ""}` });
  let left = Number(amount);
  for await (const piece of sources(context, names)) {
    const end = flag === "-c" ? Math.min(left, piece.length) : endOfLine(piece, left);
    left -= flag === "-c" ? end : piece.subarray(0, end).toString("latin1").split("\n").length - 1;
    if (end > 0 && !(await context.out(piece.subarray(0, end)))) break;
    if (left <= 0) break;
  }
  return 0;
}

function endOfLine(piece: Buffer, lines: number): number {
  let at = -1;
  for (let left = lines; left > 0; left--) {
    at = piece.indexOf(10, at + 1);
    if (at < 0) return piece.length;
  }
  return at + 1;
}

/** The programs that are simulated, each as far as anybody is likely to try it. */
export const programs: Readonly<Record<string, Program>> = {
  true: async () => 0,
  ":": async () => 0,
  false: async () => 1,
  echo: (context) => {
    const quiet = context.args[0] === "-n";
    return say(context, context.args.slice(quiet ? 1 : 0).join(" ") + (quiet ? "" : "\n"));
  },
  printf: (context) => {
    const [format = "", ...args] = context.args;
    // Escapes stand for bytes.
    const text = formatted(format, args);
    const bytes = /\\x|\\[0-7]{3}/.test(format) ? Buffer.from(text, "latin1") : Buffer.from(text);
    return context.out(bytes).then(() => 0);
  },
  pwd: (context) => say(context, `${workspacePath}${context.shell.cwd && `/${context.shell.cwd}`}\n`),
  env: (context) =>
    say(
      context,
      Object.entries(context.shell.environment)
        .map(([name, value]) => `${name}=${value}\n`)
        .join(""),
    ),
  async cd({ args, shell }) {
    const to = shell.files.resolve(args[0] ?? workspacePath, shell.cwd);
    if (!shell.files.isFolder(to)) throw new WharfError("not_found", { what: "folder", id: args[0] ?? "" });
    shell.cwd = to;
    return 0;
  },
  async cat(context) {
    for await (const piece of sources(context)) if (!(await context.out(piece))) return 141;
    return 0;
  },
  ls: (context) => {
    const { args, shell } = context;
    const [path = "."] = args.filter((one) => !one.startsWith("-"));
    const children = shell.files.list(shell.files.resolve(path, shell.cwd));
    const shown = args.includes("-a") ? children : children.filter(({ name }) => !name.startsWith("."));
    return say(context, shown.map(({ name }) => `${name}\n`).join(""));
  },
  async sleep({ args, signal }) {
    await sleep(Number.parseFloat(args[0] ?? "0") * 1000, undefined, { signal });
    return 0;
  },
  async exit({ args, shell }) {
    const code = Number(args[0] ?? shell.status) & 0xff;
    shell.ended = { code, signal: null };
    return code;
  },
  async kill({ args, shell }) {
    const [first = "", second] = args;
    const pid = second ?? first;
    if (Number(pid) !== shellPid) throw new WharfError("not_found", { what: "process", id: pid });
    const name = second === undefined ? "TERM" : first.replace(/^-(?:s)?/, "");
    const signal = signals[name] ?? (name.startsWith("SIG") ? name : `SIG${name}`);
    shell.ended = { code: null, signal };
    return 0;
  },
  head,
  async yes(context) {
    const line = `${context.args.join(" ") || "y"}\n`;
    const piece = Buffer.from(line.repeat(Math.ceil(8192 / line.length)));
    while (!context.signal.aborted) {
      if (!(await context.out(piece))) break;
      // A program that never waits must not keep everyone else from running.
      await new Promise((resolve) => setImmediate(resolve));
    }
    return 141;
  },
  async seq(context) {
    const [from, to] = context.args.length > 1 ? context.args.map(Number) : [1, Number(context.args[0] ?? "1")];
    for (let at = from ?? 1, end = to ?? 1; at <= end;) {
      let piece = "";
      for (; at <= end && piece.length < 32_768; at++) piece += `${at}\n`;
      if (!(await context.out(Buffer.from(piece)))) return 141;
    }
    return 0;
  },
  async tr(context) {
    const [from = "", to = ""] = context.args.map(unescaped);
    for await (const piece of sources(context, [])) {
      const changed = Buffer.from(piece);
      for (let i = 0; i < changed.length; i++) {
        const at = from.indexOf(String.fromCharCode(changed[i] ?? 0));
        if (at >= 0) changed[i] = to.charCodeAt(Math.min(at, to.length - 1));
      }
      if (!(await context.out(changed))) return 141;
    }
    return 0;
  },
  async wc(context) {
    const [flag = "-c", ...names] = context.args;
    let count = 0;
    for await (const piece of sources(context, names))
      count += flag === "-l" ? piece.toString("latin1").split("\n").length - 1 : piece.length;
    return say(context, `${count}\n`);
  },
  async mkdir({ args, shell }) {
    for (const path of args.filter((one) => !one.startsWith("-")))
      shell.files.makeFolder(shell.files.resolve(path, shell.cwd));
    return 0;
  },
  async touch({ args, shell }) {
    for (const path of args) {
      const at = shell.files.resolve(path, shell.cwd);
      shell.files.write(at, shell.files.has(at) ? shell.files.read(at).bytes : Buffer.alloc(0));
    }
    return 0;
  },
  async rm({ args, shell }) {
    const force = args.some((one) => /^-\w*f/.test(one));
    for (const path of args.filter((one) => !one.startsWith("-"))) {
      const removed = shell.files.remove(shell.files.resolve(path, shell.cwd));
      if (!removed && !force) throw new WharfError("not_found", { what: "file", id: path });
    }
    return 0;
  },
  async tee(context) {
    const bytes = await collected(context.input, context.shell.files);
    for (const path of context.args)
      context.shell.files.write(context.shell.files.resolve(path, context.shell.cwd), bytes);
    await context.out(bytes);
    return 0;
  },
};
