import type { AccessToken } from "@wharf/client";
import { wharf } from "../api/index.ts";
import { ConfirmButton, Moment, Row, Rows, useChange } from "../settings/index.ts";
import { visible } from "../text/index.ts";
import { tokensQuery } from "./token-queries.ts";

interface TokenListProps {
  readonly tokens: readonly AccessToken[];
  /** Names the owner of each token. */
  readonly withOwner?: boolean;
}

export function TokenList({ tokens, withOwner = false }: TokenListProps) {
  const change = useChange(tokensQuery.queryKey);
  return (
    <Rows label="Tokens" empty="There are no tokens.">
      {tokens.map((token) => (
        <Row
          key={token.id}
          name={visible(withOwner ? `${token.name} of ${token.username}` : token.name)}
          badge={`…${token.hint}`}
          details={<TokenDetails token={token} />}
        >
          <ConfirmButton
            label="Revoke"
            subject={visible(token.name)}
            title={`Revoke the token ${visible(token.name)}?`}
            run={() => change(() => wharf.tokens.revokeAccessToken(token.id), { done: "The token was revoked." })}
          >
            <p>Programs that use it are refused from now on, and their open streams end. The token never comes back.</p>
          </ConfirmButton>
        </Row>
      ))}
    </Rows>
  );
}

function TokenDetails({ token }: { token: AccessToken }) {
  const { permissions, expires_at, last_used_at } = token;
  return (
    <>
      {permissions === undefined ? "everything that its user may do" : permissions.join(", ")}
      {" · "}
      {last_used_at === undefined ? (
        "never used"
      ) : (
        <>
          used <Moment timestamp={last_used_at} />
        </>
      )}
      {" · "}
      {expires_at === undefined ? (
        "does not expire"
      ) : (
        <>
          expires <Moment timestamp={expires_at} />
        </>
      )}
    </>
  );
}
