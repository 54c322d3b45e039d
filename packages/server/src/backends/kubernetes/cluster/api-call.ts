/**
 * Describes a request to the API in terms of its access rules: the verb, the resource and the
 * namespace.
 */
export interface ApiCall {
  readonly verb: string;
  /** Empty means the core group. */
  readonly group: string;
  /** Includes the subresource, as rules name it: `pods/exec`. */
  readonly resource: string;
  readonly namespace?: string;
  readonly name?: string;
}

const verbs: Readonly<Record<string, string>> = { POST: "create", PUT: "update", PATCH: "patch", DELETE: "delete" };

export function parseApiCall(method: string, address: string): ApiCall {
  const { pathname, searchParams } = new URL(address);
  const parts = pathname.split("/").filter(Boolean).map(decodeURIComponent);
  // /api/v1/… is the core group; /apis/<group>/<version>/… are the others.
  const isCore = parts[0] === "api";
  const path = parts.slice(isCore ? 2 : 3);
  const namespace = path[0] === "namespaces" && path.length > 2 ? path[1] : undefined;
  const [kind = "", name, ...sub] = namespace === undefined ? path : path.slice(2);
  // Access rules treat everything behind a proxy as one subresource.
  const subresource = sub[0];
  const reading = name === undefined ? "list" : "get";
  const verb = verbs[method] ?? (searchParams.get("watch") === "true" ? "watch" : reading);
  return {
    verb,
    group: isCore ? "" : (parts[1] ?? ""),
    resource: subresource === undefined ? kind : `${kind}/${subresource}`,
    ...(namespace !== undefined && { namespace }),
    ...(name !== undefined && { name }),
  };
}
