/** A backup that takes the workspace's place: the window waits for it, and begins anew. */
import { backend } from "./backend/backend";

let isReopening = $state(false);

async function beginAnew(): Promise<void> {
  isReopening = true;
  // The core answers again once the workspace is open; where it cannot be opened, the page says why after it has loaded.
  await backend.call("app_state", {}).catch(() => undefined);
  window.location.hash = "#/";
  window.location.reload();
}

export const reopening = {
  get now(): boolean {
    return isReopening;
  },
  /** Follows the core's events. Called by the frame. */
  follow(): () => void {
    return backend.onEvent((event) => {
      if ("reopen" in event && !isReopening) void beginAnew();
    });
  },
  /** For a workspace that could not be opened, whose core tells no events. */
  begin(): void {
    void beginAnew();
  },
};
