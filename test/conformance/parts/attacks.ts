import { afterAll, beforeAll, expect, test } from "vitest";
import {
  type CallNumbers,
  judgedCalls,
  refusedCalls,
} from "../../../packages/server/src/backends/local/seccomp/system-calls.ts";
import type { BackendUnderTest } from "../backend-under-test.ts";
import { ConformanceHarness, type Runner } from "../conformance-harness.ts";

/** Shell commands that fail in a runner, by what they attack. */
const commands = {
  "the programs of the runner": [
    "touch /x",
    "touch /etc/x",
    "touch /usr/x",
    "touch /usr/bin/x",
    "touch /opt/wharf/x",
    "echo x >> /etc/passwd",
    "echo x >> /opt/wharf/node/bin/node",
    "rm -rf /opt/wharf/node/bin/node",
  ],
  "the settings of the kernel": [
    "echo 1 > /proc/sys/kernel/sysrq",
    "echo /tmp/x > /proc/sys/kernel/core_pattern",
    "echo 0 > /proc/sys/kernel/randomize_va_space",
    "echo c > /proc/sysrq-trigger",
    "head -c 1 /proc/kcore",
    "head -c 1 /proc/kmsg",
    "dmesg",
    "sysctl -w vm.swappiness=1",
  ],
  "devices of the machine": [
    "mknod /tmp/disk b 8 0",
    "mknod /tmp/memory c 1 1",
    "head -c 1 /dev/sda",
    "head -c 1 /dev/vda",
    "head -c 1 /dev/mem",
    "head -c 1 /dev/kmsg",
    "head -c 1 /dev/kvm",
  ],
  "more rights": [
    "su -c id",
    "chroot / true",
    "cp /bin/sh /tmp/root-shell && chmod u+s /tmp/root-shell && [ $(/tmp/root-shell -p -c 'id -u') = 0 ]",
    "chown 0 /tmp",
    "mount -t tmpfs none /mnt",
    "mount --bind /tmp /mnt",
    "umount /proc",
    "unshare --user --map-root-user true",
    "unshare --mount true",
    "unshare --net true",
    "nsenter --target 1 --mount true",
  ],
  "the machine and its engine": [
    "ls /var/run/docker.sock",
    "ls /run/containerd/containerd.sock",
    "ls /var/run/secrets/kubernetes.io/serviceaccount/token",
    "ls /var/lib/kubelet",
    "ls /root/.ssh",
    "env | grep -iE '(api_key|secret|password)=.'",
    "cat /proc/1/environ | tr '\\0' '\\n' | grep -iE '(api_key|secret|password)=.'",
  ],
} satisfies Readonly<Record<string, readonly string[]>>;

/**
 * Containers permit these calls, because they reach the runner's own processes only. The default
 * profiles of engines before Docker 25 also permit io_uring.
 */
const permittedInContainers: ReadonlySet<string> = new Set([
  "ptrace",
  "process_vm_readv",
  "process_vm_writev",
  "pidfd_getfd",
  "kcmp",
  "modify_ldt",
  "io_uring_setup",
  "io_uring_enter",
  "io_uring_register",
]);
const architecture = process.arch === "arm64" ? "arm64" : "x64";
/** The kernel refuses with EPERM or EACCES, or does not have the call (ENOSYS). */
const refusals = [1, 13, 38];

/** A program inside the runner makes every attempt, with all the rights that an agent has there. */
export function attacks(under: BackendUnderTest): void {
  let harness: ConformanceHarness;
  let runner: Runner;
  beforeAll(async () => {
    harness = await ConformanceHarness.open(under);
    runner = await harness.runner();
  });
  afterAll(() => harness[Symbol.asyncDispose]());

  test.for(Object.entries(commands))("%s: every attack from inside fails", async ([, attempts], { skip }) => {
    if (harness.backend.can.isolation === "unsafe") skip();
    const successful: string[] = [];
    for (const attempt of attempts) {
      const { exit, stdout } = await runner.exec(attempt, { timeout_s: 20 });
      if (exit?.exit_code === 0) successful.push(`${attempt}\n${stdout}`);
    }
    expect(successful).toEqual([]);
    console.log(`${harness.backend.name}: ${attempts.length} attacks refused`);
  });

  test("the kernel: no system call escapes the sandbox", async ({ skip }) => {
    const { isolation } = harness.backend.can;
    if (isolation === "unsafe") skip();
    const isRefused = (name: string) => isolation === "sandbox" || !permittedInContainers.has(name);
    const calls = Object.entries<CallNumbers>({ ...refusedCalls, unshare: judgedCalls.unshare }).flatMap(
      ([name, { [architecture]: number }]) => (number !== undefined && isRefused(name) ? [{ name, number }] : []),
    );
    const names = calls.map(({ name }) => name);
    const script = `my @names = qw(${names.join(" ")}); for my $n (${calls.map(({ number }) => number).join(",")}) { my $r = syscall($n, ($names[0] eq "unshare" ? 0x10000000 : 0), 0, 0, 0, 0, 0); my $e = $r == -1 ? $! + 0 : 0; print "$names[0] $e\\n"; shift @names }`;
    const { stdout } = await runner.exec(`perl -e '${script}'`);
    const results = stdout
      .trim()
      .split("\n")
      .map((line) => line.split(" "));
    expect(results.map(([name]) => name)).toEqual(names);
    expect(results.filter(([, error]) => !refusals.includes(Number(error)))).toEqual([]);
    console.log(`${harness.backend.name}: ${names.length} system calls refused`);
  });
}
