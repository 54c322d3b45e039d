import { type ChildProcess, spawn } from "node:child_process";

/** Keeps a list of process groups, and kills the remaining ones when its input ends. */
const script = `
groups=' '
while read -r change group; do
  case $change in
    start) groups="$groups$group " ;;
    end) groups="\${groups%% $group *} \${groups#* $group }" ;;
  esac
done
for group in $groups; do kill -KILL "-$group"; done`;

/**
 * Kills process groups when the server dies without ending them itself. A killed server ends
 * nothing, and a git that waits for a silent remote would wait indefinitely. One shell knows the
 * groups and reads them from a pipe. Only the server holds the other end of that pipe, so the pipe
 * ends when the server ends.
 */
export class GroupGuard {
  readonly #groups = new Set<number>();
  #child: ChildProcess | undefined;

  add(group: number): void {
    this.#groups.add(group);
    if (this.#child) this.#send(`start ${group}\n`);
    else this.#start();
  }

  remove(group: number): void {
    if (this.#groups.delete(group)) this.#send(`end ${group}\n`);
  }

  #start(): void {
    // The guard runs in a separate session: a signal to the server's group must not end it.
    const child = spawn("/bin/sh", ["-c", script], {
      detached: true,
      cwd: "/",
      env: {},
      stdio: ["pipe", "ignore", "ignore"],
    });
    this.#child = child;
    child.unref();
    child.stdin.on("error", () => undefined);
    const forgetChild = () => {
      if (this.#child === child) this.#child = undefined;
    };
    child.once("error", forgetChild).once("exit", forgetChild);
    this.#send([...this.#groups].map((group) => `start ${group}\n`).join(""));
  }

  #send(text: string): void {
    this.#child?.stdin?.write(text);
  }
}
