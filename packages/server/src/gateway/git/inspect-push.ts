import { basename, join } from "node:path";
import { WharfError } from "@wharf/contract";
import { getFolderSize } from "./folder-size.ts";
import { parseGitReason } from "./git-error.ts";
import { type GitResult, runGit } from "./run-git.ts";
import { type Tree, TreeReader, TreeTooLargeError } from "./tree-reader.ts";

/** Limits of one push. */
export interface PushLimits {
  /** Size of all its objects, without compression and deltas. */
  readonly maxUnpackedMb: number;
  /** @default 500,000 */
  readonly maxObjects: number;
  /** Files in one of its commits, checked out. @default 5,000,000 */
  readonly maxFiles: number;
  /** Depth of nested folders. @default 250 */
  readonly maxDepth: number;
  /** Size of the mirror, including all pushes in progress. */
  readonly maxTotalMb: number;
}

export const defaultPushLimits = { maxObjects: 500_000, maxFiles: 5_000_000, maxDepth: 250 };

export interface Inspection {
  readonly mirror: string;
  /** The folder in which git keeps the push's objects until it is accepted. */
  readonly quarantine: string;
  readonly environment: Readonly<Record<string, string>>;
  readonly limits: PushLimits;
  readonly signal: AbortSignal;
}

const bytesPerMb = 1024 * 1024;
/** Length of a line `type size id` of the longest kind. */
const listLineBytes = 96;
/**
 * Maximum number of folder entries in all trees that are read; a folder counts once per tree that
 * names it.
 */
const maxFolderEntries = 1_000_000;

/**
 * Inspects the objects of a push before the mirror accepts them; returns the reason to reject them,
 * if any.
 */
export async function inspectPush(inspection: Inspection): Promise<string | undefined> {
  const { limits, mirror } = inspection;
  // The push brought no objects.
  if (inspection.quarantine === "") return undefined;
  const total = await getFolderSize(join(mirror, "objects"));
  if (total > limits.maxTotalMb * bytesPerMb)
    return `the server's mirror of this repository would exceed ${limits.maxTotalMb} MB; push less, or raise MAX_REPO_SIZE_MB on the server`;
  const brought = await listObjects(inspection);
  if (brought.count > limits.maxObjects) return `the push has more than ${limits.maxObjects} objects`;
  if (brought.bytes > limits.maxUnpackedMb * bytesPerMb)
    return `the push unpacks to more than ${limits.maxUnpackedMb} MB; push less, or raise MAX_REPO_SIZE_MB on the server`;
  if (brought.commits.length === 0) return undefined;
  try {
    return await inspectTrees(inspection, brought.commits);
  } catch (error) {
    if (error instanceof TreeTooLargeError) return "a folder in the push has too many entries";
    throw error;
  }
}

interface PushedObjects {
  readonly count: number;
  readonly bytes: number;
  readonly commits: readonly string[];
}

async function listObjects(inspection: Inspection): Promise<PushedObjects> {
  const args = [
    "cat-file",
    "--batch-all-objects",
    "--unordered",
    "--batch-check=%(objecttype) %(objectsize) %(objectname)",
  ];
  const { limits, mirror, signal } = inspection;
  // This environment excludes the mirror's own objects.
  const environment = { ...inspection.environment, GIT_OBJECT_DIRECTORY: getQuarantine(inspection) };
  const maxBytes = limits.maxObjects * listLineBytes;
  const listed = await runGit([`--git-dir=${mirror}`, ...args], { environment, signal, maxBytes });
  if (!listed.truncated) requireSuccess(listed);
  const commits: string[] = [];
  let [count, bytes] = [listed.truncated ? Infinity : 0, 0];
  for (const line of listed.stdout.split("\n")) {
    if (listed.truncated || line === "") continue;
    const [, type, size, id] = /^(commit|tree|blob|tag) (\d+) ([0-9a-f]+)$/.exec(line) ?? [];
    if (id === undefined) throw createUnreadableError(line);
    count++;
    bytes += Number(size);
    if (type === "commit") commits.push(id);
  }
  return { count, bytes, commits };
}

