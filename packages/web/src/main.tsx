import "./zod-without-eval.ts"; // before any schema is created
import "@fontsource-variable/inter/wght.css";
import "@fontsource-variable/jetbrains-mono/wght.css";
import "./styles/tokens.css";
import "./styles/base.css";
import { CSPProvider } from "@base-ui/react/csp-provider";
import { QueryClientProvider } from "@tanstack/react-query";
import { RouterProvider } from "@tanstack/react-router";
import { StrictMode } from "react";
import { createRoot } from "react-dom/client";
import { connections } from "./api/index.ts";
import { queryClient } from "./query-client.ts";
import { router } from "./router.tsx";

// A new version of the server has other files. Without a connection a reload would lose the page.
window.addEventListener("vite:preloadError", () => {
  if (connections.getState() === "live") window.location.reload();
});

const root = document.getElementById("root");
if (!root) throw new Error("the document has no element for the page");
createRoot(root).render(
  <StrictMode>
    <CSPProvider disableStyleElements>
      <QueryClientProvider client={queryClient}>
        <RouterProvider router={router} />
      </QueryClientProvider>
    </CSPProvider>
  </StrictMode>,
);
