import { extname } from "node:path";
import { listFolder } from "../tools/index.ts";
import type { Actor } from "./actor.ts";
import type { Notebook } from "./notebook.ts";

const FILE = "WHARF-DEMO.md";
const MAX_COUNTED_FILES = 500;

const languages: Readonly<Record<string, string>> = {
  ".c": "C",
  ".cpp": "C++",
  ".cs": "C#",
  ".css": "CSS",
  ".go": "Go",
  ".h": "C",
  ".html": "HTML",
  ".java": "Java",
  ".js": "JavaScript",
  ".json": "JSON",
  ".jsx": "JavaScript",
  ".kt": "Kotlin",
  ".md": "Markdown",
  ".mjs": "JavaScript",
  ".php": "PHP",
  ".proto": "Protocol Buffers",
  ".py": "Python",
  ".rb": "Ruby",
  ".rs": "Rust",
  ".sh": "Shell",
  ".sql": "SQL",
  ".swift": "Swift",
  ".toml": "TOML",
  ".ts": "TypeScript",
  ".tsx": "TypeScript",
  ".yaml": "YAML",
  ".yml": "YAML",
};

interface Count {
  files: number;
  lines: number;
}

async function countLanguages(actor: Actor, files: readonly string[]): Promise<[string, Count][]> {
  const counts = new Map<string, Count>();
  for (const file of files.slice(0, MAX_COUNTED_FILES)) {
    actor.signal.throwIfAborted();
    const text = await actor.session.workspace.readIfThere(file).catch(() => undefined);
    if (text === undefined || text.includes("\0")) continue;
    const language = languages[extname(file).toLowerCase()] ?? "other";
    const count = counts.get(language) ?? { files: 0, lines: 0 };
    counts.set(language, { files: count.files + 1, lines: count.lines + text.split("\n").length - 1 });
  }
  return [...counts].toSorted(([, a], [, b]) => b.lines - a.lines);
}

const firstHeading = (readme: string | undefined): string | undefined => /^#\s+(.+)$/m.exec(readme ?? "")?.[1];

function page(title: string | undefined, counts: readonly [string, Count][], prompts: readonly string[]): string {
  const rows = counts.map(([language, { files, lines }]) => `| ${language} | ${files} | ${lines} |`);
  return `# What is in this repository

Written by Wharf's demo agent, which is a script and not a model: it counts, and understands nothing.
${title ? `\nThe README calls it "${title}".\n` : ""}
| language | files | lines |
|---|---|---|
${rows.join("\n")}

It was asked:

${prompts.map((prompt) => `- ${prompt}`).join("\n")}
`;
}

/** On a repository that the script does not know it does the one thing it can do for any: it counts and writes that down. */
export async function describeRepository(actor: Actor, notebook: Notebook, prompt: string): Promise<string> {
  const { workspace } = actor.session;
  await actor.plan("List the files", "Count languages and lines", `Write ${FILE}`);
  await actor.think(
    "I do not know this repository, and a script cannot do what was asked. I describe what is here instead.",
  );
  await actor.use("list_files", {});
  await actor.nextStep();
  const { files, more } = await listFolder(workspace.root, workspace.root, actor.signal);
  const counts = await countLanguages(
    actor,
    files.filter((file) => file !== FILE),
  );
  const readme = await workspace.readIfThere("README.md").catch(() => undefined);
  await actor.nextStep();
  const prompts = [...notebook.notes.map((note) => note.prompt), prompt.trim().split("\n")[0]?.slice(0, 200) ?? ""];
  const written = await actor.use("write_file", { path: FILE, content: page(firstHeading(readme), counts, prompts) });
  await actor.nextStep();
  if (written.failed) {
    await actor.say(`I could not write ${FILE}: ${written.text}`);
    return "counted the files; nothing was written";
  }
  const [most] = counts;
  const counted =
    more || files.length > MAX_COUNTED_FILES ? `the first ${MAX_COUNTED_FILES} files` : `${files.length} files`;
  await actor.say(
    `I counted ${counted}${most ? `, most of them ${most[0]} (${most[1].lines} lines)` : ""}, and wrote it down in \`${FILE}\`. For the work itself choose an agent with a model.`,
  );
  return `described the repository in ${FILE}`;
}
