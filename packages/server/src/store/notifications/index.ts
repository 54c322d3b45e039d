/** Changes in one process, published to the others on the database. */
export { Notifications } from "./notifications.ts";
export { Wakeup } from "./wakeup.ts";
