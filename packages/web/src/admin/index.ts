/** The pages themselves are loaded when they are opened. */
export { AdminSearch } from "./admin-search.ts";
export { listAdminSections } from "./admin-sections.ts";
