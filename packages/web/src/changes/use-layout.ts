import { useState } from "react";
import { useWide } from "../styles/use-wide.ts";

export type Layout = "unified" | "split";
const storageKey = "wharf:diff-layout";

/** How the person wants to read changes. A phone has no room for two sides. */
export function useLayout(): [Layout, (layout: Layout) => void] {
  const isWide = useWide();
  const [chosen, setChosen] = useState<Layout>(() => {
    try {
      return localStorage.getItem(storageKey) === "split" ? "split" : "unified";
    } catch {
      return "unified"; // a browser may refuse storage
    }
  });
  const choose = (layout: Layout) => {
    setChosen(layout);
    try {
      localStorage.setItem(storageKey, layout);
    } catch {
      // The choice lives as long as the page.
    }
  };
  return [isWide ? chosen : "unified", choose];
}
