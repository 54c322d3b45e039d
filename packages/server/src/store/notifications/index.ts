/** What changed in one process, told to the others on the database. */
export { Notifications } from "./notifications.ts";
