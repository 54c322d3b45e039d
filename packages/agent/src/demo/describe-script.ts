import { extname } from "node:path";
import { listFolder } from "../tools/index.ts";
import type { Actor } from "./actor.ts";
import type { Notebook } from "./notebook.ts";

const demoFile = "WHARF-DEMO.md";
const maxCountedFiles = 500;

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

interface LanguageCount {
  files: number;
  lines: number;
}

async function getLanguageCounts(actor: Actor, files: readonly string[]): Promise<[string, LanguageCount][]> {
  const counts = new Map<string, LanguageCount>();
  for (const file of files.slice(0, maxCountedFiles)) {
    actor.signal.throwIfAborted();
    const text = await actor.session.workspace.readIfExists(file).catch(() => undefined);
    if (text === undefined || text.includes("\0")) continue;
    const language = languages[extname(file).toLowerCase()] ?? "other";
    const count = counts.get(language) ?? { files: 0, lines: 0 };
    counts.set(language, { files: count.files + 1, lines: count.lines + text.split("\n").length - 1 });
  }
  return [...counts].toSorted(([, a], [, b]) => b.lines - a.lines);
}

const getFirstHeading = (readme: string | undefined): string | undefined => /^#\s+(.+)$/m.exec(readme ?? "")?.[1];

function createPage(
  title: string | undefined,
  counts: readonly [string, LanguageCount][],
  prompts: readonly string[],
): string {
  const rows = counts.map(([language, { files, lines }]) => `| ${language} | ${files} | ${lines} |`);
  return `# Contents of this repository

Wharf's demo agent wrote this page. It is a script, not a model: it counts files and understands nothing.
${title ? `\nThe README calls it "${title}".\n` : ""}
| language | files | lines |
|---|---|---|
${rows.join("\n")}

Prompts so far:

${prompts.map((prompt) => `- ${prompt}`).join("\n")}
`;
}

/**
 * Handles a repository that the script does not know in the only way that fits any repository:
 * counts its contents and writes that down.
 */
export async function describeRepository(actor: Actor, notebook: Notebook, prompt: string): Promise<string> {
  const { workspace } = actor.session;
  await actor.startPlan("List the files", "Count languages and lines", `Write ${demoFile}`);
  await actor.sendThought(
    "I do not know this repository, and a script cannot do what you ask. I describe the repository instead.",
  );
  await actor.useTool("list_files", {});
  await actor.advancePlan();
  const { files, more: isTruncated } = await listFolder(workspace.root, workspace.root, actor.signal);
  const counts = await getLanguageCounts(
    actor,
    files.filter((file) => file !== demoFile),
  );
  const readme = await workspace.readIfExists("README.md").catch(() => undefined);
  await actor.advancePlan();
  const prompts = [...notebook.notes.map((note) => note.prompt), prompt.trim().split("\n")[0]?.slice(0, 200) ?? ""];
  const outcome = await actor.useTool("write_file", {
    path: demoFile,
    content: createPage(getFirstHeading(readme), counts, prompts),
  });
  await actor.advancePlan();
  if (outcome.failed) {
    await actor.sendMessage(`I could not write ${demoFile}: ${outcome.text}`);
    return "counted the files but wrote nothing";
  }
  const [mainLanguage] = counts;
  const counted =
    isTruncated || files.length > maxCountedFiles ? `the first ${maxCountedFiles} files` : `${files.length} files`;
  await actor.sendMessage(
    `I counted ${counted}${mainLanguage ? ` (mostly ${mainLanguage[0]}, ${mainLanguage[1].lines} lines)` : ""} and wrote the result to \`${demoFile}\`. For the task itself, choose an agent with a model.`,
  );
  return `described the repository in ${demoFile}`;
}
