import { readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { type CommandLineHarness, failed, parseOutput } from "../command-line-harness.ts";

/** People, their logins and tokens, and the audit log. */
export function testPeople({ folder, getExitCode, run, server }: CommandLineHarness): void {
  test("of the audit log", async () => {
    expect(await run("audit ls", ["--action", "noSuchAct"])).toMatchObject({ code: 0, out: "No entries.\n" });
    expect(await run("audit ls", ["--from", "soon"])).toMatchObject({ code: 2, out: "" });
    expect(await run("audit export", ["--limit", "1"])).toMatchObject({ code: 2 });
    const exported = join(folder, "audit.ndjson");
    const { out } = await run("audit export");
    writeFileSync(exported, out);
    const intact = { code: 0, out: expect.stringMatching(/^The audit log is intact/) };
    expect(await run("audit verify", ["--file", exported])).toMatchObject(intact);
    writeFileSync(exported, out.replace("createTask", "deleteTask"));
    expect(await run("audit verify", ["--file", exported])).toMatchObject({
      code: 2,
      err: expect.stringContaining("was changed"),
    });
    const anchor = join(folder, "anchor");
    expect(await run("audit verify", ["--anchor", anchor])).toMatchObject(intact);
    expect(await run("audit verify", ["--anchor", anchor])).toMatchObject({
      code: 0,
      out: expect.stringContaining("The anchor matches"),
    });
    expect(await run("audit prune")).toMatchObject({ code: 2 });
    expect(await run("audit prune", ["--before", "2020-01-01"])).toMatchObject({
      code: 0,
      out: expect.stringContaining("Removed 0 entries"),
    });
  });

  test("of people, their boards and their tokens", async () => {
    expect((await run("whoami")).out).toContain("all that the role admin allows");
    expect(await getExitCode("org create", ["acme", "--title", "Acme"])).toBe(0);
    expect(await getExitCode("org create", ["acme"])).toEqual(failed);
    expect((await run("org ls", ["--org", "acme"])).out).toMatch(/^\* +acme +admin +Acme$/m);
    expect(await getExitCode("whoami", ["--org", "missing"])).toEqual(failed);
    expect(await getExitCode("user add", ["robot", "--service"])).toBe(0);
    expect(await getExitCode("user role", ["robot", "viewer"])).toBe(0);
    expect((await run("user ls")).out).toMatch(/^robot +viewer +program/m);
    const created = await run("token create", [
      "ci",
      "--user",
      "robot",
      "--permission",
      "task:read",
      "--expires",
      "9d",
    ]);
    expect(created).toMatchObject({ code: 0, out: expect.stringMatching(/^wharf_pat_\S+\n$/) });
    expect(created.err).toContain("It is not shown again");
    const { tokens } = parseOutput(await run("token ls", ["--json"]));
    expect(tokens).toMatchObject([{ name: "ci", username: "robot", permissions: ["task:read"] }]);
    expect(await getExitCode("token rm", [tokens[0].id.slice(0, 8)])).toBe(0);
    expect(await getExitCode("token rm", [tokens[0].id])).toEqual(failed);
    expect(await getExitCode("board create", ["Web shop"])).toBe(0);
    expect(await getExitCode("board rename", ["Web shop", "Shop"])).toBe(0);
    expect((await run("board ls")).out).toMatch(/ owner .* Shop$/m);
    expect(await getExitCode("board share", ["Shop", "robot", "--role", "editor"])).toBe(0);
    expect((await run("board members", ["Shop"])).out).toMatch(/^robot +editor$/m);
    const firstMember = await run("board members", ["Shop", "--limit", "1", "--sort=-username"]);
    expect(firstMember).toMatchObject({ code: 0, err: "There are more; --all shows them.\n" });
    expect(firstMember.out.trim().split("\n")).toHaveLength(2);
    const allMembers = await run("board members", ["Shop", "--limit", "1", "--sort=-username", "--all"]);
    expect(allMembers).toMatchObject({ err: "", out: expect.stringMatching(/^robot +editor\nowner +owner\n$/m) });
    expect(await getExitCode("board unshare", ["Shop", "robot"])).toBe(0);
    expect(parseOutput(await run("task ls", ["--board", "Shop", "--json"])).tasks).toEqual([]);
    expect(await getExitCode("task ls", ["--board", "missing"])).toEqual(failed);
    expect(await getExitCode("board rm", ["Shop"])).toBe(0);
    expect(await getExitCode("board rm", ["Shop"])).toEqual(failed);
    expect(await getExitCode("user rm", ["robot"])).toBe(0);
    expect(await getExitCode("user rm", ["robot"])).toEqual(failed);
    const invitation = await run("user invite", ["owner@localhost", "--role", "viewer", "--org", "acme"]);
    expect((await run("org join", [invitation.out.replace("/invitations/", "/login/").trim()])).err).toContain(
      "not an invitation",
    );
    expect(await run("org join", [invitation.out.trim()])).toMatchObject({
      code: 0,
      out: "You joined the organization 'acme' as admin. Act in it with `--org acme`.\n",
    });
  });

  test("of logins exit with 0 when they succeed", async () => {
    const text = readFileSync(join(server.environment["WHARF_DATA"] ?? "", "server.json"), "utf8");
    const { url } = JSON.parse(text) as { url: string };
    const named = ["--url", url];
    const invitation = await run("user invite", ["ada@example.com", "--role", "viewer"]);
    expect([invitation.code, invitation.out]).toEqual([0, expect.stringMatching(/^http.*\/invitations\/[\w-]{43}\n$/)]);
    expect(invitation.err).toContain("Wharf sends no mail");
    expect((await run("user invitations")).out).toContain("ada@example.com");
    expect(await getExitCode("login", [invitation.out.trim()], "correct horse battery\n")).toBe(0);
    const { out } = await run("session ls", [...named, "--json"]);
    const { sessions } = JSON.parse(out) as { sessions: { id: string; is_current: boolean }[] };
    expect(sessions).toMatchObject([{ is_current: true }]);
    for (const [group, field] of [
      ["passkey", "passkeys"],
      ["identity", "identities"],
    ] as const) {
      expect(parseOutput(await run(`${group} ls`, [...named, "--json"]))).toEqual({ [field]: [] });
      expect((await run(`${group} ls`, ["--user", "ada"])).out).toMatch(
        /^(There are no passkeys|No login provider is linked)\.$/m,
      );
      expect(await getExitCode(`${group} rm`, [sessions[0]!.id, ...named])).toEqual(failed);
      expect(await getExitCode(`${group} rm`, [sessions[0]!.id, "--user", "ada"])).toEqual(failed);
    }
    expect(await getExitCode("session end", [sessions[0]!.id, ...named])).toBe(0);
    expect((await run("session ls", named)).code).toBe(2);
    expect(await getExitCode("login", ["--email", "ada@example.com", ...named], "correct horse battery\n")).toBe(0);
    expect(await getExitCode("logout", ["--all", ...named])).toBe(0);
    expect((await run("logout", named)).out).toContain("No login is saved");
    const link = await run("login", ["--link"]);
    expect(link.out).toMatch(/^http.*\/login\/[\w-]{43}\n$/);
    expect(await getExitCode("login", [link.out.trim()])).toBe(0);
    expect((await run("login", [link.out.trim()])).err).toContain("This link does not work");
    const unused = await run("login", ["--link"]);
    expect((await run("session links")).out).toContain("logs you in");
    expect((await run("session ls")).err).toContain("wharf session links");
    const { links } = parseOutput(await run("session links", ["--json"]));
    expect(await getExitCode("session revoke", [links[0].id])).toBe(0);
    expect(await getExitCode("session revoke", [links[0].id])).toEqual(failed);
    expect((await run("login", [unused.out.trim()])).err).toContain("This link does not work");
    const reset = await run("user link", ["ada", "--password"]);
    expect(await getExitCode("login", [reset.out.trim()], "another horse battery\n")).toBe(0);
    expect(await getExitCode("user logout", ["ada"])).toBe(0);
    expect(await getExitCode("user invite", ["bob@example.com"])).toBe(0);
    const list = await run("user invitations", ["--json"]);
    const { invitations } = JSON.parse(list.out) as { invitations: { id: string }[] };
    expect(await getExitCode("user uninvite", [invitations[0]!.id])).toBe(0);
    expect((await run("user invitations")).out).toContain("no open invitations");
    const file = join(folder, ".config/wharf/logins.json");
    expect(statSync(file).mode & 0o777).toBe(0o600);
  });
}
