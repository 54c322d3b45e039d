import { existsSync } from "node:fs";
import { join } from "node:path";
import { attempt, type Check, onPath, type Surroundings } from "./check.ts";

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

/** The gateway serves repositories with git's own http-backend, which some distributions package apart. */
export async function checkGit({ settings }: Surroundings): Promise<Check> {
  const git = onPath("git", settings.environment.PATH);
  if (git === undefined) return { name: "git", status: "fail", text: "is not on the PATH", next: installGit };
  const [version, folder] = await Promise.all([attempt(git, ["--version"]), attempt(git, ["--exec-path"])]);
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
    next: "Install the rest of git: on Alpine `apk add git-daemon`, elsewhere the full `git` package.",
  };
}

/** Why bubblewrap often does not work where it is installed. */
const allowNamespaces =
  "Allow user namespaces: `sysctl kernel.unprivileged_userns_clone=1`, on Ubuntu `sysctl kernel.apparmor_restrict_unprivileged_userns=0`, in a container `--security-opt seccomp=unconfined`. Until then agents run as plain processes.";

/** Whether a sandbox can be made is found out by making one. */
export async function checkSandbox({ settings }: Surroundings): Promise<Check> {
  const name = "sandbox";
  if (process.platform !== "linux") {
    return {
      name,
      status: "warn",
      text: `there is no bubblewrap for ${process.platform}: agents run as plain processes, WITHOUT A SANDBOX`,
      next: "Run the server on Linux to have each agent in a sandbox.",
    };
  }
  const bwrap = onPath("bwrap", settings.environment.PATH);
  if (bwrap === undefined) {
    return {
      name,
      status: "warn",
      text: "bubblewrap is not installed: agents run as plain processes, WITHOUT A SANDBOX",
      next: "Install it: `apt install bubblewrap`, `dnf install bubblewrap` or `pacman -S bubblewrap`.",
    };
  }
  const isolated = [
    "--unshare-all",
    "--unshare-user",
    "--uid",
    "1000",
    "--gid",
    "1000",
    "--cap-drop",
    "ALL",
    "--new-session",
  ];
  const made = await attempt(
    bwrap,
    [...isolated, "--ro-bind", "/", "/", "--proc", "/proc", "--dev", "/dev", "--", process.execPath, "--version"],
    {},
  );
  if (!made.ok)
    return {
      name,
      status: "warn",
      text: `bubblewrap does not work here (${made.reason}): agents run WITHOUT A SANDBOX`,
      next: allowNamespaces,
    };
  const version = await attempt(bwrap, ["--version"]);
  return {
    name,
    status: "ok",
    text: `${version.stdout} makes sandboxes without a network`,
  };
}