/** Throws if git did not list the objects completely: incomplete output is not an inspection. */
function requireSuccess({ code, stderr }: GitResult): void {
  if (code !== 0) throw createUnreadableError(parseGitReason(stderr));
}

const createUnreadableError = (reason: string) =>
  new WharfError("git_failed", { command: "cat-file", reason: reason.slice(0, 500) });

/**
 * Returns the quarantine under the path that git itself uses, inside the mirror that the push is
 * for.
 */
const getQuarantine = ({ mirror, quarantine }: Inspection): string => join(mirror, "objects", basename(quarantine));

/** Follows the trees of new commits; reads each tree once, however often it is named. */
async function inspectTrees(inspection: Inspection, commits: readonly string[]): Promise<string | undefined> {
  const { limits, mirror, signal } = inspection;
  const environment = {
    ...inspection.environment,
    GIT_OBJECT_DIRECTORY: getQuarantine(inspection),
    GIT_ALTERNATE_OBJECT_DIRECTORIES: join(mirror, "objects"),
  };
  const readTrees = async (names: readonly string[]) => {
    const reader = new TreeReader();
    const input = names.map((name) => `${name}\n`).join("");
    const onOutput = (chunk: Buffer) => reader.addChunk(chunk);
    const args = [`--git-dir=${mirror}`, "cat-file", "--batch", "--buffer"];
    requireSuccess(await runGit(args, { environment, signal, input, onOutput }));
    return reader.trees;
  };

  const trees = await readTrees(commits.map((id) => `${id}^{tree}`));
  const roots = [...trees.keys()];
  let level: ReadonlyMap<string, Tree> = new Map(trees);
  let entries = 0;
  for (let depth = 1; ; depth++) {
    for (const { folders } of level.values()) entries += folders.size;
    if (entries > maxFolderEntries) return `the push has more than ${maxFolderEntries} folders`;
    const named = new Set([...level.values()].flatMap(({ folders }) => [...folders.keys()]));
    const next = [...named].filter((id) => !trees.has(id));
    if (next.length === 0) break;
    if (depth > limits.maxDepth) return formatDepthReason(limits);
    level = await readTrees(next);
    for (const [id, tree] of level) trees.set(id, tree);
  }
  return getExcessReason(measureTrees(roots, trees), limits);
}

interface TreeExtent {
  readonly files: number;
  readonly depth: number;
}

const formatDepthReason = ({ maxDepth }: PushLimits): string =>
  `a commit in the push has folders more than ${maxDepth} deep`;

function getExcessReason({ files, depth }: TreeExtent, limits: PushLimits): string | undefined {
  if (depth > limits.maxDepth) return formatDepthReason(limits);
  return files > limits.maxFiles ? `a commit in the push has more than ${limits.maxFiles} files` : undefined;
}

/**
 * Returns the files and depth of the largest and the deepest root. Each tree counts as often as it
 * is named.
 */
function measureTrees(roots: readonly string[], trees: ReadonlyMap<string, Tree>): TreeExtent {
  const knownExtents = new Map<string, TreeExtent>();
  const stack = [...roots];
  for (let id = stack.at(-1); id !== undefined; id = stack.at(-1)) {
    const tree = knownExtents.has(id) ? undefined : trees.get(id);
    const open = tree ? [...tree.folders.keys()].filter((each) => !knownExtents.has(each) && trees.has(each)) : [];
    for (const each of open) stack.push(each);
    if (open.length > 0) continue;
    if (tree) knownExtents.set(id, getTreeExtent(tree, knownExtents));
    stack.pop();
  }
  const extents = roots.map((id) => knownExtents.get(id) ?? nothing);
  return extents.reduce(
    (largest, { files, depth }) => ({ files: Math.max(largest.files, files), depth: Math.max(largest.depth, depth) }),
    nothing,
  );
}

const nothing: TreeExtent = { files: 0, depth: 0 };

function getTreeExtent(tree: Tree, knownExtents: ReadonlyMap<string, TreeExtent>): TreeExtent {
  let { files } = tree;
  let depth = 0;
  for (const [id, times] of tree.folders) {
    const folder = knownExtents.get(id) ?? nothing;
    files += times * folder.files;
    depth = Math.max(depth, folder.depth + 1);
  }
  return { files, depth };
}
