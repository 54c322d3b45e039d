import { spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { constants, homedir } from "node:os";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import type { Backend } from "../backend.ts";
import { converse, expectsBubblewrap, Setting, spec, type Conversation } from "./fixtures/setting.ts";
import { getProcMounts } from "./host-mounts.ts";
import { clone3, judgedCalls, refusedCalls, type CallNumbers } from "./seccomp/system-calls.ts";

const architecture = process.arch === "arm64" ? "arm64" : "x64";
const { EPERM, ENOSYS, EAFNOSUPPORT } = constants.errno;

/** This 32-bit program only calls `exit(7)`. */
const exitOfI386 = Buffer.from(
  // The bytes are: ELF header, program header, mov $7, %ebx; mov $1, %eax; int $0x80
  "7f454c46010101000000000000000000020003000100000054800408340000000000000000000000340020000100000000000000" +
    "0100000000000000008004080080040860000000600000000500000000100000" +
    "bb07000000b801000000cd80",
  "hex",
);

/** A program inside makes every attempt, with all the rights that an agent has there. */
describe.skipIf(!expectsBubblewrap)("from inside a sandbox", () => {
  const runner = spec();
  let setting: Setting;
  let backend: Backend;
  let inside: Conversation;

  beforeAll(async () => {
    setting = new Setting();
    backend = await setting.backend();
    // The following tests would do harm in a plain process.
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

  test("no process has or can gain a capability, and all run as user 1000", async () => {
    const status = await output("cat /proc/self/status");
    for (const set of ["CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"])
      expect(status).toMatch(new RegExp(`${set}:\\s+0{16}\\n`));
    expect(status).toMatch(/NoNewPrivs:\s+1/);
    expect((await output("id -u; id -g")).trim()).toBe("1000\n1000");
  });

  test("no setting of the machine can be changed, even if the server runs as root", async () => {
    const rewrite = 'value=$(cat /proc/sys/vm/swappiness) && echo "$value" > /proc/sys/vm/swappiness';
    expect(await output(rewrite)).toMatch(/Read-only file system|Permission denied/);
    // Opening a file for appending changes nothing, but shows whether a write would succeed.
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

  test("read-only mounts cannot be written to, remounted or uncovered", async () => {
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

  test("no new user namespace can be created", async () => {
    for (const command of ["unshare -U true", "unshare -Ur true", "bwrap --ro-bind /usr /usr true"]) {
      expect((await inside.sh(command)).code, command).not.toBe(0);
    }
  });

  /** Makes a system call with perl and returns its error number, or `undefined` if it succeeds. */
  const callKernel = async (numbers: CallNumbers, ...args: (number | string)[]): Promise<number | undefined> => {
    const number = numbers[architecture] ?? expect.unreachable();
    // Perl passes only a text in a variable as a pointer.
    const given = args.map((argument, i) => (typeof argument === "number" ? argument : `my $text${i} = ${argument}`));
    const script = `my $r = syscall(${[number, ...given].join(", ")}); print $r == -1 ? $! + 0 : "done"`;
    const answer = (await inside.run("perl", "-e", script)).stdout;
    return answer === "done" ? undefined : Number(answer);
  };

  test("every system call of the filter's table fails", async () => {
    const numbers = Object.values(refusedCalls).flatMap((call) => call[architecture] ?? []);
    const script = `for my $n (${numbers.join(",")}) { my $r = syscall($n, 0, 0, 0, 0, 0, 0); print "$n\n" unless $r == -1 && $! == ${EPERM} }`;
    expect(await inside.run("perl", "-e", script)).toEqual({ code: 0, stdout: "", stderr: "" });
  });

  test.each([
    ["reads the keyring of the server's session", () => callKernel(refusedCalls.keyctl, 0, -3, 0)],
    ["joins another session keyring", () => callKernel(refusedCalls.keyctl, 1, 0)],
    ["adds a key", () => callKernel(refusedCalls.add_key, '"user"', '"wharf"', '"x"', 1, -2)],
    ["asks for a key by its name", () => callKernel(refusedCalls.request_key, '"user"', '"wharf"', 0, -3)],
    ["attaches to the daemon", () => callKernel(refusedCalls.ptrace, 0x4206, 2, 0, 0)],
    ["reads the daemon's memory", () => callKernel(refusedCalls.process_vm_readv, 2, 0, 0, 0, 0, 0)],
    ["opens a ring of io_uring", () => callKernel(refusedCalls.io_uring_setup, 1, '"\\0" x 120')],
    ["catches page faults", () => callKernel(refusedCalls.userfaultfd, 1)],
    ["loads a program into the kernel", () => callKernel(refusedCalls.bpf, 0, '"\\0" x 128', 128)],
    ["counts the machine's events", () => callKernel(refusedCalls.perf_event_open, '"\\0" x 128', 0, -1, -1, 0)],
    ["opens a file by its handle", () => callKernel(refusedCalls.open_by_handle_at, 3, 0, 0)],
    ["starts a mount", () => callKernel(refusedCalls.fsopen, '"tmpfs"', 0)],
    ["copies a mount", () => callKernel(refusedCalls.open_tree, -100, '"/usr"', 1)],
    ["joins the namespaces of another process", () => callKernel(refusedCalls.setns, 3, 0)],
    ["creates a user namespace", () => callKernel(judgedCalls.unshare, 0x1000_0000)],
    ["creates a process with a user namespace", () => callKernel(judgedCalls.clone, 0x1000_0000 | 17, 0, 0, 0, 0)],
    ["disables address randomization", () => callKernel(judgedCalls.personality, 0x4_0000)],
  ])("the kernel refuses a process that %s", async (_attack, attempt) => {
    expect(await attempt()).toBe(EPERM);
  });

  test.each([
    ["the hypervisor (vsock)", 40, 1, 0],
    ["the kernel's cryptography (alg)", 38, 5, 0],
    ["devices (bluetooth)", 31, 3, 1],
    ["the audit log (netlink)", 16, 3, 9],
    ["raw packets", 17, 3, 0],
  ])("no socket leads to %s", async (_target, family, type, protocol) => {
    expect(await callKernel(judgedCalls.socket, family, type, protocol)).toBe(EAFNOSUPPORT);
  });

  test("clone3 does not exist, because a filter cannot read its flags, so libraries use clone", async () => {
    expect(await callKernel(clone3, '"\\0" x 88', 88)).toBe(ENOSYS);
  });

  test("no program can type into its terminal", async () => {
    const script = `open(my $tty, "+<", "/dev/tty") or die; print ioctl($tty, 0x5412, my $c = "x") ? "typed" : $! + 0`;
    expect(
      await output(`script -qc "perl -e '${script.replaceAll("$", "\\$").replaceAll('"', '\\"')}'" /dev/null`),
    ).toBe(String(EPERM));
  });

  test.runIf(architecture === "x64")(
    "calls of another architecture end the process, and those of x32 fail",
    async () => {
      expect(await callKernel({ x64: 0x4000_0000 + 39 })).toBe(ENOSYS);
      writeFileSync(join(setting.folder, runner.id, "workspace", "i386"), exitOfI386, { mode: 0o755 });
      // 31 is SIGSYS. A kernel without these calls cannot start the program at all.
      expect([128 + 31, 126]).toContain((await inside.sh("/workspace/i386")).code);
    },
  );

  test("no files of the host are visible except its programs", async () => {
    writeFileSync(join(setting.base, "secret"), "x");
    const secrets = [
      "/root",
      "/etc/shadow",
      "/etc/gitconfig",
      "/etc/ssl/private",
      "/etc/ssh",
      "/etc/machine-id",
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
    expect(await output("grep -v options /etc/resolv.conf")).toBe("nameserver 127.0.0.1\n");
  });

  test("the only network is the sandbox's own loopback", async () => {
    const listener = createServer().listen(0, "127.0.0.1");
    await once(listener, "listening");
    const { port } = listener.address() as AddressInfo;
    const connect = `require('net').connect(${port}, '127.0.0.1').on('connect', () => console.log('reached')).on('error', (error) => console.log(error.code))`;
    expect((await inside.run("node", "-e", connect)).stdout).toBe("ECONNREFUSED\n");
    expect((await output("tail -n +3 /proc/net/dev | cut -d: -f1")).trim()).toBe("lo");
    expect(await output("tail -n +2 /proc/net/route")).toBe("");
    const change =
      "ip link set lo down; ip addr add 10.9.9.9/32 dev lo; ip route add default dev lo; cat /proc/net/route";
    expect(await output(`(${change}) 2>/dev/null | tail -n +2`)).toBe("");
    const setting = "/proc/sys/net/ipv4/ip_unprivileged_port_start";
    expect((await inside.run("sh", "-c", `echo 1024 > ${setting}`)).code).not.toBe(0);
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

  test("no process of the host is visible or can be killed", async () => {
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

  test("no file that the server had open is open in the sandbox", async () => {
    const [rootFolder, file] = [openSync("/", "r"), openSync("/etc/passwd", "r")];
    // The server inherits these descriptors as if its parent had left them open, at numbers that
    // Node's own start does not check.
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
    expect(open.filter((target) => target.startsWith("/") && target !== "/dev/null")).toEqual([]);
  });

  test("other processes cannot write to the daemon's log on the host", async () => {
    for (const descriptor of ["1/fd/1", "1/fd/2", "2/fd/1", "2/fd/2"])
      expect((await inside.sh(`echo forged > /proc/${descriptor}`)).code, descriptor).not.toBe(0);
    expect(readFileSync(join(setting.folder, runner.id, "log", "daemon.log"), "utf8")).not.toContain("forged");
  });

  test("the wire's socket accepts connections and can be neither replaced nor removed", async () => {
    const attempts =
      "rm -f /run/wharf/wire.sock; mv /run/wharf/wire.sock /tmp; rm -rf /run/wharf; touch /run/wharf/other";
    expect((await inside.sh(attempts)).stderr.trim().split("\n")).toHaveLength(4);
    expect(await output("ls -A /run/wharf")).toBe("wire.sock\n");
  });

  test("memory used by files is limited", async () => {
    const limit = Math.ceil(runner.limits.memoryBytes / 2 ** 20);
    expect(await output(`df -m /tmp /run /dev/shm | awk 'NR > 1 {print $2}' | sort -u`)).toBe(`${limit}\n`);
  });

  test("the machine's programs work: shell, git, Node and a terminal", async () => {
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

test("each folder of the host's /proc and each of its restricted files is covered", () => {
  const mounts = getProcMounts();
  expect(mounts).toContainEqual(["--ro-bind", "/proc/sys", "/proc/sys"]);
  if (existsSync("/proc/sysrq-trigger")) expect(mounts.map((mount) => mount.at(-1))).toContain("/proc/sysrq-trigger");
});
