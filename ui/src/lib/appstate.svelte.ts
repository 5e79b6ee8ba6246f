/** What the frame knows of the workspace; views may use it too. */
import type { AppState, ListenerStatus } from "$lib/bindings/api";
import { useQuery, type Query } from "./query.svelte";

export function useAppState(): Query<AppState> {
  return useQuery("app_state", () => ({}));
}

export function useReach(): Query<ListenerStatus> {
  return useQuery("listener_status", () => ({}));
}
