import { randomUUID } from "node:crypto";
import {
  Challenges,
  DeviceLogins,
  IdempotencyKeys,
  Identities,
  SessionTokens,
  Links,
  LoginLimits,
  LoginManagement,
  Logins,
  PasskeyLogins,
  Passkeys,
  Passwords,
  SessionCredentials,
  Sessions,
  StreamTickets,
} from "../src/access/index.ts";
import { hashPassword } from "../src/access/passwords/password-hash.ts";
import { schema } from "../src/store/index.ts";
import type { Fixture } from "./fixture.ts";

const secret = "s".repeat(32);
const times = { idleMs: 7 * 86_400_000, maxMs: 30 * 86_400_000 };

/** Creates what people log in with, on a fixture's database. */
export function createTestLogins({ db }: Fixture, { publicUrl }: { publicUrl?: URL } = {}) {
  const sessions = new Sessions(db, { secret, times, onEnd: () => undefined });
  const sessionTokens = new SessionTokens({ secret, issuer: "test" });
  const links = new Links(db);
  const logins = new Logins({ db, sessions, links, limits: new LoginLimits(db), passwords: new Passwords() });
  const limits = new LoginLimits(db);
  const challenges = new Challenges(db);
  const deviceLogins = new DeviceLogins({ db, secret, challenges, limits });
  const loginManagement = new LoginManagement({ db, sessions, links });
  const passkeys = new Passkeys(db);
  return {
    modules: {
      passkeys,
      passkeyLogins: new PasskeyLogins({ db, challenges, limits, passkeys, publicUrl }),
      idempotencyKeys: new IdempotencyKeys(db),
      sessions,
      sessionTokens,
      links,
      logins,
      loginManagement,
      deviceLogins,
      identities: new Identities(db),
      streamTickets: new StreamTickets(db),
    },
    sessionCredentials: new SessionCredentials(sessions, sessionTokens),
  };
}

export interface TestPerson {
  readonly id: string;
  readonly email: string;
  readonly username: string;
}

/** Creates a person with a password in an organisation. */
export async function createPerson(
  f: Fixture,
  {
    name = `person-${randomUUID().slice(0, 8)}`,
    password,
    role = "member",
    organization_id = f.owner.organization_id,
    ...flags
  }: {
    name?: string;
    password?: string;
    role?: "admin" | "member" | "viewer";
    organization_id?: string;
    is_service?: boolean;
    is_operator?: boolean;
  } = {},
): Promise<TestPerson> {
  const person = { id: randomUUID(), email: `${name}@example.com`, username: name };
  const password_hash = password === undefined ? null : await hashPassword(password);
  await f.db.insert(schema.users).values({ ...person, ...flags, password_hash });
  await f.db.insert(schema.memberships).values({ organization_id, user_id: person.id, role });
  return person;
}

/** Creates another organisation. */
export async function createOrganization(f: Fixture): Promise<string> {
  const id = randomUUID();
  await f.db.insert(schema.organizations).values({ id, name: id, slug: id });
  return id;
}
