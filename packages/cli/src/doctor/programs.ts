import { existsSync } from "node:fs";
import { join } from "node:path";
import { getKitFolder } from "../server/own-server.ts";
import { type Check, getProgramPath, type DoctorContext } from "./check.ts";
import { tryProgram } from "./try-program.ts";

const oldestNode = 24;

export async function checkNode(): Promise<Check> {
  const major = Number(process.versions.node.split(".")[0]);
  const text = `${process.version} (${process.execPath})`;
  if (major >= oldestNode) return { name: "Node", status: "ok", text };
  return {
    name: "Node",
    status: "fail",
    text: `${text} is older than ${oldestNode}`,
    next: `Install Node ${oldestNode} or newer: https://nodejs.org`,
  };
}

const installGit = "Install git (`apt install git`, `dnf install git`, `brew install git`).";

/**
 * The gateway serves repositories with git's own http-backend, which some distributions package
 * separately.
 */
export async function checkGit({ settings }: DoctorContext): Promise<Check> {
  const git = getProgramPath("git", settings.environment.PATH);
  if (git === undefined) return { name: "git", status: "fail", text: "not found on the PATH", next: installGit };
  const [version, folder] = await Promise.all([tryProgram(git, ["--version"]), tryProgram(git, ["--exec-path"])]);
  if (!version.ok || !folder.ok)
    return {
      name: "git",
      status: "fail",
      text: `${git} does not run: ${version.reason || folder.reason}`,
      next: installGit,
    };
  const number = version.stdout.replace(/^git version /, "");
  if (existsSync(join(folder.stdout, "git-http-backend")))
    return { name: "git", status: "ok", text: `${number}, with http-backend` };
  return {
    name: "git",
    status: "fail",
    text: `${number}, but without http-backend`,
    next: "Install the complete git: on Alpine `apk add git-daemon`, elsewhere the full `git` package.",
  };
}

/** These hints help if bubblewrap is missing, and if it is installed but not permitted to run. */
const install = "Install it: `apt install bubblewrap`, `dnf install bubblewrap` or `pacman -S bubblewrap`.";
const allowNamespaces =
  "Allow user namespaces: `sysctl kernel.unprivileged_userns_clone=1`, on Ubuntu `sysctl kernel.apparmor_restrict_unprivileged_userns=0`, in a container `--security-opt seccomp=unconfined`. Until then agents run as plain processes.";

/** How to get the parts of a sandbox that this machine does not provide. */
const advice = {
  filter: "Filters need x86_64 or aarch64 and a kernel that allows seccomp.",
  limits:
    "Limits need systemd (`systemd-run`, with a user session unless the server is root) or a cgroup that the server may write to.",
  names: "Names need `unshare` and `ip`: `apt install util-linux iproute2`.",
} as const;

/** Creates a sandbox, like the server does, to find out whether that works. */
export async function checkSandbox({ settings }: DoctorContext): Promise<Check> {
  const name = "sandbox";
  const { describeSandbox } = await import("@wharf/server");
  const searchPath = settings.environment.PATH ?? "";
  const description = await describeSandbox({ kit: getKitFolder(), node: process.execPath, searchPath });
  const { missing: reason, limits, lacks } = description;
  if (reason === undefined) {
    const filter = lacks.includes("filter") ? "; system calls are not filtered" : "";
    const names = lacks.includes("names") ? "; programs that ignore proxies reach no host" : "";
    const text = `bubblewrap creates sandboxes without a network; ${limits}${filter}${names}`;
    if (lacks.length === 0) return { name, status: "ok", text };
    return { name, status: "warn", text, next: lacks.map((part) => advice[part]).join(" ") };
  }
  const next = getProgramPath("bwrap", searchPath) === undefined ? install : allowNamespaces;
  return { name, status: "warn", text: `${reason}: agents run as plain processes, WITHOUT A SANDBOX`, next };
}
