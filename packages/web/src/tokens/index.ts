export { TokenForm } from "./token-form.tsx";
export { TokenList } from "./token-list.tsx";
export { tokensQuery } from "./token-queries.ts";
