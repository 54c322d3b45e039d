import { queryOptions, useSuspenseQuery } from "@tanstack/react-query";
import type { LoginSession } from "@wharf/client";
import { maxPageLength, wharf } from "../api/index.ts";
import { ConfirmButton, Moment, Row, Rows, Section, useChange } from "../settings/index.ts";
import { visible } from "../text/index.ts";
import { formatUserAgent } from "./user-agent.ts";

const sessionsQuery = queryOptions({
  queryKey: ["me", "sessions"],
  queryFn: ({ signal }) => Array.fromAsync(wharf.me.iterateSessions({ limit: maxPageLength }, { signal })),
});

const methods: Readonly<Record<LoginSession["method"], string>> = {
  password: "with a password",
  link: "with a link",
  invitation: "with an invitation",
  oidc: "with the login provider",
  passkey: "with a passkey",
  device: "confirmed in a browser",
};

/** Where the person is logged in. */
export function Sessions() {
  const { data: sessions } = useSuspenseQuery(sessionsQuery);
  const change = useChange(sessionsQuery.queryKey);
  const others = sessions.filter(({ is_current }) => !is_current);
  const end = (id: string) => change(() => wharf.me.endSession(id), { done: "The login was ended." });
  const endOthers = () => change(() => wharf.me.endSessions(), { done: "All other logins were ended." });
  return (
    <Section title="Logins" hint="Browsers and programs in which you are logged in.">
      <Rows label="Logins" empty="You are logged in nowhere.">
        {sessions.map((session) => (
          <Row
            key={session.id}
            name={describe(session)}
            badge={session.is_current ? "this one" : undefined}
            details={
              <>
                {formatUserAgent(session.user_agent)} · used <Moment timestamp={session.used_at} /> · ends{" "}
                <Moment timestamp={session.expires_at} />
              </>
            }
          >
            {session.is_current ? (
              <form method="post" action="/logout">
                <button>Log out</button>
              </form>
            ) : (
              <ConfirmButton
                label="End"
                subject={describe(session)}
                title="End this login?"
                run={() => end(session.id)}
              >
                <p>Whoever uses it has to log in again, and what is open there ends.</p>
              </ConfirmButton>
            )}
          </Row>
        ))}
      </Rows>
      {others.length > 0 && (
        <div>
          <ConfirmButton label="End all other logins" title={`End ${others.length} logins?`} run={endOthers}>
            <p>Only this browser stays logged in. Access tokens keep working.</p>
          </ConfirmButton>
        </div>
      )}
    </Section>
  );
}

const describe = ({ kind, address, method }: LoginSession): string =>
  `${kind === "browser" ? "Browser" : "Program"} at ${visible(address)}, ${methods[method]}`;
