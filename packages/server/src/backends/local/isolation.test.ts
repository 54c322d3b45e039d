import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { homedir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { LocalBackend } from "./index.ts";
import { converse, hasBubblewrap, Setting, spec, type Conversation } from "./fixtures/setting.ts";
import { procMounts } from "./host-mounts.ts";

/** Every attempt is made by a program inside, with all the rights that an agent has there. */
describe.skipIf(!hasBubblewrap)("from inside a sandbox", () => {
  const runner = spec();
  let setting: Setting;
  let backend: LocalBackend;
  let inside: Conversation;

  beforeAll(async () => {
    setting = new Setting();
    backend = await setting.backend();
    // What follows would do harm in a plain process.
    if (backend.can.isolation !== "sandbox") throw new Error(`no sandbox: ${backend.isolationReason}`);
    await backend.create(runner);
    inside = await converse(backend, runner.id);
  });

  afterAll(async () => {
    inside[Symbol.dispose]();
    await setting[Symbol.asyncDispose]();
  });

  const output = async (script: string): Promise<string> => {
    const { stdout, stderr } = await inside.sh(script);
    return stdout + stderr;
  };

  test("nobody has a capability, may gain one, or is anyone but user 1000", async () => {
    const status = await output("cat /proc/self/status");
    for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
      expect(status).toMatch(new RegExp(`${set}:\\s+0{16}\\n`));
    expect(status).toMatch(/NoNewPrivs:\s+1/);
    expect((await output("id -u; id -g")).trim()).toBe("1000\n1000");
  });

  test("no setting of the machine can be changed, not even where the server is root", async () => {
    const rewrite = 'value=$(cat /proc/sys/vm/swappiness) && echo "$value" > /proc/sys/vm/swappiness';
    expect(await output(rewrite)).toMatch(/Read-only file system|Permission denied/);
    // Opening a file for appending changes nothing, but shows whether it could be changed.
    const open =
      'for file in $(find /proc/sys /proc/irq /proc/bus /proc/fs /proc/sysrq-trigger /proc/acpi -type f 2>/dev/null); do ( : >> "$file" ) 2>/dev/null && echo "$file"; done';
    expect(await output(open)).toBe("");
    expect(
      await output('for file in /proc/*; do [ -f "$file" ] && ( : >> "$file" ) 2>/dev/null && echo "$file"; done'),
    ).toBe("");
    for (const file of ["kcore", "kmsg", "slabinfo", "keys", "kpageflags"].filter((name) =>
      existsSync(`/proc/${name}`),
    )) {
      expect(await output(`head -c 1 /proc/${file}`), file).toMatch(/denied|not permitted/);
    }
  });

  test("nothing that was mounted read-only can be written, mounted anew or uncovered", async () => {
    for (const path of [
      "/",
      "/usr",
      "/usr/bin",
      "/etc",
      "/etc/passwd",
      "/opt/wharf/lib",
      "/opt/wharf/node/bin/node",
      "/opt/agents/bin",
      "/run/wharf",
      "/dev",
    ]) {
      expect((await inside.sh(`[ -d ${path} ] && touch ${path}/x || echo >> ${path}`)).stderr, path).toMatch(
        /Read-only|denied|busy/,
      );
    }
    for (const command of [
      "mount -o remount,rw /",
      "mount -o remount,rw /usr",
      "mount -o remount,rw /proc/sys",
      "umount /proc/sys",
      "mount -t proc proc /tmp",
      "mount --bind /usr /tmp",
    ]) {
      expect((await inside.sh(command)).code, command).not.toBe(0);
    }
    expect(await output("touch /tmp/ok /run/ok /workspace/ok ~/ok /dev/shm/ok /var/lib/wharf/ok && echo ok")).toBe(
      "ok\n",
    );
  });

  test("no new user namespace can be made", async () => {
    for (const command of ["unshare -U true", "unshare -Ur true", "bwrap --ro-bind /usr /usr true"]) {
      expect((await inside.sh(command)).code, command).not.toBe(0);
    }
  });

  test("nothing of the host's files is there but its programs", async () => {
    writeFileSync(join(setting.base, "secret"), "x");
    const secrets = [
      "/root",
      "/etc/shadow",
      "/etc/gitconfig",
      "/etc/ssl/private",
      "/etc/ssh",
      "/etc/machine-id",
      "/etc/resolv.conf",
      "/sys",
      "/boot",
      "/srv",
      "/mnt",
      "/var/log",
      "/var/run",
    ];
    for (const path of [
      ...secrets,
      homedir(),
      setting.base,
      setting.folder,
      join(setting.base, "secret"),
      import.meta.filename,
    ]) {
      expect((await inside.run("ls", "-d", path)).code, path).not.toBe(0);
    }
    expect(
      await output(
        "ls /home /workspace/.. | grep -v -x -E 'bin|dev|etc|lib.*|sbin|opt|proc|run|tmp|usr|var|home|workspace|wharf|/.*:|'",
      ),
    ).toBe("");
    expect(await output("cut -d: -f1 /etc/passwd")).toBe("root\nwharf\nnobody\n");
    expect(await output("hostname")).toBe("runner\n");
  });

  test("there is no network but a loopback of its own", async () => {
    const listener = createServer().listen(0, "127.0.0.1");
    await once(listener, "listening");
    const { port } = listener.address() as AddressInfo;
    const connect = `require('net').connect(${port}, '127.0.0.1').on('connect', () => console.log('reached')).on('error', (error) => console.log(error.code))`;
    expect((await inside.run("node", "-e", connect)).stdout).toBe("ECONNREFUSED\n");
    expect((await output("tail -n +3 /proc/net/dev | cut -d: -f1")).trim()).toBe("lo");
    expect(await output("tail -n +2 /proc/net/route")).toBe("");
    listener.close();
  });

  test("no socket of the host is reachable by its abstract name", async () => {
    const listener = createServer().listen("\0wharf-isolation-test");
    await once(listener, "listening");
    const connect =
      "require('net').connect('\\0wharf-isolation-test').on('connect', () => console.log('reached')).on('error', (error) => console.log(error.code))";
    expect((await inside.run("node", "-e", connect)).stdout).toBe("ECONNREFUSED\n");
    listener.close();
  });

  test("no process of the host is seen or can be ended", async () => {
    const victim = spawn("sleep", ["1000"], { stdio: "ignore" });
    const ended = once(victim, "exit");
    try {
      expect(await output(`kill -9 ${victim.pid}`)).toMatch(/No such process/);
      expect(victim.exitCode ?? victim.signalCode).toBeNull();
    } finally {
      victim.kill();
      await ended;
    }
    const pids = (await output("ls /proc | grep -E '^[0-9]+$'")).trim().split("\n").map(Number);
    expect(pids.length).toBeLessThan(10);
    expect(await output("cat /proc/[0-9]*/cmdline | tr '\\0' ' '")).not.toContain("vitest");
    expect(await output("tr '\\0' '\\n' < /proc/1/environ")).toBe("");
  });

  test("no file that the server had open is open inside", async () => {
    const [rootFolder, file] = [openSync("/", "r"), openSync("/etc/passwd", "r")];
    // Open in the server as if whoever started it had left them so, where Node's own start does not look for them.
    const leaks: ("ignore" | number)[] = [...Array<"ignore">(37).fill("ignore"), rootFolder, file];
    const script = join(import.meta.dirname, "fixtures", "server.ts");
    const server = spawn(process.execPath, [script, setting.folder, setting.kit, "leaky", "/usr/bin:/bin"], {
      stdio: ["ignore", "pipe", "inherit", ...leaks],
    });
    closeSync(rootFolder);
    closeSync(file);
    const exited = once(server, "exit");
    for await (const line of createInterface({ input: server.stdout ?? expect.unreachable() }))
      if (line === "made") break;
    for (const leak of [40, 41]) {
      expect(readFileSync(`/proc/${server.pid}/fdinfo/${leak}`, "utf8")).toMatch(/flags:\s+0[0-7]{0,6}\n/);
    }
    server.kill("SIGKILL");
    await exited;
    using leaky = await converse(backend, "leaky");
    const open = (await leaky.sh("for fd in /proc/2/fd/*; do readlink $fd; done")).stdout.trim().split("\n");
    expect(
      open.filter((target) => target.startsWith("/") && target !== "/dev/null" && !target.endsWith("/log/daemon.log")),
    ).toEqual([]);
  });

  test("the socket of the wire can be connected to, and neither replaced nor removed", async () => {
    const attempts =
      "rm -f /run/wharf/wire.sock; mv /run/wharf/wire.sock /tmp; rm -rf /run/wharf; touch /run/wharf/other";
    expect((await inside.sh(attempts)).stderr.trim().split("\n")).toHaveLength(4);
    expect(await output("ls -A /run/wharf")).toBe("wire.sock\n");
  });

  test("memory that files take is bounded", async () => {
    const limit = Math.ceil(runner.limits.memoryBytes / 2 ** 20);
    expect(await output(`df -m /tmp /run /dev/shm | awk 'NR > 1 {print $2}' | sort -u`)).toBe(`${limit}\n`);
  });

  test("programs of the machine work: shell, git, Node and a terminal", async () => {
    expect(await output("git --version")).toMatch(/^git version/);
    expect(
      await output(
        "git init -q /tmp/r && cd /tmp/r && git -c user.name=a -c user.email=b commit -q --allow-empty -m x && git log --oneline | wc -l",
      ),
    ).toBe("1\n");
    expect(await output("node --version")).toBe(`${process.version}\n`);
    expect(await output("script -qc 'tty' /dev/null")).toMatch(/^\/dev\/pts\/\d+/);
  });
});

test("each folder of the host's /proc is covered, and each file there that is not for everyone", () => {
  const mounts = procMounts();
  expect(mounts).toContainEqual(["--ro-bind", "/proc/sys", "/proc/sys"]);
  if (existsSync("/proc/sysrq-trigger")) expect(mounts.map((mount) => mount.at(-1))).toContain("/proc/sysrq-trigger");
});
