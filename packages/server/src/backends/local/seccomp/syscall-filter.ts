import { assemble, finish, ifAnySet, ifAtLeast, ifEqual, label, load, type Line } from "./bpf.ts";
import { clone3, judgedCalls, refusedCalls, type Architecture, type CallNumbers } from "./system-calls.ts";

/** The kernel names an architecture to a filter by these numbers (`AUDIT_ARCH_…`). */
export const auditArchitectures: Readonly<Record<Architecture, number>> = { x64: 0xc000003e, arm64: 0xc00000b7 };

/** A filter returns one of these verdicts. */
const createErrorVerdict = (errno: number): number => 0x0005_0000 | errno;
export const verdicts = {
  allow: 0x7fff_0000,
  kill: 0x8000_0000,
  notPermitted: createErrorVerdict(1), // EPERM
  notImplemented: createErrorVerdict(38), // ENOSYS
  noSuchFamily: createErrorVerdict(97), // EAFNOSUPPORT
} as const;

/**
 * The filter finds values at these offsets in `struct seccomp_data`. The calls checked here read
 * only the lower half of an argument themselves.
 */
const data = {
  call: 0,
  architecture: 4,
  argument: (index: number) => 16 + 8 * index,
} as const;

/** Calls of the x32 ABI carry this bit: other numbers for the same calls. */
const x32Bit = 0x4000_0000;
/** The bits are CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID and NEWNET. */
const namespaceFlags = 0x7e02_0000;
/** In `clone` this bit belongs to a signal's number. */
const newTimeNamespace = 0x80;
/** TIOCSTI and TIOCLINUX both put input into a terminal, whose reader takes it for typed text. */
const typingRequests = [0x5412, 0x541c];
/**
 * The values are PER_LINUX, PER_LINUX32, each also with UNAME26, and the query for the current one.
 */
const usualPersonalities = [0, 0x8, 0x2_0000, 0x2_0008, 0xffff_ffff];
const families = { unix: 1, inet: 2, inet6: 10, netlink: 16 } as const;
/** Programs list their network interfaces with this protocol of netlink. */
const netlinkRoute = 0;

/**
 * Compiles the seccomp filter of a local sandbox, for `bwrap --seccomp`. Calls of another
 * architecture end the process; refused calls fail with an error that programs know. Returns
 * undefined if the architecture has no table.
 */
export function compileFilter(architecture: string): Buffer | undefined {
  if (architecture !== "x64" && architecture !== "arm64") return undefined;
  return assemble([
    load(data.architecture),
    ifEqual(auditArchitectures[architecture], { elseTo: "kill" }),
    load(data.call),
    ...(architecture === "x64" ? [ifAtLeast(x32Bit, { to: "not implemented" })] : []),
    ...Object.entries(judgedCalls).flatMap(([name, numbers]) => createJumps(name, numbers, architecture)),
    ...createJumps("not implemented", clone3, architecture),
    ...Object.values(refusedCalls).flatMap((numbers) => createJumps("not permitted", numbers, architecture)),
    finish(verdicts.allow),
    ...createArgumentChecks(),
    label("allow"),
    finish(verdicts.allow),
    label("not permitted"),
    finish(verdicts.notPermitted),
    label("not implemented"),
    finish(verdicts.notImplemented),
    label("no such family"),
    finish(verdicts.noSuchFamily),
    label("kill"),
    finish(verdicts.kill),
  ]);
}

function createJumps(target: string, numbers: CallNumbers, architecture: Architecture): Line[] {
  const number = numbers[architecture];
  return number === undefined ? [] : [ifEqual(number, { to: target })];
}

/** Each call that depends on its arguments has a section. */
function createArgumentChecks(): Line[] {
  return [
    label("clone"),
    load(data.argument(0)),
    ifAnySet(namespaceFlags, { to: "not permitted", elseTo: "allow" }),

    label("unshare"),
    load(data.argument(0)),
    ifAnySet(namespaceFlags | newTimeNamespace, { to: "not permitted", elseTo: "allow" }),

    label("personality"),
    load(data.argument(0)),
    ...usualPersonalities.map((personality) => ifEqual(personality, { to: "allow" })),
    finish(verdicts.notPermitted),

    label("ioctl"),
    load(data.argument(1)),
    ...typingRequests.map((request) => ifEqual(request, { to: "not permitted" })),
    finish(verdicts.allow),

    label("socket"),
    label("socketpair"),
    load(data.argument(0)),
    ...[families.unix, families.inet, families.inet6].map((family) => ifEqual(family, { to: "allow" })),
    ifEqual(families.netlink, { elseTo: "no such family" }),
    load(data.argument(2)),
    ifEqual(netlinkRoute, { to: "allow", elseTo: "no such family" }),
  ];
}
