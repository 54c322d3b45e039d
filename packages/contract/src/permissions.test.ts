import { expect, test } from "vitest";
import { BoardRole, hasBoardPermission, hasRolePermission, OrganizationRole, Permission } from "./index.ts";

test("each role has all permissions of the roles below it", () => {
  for (const permission of Permission.options) {
    const held = OrganizationRole.options.map((role) => hasRolePermission({ role, is_operator: false }, permission));
    expect(held.join().replace(/^(false,?)+/, "")).not.toContain("false");
    const heldOnBoard = BoardRole.options.map((role) => hasBoardPermission(role, permission));
    expect(heldOnBoard.join().replace(/^(false,?)+/, "")).not.toContain("false");
    expect(hasBoardPermission("owner", permission)).toBe(true);
  }
});

test("viewers change nothing but their own tokens and logins", () => {
  const viewer = { role: "viewer", is_operator: false } as const;
  const changes = Permission.options.filter((name) => hasRolePermission(viewer, name) && !name.endsWith(":read"));
  expect(changes).toEqual(["account:write", "token:write"]);
});

test("only operators have the permissions that concern all organizations", () => {
  const admin = { role: "admin", is_operator: false } as const;
  const refused = Permission.options.filter((name) => !hasRolePermission(admin, name));
  expect(refused).toEqual(["server:admin", "organization:create", "audit:admin"]);
  for (const name of refused) expect(hasRolePermission({ role: "viewer", is_operator: true }, name)).toBe(true);
});
