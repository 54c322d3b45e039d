export { NotificationChoice } from "./notification-choice.tsx";
export { TaskNotifications } from "./task-notifications.tsx";
