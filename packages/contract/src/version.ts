import manifest from "../../../package.json" with { type: "json" };

/** Wharf's version. The workspace's package.json is the only place where it is written; `npm run release` changes it there. */
export const { version } = manifest;
